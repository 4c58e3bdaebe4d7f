#include "ops/index_builder.hpp"

#include <atomic>
#include <future>

namespace lockstep::ops {

namespace {

// Two sorts at once use the cores that workers of one would. The commit need not wait for the disk:
// nothing is acked for it, and the ledger's next commit, which says that this index is there, comes
// later in the same log and does wait.
void build_one(postgres::Connection& session, const std::string& statement) {
  session.exec(
      "BEGIN; SET LOCAL max_parallel_maintenance_workers TO 0; SET LOCAL synchronous_commit TO "
      "off");
  try {
    session.exec(statement);
    session.exec("COMMIT");
  } catch (...) {
    session.abort();
    throw;
  }
}

}  // namespace

postgres::Connection& IndexBuilder::helper(const postgres::Dsn& dsn) {
  if (!helper_ || !helper_->alive()) {
    postgres::Connection fresh = postgres::Connection::open(dsn, "index");
    const std::lock_guard lock(mutex_);
    helper_.emplace(std::move(fresh));
  }
  return *helper_;
}

void IndexBuilder::build(postgres::Connection& connection,
                         const std::vector<std::string>& statements) {
  std::atomic<std::size_t> next{0};
  const auto work = [&](postgres::Connection& session) {
    try {
      for (std::size_t at = next++; at < statements.size(); at = next++)
        build_one(session, statements[at]);
    } catch (...) {
      next = statements.size();  // the other session need not go on
      throw;
    }
  };
  if (statements.size() < 2) {
    work(connection);
    return;
  }
  postgres::Connection& second = helper(connection.dsn());
  std::future<void> beside = std::async(std::launch::async, [&] { work(second); });
  work(connection);
  beside.get();
}

void IndexBuilder::close() {
  const std::lock_guard lock(mutex_);
  helper_.reset();
}

void IndexBuilder::cancel() {
  const std::lock_guard lock(mutex_);
  if (helper_) helper_->cancel();
}

}  // namespace lockstep::ops
