// What others do to either side between a cutover and a rollback, or in the middle of one, is in
// SQLite, or keeps the writers where they are.
#include <fmt/format.h>

#include "tests/system/moved_world.hpp"

namespace lockstep::test {
namespace {

using Catch::Contains;

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

}  // namespace lockstep::test
