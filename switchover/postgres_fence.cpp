// The fence of PostgreSQL's tables: where it has to be, and how it comes there and goes.
#include <fmt/format.h>

#include "apply/switch_ledger.hpp"
#include "link/postgres/names.hpp"
#include "link/postgres/table_change.hpp"
#include "model/failpoint.hpp"
#include "switchover/fence_sql.hpp"
#include "switchover/postgres_side.hpp"

namespace lockstep::switchover {

namespace {

using postgres::Connection;
using postgres::Result;

constexpr Milliseconds kTablePatience{3'000};

// Every followed table and partition, and whether the fence is there as it should be. The trigger
// for rows is made on the table, and its partitions get theirs from it.
constexpr char kFencePlaces[] = R"(
WITH ours AS (
  SELECT c.oid, c.relkind FROM lockstep.ledger_tables AS t
  JOIN pg_catalog.pg_namespace AS n ON n.nspname = $2
  JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = t.name
    AND c.relkind IN ('r', 'p')
  WHERE t.migration = $1),
places AS (
  SELECT oid AS root, oid FROM ours
  UNION SELECT o.oid, p.relid FROM ours AS o, pg_catalog.pg_partition_tree(o.oid) AS p
  WHERE o.relkind = 'p'),
fences AS (
  SELECT g.tgrelid, g.tgname FROM pg_catalog.pg_trigger AS g
  WHERE g.tgfoid = pg_catalog.to_regprocedure($3)
    AND (g.tgname = '_lockstep_fence' AND g.tgenabled = 'A'
         OR g.tgname = '_lockstep_fence_row' AND g.tgenabled IN ('R', 'A')))
SELECT n.nspname, c.relname, p.root = p.oid FROM places AS p
JOIN pg_catalog.pg_class AS c ON c.oid = p.oid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE NOT EXISTS (SELECT FROM fences WHERE tgrelid = p.oid AND tgname = '_lockstep_fence')
  OR p.root = p.oid AND EXISTS (SELECT FROM places AS a WHERE a.root = p.oid AND NOT EXISTS (
    SELECT FROM fences WHERE tgrelid = a.oid AND tgname = '_lockstep_fence_row'))
ORDER BY 3 DESC, 1, 2)";

Result missing_places(Connection& connection, const std::string& migration,
                      const std::string& schema) {
  return connection.query(kFencePlaces, {migration, schema, fence_function(schema) + "()"});
}

void put_triggers(Connection& connection, const std::string& migration, const std::string& schema,
                  Milliseconds patience) {
  const Result missing = missing_places(connection, migration, schema);
  for (int row = 0; row < missing.rows(); ++row) {
    try {
      postgres::change_tables(
          connection, {postgres::qualified(missing.value(row, 0), missing.value(row, 1))},
          postgres_fence_trigger_sql(schema, missing.value(row, 0), missing.value(row, 1),
                                     missing.boolean(row, 2)),
          patience);
    } catch (const Error& error) {
      if (error.foreign() != postgres::kLockNotGranted) throw;
      throw Error(
          {.code = "LS-T213",
           .exit = ExitCode::timed_out,
           .what = fmt::format("{}.{} stays locked by others", missing.value(row, 0),
                               missing.value(row, 1)),
           .why = fmt::format("a transaction uses it for longer than {} ms", patience.count()),
           .data = "nothing changed: the application goes on writing where it did",
           .todo = "end that transaction, or try again later",
           .foreign = error.foreign(),
           .retry = Retry::same_session});
    }
  }
}

}  // namespace

void install_fence(Connection& connection, const std::string& migration,
                   const std::string& schema) {
  apply::ensure_switch_ledger(connection);
  connection.query(
      "INSERT INTO lockstep.switchover (migration, role) VALUES ($1, 'replica') ON CONFLICT DO "
      "NOTHING",
      {migration});
  connection.exec(postgres_fence_function_sql(migration, schema));
  put_triggers(connection, migration, schema, kTablePatience);
  LOCKSTEP_FAILPOINT("cut.installed");
}

// Two that replace a function at once get in each other's way: so it is left to install_fence().
void fence_new_tables(Connection& connection, const std::string& migration,
                      const std::string& schema) {
  constexpr Milliseconds kPatience{500};  // the application's statements wait behind it
  const std::string function = fence_function(schema) + "()";
  if (connection.query("SELECT pg_catalog.to_regprocedure($1) IS NOT NULL", {function})
          .boolean(0, 0))
    put_triggers(connection, migration, schema, kPatience);
}

std::vector<std::string> unfenced(Connection& connection, const std::string& migration,
                                  const std::string& schema) {
  const Result missing = missing_places(connection, migration, schema);
  std::vector<std::string> names;
  names.reserve(static_cast<std::size_t>(missing.rows()));
  for (int row = 0; row < missing.rows(); ++row)
    names.push_back(fmt::format("{}.{}", missing.value(row, 0), missing.value(row, 1)));
  return names;
}

void remove_fence(Connection& connection, const std::string& schema) {
  connection.exec(fmt::format("DROP FUNCTION IF EXISTS {}() CASCADE", fence_function(schema)));
}

}  // namespace lockstep::switchover
