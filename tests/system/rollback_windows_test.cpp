// What others do to either side between a cutover and a rollback, or in the middle of one, is in
// SQLite, or keeps the writers where they are.
#include <fmt/format.h>

#include "tests/system/moved_world.hpp"

namespace lockstep::test {
namespace {

using Catch::Contains;
using Json = nlohmann::json;

constexpr char kTables[] =
    "CREATE TABLE a(id INTEGER PRIMARY KEY, v TEXT); INSERT INTO a VALUES (1, 'x'), (2, 'y');"
    "CREATE TABLE ev(id INTEGER PRIMARY KEY, v TEXT); INSERT INTO ev VALUES (1, 'a'), (101, 'b');"
    "CREATE TABLE log(msg TEXT, n INT);"
    "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 20) INSERT INTO log "
    "SELECT 'm' || i, i FROM s; DELETE FROM log WHERE n <= 5;";

constexpr char kRows[] = "SELECT count(*) || ' ' || count(DISTINCT msg) || ' ' || sum(n) FROM log";

const std::vector<std::string> kRollback{
    "--confirm", "moved", "--when-ready", "--max-pause", "5s", "--verify-max-age", "0", "--json"};

std::vector<std::string> rollback_of(const Moved& moved,
                                     const std::vector<std::string>& more = {}) {
  std::vector<std::string> words{"rollback", moved.file()};
  words.insert(words.end(), kRollback.begin(), kRollback.end());
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

/// A rollback that stops at a failpoint, and has.
std::unique_ptr<Process> stopped_at(const Moved& moved, const std::string& point) {
  auto rollback =
      start_lockstep(rollback_of(moved), {.environment = {"LOCKSTEP_FAILPOINTS=" + point}});
  REQUIRE(wait_until(
      [&] {
        return contents("/proc/" + std::to_string(rollback->pid()) + "/stat").find(") T ") !=
               std::string::npos;
      },
      30s, 5ms));
  return rollback;
}

bool told(Moved& moved, const std::string& text) {
  return wait_until([&] { return moved.run().error_output().find(text) != std::string::npos; }, 15s,
                    20ms);
}

Json left_out_gate(const Moved& moved) {
  const Json gates =
      object_of(lockstep({"rollback", moved.file(), "--dry-run", "--json"}), "gates");
  for (const Json& each : gates["gates"])
    if (each["name"] == "left out") return each;
  return {};
}

std::string fences_on(const Moved& moved, const std::string& table) {
  return moved.value(
      fmt::format("SELECT count(*) FROM pg_trigger WHERE tgrelid = '{}'::regclass AND tgname = "
                  "'_lockstep_fence' AND tgenabled = 'A'",
                  table));
}

// As a release that was left behind migrates its table, and writes.
constexpr char kStale[] =
    "BEGIN; CREATE TABLE a_new(id INTEGER PRIMARY KEY, v TEXT); INSERT INTO a_new SELECT * FROM a; "
    "DROP TABLE a; ALTER TABLE a_new RENAME TO a; UPDATE a SET v = 'stale' WHERE id = 1; COMMIT";

}  // namespace

TEST_CASE("VACUUM of SQLite after a cutover changes no row of a table without a key", "[system]") {
  Moved moved("vacuumed", R"({"continuous": false})", "DELETE", kTables);
  const auto vacuum = [&] { Application(moved.file()).exec("VACUUM"); };
  const auto equal = [&] {
    return wait_until([&] { return sqlite(moved.file(), kRows).at(0) == moved.value(kRows); }, 15s,
                      20ms);
  };
  moved.write("UPDATE log SET n = n + 1000 WHERE msg = 'm6'");
  REQUIRE(equal());
  // A cutover leaves rowids that both know: nothing is read for nothing.
  CHECK_THAT(moved.run().error_output(), !Contains("LS-X671"));
  vacuum();
  CHECK(told(moved, "LS-X671"));
  CHECK_THAT(moved.run().error_output(), Contains("read anew") && Contains(": log"));
  moved.write("UPDATE log SET n = n + 1000 WHERE n < 1000");
  CHECK(equal());
  CHECK(sqlite(moved.file(), "SELECT count(*) FROM log").at(0) == "15");
  moved.equal();
  // While nobody follows.
  moved.write("DELETE FROM log WHERE msg = 'm8'");
  REQUIRE(equal());
  moved.run().signal(SIGTERM);
  REQUIRE(moved.run().wait_or_throw(20s) == ExitStatus{.code = 143});
  vacuum();
  moved.write("UPDATE log SET n = n + 1");
  moved.follow();
  CHECK(equal());
  // In the moment of the rollback, between what is waited for and what is held.
  moved.write("DELETE FROM log WHERE msg = 'm10'");
  REQUIRE(equal());
  require_code(moved.wait("caught-up"), 0);
  const auto rollback = stopped_at(moved, "cut.prepared=stop");
  moved.run().signal(SIGSTOP);
  vacuum();
  moved.write("UPDATE log SET n = n + 1");
  rollback->signal(SIGCONT);
  CHECK(rollback->wait_or_throw(30s) == ExitStatus{.code = 0});
  CHECK(sqlite(moved.file(), kRows).at(0) == moved.value(kRows));
  moved.run().signal(SIGCONT);
  require_code(moved.wait("caught-up"), 0);
  CHECK(sqlite(moved.file(), "SELECT count(*) FROM log").at(0) == "13");
  moved.equal();
}

TEST_CASE("a table that is swapped in the middle of a rollback takes no write behind it",
          "[system]") {
  Moved moved("swapped", R"({"continuous": false})", "WAL", kTables);
  const auto rollback = stopped_at(moved, "cut.prepared=stop");
  moved.write(
      "BEGIN; CREATE TABLE n (LIKE a INCLUDING ALL); INSERT INTO n SELECT * FROM a; ALTER TABLE a "
      "RENAME TO a_old; ALTER TABLE n RENAME TO a; COMMIT");
  REQUIRE(told(moved, "a was altered on PostgreSQL (it is another table)"));
  // Whoever follows it makes its fence as well.
  CHECK(fences_on(moved, "a") == "1");
  moved.write("INSERT INTO a VALUES (3, 'z')");
  moved.write("DROP TRIGGER _lockstep_fence ON a");
  rollback->signal(SIGCONT);
  CHECK(rollback->wait_or_throw(30s) == ExitStatus{.code = 3});
  CHECK_THAT(rollback->error_output(), Contains("LS-X672") && Contains("public.a"));
  CHECK(moved.value("SELECT role FROM lockstep.switchover") == "primary");
  moved.write("INSERT INTO a VALUES (4, 'still here')");
  require_code(lockstep(rollback_of(moved)), 0);
  CHECK_THROWS_WITH(moved.write("INSERT INTO a VALUES (5, 'late')"), Contains("LOCKSTEP-FENCED"));
  CHECK(sqlite(moved.file(), "SELECT group_concat(id) FROM a").at(0) == "1,2,3,4");
}

TEST_CASE("no partition is attached while a rollback holds the writers", "[system]") {
  Moved moved("attached", R"({"continuous": false})", "WAL", kTables);
  moved.write(
      "BEGIN; CREATE TABLE ev_p (id bigint PRIMARY KEY, v text) PARTITION BY RANGE (id); CREATE "
      "TABLE ev_1 PARTITION OF ev_p FOR VALUES FROM (0) TO (1000); INSERT INTO ev_p SELECT * FROM "
      "ev; ALTER TABLE ev RENAME TO ev_old; ALTER TABLE ev_p RENAME TO ev; COMMIT; CREATE TABLE "
      "loose (id bigint PRIMARY KEY, v text)");
  REQUIRE(told(moved, "ev was altered on PostgreSQL"));
  const auto rollback = stopped_at(moved, "rb.drained=stop");
  CHECK_THROWS_WITH(moved.write("SET lock_timeout = '200ms'; ALTER TABLE ev ATTACH PARTITION loose "
                                "FOR VALUES FROM (1000) TO (2000)"),
                    Contains("lock timeout"));
  rollback->signal(SIGCONT);
  CHECK(rollback->wait_or_throw(30s) == ExitStatus{.code = 0});
}

TEST_CASE("what a stale application writes in the middle of a rollback is not taken for the truth",
          "[system]") {
  Moved moved("healed", R"({"continuous": false})", "WAL", kTables);
  Application stale(moved.file());
  // Before the fence is put back, and at the last moment before PostgreSQL's is shut.
  for (const char* const point : {"cut.installed=stop", "rb.held=stop", "rb.drained=stop"}) {
    INFO(point);
    moved.write("UPDATE a SET v = 'x2' WHERE id = 1");
    REQUIRE(wait_until(
        [&] { return sqlite(moved.file(), "SELECT v FROM a WHERE id = 1").at(0) == "x2"; }, 15s,
        20ms));
    require_code(moved.verify(), 0);
    const auto rollback = stopped_at(moved, point);
    moved.run().signal(SIGSTOP);
    stale.exec(kStale);
    rollback->signal(SIGCONT);
    CHECK(rollback->wait_or_throw(30s) == ExitStatus{.code = 3});
    CHECK_THAT(rollback->error_output(), Contains("LS-X664"));
    CHECK(moved.value("SELECT role FROM lockstep.switchover") == "primary");
    CHECK(moved.value("SELECT v FROM a WHERE id = 1") == "x2");
    moved.run().signal(SIGCONT);
    REQUIRE(wait_until([&] { return moved.state_of("a") == "mismatch"; }, 15s, 20ms));
    require_code(moved.verify({"--repair", "--yes"}), 0);
    require_code(moved.verify(), 0);
  }
  CHECK(sqlite(moved.file(), "SELECT v FROM a WHERE id = 1").at(0) == "x2");
  // Behind that SQLite is locked until it has the writers.
  const auto rollback = stopped_at(moved, "rb.fenced=stop");
  CHECK_THROWS_WITH(stale.exec(kStale), Contains("locked"));
  rollback->signal(SIGCONT);
  CHECK(rollback->wait_or_throw(30s) == ExitStatus{.code = 0});
}

TEST_CASE("tables that were made on PostgreSQL are not left behind without a word", "[system]") {
  Moved moved("behind", R"({"continuous": false})", "WAL", kTables, [](const Moved& before) {
    before.write("CREATE TABLE elsewhere(id int); INSERT INTO elsewhere VALUES (1)");
  });
  CHECK(left_out_gate(moved)["open"] == true);
  CHECK(left_out_gate(moved)["found"] == "none");
  moved.write(
      "CREATE TABLE newt(id bigserial PRIMARY KEY, a bigint REFERENCES a(id), v text); CREATE "
      "TABLE bare(id int)");
  CHECK(left_out_gate(moved)["open"] == true);
  CHECK(left_out_gate(moved)["found"] == "none; without rows: bare, newt");
  moved.write("INSERT INTO newt(a, v) VALUES (1, 'only here')");
  const Json shut = left_out_gate(moved);
  CHECK(shut["open"] == false);
  CHECK_THAT(shut["found"].get<std::string>(),
             Contains("made on PostgreSQL since the cutover, with rows: newt;"));
  const auto listed = [&] {
    const Json now = moved.status();
    for (const Json& each : now["cannot_go_back"])
      if (each["table"] == "newt" && each["blocks"] == false) return true;
    return false;
  };
  CHECK(wait_until(listed, 15s, 20ms));
  require_code(lockstep({"rollback", moved.file(), "--confirm", "moved", "--verify-max-age", "0"}),
               3);
  CHECK(moved.value("SELECT role FROM lockstep.switchover") == "primary");
  // As an older lockstep's cutover leaves it: nobody knows, so all that are not followed count.
  const std::string before = moved.value("SELECT tables_before FROM lockstep.switchover");
  moved.write("UPDATE lockstep.switchover SET tables_before = NULL");
  CHECK_THAT(left_out_gate(moved)["found"].get<std::string>(), Contains("elsewhere, newt"));
  moved.write(fmt::format("UPDATE lockstep.switchover SET tables_before = '{}'", before));
  const Outcome back = lockstep(rollback_of(moved, {"--accept-left-out"}));
  require_code(back, 0);
  CHECK_THAT(back.output, Contains("LS-X666") && Contains("newt"));
}

}  // namespace lockstep::test
