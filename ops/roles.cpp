#include "ops/roles.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <vector>

#include "link/postgres/names.hpp"
#include "model/error.hpp"

namespace lockstep::ops {

namespace {

using postgres::literal;

constexpr char kLeast[] = "NOINHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS";

[[noreturn]] void throw_bad_name(std::string what, std::string why) {
  throw Error({.code = "LS-C100",
               .exit = ExitCode::usage,
               .what = std::move(what),
               .why = std::move(why),
               .data = "nothing was touched",
               .todo = "choose another; see lockstep roles --help"});
}

void check_names(const RoleNames& roles, const std::string& database, const std::string& schema) {
  const std::array named{&roles.owner, &roles.apply, &roles.verify, &roles.app, &database, &schema};
  for (const std::string* name : named)
    if (std::string problem = postgres::relation_name_problem(*name); !problem.empty())
      throw_bad_name("a name given to roles cannot be one on PostgreSQL", std::move(problem));
  for (const std::string* name : named)  // they stand in comments, too
    if (std::any_of(name->begin(), name->end(), [](unsigned char c) { return c < 0x20; }))
      throw_bad_name("a name given to roles has a control character in it", "nobody could read it");
  std::vector<std::string> all{roles.owner, roles.apply, roles.verify, roles.app};
  std::sort(all.begin(), all.end());
  if (const auto twice = std::adjacent_find(all.begin(), all.end()); twice != all.end())
    throw_bad_name(fmt::format("two roles are called {}", *twice),
                   "what one may do, the other must not");
  if (schema == "lockstep" || schema == "pg_catalog" || schema == "information_schema")
    throw_bad_name(fmt::format("the copied tables cannot be in schema {}", schema),
                   schema == "lockstep" ? "the ledger is there" : "it is PostgreSQL's own");
}

// CREATE ROLE knows no IF NOT EXISTS. The names stand in a literal inside the block's own text.
std::string create_role(const std::string& name, const std::string& attributes) {
  const std::string statement =
      fmt::format("CREATE ROLE {} {}", postgres::quoted(name), attributes);
  const std::string block = fmt::format(
      "BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {}) THEN EXECUTE {}; END IF; END",
      literal(name), literal(statement));
  return fmt::format("DO {};\n", literal(block));
}

constexpr char kMighty[] =
    "(r.rolsuper OR r.rolcreatedb OR r.rolcreaterole OR r.rolreplication OR r.rolbypassrls)";
// PostgreSQL's own roles that reach past the grants below; older servers lack the last ones.
constexpr char kPredefined[] =
    "'pg_read_all_data', 'pg_write_all_data', 'pg_read_server_files', 'pg_write_server_files', "
    "'pg_execute_server_program', 'pg_signal_backend', 'pg_create_subscription', 'pg_maintain'";

// A membership counts however long its chain is, and whether or not it is inherited: SET ROLE is
// enough. The database's owner may grant himself what he likes in it.
std::string refuse_more(const RoleNames& roles) {
  const std::vector<std::string> ours{literal(roles.owner), literal(roles.apply),
                                      literal(roles.verify)};
  const std::string all = fmt::format("{}, {}", fmt::join(ours, ", "), literal(roles.app));
  const std::string block = fmt::format(
      "DECLARE more text; BEGIN SELECT string_agg(what, '; ' ORDER BY what) INTO more FROM ("
      "SELECT format('%I has SUPERUSER, CREATEDB, CREATEROLE, REPLICATION or BYPASSRLS', "
      "r.rolname) AS what FROM pg_roles AS r WHERE r.rolname IN ({0}) AND {1} "
      "UNION ALL SELECT format('%I can log in', r.rolname) FROM pg_roles AS r WHERE r.rolname = "
      "{2} AND r.rolcanlogin "
      "UNION ALL SELECT format('%I is a member of %I', u.rolname, r.rolname) FROM pg_roles AS u "
      "JOIN pg_roles AS r ON r.oid <> u.oid AND pg_has_role(u.oid, r.oid, 'MEMBER') WHERE "
      "u.rolname IN ({0}) AND NOT u.rolsuper AND r.rolname <> 'pg_database_owner' AND (u.rolname "
      "IN ({3}) OR r.rolname IN ({3}, {4}) OR {1}) "
      "UNION ALL SELECT format('%I owns the database', u.rolname) FROM pg_roles AS u JOIN "
      "pg_database AS d ON pg_has_role(u.oid, d.datdba, 'MEMBER') WHERE d.datname = "
      "current_database() AND u.rolname IN ({0}) AND u.rolname <> {2} AND NOT u.rolsuper"
      ") AS found; IF more IS NOT NULL THEN RAISE EXCEPTION 'a role of lockstep, or the "
      "application''s, can do more than it should: %', more; END IF; END",
      all, kMighty, literal(roles.owner), fmt::join(ours, ", "), kPredefined);
  return fmt::format("DO {};\n", literal(block));
}

}  // namespace

std::string roles_sql(const RoleNames& roles, const std::string& database,
                      const std::string& schema) {
  check_names(roles, database, schema);
  const auto owner = postgres::quoted(roles.owner), apply = postgres::quoted(roles.apply);
  const auto verify = postgres::quoted(roles.verify), app = postgres::quoted(roles.app);
  const auto base = postgres::quoted(database), tables = postgres::quoted(schema);
  std::string sql = fmt::format(
      "-- Least-privilege roles for lockstep: run once in database {} as a superuser, e.g. with "
      "psql.\n"
      "-- Passwords are set afterwards (psql: \\password {}), and pg_hba.conf lets the roles in "
      "(scram-sha-256).\n"
      "BEGIN;\nSET LOCAL search_path = pg_catalog, pg_temp;\n\n",
      base, apply);
  sql +=
      "-- owner: owns the schemas, nobody logs in as it; apply: run, apply, remove; verify: "
      "verify, status.\n";
  sql += create_role(roles.owner, fmt::format("NOLOGIN {}", kLeast));
  sql += create_role(roles.apply, fmt::format("LOGIN {} CONNECTION LIMIT 10", kLeast));
  sql += create_role(roles.verify, fmt::format("LOGIN {} CONNECTION LIMIT 4", kLeast));
  sql += create_role(roles.app, fmt::format("LOGIN {}", kLeast));
  sql += refuse_more(roles);
  sql += fmt::format(
      "\n-- PUBLIC is everybody: whoever else uses this database needs a GRANT CONNECT of its "
      "own.\n"
      "REVOKE CONNECT, TEMPORARY ON DATABASE {0} FROM PUBLIC;\n"
      "REVOKE CREATE ON SCHEMA public FROM PUBLIC;\n"
      "GRANT CONNECT ON DATABASE {0} TO {1}, {2}, {3};\n"
      "-- Batches are staged in temporary tables.\n"
      "GRANT TEMPORARY ON DATABASE {0} TO {1};\n\n",
      base, apply, verify, app);
  sql += fmt::format("CREATE SCHEMA IF NOT EXISTS lockstep;\nALTER SCHEMA lockstep OWNER TO {};\n",
                     owner);
  if (schema != "public")
    sql += fmt::format("CREATE SCHEMA IF NOT EXISTS {0};\nALTER SCHEMA {0} OWNER TO {1};\n", tables,
                       owner);
  sql += fmt::format(
      "REVOKE ALL ON SCHEMA lockstep, {0} FROM PUBLIC;\n"
      "GRANT USAGE, CREATE ON SCHEMA lockstep, {0} TO {1};\n"
      "GRANT USAGE ON SCHEMA lockstep, {0} TO {2};\n"
      "GRANT USAGE ON SCHEMA {0} TO {3};\n\n"
      "-- apply owns the tables it makes: keys, indexes and constraints are built once they are "
      "filled.\n"
      "ALTER DEFAULT PRIVILEGES FOR ROLE {1} IN SCHEMA lockstep GRANT SELECT ON TABLES TO {2};\n"
      "ALTER DEFAULT PRIVILEGES FOR ROLE {1} IN SCHEMA {0} GRANT SELECT ON TABLES TO {2}, {3};\n"
      "ALTER DEFAULT PRIVILEGES FOR ROLE {1} IN SCHEMA {0} GRANT SELECT ON SEQUENCES TO {2};\n"
      "ALTER DEFAULT PRIVILEGES FOR ROLE {1} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;\n\n",
      tables, apply, verify, app);
  for (const std::string& role : {apply, verify})
    sql += fmt::format("ALTER ROLE {} SET search_path = pg_catalog, pg_temp;\n", role);
  sql += fmt::format("ALTER ROLE {} SET default_transaction_read_only = on;\n", verify);
  sql += fmt::format(
      "COMMIT;\n\n"
      "-- Tables that are there already and are not apply's: lockstep's guard needs TRIGGER on "
      "them.\n"
      "--   GRANT SELECT, INSERT, UPDATE, DELETE, TRIGGER ON TABLE ... TO {0};\n"
      "-- Readers that wait for commits of SQLite with lockstep.wait_for(); they see no table "
      "there:\n"
      "--   GRANT USAGE ON SCHEMA lockstep TO {2};\n"
      "-- The application only reads while lockstep follows. Before the cutover, or all of its "
      "writes fail behind\n"
      "-- it (until then lockstep's guard refuses what it writes; tables that come later need the "
      "same):\n"
      "--   GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {1} TO {2};\n"
      "--   GRANT USAGE ON ALL SEQUENCES IN SCHEMA {1} TO {2};\n"
      "-- After lockstep complete the tables are still apply's. For the application's migrations "
      "(ALTER TABLE):\n"
      "--   REASSIGN OWNED BY {0} TO {2};\n",
      apply, tables, app);
  return sql;
}

}  // namespace lockstep::ops
