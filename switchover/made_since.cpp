#include "switchover/made_since.hpp"

#include <fmt/format.h>

#include "link/postgres/names.hpp"

namespace lockstep::switchover {

namespace {

using postgres::Connection;
using postgres::Result;

constexpr char kRemember[] = R"(
UPDATE lockstep.switchover SET tables_before = ARRAY(
  SELECT c.oid FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = $2
  WHERE c.relkind IN ('r', 'p'))
WHERE migration = $1 AND role = 'replica')";

// Who may not read a table, or only some of its rows, cannot say that it is empty.
constexpr char kMade[] = R"(
SELECT c.relname, pg_catalog.has_table_privilege(c.oid, 'SELECT')
  AND NOT pg_catalog.row_security_active(c.oid)
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = $2
JOIN lockstep.switchover AS s ON s.migration = $1
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND (c.oid = ANY (s.tables_before)) IS NOT TRUE
  AND NOT EXISTS (SELECT FROM lockstep.ledger_tables AS t
    WHERE t.migration = $1 AND t.name = c.relname)
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d
    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
    AND d.deptype = 'e')
ORDER BY 1)";

bool is_empty(Connection& connection, const std::string& table) {
  try {
    const Result found = connection.exec(fmt::format(
        "BEGIN READ ONLY; SET LOCAL lock_timeout = 1000; SELECT EXISTS (SELECT FROM {})", table));
    const bool empty = !found.boolean(0, 0);
    connection.abort();
    return empty;
  } catch (const Error&) {
    if (!connection.alive()) throw;
    connection.abort();
    return false;
  }
}

}  // namespace

void remember_present(Connection& connection, const std::string& migration,
                      const std::string& schema) {
  connection.query(kRemember, {migration, schema});
}

std::vector<MadeSince> made_since(Connection& connection, const std::string& migration,
                                  const std::string& schema) {
  const Result rows = connection.query(kMade, {migration, schema});
  std::vector<MadeSince> made;
  for (int row = 0; row < rows.rows(); ++row) {
    const std::string name(rows.value(row, 0));
    made.push_back(
        {name, rows.boolean(row, 1) && is_empty(connection, postgres::qualified(schema, name))});
  }
  return made;
}

std::vector<CannotGoBack> as_cannot_go_back(const std::vector<MadeSince>& tables) {
  std::vector<CannotGoBack> all;
  for (const MadeSince& each : tables)
    if (!each.empty)
      all.push_back({each.table, "",
                     "made on PostgreSQL since the cutover: SQLite has no such table, and a "
                     "rollback leaves its rows behind",
                     false});
  return all;
}

}  // namespace lockstep::switchover
