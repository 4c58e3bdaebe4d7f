#include "switchover/left_tables.hpp"

#include <fmt/format.h>

#include "link/postgres/names.hpp"
#include "link/postgres/table_change.hpp"
#include "switchover/fence_sql.hpp"

namespace lockstep::switchover {

namespace {

using postgres::Connection;
using postgres::Result;

// Functions of numbers that the ledger has not. A number is never given again, so whatever calls
// one of these is no longer followed by it.
constexpr char kLeftFunctions[] = R"(
SELECT p.oid, p.proname FROM pg_catalog.pg_proc AS p
WHERE p.pronamespace = pg_catalog.to_regnamespace('lockstep')
  AND pg_catalog.starts_with(p.proname, $2)
  AND pg_catalog.substr(p.proname, pg_catalog.length($2) + 1) ~ '^[0-9]+$'
  AND NOT EXISTS (SELECT FROM lockstep.ledger_tables AS t WHERE t.migration = $1
    AND t.id::text = pg_catalog.substr(p.proname, pg_catalog.length($2) + 1)))";

// Their triggers by table; that of the fence as well, unless the table is followed by another
// number now. Those of partitions that PostgreSQL made itself go with their parent's.
constexpr char kLeftTriggers[] = R"(
WITH gone AS ({}),
followed AS (
  SELECT c.oid FROM lockstep.ledger_tables AS t
  JOIN pg_catalog.pg_namespace AS n ON n.nspname = $3
  JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = t.name
  WHERE t.migration = $1),
places AS (
  SELECT oid FROM followed
  UNION SELECT p.relid FROM followed AS o, pg_catalog.pg_partition_tree(o.oid) AS p),
left_behind AS (
  SELECT DISTINCT g.tgrelid AS oid FROM pg_catalog.pg_trigger AS g
  WHERE g.tgfoid IN (SELECT oid FROM gone))
SELECT n.nspname, c.relname, g.tgname
FROM left_behind AS l JOIN pg_catalog.pg_trigger AS g ON g.tgrelid = l.oid AND g.tgparentid = 0
  AND (g.tgfoid IN (SELECT oid FROM gone)
       OR g.tgfoid = pg_catalog.to_regprocedure($4) AND l.oid NOT IN (SELECT oid FROM places))
JOIN pg_catalog.pg_class AS c ON c.oid = l.oid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
ORDER BY 1, 2, 3)";

// lockstep."log_<hash>_0": all of that schema's have the same beginning.
std::string function_head(const std::string& schema) {
  const std::string pattern = postgres::log_function(schema, 0);
  const std::string name = pattern.substr(pattern.find('.') + 2);
  return name.substr(0, name.size() - 2);
}

// False: not now. That is no reason to stop anything, for no round asks what they log.
bool attempt(Connection& connection, const std::string& relation, const std::string& sql) {
  constexpr Milliseconds kLeftPatience{200};
  try {
    postgres::change_tables(connection, {relation}, sql, kLeftPatience);
    return true;
  } catch (const Error& error) {
    if (error.foreign().empty() || !connection.alive()) throw;
    return false;
  }
}

}  // namespace

std::vector<std::string> release_left_tables(Connection& connection, const std::string& migration,
                                             const std::string& schema) {
  const std::string head = function_head(schema);
  const Result functions = connection.query(kLeftFunctions, {migration, head});
  if (functions.rows() == 0) return {};
  const Result triggers =
      connection.query(fmt::format(kLeftTriggers, kLeftFunctions),
                       {migration, head, schema, fence_function(schema) + "()"});
  std::vector<std::string> kept;
  std::string sql;
  for (int row = 0; row < triggers.rows(); ++row) {
    const std::string relation =
        postgres::qualified(triggers.value(row, 0), triggers.value(row, 1));
    sql += fmt::format("{}DROP TRIGGER IF EXISTS {} ON {}", sql.empty() ? "" : "; ",
                       postgres::quoted(triggers.value(row, 2)), relation);
    const bool last = row + 1 == triggers.rows() ||
                      triggers.value(row + 1, 0) != triggers.value(row, 0) ||
                      triggers.value(row + 1, 1) != triggers.value(row, 1);
    if (!last) continue;
    if (!attempt(connection, relation, sql)) kept.push_back(relation);
    sql.clear();
  }
  if (kept.empty())
    for (int row = 0; row < functions.rows(); ++row) {
      const std::string name =
          postgres::qualified(postgres::kControlSchema, functions.value(row, 1));
      static_cast<void>(
          attempt(connection, name, fmt::format("DROP FUNCTION IF EXISTS {}()", name)));
    }
  forget_left_changes(connection, migration);
  return kept;
}

void forget_left_changes(Connection& connection, const std::string& migration) {
  if (connection.exec("SELECT pg_catalog.to_regclass('lockstep.changes') IS NULL").boolean(0, 0))
    return;
  connection.query(
      "DELETE FROM lockstep.changes AS c WHERE c.migration = $1 AND NOT EXISTS (SELECT FROM "
      "lockstep.ledger_tables AS t WHERE t.migration = c.migration AND t.id = c.tbl)",
      {migration});
}

std::int64_t forget_idle_changes(Connection& connection, const std::string& migration,
                                 std::int64_t rows_max) {
  if (connection
          .exec("SELECT pg_catalog.to_regclass('lockstep.changes') IS NULL OR "
                "pg_catalog.to_regclass('lockstep.switchover') IS NULL")
          .boolean(0, 0))
    return 0;
  // One snapshot says both that nothing is pending and what is logged; an attempt that begins
  // behind it keeps what is logged behind it.
  return connection
      .query(
          "WITH gone AS (DELETE FROM lockstep.changes WHERE ctid = ANY (ARRAY(SELECT c.ctid FROM "
          "lockstep.changes AS c JOIN lockstep.switchover AS s USING (migration) WHERE c.migration "
          "= $1 AND s.role = 'replica' AND s.decision <> 'pending' LIMIT $2::bigint)) RETURNING 1) "
          "SELECT count(*) FROM gone",
          {migration, fmt::to_string(rows_max)})
      .integer(0, 0);
}

}  // namespace lockstep::switchover
