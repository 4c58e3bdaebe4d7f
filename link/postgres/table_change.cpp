#include "link/postgres/table_change.hpp"

#include <fmt/format.h>

#include "link/postgres/names.hpp"
#include "model/error.hpp"

namespace lockstep::postgres {

namespace {

void try_once(Connection& connection, const std::string& sql, Milliseconds patience) {
  try {
    connection.exec(
        fmt::format("BEGIN; SET LOCAL lock_timeout = {}; {}; COMMIT", patience.count(), sql));
  } catch (const Error&) {
    if (connection.alive()) connection.abort();
    throw;
  }
}

// Both take this lock. Nobody there: it has just ended.
bool only_vacuum_holds(Connection& connection, const std::vector<std::string>& relations) {
  return connection
      .query(
          "SELECT coalesce(bool_and(l.mode = 'ShareUpdateExclusiveLock'), true) FROM "
          "pg_catalog.pg_locks AS l JOIN pg_catalog.pg_database AS d ON d.oid = l.database WHERE "
          "d.datname = pg_catalog.current_database() AND l.granted AND l.pid <> "
          "pg_catalog.pg_backend_pid() AND l.relation IN (SELECT pg_catalog.to_regclass(name) FROM "
          "unnest($1::text[]) AS name)",
          {text_array(relations)})
      .boolean(0, 0);
}

Milliseconds deadlock_timeout(Connection& connection) {
  return Milliseconds{
      connection.exec("SELECT setting FROM pg_catalog.pg_settings WHERE name = 'deadlock_timeout'")
          .integer(0, 0)};
}

}  // namespace

void change_tables(Connection& connection, const std::vector<std::string>& relations,
                   const std::string& sql, Milliseconds patience) {
  try {
    return try_once(connection, sql, patience);
  } catch (const Error& error) {
    if (error.foreign() != kLockNotGranted || !only_vacuum_holds(connection, relations)) throw;
  }
  try_once(connection, sql, deadlock_timeout(connection) + patience);
}

}  // namespace lockstep::postgres
