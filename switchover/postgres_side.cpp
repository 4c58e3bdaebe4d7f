#include "switchover/postgres_side.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "apply/switch_ledger.hpp"
#include "link/postgres/names.hpp"
#include "link/postgres/table_change.hpp"
#include "model/failpoint.hpp"
#include "switchover/control_rows.hpp"
#include "switchover/fence_sql.hpp"

namespace lockstep::switchover {

namespace {

using postgres::Connection;
using postgres::Result;

// Tables and partitions that others can be attached to.
constexpr char kPartitioned[] = R"(
SELECT pn.nspname, pc.relname FROM lockstep.ledger_tables AS t
JOIN pg_catalog.pg_namespace AS n ON n.nspname = $2
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = t.name AND c.relkind = 'p'
CROSS JOIN LATERAL pg_catalog.pg_partition_tree(c.oid) AS p
JOIN pg_catalog.pg_class AS pc ON pc.oid = p.relid AND pc.relkind = 'p'
JOIN pg_catalog.pg_namespace AS pn ON pn.oid = pc.relnamespace
WHERE t.migration = $1 ORDER BY 1, 2)";

}  // namespace

PostgresState read_postgres_side(Connection& connection, const std::string& migration) {
  const Result row = connection.query(
      "SELECT s.role, s.fence, s.attempt, s.decision, l.era, l.seq, l.identity, l.reverse_era, "
      "l.reverse_number, l.reverse_identity FROM lockstep.ledger AS l LEFT JOIN "
      "lockstep.switchover AS s USING (migration) WHERE l.migration = $1",
      {migration});
  if (row.rows() == 0)
    throw Error({.code = "LS-R712",
                 .exit = ExitCode::precondition,
                 .what = fmt::format("the target knows no migration {}", migration),
                 .why = "its ledger has no such row",
                 .data = "nothing was changed",
                 .todo = "lockstep run SOURCE TARGET starts one"});
  PostgresState state;
  if (!row.is_null(0, 0)) {
    const auto role = parse_role(row.value(0, 0));
    const auto decision = parse_decision(row.value(0, 3));
    check(role && decision, "CHECK constraints let no other words in");
    state.side = {*role, row.integer(0, 1), row.integer(0, 2), *decision};
  }
  if (!row.is_null(0, 4)) {
    const auto era = parse_era(row.value(0, 4));
    check(era.has_value(), "PostgreSQL prints a uuid as a UUID");
    state.applied = Position{*era, row.integer(0, 5), row.integer(0, 6)};
  }
  if (!row.is_null(0, 7))
    state.reverse =
        ReversePosition{std::string(row.value(0, 7)), row.integer(0, 8), row.integer(0, 9)};
  return state;
}

bool prepare_postgres(Connection& connection, const std::string& migration, std::int64_t attempt) {
  return change_rows(connection, migration,
                     {fmt::format("attempt = {0}, decision = 'pending' WHERE role = 'replica' AND "
                                  "decision <> 'pending' AND attempt < {0}",
                                  attempt),
                      "switching = true WHERE role = 'replica'"},
                     kRowPatience);
}

bool abort_postgres(Connection& connection, const std::string& migration, std::int64_t attempt) {
  if (change_rows(
          connection, migration,
          {fmt::format("decision = 'aborted' WHERE decision = 'pending' AND attempt = {}", attempt),
           "switching = false WHERE true"},
          kRowPatience))
    return true;
  const Side side = read_postgres_side(connection, migration).side;
  return side.attempt == attempt && side.decision == Decision::aborted;
}

WritersHeld::WritersHeld(Connection& connection, std::string migration, Milliseconds patience)
    : connection_(connection), migration_(std::move(migration)) {
  begin_control(connection_,
                patience + kIdleMax);  // no writer waits for longer, whatever becomes of us
  try {
    connection_.exec(fmt::format("SET LOCAL lock_timeout = {}; SELECT pg_advisory_xact_lock({})",
                                 std::max<std::int64_t>(patience.count(), 1),
                                 fence_lock(migration_)));
  } catch (const Error& error) {
    connection_.abort();
    if (error.foreign() != postgres::kLockNotGranted) throw;
    throw Error({.code = "LS-X604",
                 .exit = ExitCode::timed_out,
                 .what = fmt::format("a transaction on PostgreSQL did not end within {} ms, the "
                                     "pause budget",
                                     patience.count()),
                 .why = fence_holders(connection_, migration_),
                 .data = "nothing changed: the application goes on writing to PostgreSQL",
                 .todo = "end that transaction, or allow a longer pause: --max-pause 2s",
                 .foreign = error.foreign()});
  }
}

WritersHeld::~WritersHeld() {
  if (held_) connection_.abort();
}

