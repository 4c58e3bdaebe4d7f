#include "tests/support/state_reader.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <cstring>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

namespace lockstep::test {
namespace {

struct Finish {
  void operator()(PGconn* connection) const noexcept { PQfinish(connection); }
};
struct Clear {
  void operator()(PGresult* result) const noexcept { PQclear(result); }
};

/// What one look found; nothing: the state is not consistent yet.
struct Look {
  std::int64_t seq = 0;
  std::string complaint;
};

class Eye {
 public:
  Eye(std::string dsn, std::string sql) : dsn_(std::move(dsn)), sql_(std::move(sql)) {}

  std::optional<Look> look() {
    error_.clear();
    state_.clear();
    if (!connection_) connection_.reset(PQconnectdb(dsn_.c_str()));
    if (PQstatus(connection_.get()) != CONNECTION_OK) return failed("");
    const std::unique_ptr<PGresult, Clear> result{PQexec(connection_.get(), sql_.c_str())};
    if (PQresultStatus(result.get()) != PGRES_TUPLES_OK) {
      const char* state = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
      return failed(state == nullptr ? "" : state);
    }
    if (PQntuples(result.get()) == 0 || PQgetisnull(result.get(), 0, 1) != 0) return std::nullopt;
    return Look{std::stoll(PQgetvalue(result.get(), 0, 0)), PQgetvalue(result.get(), 0, 1)};
  }

  [[nodiscard]] const std::string& error() const { return error_; }
  /// True if the statement does not fit the schema: a table or column is not there.
  [[nodiscard]] bool nothing_there() const { return state_.starts_with("42"); }

 private:
  std::optional<Look> failed(std::string_view state) {
    state_ = state;
    error_ = PQerrorMessage(connection_.get());
    if (error_.empty()) error_ = "no answer";
    if (PQstatus(connection_.get()) != CONNECTION_OK) connection_.reset();
    return std::nullopt;
  }

  std::string dsn_, sql_, state_, error_;
  std::unique_ptr<PGconn, Finish> connection_;
};

}  // namespace

StateReader::StateReader(std::string dsn, std::string complaint, std::chrono::milliseconds pause)
    : dsn_(std::move(dsn)),
      sql_("SELECT l.seq, CASE WHEN l.consistent THEN (" + complaint +
           ") END FROM lockstep.ledger AS l"),
      pause_(pause),
      thread_([this] { work(); }) {}

StateReader::~StateReader() {
  end_ = true;
  if (thread_.joinable()) thread_.join();
}

StateReader::Report StateReader::so_far() const {
  const std::lock_guard lock{mutex_};
  return report_;
}

StateReader::Report StateReader::finish() {
  end_ = true;
  if (thread_.joinable()) thread_.join();
  return so_far();
}

void StateReader::work() {
  Eye eye{dsn_, sql_};
  std::optional<std::int64_t> seq;
  const auto judge = [&](const std::optional<Look>& look) {
    const std::lock_guard lock{mutex_};
    const auto violation = [&](const std::string& text) {
      if (report_.violations++ == 0) report_.first_violation = text;
    };
    if (!look) {
      if (!seq) return;
      if (eye.error().empty()) return violation("the ledger no longer says consistent");
      if (eye.nothing_there()) return violation(eye.error());
      ++report_.errors;
      report_.last_error = eye.error();
      return;
    }
    ++report_.looks;
    if (look->seq != seq) ++report_.states;
    if (seq && look->seq < *seq) violation(fmt::format("after seq {} came {}", *seq, look->seq));
    seq = look->seq;
    if (!look->complaint.empty()) violation(fmt::format("at seq {}: {}", *seq, look->complaint));
  };
  while (!end_) {
    judge(eye.look());
    std::this_thread::sleep_for(pause_);
  }
  judge(eye.look());
}

}  // namespace lockstep::test
