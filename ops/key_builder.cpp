#include "ops/key_builder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <utility>

#include "link/postgres/names.hpp"

namespace lockstep::ops {

namespace {

constexpr std::int64_t kLargeRows = 50'000;  // below, one transaction for everything is quicker

// How long an index takes, roughly: text is compared much more slowly than numbers.
double weight_of(const std::string& sql, const TablePlan& plan, std::int64_t rows) {
  double columns = 1;
  for (std::size_t i = 0; i < plan.types.size(); ++i) {
    const std::string name = postgres::quoted(plan.target_column(i));
    if (plan.types[i] == ColumnType::text && sql.find(name) != std::string::npos) columns += 1;
  }
  return static_cast<double>(rows) * columns;
}

// The commit need not wait for the disk: nothing is acked for an index, and the ledger's next
// commit, which says that it is there, comes later in the same log and does wait.
void build_index(postgres::Connection& session, const std::string& sql) {
  session.exec(
      "BEGIN; SET LOCAL max_parallel_maintenance_workers TO 0; SET LOCAL synchronous_commit TO "
      "off");
  try {
    session.exec(sql);
    session.exec("COMMIT");
  } catch (...) {
    session.abort();
    throw;
  }
}

}  // namespace

KeyBuilder::KeyBuilder(std::string migration, std::string schema, Board& board)
    : migration_(std::move(migration)), schema_(std::move(schema)), board_(board) {}

// A run that was killed in between may have built some. Not IF NOT EXISTS: the same name on another
// table must be an error.
void KeyBuilder::look(postgres::Connection& connection, Table& table,
                      const std::vector<TablePlan>& plans) const {
  const std::string name = postgres::qualified(schema_, table.ledger->plan.target_name());
  table.keys = apply::key_statements(schema_, table.ledger->plan, plans);
  // The second session of a killed run may still be building: its lock conflicts with this one, so
  // what is seen after it is final. (The server ends such a session within
  // client_connection_check_interval.)
  connection.exec(fmt::format("BEGIN; LOCK TABLE {} IN SHARE UPDATE EXCLUSIVE MODE; COMMIT", name));
  for (const apply::IndexStatement& index : table.keys.indexes) {
    const postgres::Result built = connection.query(
        "SELECT 1 FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid WHERE c.relname = "
        "$1 AND i.indrelid = to_regclass($2)",
        {index.name, name});
    if (built.rows() == 0) table.missing.push_back(index.sql);
  }
}

void KeyBuilder::plan_steps() {
  for (Table& table : tables_) {
    const std::int64_t rows = table.ledger->rows;
    if (rows < kLargeRows || table.missing.empty()) {
      steps_.push_back({&table, 0, true, static_cast<double>(rows)});
      continue;
    }
    table.left = table.missing.size();
    for (std::size_t i = 0; i < table.missing.size(); ++i)
      steps_.push_back({&table, i, false, weight_of(table.missing[i], table.ledger->plan, rows)});
  }
  // The longest first, so that the two sessions end at about the same time.
  std::stable_sort(steps_.begin(), steps_.end(),
                   [](const Step& a, const Step& b) { return a.weight < b.weight; });
}

void KeyBuilder::build(postgres::Connection& connection, std::vector<apply::LedgerTable>& tables,
                       const std::stop_token& stop) {
  tables_.clear();
  steps_.clear();
  std::vector<TablePlan> plans;
  for (const apply::LedgerTable& table : tables) plans.push_back(table.plan);
  for (apply::LedgerTable& table : tables) {
    if (table.indexed) continue;
    tables_.push_back({&table, {}, {}, 0});
    look(connection, tables_.back(), plans);
  }
  plan_steps();
  if (steps_.size() < 2) return work(connection, stop);
  {
    postgres::Connection fresh = postgres::Connection::open(connection.dsn(), "index");
    const std::lock_guard lock(mutex_);
    second_.emplace(std::move(fresh));
  }
  std::future<void> beside = std::async(std::launch::async, [&] { work(*second_, stop); });
  try {
    work(connection, stop);
  } catch (...) {
    cancel();
    beside.wait();
    throw;
  }
  beside.get();
  const std::lock_guard lock(mutex_);
  second_.reset();
}

void KeyBuilder::cancel() {
  const std::lock_guard lock(mutex_);
  if (second_) second_->cancel();
}

std::optional<KeyBuilder::Step> KeyBuilder::next_step() {
  const std::lock_guard lock(mutex_);
  if (steps_.empty()) return std::nullopt;
  const Step step = steps_.back();
  steps_.pop_back();
  return step;
}

void KeyBuilder::work(postgres::Connection& session, const std::stop_token& stop) {
  try {
    while (!stop.stop_requested()) {
      const std::optional<Step> step = next_step();
      if (!step) return;
      run(session, *step);
    }
  } catch (...) {
    const std::lock_guard lock(mutex_);
    steps_.clear();  // the other session need not go on
    throw;
  }
}

void KeyBuilder::run(postgres::Connection& session, const Step& step) {
  board_.table_indexing(step.table->ledger->plan.id);
  if (step.whole) return finish(session, *step.table, true);
  build_index(session, step.table->missing[step.index]);
  bool last = false;
  {
    const std::lock_guard lock(mutex_);
    last = --step.table->left == 0;
  }
  if (last) finish(session, *step.table, false);
}

void KeyBuilder::finish(postgres::Connection& session, Table& table, bool with_indexes) {
  const TablePlan& plan = table.ledger->plan;
  session.exec("BEGIN");
  try {
    if (with_indexes)
      for (const std::string& sql : table.missing) session.exec(sql);
    for (const std::string& sql : table.keys.constraints) session.exec(sql);
    const std::string name = postgres::qualified(schema_, plan.target_name());
    for (const apply::CheckSql& check : table.keys.checks)
      if (!apply::add_check(session, name, check)) {
        apply::Told told = apply::broken_check(plan.name(), name, check);
        board_.schema_note({told.code, told.table, std::move(told.what)});
      }
    if (const std::string sql = apply::sequence_sql(schema_, plan); !sql.empty()) session.exec(sql);
    apply::mark_indexed(session, migration_, plan.id);
    session.exec("ANALYZE " + postgres::qualified(schema_, plan.target_name()));
  } catch (...) {
    session.abort();
    throw;
  }
  if (session.commit() != postgres::CommitOutcome::committed)
    throw Error({.code = "LS-T212",
                 .exit = ExitCode::unreachable,
                 .what = fmt::format("keys of {} may or may not be on the target", plan.name()),
                 .why = "the connection ended while the commit was on its way",
                 .data = "safe: the ledger says which are done, and is read before going on",
                 .todo = "nothing; lockstep connects again by itself",
                 .retry = Retry::new_session});
  table.ledger->indexed = true;
  board_.table_indexed(plan.id);
}

}  // namespace lockstep::ops
