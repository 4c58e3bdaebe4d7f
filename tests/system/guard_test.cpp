// While lockstep follows, nobody else writes to the copied tables by mistake: refused, or counted.
#include <fmt/format.h>

#include <fstream>
#include <map>

#include "link/postgres/connection.hpp"
#include "tests/system/existing_world.hpp"

namespace lockstep::test {
namespace {

// Applications: one that may write to every table, and whoever may do anything.
std::string as(const std::string& role, const std::string& database) {
  static const bool made = [] {
    server().query("CREATE ROLE shop LOGIN; CREATE ROLE silent LOGIN");
    if (server().value("SELECT current_setting('server_version_num')::int >= 150000") == "t")
      server().query("GRANT SET ON PARAMETER session_replication_role TO silent");
    return true;
  }();
  REQUIRE(made);
  std::string dsn = server().dsn(database);
  return dsn.replace(dsn.find("postgres@"), 8, role);
}

/// What the server answers to somebody who knows nothing of lockstep; "" if it let it pass.
std::string attempt(const std::string& dsn, const std::string& sql) {
  try {
    query(dsn, sql, Guard::met);
    return {};
  } catch (const std::exception& refused) {
    return refused.what();
  }
}

bool is_refused(const std::string& dsn, const std::string& sql) {
  return attempt(dsn, sql).find("LS-X602") != std::string::npos;
}

void passes(const std::string& dsn, const std::string& sql) {
  INFO(sql);
  CHECK(attempt(dsn, sql).empty());
}

void refused(const std::string& dsn, const std::string& sql, const std::string& name) {
  INFO(sql);
  const std::string answer = attempt(dsn, sql);
  CHECK_THAT(answer, Catch::Contains("LS-X602") && Catch::Contains(name));
}

/// A target whose tables the role `owner` makes, and where `shop` may write.
Followed target_of(const std::string& owner, const std::string& name) {
  static_cast<void>(as("shop", "postgres"));
  server().create_database(name);
  server().query(
      fmt::format("GRANT ALL ON SCHEMA public TO PUBLIC; GRANT CREATE ON DATABASE {0} TO "
                  "PUBLIC; ALTER DEFAULT PRIVILEGES FOR ROLE {1} GRANT ALL ON TABLES TO "
                  "shop",
                  name, owner),
      name);
  return Followed(name, as(owner, name));
}

std::string guards(const std::string& database) {
  return value(
      "SELECT (SELECT count(*) FROM pg_trigger WHERE tgname = '_lockstep_guard') || ' ' || (SELECT "
      "count(*) FROM pg_proc WHERE proname LIKE 'guard_%' AND pronamespace = "
      "to_regnamespace('lockstep'))",
      database);
}

// Every way to write of somebody who may do anything. Nothing of it finds a row on purpose once.
const std::vector<std::string> kWrites{
    "INSERT INTO a VALUES (99, 'x', 1)", "INSERT INTO a SELECT 98, 'y', 1",
    "UPDATE a SET n = n + 1", "UPDATE a SET n = 1 WHERE false", "DELETE FROM b WHERE k = 'a'",
    "TRUNCATE b", "TRUNCATE a, b RESTART IDENTITY CASCADE",
    "COPY b FROM PROGRAM 'echo zz,9' WITH (FORMAT csv)",
    "INSERT INTO a VALUES (1, 'a', 1) ON CONFLICT (id) DO UPDATE SET n = 77",
    "INSERT INTO a VALUES (1, 'a', 1) ON CONFLICT DO NOTHING",
    "WITH gone AS (DELETE FROM b RETURNING k) SELECT count(*) FROM gone",
    "CREATE VIEW seen AS SELECT * FROM a; UPDATE seen SET n = 5",
    "PREPARE p AS UPDATE a SET n = 6 WHERE id = $1; EXECUTE p(1)",
    "SET ROLE shop; UPDATE a SET n = 7",
    "BEGIN; SET LOCAL lockstep.guard = off; COMMIT; UPDATE a SET n = 8",
    "DO $$BEGIN EXECUTE 'UPDATE a SET n = 9'; END$$",
    // Names that mean something else to the session that writes.
    "CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC; CREATE FUNCTION "
    "evil.current_setting(text, boolean) RETURNS text LANGUAGE "
    "sql AS $$SELECT 'off'::text$$; CREATE FUNCTION evil.same(text, text) RETURNS boolean LANGUAGE "
    "sql AS $$SELECT true$$; CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = "
    "evil.same); CREATE FUNCTION evil.format(text, text, text) RETURNS text LANGUAGE sql AS "
    "$$SELECT 'harmless'$$; SET search_path = evil, pg_catalog, public; UPDATE public.a SET n = "
    "10"};

}  // namespace

TEST_CASE("whoever writes to a copied table is refused by name, and lockstep is not", "[system]") {
  // With and without the right to keep triggers quiet, and as superuser.
  const std::string owner = GENERATE(values<std::string>({"keeper", "silent", "postgres"}));
  static_cast<void>(as("shop", "postgres"));
  static_cast<void>(owner == "keeper" ? owned_database("keeper_is_there") : "");
  const std::string name = "rejects_" + owner;
  Followed both = target_of(owner, name);
  both.start_and_catch_up();
  const std::string super = server().dsn(name), shop = as("shop", name);
  const bool quiet = owner != "keeper";
  if (owner == "keeper") {
    for (const std::string& sql : kWrites) refused(super, sql, "public.");
    if (server().value("SELECT current_setting('server_version_num')::int >= 150000") == "t")
      refused(
          super,
          "MERGE INTO a USING (VALUES (1)) AS v(id) ON a.id = v.id WHEN MATCHED THEN UPDATE SET "
          "n = 5",
          "public.a");
  }
  refused(shop, "UPDATE a SET n = 4711", "role shop");
  refused(both.dsn(), "DELETE FROM a", "role " + owner);
  CHECK(attempt(shop,
                "DO $$BEGIN UPDATE a SET n = 1; EXCEPTION WHEN SQLSTATE '25006' THEN NULL; END$$")
            .empty());
  if (quiet) {  // what a foreign key does on its way from a table that nobody follows
    server().query(
        "CREATE TABLE p(id bigint PRIMARY KEY); INSERT INTO p SELECT generate_series(0, 9); ALTER "
        "TABLE b ADD CONSTRAINT of_p FOREIGN KEY (n) REFERENCES p ON DELETE CASCADE NOT VALID",
        name);
    refused(super, "DELETE FROM p WHERE id = 1", "public.b");
    CHECK(value("SELECT count(*) FROM p", name) == "10");
  }
  // Reading, locking, and tables that are nobody's copy.
  passes(shop, "SELECT * FROM a FOR UPDATE");
  passes(super, "CREATE TABLE mine(x int); INSERT INTO mine VALUES (1); DROP TABLE mine");
  // lockstep itself: single rows, many rows, deletes, a table that is read anew, a new table.
  both.write_some();
  both.write(
      "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 2000) INSERT "
      "INTO b SELECT 'many' || x, 5 FROM n; DELETE FROM a WHERE id = 2");
  both.write(
      "BEGIN; CREATE TABLE a2(id INTEGER PRIMARY KEY, u TEXT UNIQUE, n INT); INSERT INTO a2 "
      "SELECT * FROM a; DROP TABLE a; ALTER TABLE a2 RENAME TO a; COMMIT");
  both.write(
      "CREATE TABLE later(id INTEGER PRIMARY KEY, t TEXT); INSERT INTO later VALUES (1, 'x')");
  REQUIRE(wait_until([&] { return value("SELECT to_regclass('later')", name) == "later"; }, 30s));
  both.write("INSERT INTO later VALUES (2, 'y')");
  both.caught_up();
  refused(super, "UPDATE a SET n = 1", "public.a");
  refused(super, "UPDATE later SET t = 'z'", "public.later");
  // A killed lockstep keeps nobody from being refused, and the next one goes on.
  both.process().kill_hard();
  refused(super, "DELETE FROM b", "public.b");
  both.write_some();
  both.start_and_catch_up();
  // On purpose.
  passes(super, "SET lockstep.guard = off; UPDATE a SET n = 4711 WHERE id = 1");
  passes(super, "SET session_replication_role = replica; INSERT INTO b VALUES ('mine', 3)");
  both.stop();
  const Outcome verified = lockstep({"verify", both.file(), both.dsn()});
  require_code(verified, 4);
  CHECK_THAT(verified.output, Catch::Contains("4711") && Catch::Contains("mine"));
  require_code(lockstep({"remove", both.file(), both.dsn()}), 0);
  CHECK(guards(name) == "0 0");
  passes(shop, "UPDATE a SET n = 1");
  saw_fault("A20", "GO: refused with LS-X602 (25006); what goes past the guard is named by verify");
}

TEST_CASE("a guard that is disabled or dropped is back within seconds, and waits for no lock",
          "[system]") {
  Followed both = target_of("postgres", "comes_back");
  both.start_and_catch_up();
  both.stop();
  const std::string dsn = server().dsn("comes_back");
  server().query("ALTER TABLE a DISABLE TRIGGER ALL; DROP TRIGGER _lockstep_guard ON b",
                 "comes_back");
  // Somebody is in the middle of a transaction with b.
  postgres::Connection holder = postgres::Connection::open(postgres::parse_dsn(dsn), "holder");
  holder.exec("BEGIN; UPDATE public.b SET n = n");
  both.start();
  REQUIRE(wait_until([&] { return is_refused(dsn, "BEGIN; UPDATE a SET n = n; ROLLBACK"); }, 20s,
                     20ms));
  nlohmann::json without;
  REQUIRE(wait_until(
      [&] {
        without = both.status()["guard"]["without"];
        return !without.empty();
      },
      20s, 50ms));
  CHECK(without[0]["table"] == "public.b");
  CHECK_THAT(without[0]["why"].get<std::string>(), Catch::Contains("locked"));
  both.write("UPDATE a SET n = n + 1");  // goes on meanwhile
  both.caught_up();
  holder.exec("ROLLBACK");
  REQUIRE(wait_until([&] { return is_refused(dsn, "BEGIN; UPDATE b SET n = n; ROLLBACK"); }, 20s,
                     50ms));
  both.stop();
  CHECK_THAT(both.process().error_output(), Catch::Contains("nothing keeps others from writing to "
                                                            "public.b"));
  // remove names who keeps it from taking the triggers away, and can be repeated.
  holder.exec("BEGIN; SELECT * FROM public.b");
  const Outcome kept = lockstep({"remove", both.file(), dsn});
  require_code(kept, 6);
  CHECK_THAT(kept.error_output, Catch::Contains("LS-T213") && Catch::Contains("lockstep holder"));
  passes(dsn, "BEGIN; UPDATE a SET n = n; ROLLBACK");  // open already
  holder.exec("COMMIT");
  require_code(lockstep({"remove", both.file(), dsn}), 0);
  CHECK(guards("comes_back") == "0 0");
}

TEST_CASE("detect counts what others write, off has no trigger, and hold opens it", "[system]") {
  Followed both = target_of("silent", "detects");
  const std::string shop = as("shop", "detects");
  both.start({"--guard", "detect"});
  both.caught_up();
  both.write_some();
  both.caught_up();
  CHECK(value("SELECT count(*) FROM lockstep.foreign_writes", "detects") == "0");  // not our own
  passes(shop,
         "SET application_name = 'web 3'; UPDATE a SET n = 1 WHERE id = 1; UPDATE a SET n = "
         "4711 WHERE id = 1; INSERT INTO b VALUES ('mine', 9)");
  passes(shop, "BEGIN; DELETE FROM b; ROLLBACK");
  CHECK(
      value(
          "SELECT string_agg(relation || ' ' || command || ' ' || role || ' ' || statements, ', ' "
          "ORDER BY number) FROM lockstep.foreign_writes WHERE application_name = 'web 3'",
          "detects") == "public.a UPDATE shop 2, public.b INSERT shop 1");
  nlohmann::json guard;
  REQUIRE(wait_until(
      [&] {
        guard = both.status()["guard"];
        return guard["foreign_writes"] == 3;
      },
      20s, 50ms));
  CHECK(guard["mode"] == "detect");
  CHECK_THAT(guard["last_write"].get<std::string>(),
             Catch::Contains("INSERT on public.b by role shop (web 3"));
  CHECK_THAT(lockstep({"status", both.file()}).output, Catch::Contains("3 statement(s) of others"));
  require_code(lockstep({"verify", both.file(), both.dsn(), "--repair", "--yes"}), 0);
  both.stop();
  CHECK_THAT(both.process().error_output(), Catch::Contains("somebody else writes"));
  CHECK(both.status()["guard"]["foreign_writes"] == 3);  // without a lockstep, too
  both.start({"--guard", "off"});
  both.caught_up();
  REQUIRE(wait_until([] { return guards("detects").starts_with("0 "); }, 20s, 20ms));
  passes(shop, "BEGIN; UPDATE a SET n = 1; ROLLBACK");
  both.stop();
  // As the file says, where no flag does; the ledger alone opens it.
  std::ofstream(both.in_folder("c.json")) << R"({"version": 1, "target": {"guard": "reject"}})";
  both.start({"--config", both.in_folder("c.json")});
  const std::string tried = "BEGIN; UPDATE a SET n = 1; ROLLBACK";
  REQUIRE(wait_until([&] { return is_refused(shop, tried); }, 20s, 20ms));
  both.caught_up();
  require_code(lockstep({"ddl", "hold", both.file()}), 0);
  passes(shop, tried);
  both.stop();
  CHECK(both.status()["guard"]["held"] == true);
  CHECK_THAT(lockstep({"status", both.dsn()}).output,
             Catch::Contains("reject, open: lockstep ddl hold"));
  both.start();
  both.write_some();
  both.caught_up();
  passes(shop, tried);
  require_code(lockstep({"ddl", "accept", both.file(), both.dsn()}), 0);
  refused(shop, "UPDATE a SET n = 1", "role shop");
  server().query("UPDATE lockstep.ledger SET role = 'primary'", "detects");
  passes(shop, "BEGIN; UPDATE a SET n = 1; ROLLBACK");
  server().query("UPDATE lockstep.ledger SET role = 'replica'", "detects");
  both.stop();
  const Outcome wrong = lockstep({"run", both.file(), both.dsn(), "--guard", "maybe"});
  require_code(wrong, 2);
}

TEST_CASE("tables of another owner have the guard where lockstep's role may, partitions too",
          "[system]") {
  Followed both = target_of("silent", "foreign_owner");
  const std::string shop = as("shop", "foreign_owner");
  server().query(
      "CREATE TABLE a(id bigint PRIMARY KEY, u text UNIQUE, n bigint);"
      "CREATE TABLE b(k text PRIMARY KEY, n bigint) PARTITION BY HASH (k);"
      "CREATE TABLE b0 PARTITION OF b FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
      "CREATE TABLE b1 PARTITION OF b FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
      "GRANT SELECT, INSERT, UPDATE, DELETE ON a, b, b0, b1 TO silent, shop;"
      "GRANT TRIGGER ON b, b0 TO silent",
      "foreign_owner");
  both.start_and_catch_up();
  std::map<std::string, std::string> without;
  REQUIRE(wait_until(
      [&] {
        const nlohmann::json status = both.status();
        for (const auto& each : status["guard"]["without"]) without[each["table"]] = each["why"];
        return without.size() == 2;
      },
      20s, 20ms));
  CHECK_THAT(without["public.a"], Catch::Contains("TRIGGER") && Catch::Contains("postgres"));
  CHECK(without.contains("public.b1"));
  passes(shop, "BEGIN; UPDATE a SET n = 1; ROLLBACK");
  refused(shop, "DELETE FROM b", "public.b");
  refused(shop, "INSERT INTO b0 VALUES ('x', 1)", "public.b0");
  server().query("GRANT TRIGGER ON a, b1 TO silent", "foreign_owner");
  REQUIRE(wait_until([&] { return is_refused(shop, "BEGIN; UPDATE a SET n = 1; ROLLBACK"); }, 20s,
                     50ms));
  refused(shop, "DELETE FROM b1", "public.b1");
  both.write_some();
  both.caught_up();
  CHECK_THAT(lockstep({"schema", "diff", both.file(), both.dsn()}).output,
             !Catch::Contains("_lockstep_guard"));
  both.stop();
  require_code(lockstep({"remove", both.file(), both.dsn()}), 0);
  CHECK(guards("foreign_owner") == "0 0");
}

// Open behind an acceptance it would let anybody write there.
TEST_CASE("a guard that cannot be closed leaves the schema held", "[system]") {
  PostgresServer alone{{"fsync=off"}};
  Followed both("unclosed", alone.create_database("unclosed"));
  both.start_and_catch_up();
  both.stop();
  const auto held = [&] {
    return alone.value("SELECT guard_held FROM lockstep.ledger", "unclosed");
  };
  require_code(lockstep({"ddl", "hold", both.file()}), 0);
  CHECK(held() == "t");
  alone.stop_fast();
  const Outcome failed = lockstep({"ddl", "accept", both.file()});
  CHECK(failed.status.code == 5);
  CHECK_THAT(failed.error_output, Catch::Contains("the guard on the target cannot be closed"));
  alone.start();
  CHECK_THAT(lockstep({"ddl", "status", both.file()}).output, Catch::Contains("held"));
  require_code(lockstep({"ddl", "accept", both.file()}), 0);
  CHECK(held() == "f");
}

}  // namespace lockstep::test