void WritersHeld::keep_tables(const std::string& schema, const std::vector<TablePlan>& plans) {
  std::vector<std::string> names;
  for (const TablePlan& plan : plans)
    names.push_back(postgres::qualified(schema, plan.target_name()));
  if (names.empty()) return;
  try {
    connection_.exec(fmt::format("LOCK TABLE {} IN ROW EXCLUSIVE MODE", fmt::join(names, ", ")));
    // ATTACH PARTITION does not wait for that.
    const Result parents = connection_.query(kPartitioned, {migration_, schema});
    for (int row = 0; row < parents.rows(); ++row)
      connection_.exec(
          fmt::format("LOCK TABLE ONLY {} IN SHARE UPDATE EXCLUSIVE MODE",
                      postgres::qualified(parents.value(row, 0), parents.value(row, 1))));
  } catch (const Error& error) {
    constexpr std::string_view kDeadlock = "40P01";  // it waits for a writer that waits for us
    if (error.foreign() != postgres::kLockNotGranted && error.foreign() != kDeadlock) throw;
    throw Error({.code = "LS-X604",
                 .exit = ExitCode::timed_out,
                 .what = "a table on PostgreSQL is being altered, which did not end within the "
                         "pause budget",
                 .why = error.what(),
                 .data = "nothing changed: the application goes on writing to PostgreSQL",
                 .todo = "end what alters it, or try again behind it",
                 .foreign = error.foreign()});
  }
}

std::optional<ReversePosition> WritersHeld::drained() {
  const Result row = connection_.query(
      "SELECT reverse_era, reverse_number, reverse_identity FROM lockstep.ledger AS l WHERE "
      "migration = $1 AND role = 'primary' AND NOT EXISTS (SELECT FROM lockstep.changes AS c JOIN "
      "lockstep.ledger_tables AS t ON t.migration = c.migration AND t.id = c.tbl WHERE c.migration "
      "= l.migration)",
      {migration_});
  if (row.rows() == 0 || row.is_null(0, 0)) return std::nullopt;
  return ReversePosition{std::string(row.value(0, 0)), row.integer(0, 1), row.integer(0, 2)};
}

// A `ddl hold` opens the fence for a migration behind the switch; one from before it is over.
bool WritersHeld::fence(std::int64_t attempt) {
  const std::string ours = fmt::format(" AND migration = {}", postgres::literal(migration_));
  const auto asked = steady_now();
  bool both = false;
  try {
    both =
        connection_
                .exec(fmt::format("UPDATE lockstep.switchover SET updated = now(), fence = {0}, "
                                  "role = 'fenced' WHERE role <> 'replica' AND (fence < {0} OR "
                                  "(fence = {0} AND role = 'fenced')){1}",
                                  attempt, ours))
                .affected() == 1 &&
        connection_
                .exec(fmt::format("UPDATE lockstep.ledger SET role = 'fenced', guard_held = false "
                                  "WHERE role <> 'replica'{}",
                                  ours))
                .affected() == 1;
  } catch (const Error& error) {
    if (error.foreign() != postgres::kLockNotGranted) throw;
    connection_.abort();
    throw_rows_locked(connection_, migration_, error,
                      std::chrono::duration_cast<Milliseconds>(steady_now() - asked));
  }
  if (!both) return false;
  held_ = false;
  commit_control(connection_);
  return true;
}

bool hand_over_postgres(Connection& connection, const std::string& migration, std::int64_t attempt,
                        const Era& era) {
  return change_rows(connection, migration,
                     {fmt::format("role = 'replica' WHERE role = 'fenced' AND fence = {}", attempt),
                      fmt::format("role = 'replica', guard_held = false, era = {}::uuid WHERE "
                                  "role = 'fenced'",
                                  postgres::literal(to_string(era)))});
}

// Where it is not fenced, writers go on, and those above READ COMMITTED may hold the row.
bool unfence_postgres(Connection& connection, const std::string& migration, std::int64_t attempt) {
  const bool open = read_postgres_side(connection, migration).side.role != Role::fenced;
  return change_rows(
      connection, migration,
      {fmt::format("fence = {0}, role = 'primary' WHERE role <> 'replica' AND fence <= {0}",
                   attempt),
       "role = 'primary' WHERE role <> 'replica'"},
      open ? kRowPatience : Milliseconds{0});
}

std::string tables_mark(Connection& connection, const std::string& migration) {
  const postgres::Result mark = connection.query(
      "SELECT pg_catalog.md5(pg_catalog.string_agg(id::text || ' ' || plan::text, ' ' ORDER BY "
      "id)) "
      "FROM lockstep.ledger_tables WHERE migration = $1",
      {migration});
  return mark.is_null(0, 0) ? std::string() : std::string(mark.value(0, 0));
}

namespace {
template <class Enough>
bool wait_for_applied(Connection& connection, const std::string& migration, Milliseconds patience,
                      const Enough& enough) {
  const Deadline deadline(patience);
  // Whoever listens before looking misses nothing.
  connection.exec(fmt::format("LISTEN {}", apply::kMovedChannel));
  while (true) {
    const auto applied = read_postgres_side(connection, migration).applied;
    if (applied && enough(*applied)) return true;
    if (deadline.passed()) return false;
    static_cast<void>(connection.wait_for_notification(deadline.left()));
  }
}
}  // namespace

bool wait_until_applied(Connection& connection, const std::string& migration,
                        const Position& barrier, Milliseconds patience) {
  return wait_for_applied(connection, migration, patience,
                          [&](const Position& applied) { return applied == barrier; });
}

bool wait_until_near(Connection& connection, const std::string& migration, const Position& position,
                     Milliseconds patience) {
  return wait_for_applied(connection, migration, patience,
                          [&](const Position& applied) { return applied >= position; });
}

}  // namespace lockstep::switchover
