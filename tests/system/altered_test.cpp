// After a cutover somebody alters the tables on PostgreSQL: what is written past the triggers of
// the way back is in SQLite all the same, or no rollback begins.
#include <fmt/format.h>
#include <libpq-fe.h>

#include <utility>

#include "tests/system/moved_world.hpp"

namespace lockstep::test {
namespace {

using Catch::Contains;
using Json = nlohmann::json;

constexpr char kTables[] =
    "CREATE TABLE a(id INTEGER PRIMARY KEY, n INT, t TEXT);"
    "INSERT INTO a VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c');"
    "CREATE TABLE ev(id INTEGER PRIMARY KEY, v TEXT);"
    "INSERT INTO ev VALUES (1, 'a'), (101, 'b'), (201, 'c');";

constexpr char kOnPostgres[] =
    "SELECT coalesce(string_agg(id || '/' || {}, ' ' ORDER BY id), '-') FROM {}";
constexpr char kOnSqlite[] =
    "SELECT coalesce(group_concat(id || '/' || {}, ' '), '-') FROM (SELECT * FROM {} ORDER BY id)";

/// What SQLite gets of a table, until it is what PostgreSQL has; the last it had if it never is.
std::string until_equal(const Moved& moved, const std::string& table, const std::string& column) {
  const auto there = [&] {
    return moved.value(fmt::format(fmt::runtime(kOnPostgres), column, table));
  };
  std::string here;
  if (wait_until(
          [&] {
            here = sqlite(moved.file(), fmt::format(fmt::runtime(kOnSqlite), column, table)).at(0);
            return here == there();
          },
          15s, 20ms))
    return "equal";
  return here;
}

Json gate_of(const Moved& moved, const std::string& name) {
  const Json gates =
      object_of(lockstep({"rollback", moved.file(), "--dry-run", "--json"}), "gates");
  for (const Json& each : gates["gates"])
    if (each["name"] == name) return each;
  return {};
}

bool told(Moved& moved, const std::string& text) {
  return wait_until([&] { return moved.run().error_output().find(text) != std::string::npos; }, 15s,
                    20ms);
}

void roll_back(const Moved& moved) {
  require_code(lockstep({"rollback", moved.file(), "--confirm", "moved", "--when-ready",
                         "--max-pause", "5s", "--verify-max-age", "0"}),
               0);
}

}  // namespace

TEST_CASE("writes past the triggers of the way back are read anew", "[system]") {
  Moved moved("altered", R"({"continuous": false})", "WAL", kTables);
  // A cutover leaves the tables as they are remembered: nothing is read for nothing.
  CHECK(gate_of(moved, "triggers")["open"] == true);
  const std::vector<std::pair<std::string, std::string>> changes{
      {"ALTER TABLE a DISABLE TRIGGER ALL; UPDATE a SET n = 10 WHERE id = 1; ALTER TABLE a ENABLE "
       "TRIGGER ALL",
       "a was altered on PostgreSQL (the triggers that log)"},
      {"ALTER TABLE a DISABLE TRIGGER _lockstep_log; UPDATE a SET n = 11 WHERE id = 1; ALTER TABLE "
       "a ENABLE ALWAYS TRIGGER _lockstep_log",
       "a was altered on PostgreSQL (the triggers that log)"},
      {"DROP TRIGGER _lockstep_log ON a; DELETE FROM a WHERE id = 2",
       "a was altered on PostgreSQL (the triggers that log)"},
      {"ALTER TABLE a ALTER n TYPE bigint USING n * 7", "a was altered on PostgreSQL (its columns"},
      {"CREATE TABLE a_new (LIKE a INCLUDING ALL); INSERT INTO a_new SELECT id + 50, n, t FROM a; "
       "ALTER TABLE a RENAME TO a_old; ALTER TABLE a_new RENAME TO a",
       "a was altered on PostgreSQL (it is another table)"}};
  for (const auto& [sql, note] : changes) {
    INFO(sql);
    moved.write(sql);
    CHECK(until_equal(moved, "a", "n") == "equal");
    CHECK(told(moved, note));
    CHECK(wait_until([&] { return gate_of(moved, "triggers")["open"] == true; }, 15s, 20ms));
    CHECK(moved.value("SELECT string_agg(tgenabled::text, '') FROM pg_trigger WHERE tgrelid = "
                      "'a'::regclass AND tgname LIKE '\\_lockstep\\_log%'") == "AA");
  }
  CHECK_THAT(moved.run().error_output(), Contains("LS-X663") && !Contains("ev was altered"));
  moved.write("UPDATE a SET n = 5 WHERE id = 51");
  CHECK(until_equal(moved, "a", "n") == "equal");
  roll_back(moved);
  moved.equal();
}

TEST_CASE("an enum's label that is renamed after the cutover is SQLite's, too", "[system]") {
  Moved moved(
      "labels", R"({"continuous": false})", "WAL",
      "CREATE TABLE a(id INTEGER PRIMARY KEY, m TEXT); INSERT INTO a VALUES (1, 'sad'), (2, "
      "'ok'); CREATE TABLE o(id INTEGER PRIMARY KEY)",
      {},
      "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TABLE a (id bigint PRIMARY KEY, m "
      "mood)");
  moved.write("ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'");
  CHECK(until_equal(moved, "a", "m") == "equal");
  CHECK(told(moved, "a was altered on PostgreSQL (its columns or their types)"));
  roll_back(moved);
  CHECK(sqlite(moved.file(), "SELECT m FROM a WHERE id = 1").at(0) == "blue");
  moved.equal();
}

TEST_CASE("partitions come and go after a cutover, and SQLite has their rows", "[system]") {
  Moved moved("partitions", R"({"continuous": false})", "WAL", kTables);
  moved.write(
      "CREATE TABLE ev_p (id bigint PRIMARY KEY, v text) PARTITION BY RANGE (id);"
      "CREATE TABLE ev_1 PARTITION OF ev_p FOR VALUES FROM (0) TO (100);"
      "CREATE TABLE ev_2 PARTITION OF ev_p FOR VALUES FROM (100) TO (200);"
      "CREATE TABLE ev_3 PARTITION OF ev_p FOR VALUES FROM (200) TO (300);"
      "INSERT INTO ev_p SELECT id, v || '!' FROM ev;"
      "ALTER TABLE ev RENAME TO ev_old; ALTER TABLE ev_p RENAME TO ev");
  CHECK(until_equal(moved, "ev", "v") == "equal");
  // As soon as SQLite has a row of it, its TRUNCATE is seen as well, and its end.
  moved.write(
      "CREATE TABLE ev_4 PARTITION OF ev FOR VALUES FROM (300) TO (400);"
      "INSERT INTO ev VALUES (301, 'new')");
  REQUIRE(wait_until(
      [&] { return sqlite(moved.file(), "SELECT 1 FROM ev WHERE id = 301").size() == 1; }, 15s,
      1ms));
  moved.write("TRUNCATE ev_4; DROP TABLE ev_4");
  CHECK(until_equal(moved, "ev", "v") == "equal");
  for (const char* const sql :
       {"CREATE TABLE loose (id bigint PRIMARY KEY, v text); INSERT INTO loose VALUES (401, 'l'); "
        "ALTER TABLE ev ATTACH PARTITION loose FOR VALUES FROM (400) TO (500)",
        "ALTER TABLE ev DETACH PARTITION ev_1",
        "UPDATE ev_1 SET v = 'apart'; ALTER TABLE ev ATTACH PARTITION ev_1 FOR VALUES FROM (0) TO "
        "(100)",
        "DROP TABLE ev_2", "UPDATE ev SET v = 'all'; TRUNCATE loose"}) {
    INFO(sql);
    moved.write(sql);
    CHECK(until_equal(moved, "ev", "v") == "equal");
  }
  CHECK(told(moved, "ev was altered on PostgreSQL (its partitions, the triggers that log)"));
  roll_back(moved);
  moved.equal();
}

TEST_CASE("no rollback before what was written past the triggers is in SQLite", "[system]") {
  Moved moved("past", R"({"continuous": false})", "WAL", kTables);
  {
    // The triggers cannot be made while somebody writes: everything waits, and says so.
    const std::unique_ptr<PGconn, decltype(&PQfinish)> writer(PQconnectdb(moved.dsn().c_str()),
                                                              &PQfinish);
    PQclear(PQexec(writer.get(),
                   "BEGIN; ALTER TABLE a DISABLE TRIGGER ALL; UPDATE a SET n = 99; COMMIT; BEGIN; "
                   "UPDATE a SET t = 'open'"));
    REQUIRE(wait_until([&] { return gate_of(moved, "triggers")["open"] == false; }, 15s, 20ms));
    CHECK_THAT(gate_of(moved, "triggers")["found"].get<std::string>(),
               Contains("a: the triggers that log"));
    require_code(lockstep({"rollback", moved.file(), "--confirm", "moved"}), 3);
    REQUIRE(wait_until([&] { return moved.status()["awaited"].is_object(); }, 15s, 20ms));
    CHECK(moved.status()["awaited"]["code"] == "LS-X614");
    PQclear(PQexec(writer.get(), "COMMIT"));
  }
  CHECK(until_equal(moved, "a", "n || t") == "equal");

  // Behind the gates it is looked at once more while writers are held, and lockstep run sleeps.
  const auto rollback =
      start_lockstep({"rollback", moved.file(), "--confirm", "moved", "--when-ready", "--max-pause",
                      "5s", "--verify-max-age", "0"},
                     {.environment = {"LOCKSTEP_FAILPOINTS=cut.prepared=stop"}});
  REQUIRE(wait_until(
      [&] {
        return contents("/proc/" + std::to_string(rollback->pid()) + "/stat").find(") T ") !=
               std::string::npos;
      },
      30s, 5ms));
  moved.run().signal(SIGSTOP);
  moved.write(
      "ALTER TABLE a DISABLE TRIGGER _lockstep_log; UPDATE a SET n = 77; ALTER TABLE a ENABLE "
      "ALWAYS TRIGGER _lockstep_log");
  rollback->signal(SIGCONT);
  CHECK(rollback->wait_or_throw(30s) == ExitStatus{.code = 3});
  CHECK_THAT(rollback->error_output(), Contains("LS-X663") && Contains("a: the triggers that log"));
  CHECK(moved.value("SELECT role FROM lockstep.switchover") == "primary");
  moved.run().signal(SIGCONT);
  CHECK(until_equal(moved, "a", "n") == "equal");

  // A column that only PostgreSQL has is listed before any row of its table changes.
  moved.write("ALTER TABLE a ADD COLUMN extra text");
  CHECK_THAT(gate_of(moved, "columns")["found"].get<std::string>(),
             Contains("1 cannot go back") && Contains("a.extra"));
  REQUIRE(wait_until(
      [&] {
        const Json now = moved.status();
        return now["awaited"].is_object() && now["awaited"]["code"] == "LS-X613";
      },
      15s, 20ms));
  CHECK_THAT(gate_of(moved, "follower")["todo"].get<std::string>(),
             Contains("LS-X613") && !Contains("lockstep run SOURCE"));
  moved.write("ALTER TABLE a DROP COLUMN extra");

  // Who keeps a rollback waiting is named, with what ends it.
  const std::unique_ptr<PGconn, decltype(&PQfinish)> session(PQconnectdb(moved.dsn().c_str()),
                                                             &PQfinish);
  PQclear(PQexec(session.get(), "BEGIN; UPDATE a SET n = 6 WHERE id = 1"));
  REQUIRE(
      wait_until([&] { return gate_of(moved, "long transactions")["open"] == false; }, 15s, 20ms));
  CHECK_THAT(gate_of(moved, "long transactions")["todo"].get<std::string>(),
             Contains(fmt::format("pg_terminate_backend({})", PQbackendPID(session.get()))));
  PQclear(PQexec(session.get(), "PREPARE TRANSACTION 'it''s'"));
  CHECK(wait_until(
      [&] {
        const auto todo = gate_of(moved, "long transactions")["todo"].get<std::string>();
        return todo.find("ROLLBACK PREPARED 'it''s'") != std::string::npos;
      },
      15s, 20ms));
  PQclear(PQexec(session.get(), "ROLLBACK PREPARED 'it''s'"));
  CHECK(gate_of(moved, "long transactions")["open"] == true);
  roll_back(moved);
  moved.equal();
}

}  // namespace lockstep::test
