// What the tests of tables that were there share.
#pragma once

#include <fmt/format.h>

#include "tests/system/followed.hpp"

namespace lockstep::test {

inline PostgresServer& server() {
  static PostgresServer running;
  return running;
}

/// A database whose owner is no superuser; the tables are the owner's.
inline std::string owned_database(const std::string& name) {
  static const bool role = [] {
    server().query("CREATE ROLE keeper LOGIN");
    return true;
  }();
  REQUIRE(role);
  std::string dsn = server().create_database(name, "OWNER keeper");
  server().query("GRANT ALL ON SCHEMA public TO keeper", name);
  dsn.replace(dsn.find("postgres@"), 8, "keeper");
  return dsn;
}

inline std::string value(const std::string& sql, const std::string& database) {
  const auto rows = server().query(sql, database);
  return rows.empty() || !rows[0][0] ? std::string("nothing") : *rows[0][0];
}

/// A cutover or a rollback that asks for no comparison.
inline void move_writers(const std::string& direction, const std::string& file) {
  require_code(lockstep({direction, file, "--confirm", "app", "--json", "--max-pause", "5s",
                         "--when-ready", "--verify-max-age", "0"}),
               0);
}

/// What `pg_dump --schema-only` would say of the tables, as far as lockstep could have changed it.
inline std::string shape_there(const std::string& database) {
  return value(
      "SELECT string_agg(line, E'\\n' ORDER BY line) FROM (SELECT conrelid::regclass || ' ' || "
      "conname || ' ' || pg_get_constraintdef(oid) || ' ' || convalidated AS line FROM "
      "pg_constraint WHERE connamespace = 'public'::regnamespace UNION ALL SELECT indexdef FROM "
      "pg_indexes WHERE schemaname = 'public' UNION ALL SELECT attrelid::regclass || '.' || "
      "attname || ' ' || format_type(atttypid, atttypmod) || attnotnull FROM pg_attribute WHERE "
      "attrelid IN (SELECT oid FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = "
      "'public'::regnamespace) AND attnum > 0) AS all_of_it",
      database);
}

}  // namespace lockstep::test
