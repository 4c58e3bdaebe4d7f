#include "switchover/reverse_feed.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "apply/quarantine.hpp"
#include "link/postgres/copy.hpp"
#include "link/postgres/identity.hpp"
#include "link/postgres/names.hpp"
#include "link/sqlite/replica.hpp"
#include "link/sqlite/statement.hpp"
#include "model/failpoint.hpp"
#include "switchover/reverse_columns.hpp"
#include "switchover/reverse_errors.hpp"
#include "switchover/reverse_rows.hpp"
#include "switchover/reverse_watch.hpp"
#include "switchover/rowids.hpp"

namespace lockstep::switchover {

namespace {

using postgres::Connection;
using postgres::Result;

constexpr int kAttemptsMax = 20;
/// Up to so many log rows each row is looked up by its key, whatever the planner believes.
constexpr std::int64_t kLookupsMax = 20'000;

std::string text_or_empty(const Result& result, int row, int column) {
  return result.is_null(row, column) ? std::string() : std::string(result.value(row, column));
}

}  // namespace

ReverseFeed::ReverseFeed(Connection& reading, sqlite::Database& writing, std::string migration,
                         std::string schema, std::vector<TablePlan> plans)
    : reading_(reading),
      writing_(writing),
      migration_(std::move(migration)),
      schema_(std::move(schema)),
      plans_(std::move(plans)) {
  sqlite::become_replica_writer(writing_);
}

ReverseRound ReverseFeed::round() {
  return run(std::nullopt);
}

ReverseRound ReverseFeed::run(const std::optional<Kept>& view) {
  check(!view_open_, "a view is ended before the next round");
  try {
    for (int i = 0; i < kAttemptsMax; ++i)
      if (auto done = attempt(view)) return *std::move(done);
  } catch (...) {
    reading_.abort();
    due_.reset();
    writers_.clear();  // a statement that was stepped keeps its transaction
    throw;
  }
  throw others_are_quicker(kAttemptsMax);
}

// Nothing: it has to begin again, because somebody else moved the position, or an earlier round had
// to be acknowledged first.
std::optional<ReverseRound> ReverseFeed::attempt(const std::optional<Kept>& view) {
  const SqliteEnd before = sqlite_end();
  check_server(before);
  begin_reading(view);
  const PostgresEnd there = postgres_end();
  const SqliteEnd here = sqlite_end();
  // Another feed moved it meanwhile: beside an older view of PostgreSQL that looks like another
  // history (tests/model/cutover.pml, M_REV_POS_LATE).
  if (here.position != before.position || here.role != before.role) {
    reading_.abort();
    return std::nullopt;
  }
  std::string why;
  switch (next_step(there, here, why)) {
    case NextStep::wait:
      throw no_way_back_now(why);
    case NextStep::halt:
      throw another_history(why, here.position, there.position);
    case NextStep::acknowledge:
      reading_.abort();
      acknowledge({there.position, here.position, stored_snapshot(here).value().snapshot});
      return std::nullopt;
    case NextStep::go_on:
      break;
  }
  if (!read_touched()) {
    reading_.abort();
    return std::nullopt;
  }
  if (!rowids_serve()) {
    reading_.abort();
    log_renumbered();
    return std::nullopt;
  }
  LOCKSTEP_FAILPOINT("rev.read");
  ReverseRound round{.position = there.position};
  if (!touched_.empty() && !write(there, round)) {
    reading_.abort();
    return std::nullopt;
  }
  view_open_ = true;
  if (!view) end_view();
  return round;
}

// ALTER TABLE and TRUNCATE do not wait for a snapshot: an older one then sees an empty table. So
// the tables are locked as every reader locks them, and the snapshot is taken after that.
void ReverseFeed::begin_reading(const std::optional<Kept>& view) {
  const Result rows = reading_.query(
      "SELECT c.tbl, count(*), EXISTS (SELECT FROM lockstep.ledger_tables AS t WHERE t.migration = "
      "$1 AND t.id = c.tbl) FROM lockstep.changes AS c WHERE c.migration = $1 GROUP BY c.tbl",
      {migration_});
  left_logged_ = false;
  locked_.clear();
  kept_.clear();
  std::vector<std::string> touched;
  std::int64_t changes = 0;
  for (int row = 0; row < rows.rows(); ++row) {
    if (!rows.boolean(row, 2)) {  // it left the migration, and its triggers could not be taken off
      left_logged_ = true;
      continue;
    }
    const TablePlan& plan = plan_of(static_cast<std::uint32_t>(rows.integer(row, 0)));
    locked_.insert(plan.id);
    touched.push_back(postgres::qualified(schema_, plan.target_name()));
    changes += rows.integer(row, 1);
  }
  if (view)
    for (const std::uint32_t table : view->tables) {
      locked_.insert(table);
      kept_.push_back(postgres::qualified(schema_, plan_of(table).target_name()));
    }
  std::string sql =
      "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL lock_timeout = 1000";
  sql += changes <= kLookupsMax
             ? "; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"
             : "; SET LOCAL jit = off";
  const auto lock = [&](const std::vector<std::string>& tables, const char* how) {
    if (!tables.empty())
      sql += fmt::format("; LOCK TABLE {} IN ACCESS SHARE MODE{}", fmt::join(tables, ", "), how);
  };
  lock(touched, "");
  lock(kept_, view && !view->patient ? " NOWAIT" : "");
  try {
    reading_.exec(sql);
  } catch (const Error& error) {
    if (error.foreign() != "55P03") throw;
    throw table_is_locked(error.facts().why);
  }
}

PostgresEnd ReverseFeed::postgres_end() {
  const Result row = reading_.query(
      "SELECT role, reverse_era, reverse_number, reverse_identity, "
      "pg_catalog.pg_current_snapshot()::text, pg_catalog.pg_is_in_recovery() FROM "
      "lockstep.ledger WHERE migration = $1",
      {migration_});
  if (row.rows() == 0) throw no_way_back_now("PostgreSQL has no ledger of this migration");
  if (row.boolean(0, 5)) throw no_way_back_now("the server is a standby: only a primary knows");
  PostgresEnd end{std::string(row.value(0, 0)), {}, std::string(row.value(0, 4))};
  end.position.era = text_or_empty(row, 0, 1);
  if (!row.is_null(0, 2)) end.position.number = row.integer(0, 2);
  if (!row.is_null(0, 3)) end.position.identity = row.integer(0, 3);
  return end;
}

SqliteEnd ReverseFeed::sqlite_end() {
  sqlite::Statement row(
      writing_,
      "SELECT role, reverse_era, reverse_number, reverse_identity, "
      "reverse_snapshot, reverse_target FROM main._lockstep_switch WHERE one = 1");
  if (!row.step()) throw no_way_back_now("SQLite has no role in this migration");
  const auto text = [&](int column) {
    return row.is_null(column) ? std::string() : row.text(column);
  };
  return {.role = text(0),
          .position = {text(1), row.is_null(2) ? 0 : row.integer(2),
                       row.is_null(3) ? 0 : row.integer(3)},
          .snapshot = text(4),
          .target = text(5)};
}

// A promoted standby may lack commits that SQLite has; positions alone cannot tell when these
// touched nothing that was acknowledged.
void ReverseFeed::check_server(const SqliteEnd& here) {
  if (server_pid_ != reading_.backend_pid()) {
    server_ = postgres::read_identity(reading_);
    server_pid_ = reading_.backend_pid();
    touched_rows_sql_.clear();
  }
  if (!server_ || !stored_snapshot(here)) return;
  const auto known = parse_target_identity(here.target);
  if (known && kinship(*known, *server_) != Kinship::same) throw another_server(*known, *server_);
}

// A key with NULL in it, which no join finds, has the table read anew: is there such a row still?
// False: a table was touched between the locks and the snapshot.
bool ReverseFeed::read_touched() {
  const Result rows = reading_.query(
      "SELECT tbl, count(*), pg_catalog.bool_or(key IS NULL OR "
      "pg_catalog.array_position(key, NULL::text) IS NOT NULL), "
      "pg_catalog.pg_current_wal_insert_lsn()::text FROM lockstep.changes AS c WHERE migration = "
      "$1 AND EXISTS (SELECT FROM lockstep.ledger_tables AS t WHERE t.migration = $1 AND t.id = "
      "c.tbl) GROUP BY tbl ORDER BY tbl",
      {migration_});
  touched_.clear();
  for (int row = 0; row < rows.rows(); ++row) {
    const TablePlan& plan = plan_of(static_cast<std::uint32_t>(rows.integer(row, 0)));
    if (!locked_.contains(plan.id)) return false;
    touched_[plan.id] = {rows.integer(row, 1), rows.boolean(row, 2)};
    written_up_to_ = rows.value(row, 3);
  }
  if (touched_.empty()) return true;
  check_tables();
  return true;
}

// Rows of a new partition are logged, and its TRUNCATE is not: SQLite gets none of them before the
// triggers are whole.
void ReverseFeed::check_tables() {
  std::vector<const TablePlan*> plans;
  for (const auto& [table, touched] : touched_) plans.push_back(&plan_of(table));
  const auto moved = moved_tables(reading_, migration_, schema_, plans, false);
  if (!moved.empty()) throw tables_moved(moved);
  const auto changes = column_changes(reading_, schema_, plans);
  if (!changes.empty()) throw columns_changed(sentences(changes));
  for (const TablePlan* const plan : plans)
    if (!touched_rows_sql_.contains(plan->id))
      touched_rows_sql_[plan->id] =
          touched_rows_sql(migration_, schema_, *plan, key_collations(reading_, schema_, *plan));
}

bool ReverseFeed::write(const PostgresEnd& there, ReverseRound& round) {
  sqlite::Transaction transaction(writing_, sqlite::Transaction::Mode::immediate);
  std::string why;
  if (next_step(there, sqlite_end(), why) != NextStep::go_on) return false;
  if (!rowids_serve()) return false;
  LOCKSTEP_FAILPOINT("rev.begun");
  if (const std::int64_t version = writing_.pragma_int("schema_version");
      version != schema_version_) {
    writers_.clear();
    schema_version_ = version;
  }
  refused_ = {};
  for (const auto& [table, touched] : touched_) write_table(plan_of(table), touched, round);
  if (!refused_.empty()) throw refused_.error();
  sqlite::Statement random(writing_, "SELECT random()");
  check(random.step(), "SQLite gives a random number");
  ReversePosition to{there.position.era, there.position.number + 1, random.integer(0)};
  random.reset();
  if (!renumbered().empty()) record_rowids(writing_);
  if (!move_position(there.position, to, there.snapshot)) return false;
  wait_for_flush();
  LOCKSTEP_FAILPOINT("rev.written");
  transaction.commit();
  LOCKSTEP_FAILPOINT("rev.committed");
  due_ = Acknowledgement{there.position, to, there.snapshot};
  round.anything = true;
  round.position = to;
  return true;
}

void ReverseFeed::write_table(const TablePlan& plan, const Touched& touched, ReverseRound& round) {
  try {
    static_cast<void>(writer_of(plan));
  } catch (const Error& error) {
    if (error.code() != "LS-X606") throw;
    refused_.add(plan.name(), error);
    return;
  }
  SqliteWriter& writer = writer_of(plan);
  const std::int64_t before = writer.written(), keys = round.keys;
  std::int64_t undone = 0;
  const RefusedRows others = refused_;  // of other tables
  writing_.exec("SAVEPOINT lockstep_table");
  if (!pass(writer, SqliteWriter::Pass::upsert, plan, touched, round)) {
    writing_.exec("ROLLBACK TO lockstep_table");
    undone = writer.written() - before;
    refused_ = others;
    check(pass(writer, SqliteWriter::Pass::take_out, plan, touched, round),
          "taking rows out meets no unique value");
    refused_ = others;
    round.keys = keys;
    check(pass(writer, SqliteWriter::Pass::put_back, plan, touched, round),
          "a unique value that is taken now is refused by name");
  }
  writing_.exec("RELEASE lockstep_table");
  round.rows += writer.written() - before - undone;
}

// False: a unique value is taken. The rest of the rows is read all the same: a COPY that is cut off
// would take the transaction with it.
bool ReverseFeed::pass(SqliteWriter& writer, SqliteWriter::Pass pass, const TablePlan& plan,
                       const Touched& touched, ReverseRound& round) {
  const std::size_t keys = plan.shape.key.size();
  writer.begin(pass);
  if (touched.whole)
    writer.begin_whole(!apply::read_quarantined_keys(reading_, migration_, plan.id).empty());
  postgres::CopyOut rows(
      reading_, touched.whole ? all_rows_sql(schema_, plan) : touched_rows_sql_.at(plan.id));
  std::vector<Field> fields;
  bool conflict = false;
  while (rows.next(fields)) {
    if (conflict) continue;
    ++round.keys;
    for (const Field& field : fields)
      if (field) round.bytes += static_cast<std::int64_t>(field->size());
    const Fields all(fields);
    const bool there = fields[0] == "\1";
    try {
      writer.touched(all.subspan(1, keys), there ? all.subspan(1 + keys) : Fields());
    } catch (const RowRefused& refused) {
      refused_.add(refused);  // the round is lost, and goes on to count the others
    } catch (const Error& error) {
      if (pass != SqliteWriter::Pass::upsert || !sqlite::is_unique_conflict(error)) throw;
      conflict = true;
    }
  }
  if (!conflict && touched.whole) writer.end_whole();
  return !conflict;
}

bool ReverseFeed::move_position(const ReversePosition& from, const ReversePosition& to,
                                const std::string& snapshot) {
  sqlite::Statement move(
      writing_,
      "UPDATE main._lockstep_switch SET reverse_number = ?1, reverse_identity = ?2, "
      "reverse_snapshot = ?3, reverse_target = ?4 WHERE one = 1 AND role = 'replica' AND "
      "reverse_era = ?5 AND reverse_number = ?6 AND reverse_identity = ?7");
  const std::string stored = to_string(StoredSnapshot{from.identity, to.identity, snapshot});
  const std::string server = server_ ? to_string(*server_) : std::string();
  move.bind(1, to.number).bind(2, to.identity).bind(3, std::string_view(stored));
  move.bind(4, std::string_view(server)).bind(5, std::string_view(from.era));
  move.bind(6, from.number).bind(7, from.identity).run();
  return writing_.changes() == 1;
}

// With synchronous_commit=off the application's commits can be seen before they are on disk: SQLite
// would be ahead after a crash. A commit of ours that waits, waits for theirs, at standbys as well.
void ReverseFeed::wait_for_flush() {
  const bool behind = reading_
                          .query(
                              "SELECT pg_catalog.pg_current_wal_flush_lsn() < $1::pg_lsn OR "
                              "pg_catalog.current_setting('synchronous_standby_names') <> ''",
                              {written_up_to_})
                          .boolean(0, 0);
  if (!behind) return;
  if (!flushing_ || !flushing_->alive())
    flushing_ = Connection::open(reading_.dsn(), "reverse flush");
  flushing_->query(
      "UPDATE lockstep.ledger SET updated = pg_catalog.clock_timestamp() WHERE migration = $1",
      {migration_});
}

const TablePlan& ReverseFeed::plan_of(std::uint32_t table) const {
  for (const TablePlan& plan : plans_)
    if (plan.id == table) return plan;
  throw columns_changed({fmt::format("table number {} is logged, and no plan knows it", table)});
}

SqliteWriter& ReverseFeed::writer_of(const TablePlan& plan) {
  const auto found = writers_.find(plan.id);
  if (found != writers_.end()) return found->second;
  return writers_.try_emplace(plan.id, writing_, plan).first->second;
}

}  // namespace lockstep::switchover
