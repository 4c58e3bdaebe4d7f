// Least-privilege roles: what `lockstep roles` prints is run on a real server, a whole life is led
// with it, and then the roles try what they must not.
#include <fmt/format.h>

#include <sstream>

#include "tests/support/fault.hpp"
#include "tests/system/world.hpp"

namespace lockstep::test {

namespace {

PostgresServer& server() {
  static PostgresServer instance;
  return instance;
}

std::string as(const std::string& role, const std::string& database) {
  std::string dsn = server().dsn(database);
  return dsn.replace(dsn.find("postgres@"), 8, role);
}

void run_roles(const std::string& database, const std::vector<std::string>& more) {
  std::vector<std::string> arguments{"roles", "--database", database};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const Outcome printed = lockstep(arguments);
  require_code(printed, 0);
  query(server().dsn(database), printed.output);
  query(server().dsn(database), printed.output);  // once more changes nothing
}

/// What the server answered: "" if it let it pass.
std::string attempt(const std::string& role, const std::string& database, const std::string& sql,
                    Guard guard = Guard::passed) {
  try {
    query(as(role, database), sql, guard);
    return {};
  } catch (const std::exception& refused) {
    return refused.what();
  }
}

void refused_all(const std::string& role, const std::string& database,
                 const std::vector<std::string>& statements) {
  for (const std::string& sql : statements) {
    const std::string answer = attempt(role, database, sql);
    INFO(role << ": " << sql << "\n" << answer);
    CHECK((answer.find("permission denied") != std::string::npos ||
           answer.find("must ") != std::string::npos ||
           answer.find("read-only transaction") != std::string::npos));
  }
}

}  // namespace

TEST_CASE("with the printed roles the whole job is done, and nobody can do more than his part",
          "[system]") {
  const TempDir folder;
  const std::string file = make_prices(folder, "least.db", "20", "20000");
  const std::string all = server().create_database("least");
  server().query(
      "CREATE SCHEMA private; CREATE TABLE private.pay(x int); CREATE TABLE public.mine(x int)",
      "least");
  run_roles("least", {"--schema", "shop", "--app-role", "shop_app"});
  std::vector<std::string> before_the_cutover;
  const std::string printed =
      lockstep({"roles", "--database", "least", "--schema", "shop", "--app-role", "shop_app"})
          .output;
  std::istringstream lines(printed.substr(printed.find("Before the cutover")));
  for (std::string line; std::getline(lines, line) && !line.starts_with("-- After");)
    if (line.starts_with("--   ")) before_the_cutover.push_back(line.substr(5));
  REQUIRE(before_the_cutover.size() == 2);

  const std::string apply = as("lockstep_apply", "least");
  const std::string verify = as("lockstep_verify", "least");
  Tool writer({TOOL_WRITER, file, "--until-stdin-closes", "--rate", "200", "--seed", "3"});
  auto following = start_lockstep({"run", file, apply, "--schema", "shop"});
  require_caught_up(*following, file);
  REQUIRE(writer.running());
  following->kill_hard();  // the second start goes the other way through the ledger
  following = start_lockstep({"run", file, apply, "--schema", "shop"});
  require_caught_up(*following, file);
  CHECK(writer.finish().at("lost") == 0);
  wait_caught_up(file);
  require_equal(file, all, {"--schema", "shop"});
  require_code(lockstep({"verify", file, verify}), 0);
  require_code(lockstep({"status", verify}), 0);

  // Asking for a comparison is the one thing that it may write, and verify did.
  CHECK(server().value("SELECT count(*) FROM lockstep.verify_passes WHERE state = 'equal'",
                       "least") == "1");

  // The application: reads the copied tables, and that is all.
  CHECK(attempt("shop_app", "least", "SELECT count(*) FROM shop.ohlcv_data").empty());
  refused_all("shop_app", "least",
              {"SELECT * FROM lockstep.ledger",
               "INSERT INTO lockstep.verify_passes(migration) VALUES ('x')",
               "SELECT * FROM lockstep.ledger_parts",
               "UPDATE lockstep.ledger SET role = 'primary'",
               "DELETE FROM lockstep.ledger",
               "DROP SCHEMA lockstep CASCADE",
               "CREATE TABLE lockstep.x(y int)",
               "CREATE TABLE public.x(y int)",
               "CREATE TABLE shop.x(y int)",
               "CREATE TEMPORARY TABLE x(y int)",
               "CREATE SCHEMA x",
               "INSERT INTO shop.ohlcv_data SELECT * FROM shop.ohlcv_data LIMIT 1",
               "DELETE FROM shop.ohlcv_data",
               "TRUNCATE shop.ohlcv_data",
               "DROP TABLE shop.ohlcv_data",
               "ALTER TABLE shop.ohlcv_data ADD x int",
               "CREATE INDEX ON shop.ohlcv_data (ticker)",
               "CREATE TRIGGER t AFTER INSERT ON shop.ohlcv_data EXECUTE FUNCTION pg_catalog."
               "suppress_redundant_updates_trigger()",
               "SELECT * FROM private.pay",
               "SELECT * FROM public.mine",
               "CREATE FUNCTION public.now() RETURNS int LANGUAGE sql AS 'SELECT 1'",
               "SET ROLE lockstep_apply",
               "SET ROLE lockstep_owner",
               "SET ROLE postgres",
               "SET SESSION AUTHORIZATION postgres",
               "ALTER ROLE shop_app SUPERUSER",
               "CREATE ROLE x",
               "GRANT lockstep_owner TO shop_app",
               "ALTER DATABASE least OWNER TO shop_app",
               "SELECT pg_read_file('/etc/passwd')",
               "COPY (SELECT 1) TO PROGRAM 'true'",
               "SELECT pg_reload_conf()",
               "ALTER SYSTEM SET fsync = off",
               "CREATE EXTENSION file_fdw"});
  // Apply: its ledger and its tables, nobody else's.
  refused_all("lockstep_apply", "least",
              {"CREATE TABLE public.x(y int)",
               "CREATE SCHEMA x",
               "DROP SCHEMA lockstep",
               "DROP SCHEMA shop CASCADE",
               "ALTER SCHEMA shop RENAME TO x",
               "SELECT * FROM private.pay",
               "SELECT * FROM public.mine",
               "SET ROLE lockstep_owner",
               "SET ROLE shop_app",
               "ALTER ROLE lockstep_apply SUPERUSER",
               "ALTER ROLE lockstep_apply CREATEDB",
               "CREATE ROLE x",
               "GRANT lockstep_owner TO lockstep_apply",
               "CREATE DATABASE x",
               "SELECT pg_read_file('/etc/passwd')",
               "COPY (SELECT 1) TO PROGRAM 'true'",
               "CREATE FUNCTION shop.f() RETURNS int LANGUAGE c AS 'x'",
               "CREATE EXTENSION file_fdw",
               "CREATE EVENT TRIGGER x ON ddl_command_start EXECUTE FUNCTION pg_catalog."
               "suppress_redundant_updates_trigger()",
               "ALTER SYSTEM SET fsync = off",
               "SET session_replication_role = replica"});
  // Who may wait for commits of SQLite still asks for nothing, also where an older lockstep made
  // the table.
  server().query("ALTER TABLE lockstep.verify_queries DROP CONSTRAINT readers_ask", "least");
  following->kill_hard();
  following = start_lockstep({"run", file, apply, "--schema", "shop"});
  require_caught_up(*following, file);
  REQUIRE(wait_until(
      [] {
        return server().value("SELECT count(*) FROM pg_constraint WHERE conname = 'readers_ask'",
                              "least") == "2";
      },
      20s, 20ms));
  require_code(lockstep({"verify", file, verify, "--checks"}), 0);
  server().query("GRANT USAGE ON SCHEMA lockstep TO shop_app", "least");
  for (const char* asks :
       {"INSERT INTO lockstep.verify_passes(migration, tables) SELECT 'prices', '{}'",
        "INSERT INTO lockstep.verify_queries(migration, pairs) VALUES ('prices', '[]')"})
    CHECK_THAT(attempt("shop_app", "least", asks), Catch::Contains("\"readers_ask\""));
  refused_all("shop_app", "least", {"SELECT * FROM lockstep.verify_passes"});
  server().query("REVOKE USAGE ON SCHEMA lockstep FROM shop_app", "least");
  // This one is answered with a warning.
  CHECK(attempt("lockstep_apply", "least", "GRANT CREATE ON SCHEMA lockstep, shop TO shop_app")
            .empty());
  CHECK(server().value("SELECT has_schema_privilege('shop_app', 'shop', 'CREATE')", "least") ==
        "f");
  // Verify cannot write, not even after it has switched read-only off.
  refused_all("lockstep_verify", "least",
              {"DELETE FROM shop.ohlcv_data", "CREATE TABLE shop.x(y int)",
               "SET default_transaction_read_only = off; UPDATE lockstep.ledger SET seq = 0",
               "SET default_transaction_read_only = off; DELETE FROM shop.ohlcv_data",
               "SET default_transaction_read_only = off; CREATE TEMPORARY TABLE x(y int)",
               "SET default_transaction_read_only = off; UPDATE lockstep.verify_passes SET state = "
               "'equal'",
               "SELECT * FROM private.pay", "SET ROLE lockstep_apply"});
  CHECK(attempt("lockstep_owner", "least", "SELECT 1").find("not permitted to log in") !=
        std::string::npos);

  // What is printed for the days before the cutover: then only the guard keeps the application out.
  for (const std::string& grant : before_the_cutover) query(all, grant);
  for (const char* writes : {"INSERT INTO shop.ohlcv_data SELECT * FROM shop.ohlcv_data LIMIT 1",
                             "UPDATE shop.ohlcv_data SET close = 0", "DELETE FROM shop.ohlcv_data"})
    CHECK_THAT(attempt("shop_app", "least", writes, Guard::met), Catch::Contains("LS-X602"));

  following->signal(SIGINT);
  CHECK(following->wait_or_throw(20s) == ExitStatus{.code = 130});
  require_code(lockstep({"remove", file, apply}), 0);
  CHECK(
      server().value("SELECT count(*) FROM pg_class WHERE relnamespace = 'lockstep'::regnamespace",
                     "least") == "0");
  CHECK(server().value("SELECT count(*) > 0 FROM shop.ohlcv_data", "least") == "t");
  saw_fault("H7", "GO: the role of apply may change ledger and copied tables, and nothing else");
}

TEST_CASE("a role that can do more than it should is refused by the printed SQL", "[system]") {
  server().create_database("more");
  const Outcome printed =
      lockstep({"roles", "--database", "more", "--app-role", "other_app", "--owner-role",
                "big_owner", "--apply-role", "big_apply", "--verify-role", "big_verify"});
  require_code(printed, 0);
  const std::string dsn = server().dsn("more");
  const auto refused = [&](const std::string& before, const std::string& why,
                           const std::string& after) {
    INFO(before);
    query(dsn, before);
    CHECK_THROWS_WITH(query(dsn, printed.output),
                      Catch::Contains("can do more than it should: " + why));
    query(dsn, after);
  };
  refused("CREATE ROLE big_apply LOGIN CREATEDB", "big_apply has SUPERUSER, CREATEDB",
          "DROP ROLE big_apply");
  CHECK(server().value("SELECT count(*) FROM pg_roles WHERE rolname = 'other_app'") == "0");
  query(dsn,
        "CREATE ROLE big_apply LOGIN; CREATE ROLE other_app LOGIN NOINHERIT; CREATE ROLE "
        "big_owner; CREATE ROLE big_verify LOGIN; CREATE ROLE team; CREATE ROLE mighty "
        "CREATEROLE");
  refused("ALTER ROLE big_owner LOGIN", "big_owner can log in", "ALTER ROLE big_owner NOLOGIN");
  // Directly, through a group, and through what a group is a member of.
  for (const char* what : {"big_apply", "big_owner", "big_verify", "mighty", "pg_read_all_data",
                           "pg_write_all_data", "pg_read_server_files", "pg_write_server_files",
                           "pg_execute_server_program", "pg_signal_backend"}) {
    refused(fmt::format("GRANT {} TO other_app", what),
            fmt::format("other_app is a member of {}", what),
            fmt::format("REVOKE {} FROM other_app", what));
    refused(fmt::format("GRANT {} TO team; GRANT team TO other_app", what),
            fmt::format("other_app is a member of {}", what),
            fmt::format("REVOKE {} FROM team; REVOKE team FROM other_app", what));
  }
  refused("GRANT big_verify TO team; GRANT team TO big_apply",
          "big_apply is a member of big_verify; big_apply is a member of team",
          "REVOKE big_verify FROM team; REVOKE team FROM big_apply");
  for (const char* who : {"big_apply", "big_verify", "other_app"})
    refused(fmt::format("ALTER DATABASE more OWNER TO {}", who),
            fmt::format("{} owns the database", who), "ALTER DATABASE more OWNER TO postgres");
  refused("GRANT team TO other_app; ALTER DATABASE more OWNER TO team",
          "other_app owns the database",
          "ALTER DATABASE more OWNER TO postgres; REVOKE team FROM other_app");
  // What is harmless passes, and so does the owner of both schemas as the database's.
  query(dsn, "GRANT pg_monitor, team TO other_app; ALTER DATABASE more OWNER TO big_owner");
  query(dsn, printed.output);
}

TEST_CASE("hostile functions, operators, tables and role settings do not reach lockstep",
          "[system]") {
  const TempDir folder;
  const std::string file = folder.file("hostile.db");
  sqlite(file,
         "PRAGMA journal_mode = WAL; CREATE TABLE notes(id INTEGER PRIMARY KEY, text TEXT UNIQUE);"
         "INSERT INTO notes VALUES (1, 'one'), (2, 'two')");
  const std::string dsn = server().create_database("hostile");
  // Everything lockstep calls, by the same names, in schemas that come first for everybody else.
  server().query(
      "CREATE SCHEMA evil; CREATE TABLE evil.caught(what text); GRANT ALL ON SCHEMA evil TO PUBLIC;"
      "GRANT ALL ON evil.caught TO PUBLIC;"
      "DO $do$ DECLARE s text; n text; BEGIN FOREACH s IN ARRAY ARRAY['public', 'evil'] LOOP "
      "FOREACH n IN ARRAY ARRAY['hashtextextended(text, bigint) RETURNS bigint', "
      "'hashtextextended(text, integer) RETURNS bigint', 'pg_try_advisory_lock(bigint) RETURNS "
      "boolean', "
      "'to_regclass(text) RETURNS regclass', 'to_regnamespace(text) RETURNS regnamespace', 'now() "
      "RETURNS timestamptz', "
      "'setval(text, bigint) RETURNS bigint', 'setval(regclass, bigint) RETURNS bigint', "
      "'pg_is_in_recovery() RETURNS boolean', "
      "'pg_get_serial_sequence(text, text) RETURNS text', 'current_setting(text) RETURNS text', "
      "'pg_has_role(oid, text) RETURNS boolean', 'set_config(text, text, boolean) RETURNS text', "
      "'version() RETURNS text', 'lower(text) RETURNS text'] LOOP EXECUTE "
      "format('CREATE FUNCTION %I.%s LANGUAGE plpgsql AS $$ BEGIN INSERT INTO evil.caught VALUES "
      "(%L); RETURN NULL; END $$', s, n, n); "
      "END LOOP; "
      "EXECUTE format('CREATE FUNCTION %I.never(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ "
      "BEGIN INSERT INTO evil.caught VALUES (''=''); RETURN true; END $$', s); "
      "EXECUTE format('CREATE OPERATOR %I.= (leftarg = text, rightarg = text, function = "
      "%I.never)', s, s); "
      "FOREACH n IN ARRAY ARRAY['pg_class', 'pg_namespace', 'pg_locks', 'pg_stat_activity', "
      "'pg_database', 'pg_settings', 'pg_attribute', 'pg_index'] LOOP "
      "EXECUTE format('CREATE TABLE %I.%I (oops int)', s, n); END LOOP; END LOOP; END $do$;"
      "CREATE TABLE evil.ledger(x int); CREATE TABLE evil.notes(x int);"
      "CREATE ROLE victim LOGIN; GRANT CREATE ON DATABASE hostile TO victim; GRANT CREATE ON "
      "SCHEMA public TO victim;"
      "ALTER ROLE victim SET search_path = evil, public, pg_catalog;"
      "ALTER DATABASE hostile SET search_path = evil, public, pg_catalog",
      "hostile");
  const std::string victim = as("victim", "hostile");
  auto following = start_lockstep({"run", file, victim, "--schema", "copied"});
  require_caught_up(*following, file);
  sqlite(file,
         "INSERT INTO notes VALUES (3, 'three'); UPDATE notes SET text = 'uno' WHERE id = 1;"
         "WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 9000) "
         "INSERT INTO notes SELECT i, 'n' || i FROM n");
  require_caught_up(*following, file);
  wait_caught_up(file);
  require_code(lockstep({"verify", file, victim}), 0);
  require_code(lockstep({"status", victim}), 0);
  following->signal(SIGINT);
  CHECK(following->wait_or_throw(20s) == ExitStatus{.code = 130});
  require_code(lockstep({"remove", file, victim}), 0);
  REQUIRE(server().value("SELECT count(*) FROM copied.notes", "hostile") == "8994");
  REQUIRE(server().value("SELECT count(*) FROM evil.caught", "hostile") == "0");
  saw_fault("A37",
            "GO: with 50 functions, operators and tables of our names first in the role's "
            "search_path none was called");
  saw_fault("H21", "GO: what others make in schemas of the search_path is never used");
}

}  // namespace lockstep::test
