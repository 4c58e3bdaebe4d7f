#include "apply/dual_write.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "apply/ledger_change.hpp"
#include "apply/merge.hpp"
#include "link/postgres/names.hpp"

namespace lockstep::apply {

namespace {

using postgres::Connection;
using postgres::Result;

constexpr std::array kPolicies{DualPolicy::source, DualPolicy::skip, DualPolicy::fail};

// dual_era and dual_identity move with the position in the same statement. A lockstep that knows
// nothing of this moves the position alone: then the guard is closed, and it has to begin anew. So
// does a handover of the writers, which begins another era.
constexpr char kEnsureDual[] =
    "ALTER TABLE lockstep.ledger ADD COLUMN IF NOT EXISTS dual_era uuid,"
    " ADD COLUMN IF NOT EXISTS dual_identity bigint;"
    "CREATE TABLE IF NOT EXISTS lockstep.dual_writes ("
    " number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,"
    " migration text NOT NULL REFERENCES lockstep.ledger ON DELETE CASCADE,"
    " id integer NOT NULL,"
    " policy text NOT NULL CHECK (policy IN ('source', 'skip', 'fail')),"
    " since text NOT NULL,"
    " conflicts bigint NOT NULL DEFAULT 0,"
    " last_key text NOT NULL DEFAULT '',"
    " last_at timestamptz,"
    " PRIMARY KEY (migration, id));"
    "CREATE TABLE IF NOT EXISTS lockstep.dual_rows ("
    " number bigint NOT NULL,"
    " key_digest bytea NOT NULL,"
    " row_digest bytea NOT NULL,"
    " PRIMARY KEY (number, key_digest))";

// One row per table that is on record, and whether it counts.
constexpr char kDualTables[] =
    "SELECT d.id, d.policy, d.number, d.conflicts, d.since, d.last_key, (l.dual_era, "
    "l.dual_identity) IS NOT DISTINCT FROM (l.era, l.identity) FROM lockstep.dual_writes AS d JOIN "
    "lockstep.ledger AS l USING (migration) WHERE d.migration = $1 ORDER BY d.id";

bool knows_dual(Connection& connection) {
  return connection
      .exec(
          "SELECT CASE WHEN to_regclass('lockstep.dual_rows') IS NULL THEN false ELSE "
          "has_table_privilege('lockstep.dual_writes', 'SELECT') END")
      .boolean(0, 0);
}

struct OnRecord {
  std::vector<DualTable> tables;
  bool counts = true;
};

OnRecord read_record(Connection& connection, const std::string& migration) {
  const Result rows = connection.query(kDualTables, {migration});
  OnRecord record;
  for (int row = 0; row < rows.rows(); ++row) {
    record.tables.push_back({static_cast<std::uint32_t>(rows.integer(row, 0)),
                             parse_dual_policy(rows.value(row, 1)).value_or(DualPolicy::fail),
                             rows.integer(row, 2), rows.integer(row, 3),
                             std::string(rows.value(row, 4)), std::string(rows.value(row, 5))});
    record.counts = rows.boolean(row, 6);
  }
  return record;
}

// Where the ledger is; nothing: the way back has begun, or once had.
std::optional<std::string> position_to_begin_at(Connection& connection,
                                                const std::string& migration) {
  const Result row = connection.query(
      "SELECT l.era, l.seq, l.identity, l.role = 'replica' AND NOT EXISTS (SELECT FROM "
      "lockstep.switchover AS s WHERE s.migration = l.migration AND s.fence > 0) FROM "
      "lockstep.ledger AS l WHERE l.migration = $1 FOR UPDATE OF l",
      {migration});
  if (row.rows() == 0 || !row.boolean(0, 3)) return std::nullopt;
  const auto era = parse_era(row.value(0, 0));
  check(era.has_value(), "PostgreSQL prints a uuid as a UUID");
  return to_string(Position{*era, row.integer(0, 1), row.integer(0, 2)});
}

void end_one(Connection& connection, const std::string& migration, std::uint32_t id) {
  connection.query(
      "WITH gone AS (DELETE FROM lockstep.dual_writes WHERE migration = $1 AND id = $2::integer "
      "RETURNING number) DELETE FROM lockstep.dual_rows USING gone WHERE dual_rows.number = "
      "gone.number",
      {migration, std::to_string(id)});
}

// SHARE: writers that have passed a guard that let them are waited for, and none comes in between.
void begin_one(Connection& connection, const std::string& migration, const std::string& schema,
               const TablePlan& plan, DualPolicy policy, const std::string& since) {
  connection.exec(
      fmt::format("LOCK TABLE {} IN SHARE MODE", postgres::qualified(schema, plan.target_name())));
  const Result made = connection.query(
      "INSERT INTO lockstep.dual_writes (migration, id, policy, since) VALUES ($1, $2::integer, "
      "$3, $4) RETURNING number",
      {migration, std::to_string(plan.id), std::string(to_string(policy)), since});
  connection.exec(dual_take_over_sql(schema, plan, made.integer(0, 0)));
}

const TablePlan& plan_of(const std::vector<LedgerTable>& tables, std::uint32_t id) {
  return std::find_if(tables.begin(), tables.end(),
                      [&](const LedgerTable& table) { return table.plan.id == id; })
      ->plan;
}

std::string name_of(const std::vector<LedgerTable>& tables, std::uint32_t id) {
  for (const LedgerTable& table : tables)
    if (table.plan.id == id) return table.plan.name();
  return fmt::format("table number {}", id);
}

DualChoice choice_of(const std::vector<DualTable>& now, const std::vector<LedgerTable>& tables) {
  DualChoice choice;
  for (const DualTable& table : now) choice.emplace(name_of(tables, table.id), table.policy);
  return choice;
}

}  // namespace

std::string_view to_string(DualPolicy policy) {
  switch (policy) {
    case DualPolicy::source:
      return "source";
    case DualPolicy::skip:
      return "skip";
    case DualPolicy::fail:
      return "fail";
  }
  return "?";
}

std::optional<DualPolicy> parse_dual_policy(std::string_view text) {
  for (const DualPolicy policy : kPolicies)
    if (to_string(policy) == text) return policy;
  return std::nullopt;
}

const DualTable* find_dual(const std::vector<DualTable>& tables, std::uint32_t id) {
  const auto found = std::find_if(tables.begin(), tables.end(),
                                  [&](const DualTable& table) { return table.id == id; });
  return found == tables.end() ? nullptr : &*found;
}

void ensure_dual_ledger(Connection& connection) {
  // Asked first: ALTER TABLE takes a lock that a reader would hold up.
  if (connection.exec("SELECT to_regclass('lockstep.dual_rows') IS NOT NULL").boolean(0, 0)) return;
  change_ledger(connection, kEnsureDual);
}

std::vector<DualTable> read_dual_tables(Connection& connection, const std::string& migration) {
  if (!knows_dual(connection)) return {};
  OnRecord record = read_record(connection, migration);
  if (!record.counts) return {};
  return std::move(record.tables);
}

std::string why_not_dual(const TablePlan& plan) {
  if (plan.shape.keyed_by_rowid || plan.shape.key.empty())
    return "it has no key but SQLite's rowid, which the application does not know";
  if (!is_upserted(plan)) return "no unique index on PostgreSQL is over just its key";
  for (const std::size_t column : plan.shape.key)
    if (plan.is_converted(column))
      return fmt::format("a rule converts its key column {}", plan.shape.columns[column].name);
  return {};
}

DualChange dual_change(const std::vector<DualTable>& now, const std::vector<LedgerTable>& tables,
                       const DualChoice& wanted) {
  DualChange change;
  std::map<std::uint32_t, DualPolicy> rest;
  for (const LedgerTable& table : tables)
    if (const auto found = wanted.find(table.plan.name());
        found != wanted.end() && why_not_dual(table.plan).empty())
      rest.emplace(table.plan.id, found->second);
  for (const DualTable& table : now) {
    const auto found = rest.find(table.id);
    if (found == rest.end()) {
      change.ended.push_back(table.id);
      continue;
    }
    if (found->second != table.policy) change.changed.insert(*found);
    rest.erase(found);
  }
  change.begun = std::move(rest);
  return change;
}

DualSettled settle_dual_writes(Connection& connection, const std::string& migration,
                               const std::string& schema, const std::vector<LedgerTable>& tables,
                               const std::optional<DualChoice>& wanted) {
  DualSettled settled;
  if ((!wanted || wanted->empty()) && read_record(connection, migration).tables.empty())
    return settled;
  connection.exec("BEGIN");
  const std::optional<std::string> since = position_to_begin_at(connection, migration);
  OnRecord record = read_record(connection, migration);
  DualChoice choice = wanted ? *wanted : choice_of(record.tables, tables);
  if (!since && !choice.empty()) {
    choice.clear();
    settled.told.emplace_back(
        "dual writing is over: since the cutover the fence lets nobody but lockstep write there");
  }
  if (!record.counts) {  // what is kept is of another position
    for (const DualTable& table : record.tables) end_one(connection, migration, table.id);
    record.tables.clear();
  }
  const DualChange change = dual_change(record.tables, tables, choice);
  for (const std::uint32_t id : change.ended) {
    end_one(connection, migration, id);
    settled.told.push_back(fmt::format("{} is no longer dual-written", name_of(tables, id)));
  }
  for (const auto& [id, policy] : change.changed)
    connection.query(
        "UPDATE lockstep.dual_writes SET policy = $3 WHERE migration = $1 AND id = $2::integer",
        {migration, std::to_string(id), std::string(to_string(policy))});
  for (const auto& [id, policy] : change.begun) {
    begin_one(connection, migration, schema, plan_of(tables, id), policy, *since);
    settled.told.push_back(
        fmt::format("{} is dual-written from {} on (conflicts: {}): the guard is open for it",
                    name_of(tables, id), *since, to_string(policy)));
  }
  settled.tables = read_record(connection, migration).tables;
  connection.query(
      "UPDATE lockstep.ledger SET dual_era = era, dual_identity = identity WHERE migration = $1 "
      "AND (dual_era, dual_identity) IS DISTINCT FROM (era, identity)",
      {migration});
  if (connection.commit() == postgres::CommitOutcome::committed) return settled;
  throw Error({.code = "LS-T212",
               .exit = ExitCode::unreachable,
               .what = "what begins or ends dual writing may or may not be on the target",
               .why = "the connection ended while the commit was on its way, or it was refused",
               .data = "safe: the ledger is read again before anything else is done",
               .todo = "nothing; lockstep connects again by itself",
               .retry = Retry::new_session});
}

void forget_dual_writes(Connection& connection, const std::string& migration) {
  if (!connection.exec("SELECT to_regclass('lockstep.dual_rows') IS NOT NULL").boolean(0, 0))
    return;
  connection.query(
      "DELETE FROM lockstep.dual_rows AS r USING lockstep.dual_writes AS d WHERE d.number = "
      "r.number AND d.migration = $1",
      {migration});
}

}  // namespace lockstep::apply
