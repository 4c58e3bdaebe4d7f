// After a cutover: an application that was left behind opens SQLite's fence, columns that only
// SQLite computes.
#include <fmt/format.h>

#include "tests/system/moved_world.hpp"

namespace lockstep::test {
namespace {

using Catch::Contains;
using Json = nlohmann::json;

constexpr char kShop[] =
    "CREATE TABLE a(id INTEGER PRIMARY KEY, n INT, t TEXT);"
    "INSERT INTO a VALUES (1, 1, 'a'), (2, 2, 'b');"
    "CREATE TABLE w(id INTEGER PRIMARY KEY, at DATETIME);"
    "INSERT INTO w VALUES (1, '2024-01-02 03:04:05'), (2, '2024-01-02 03:04:06'), (3, NULL);"
    "CREATE TABLE g(id INTEGER PRIMARY KEY, n INT, code TEXT GENERATED ALWAYS AS (printf('%05d', "
    "n)) "
    "STORED, z INT);"
    "INSERT INTO g(id, n, z) VALUES (1, 1, 1);";

Json gate_in(const Outcome& outcome, const std::string& name) {
  const Json gates = object_of(outcome, "gates");
  for (const Json& each : gates["gates"])
    if (each["name"] == name) return each;
  return {};
}

Outcome dry(const Moved& moved) {
  return lockstep({"rollback", moved.file(), "--dry-run", "--json"});
}

bool run_says(Moved& moved, const std::string& text) {
  return wait_until([&] { return moved.run().error_output().find(text) != std::string::npos; }, 15s,
                    20ms);
}

void stop(Moved& moved) {
  moved.run().signal(SIGTERM);
  CHECK(moved.run().wait_or_throw(20s) == ExitStatus{.code = 143});
}

constexpr char kRebuild[] =
    "BEGIN; CREATE TABLE a_new(id INTEGER PRIMARY KEY, n INT, t TEXT); INSERT INTO a_new SELECT * "
    "FROM a; DROP TABLE a; ALTER TABLE a_new RENAME TO a; INSERT INTO a VALUES ({}, 9, 'stale'); "
    "COMMIT";

}  // namespace

TEST_CASE("a migration of a stale application opens no fence for long, and no rollback",
          "[system]") {
  Moved moved("stale", R"({"continuous": false})", "WAL", kShop);
  CHECK(gate_in(dry(moved), "fence")["open"] == true);
  Application stale(moved.file());
  stale.exec(fmt::format(kRebuild, 99));
  CHECK(run_says(moved, "LS-X664"));
  CHECK_THAT(moved.run().error_output(), Contains("a had no fence") && Contains("pid "));
  CHECK_THROWS_WITH(stale.exec("UPDATE a SET n = 0"), Contains("LOCKSTEP-FENCED"));
  stale.exec("CREATE TABLE fresh(x)");
  CHECK(run_says(moved, "fresh had no fence"));
  CHECK_THROWS_WITH(stale.exec("INSERT INTO fresh VALUES (1)"), Contains("LOCKSTEP-FENCED"));
  // It was compared without anybody asking; the row is named, and goes when somebody says so.
  REQUIRE(wait_until([&] { return moved.state_of("a") == "mismatch"; }, 15s, 20ms));
  CHECK(gate_in(dry(moved), "fence")["open"] == false);
  require_code(lockstep({"rollback", moved.file(), "--confirm", "moved"}), 3);
  CHECK(sqlite(moved.file(), "SELECT t FROM a WHERE id = 99").size() == 1);
  require_code(moved.verify({"--repair", "--yes"}), 0);
  require_code(moved.verify(), 0);
  CHECK(gate_in(dry(moved), "fence")["open"] == true);

  // The same behind the gates, while lockstep run sleeps.
  const auto rollback = start_lockstep(
      {"rollback", moved.file(), "--confirm", "moved", "--when-ready", "--max-pause", "5s"},
      {.environment = {"LOCKSTEP_FAILPOINTS=cut.prepared=stop"}});
  REQUIRE(wait_until(
      [&] {
        return contents("/proc/" + std::to_string(rollback->pid()) + "/stat").find(") T ") !=
               std::string::npos;
      },
      30s, 5ms));
  moved.run().signal(SIGSTOP);
  stale.exec(fmt::format(kRebuild, 98));
  rollback->signal(SIGCONT);
  CHECK(rollback->wait_or_throw(30s) == ExitStatus{.code = 3});
  CHECK_THAT(rollback->error_output(), Contains("LS-X664"));
  CHECK(moved.value("SELECT role FROM lockstep.switchover") == "primary");
  moved.run().signal(SIGCONT);
  REQUIRE(wait_until([&] { return moved.state_of("a") == "mismatch"; }, 15s, 20ms));
  require_code(moved.verify({"--repair", "--yes"}), 0);
  require_code(moved.verify(), 0);
  const Outcome back = lockstep({"rollback", moved.file(), "--confirm", "moved", "--when-ready",
                                 "--max-pause", "5s", "--json"});
  require_code(back, 0);
  CHECK(sqlite(moved.file(), "SELECT count(*) FROM a WHERE t = 'stale'").at(0) == "0");
}

TEST_CASE("columns that only SQLite computes keep nobody from going back", "[system]") {
  Json computed;
  Moved moved("computed", R"({"continuous": false})", "WAL", kShop, [&](const Moved& before) {
    computed = gate_in(
        lockstep({"cutover", before.file(), "--dry-run", "--json", "--verify-max-age", "0"}),
        "computed");
  });
  CHECK_THAT(computed["found"].get<std::string>(), Contains("g.code"));
  moved.write("INSERT INTO g(id, n, z) VALUES (5, 7, 2); UPDATE g SET n = 3 WHERE id = 1");
  REQUIRE(wait_until(
      [&] {
        return sqlite(moved.file(), "SELECT group_concat(code) FROM g").at(0) == "00003,00007";
      },
      15s, 20ms));
  CHECK(moved.value("SELECT string_agg(coalesce(code, '-'), ',' ORDER BY id) FROM g") == "00001,-");
  require_code(moved.verify(), 0);
  // What is beside them is compared as ever.
  moved.tamper("UPDATE g SET z = 9 WHERE id = 5");
  require_code(moved.verify(), 4);
  require_code(moved.verify({"--repair", "--yes"}), 0);
  require_code(moved.verify(), 0);
  stop(moved);
  require_code(moved.verify(), 0);
  moved.tamper("UPDATE g SET z = 9 WHERE id = 5");
  require_code(moved.verify(), 4);
  moved.follow();
  require_code(moved.verify({"--repair", "--yes"}), 0);
  require_code(moved.verify(), 0);
  require_code(lockstep({"rollback", moved.file(), "--confirm", "moved", "--when-ready",
                         "--max-pause", "5s", "--verify-max-age", "1h"}),
               0);
}

}  // namespace lockstep::test
