// After a cutover a release that was left behind migrates the fenced SQLite file: what that took
// out of it is not taken for the truth by a rollback.
#include <fmt/format.h>

#include "tests/system/moved_world.hpp"

namespace lockstep::test {
namespace {

using Catch::Contains;
using Json = nlohmann::json;

constexpr char kPrecious[] =
    "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT, w TEXT); INSERT INTO t VALUES (1, 'a', "
    "'precious'), (2, 'b', 'values'); CREATE TABLE o(id INTEGER PRIMARY KEY, v TEXT);";

// The columns are what they were, and empty.
constexpr char kEmpties[] = "ALTER TABLE t DROP COLUMN w; ALTER TABLE t ADD COLUMN w TEXT";
constexpr char kFills[] = "ALTER TABLE t DROP COLUMN w; ALTER TABLE t ADD COLUMN w TEXT DEFAULT 7";

std::string words_in_sqlite(const Moved& moved) {
  return sqlite(moved.file(), "SELECT coalesce(group_concat(w), '-') FROM t").at(0);
}

std::vector<std::string> rollback_words(const Moved& moved) {
  return {"rollback",    moved.file(), "--confirm",        "moved",
          "--max-pause", "5s",         "--verify-max-age", "0"};
}

Json fence_gate_of(const Moved& moved) {
  const Json gates =
      object_of(lockstep({"rollback", moved.file(), "--dry-run", "--json"}), "gates");
  for (const Json& each : gates["gates"])
    if (each["name"] == "fence") return each;
  return {};
}

bool hears(Moved& moved, const std::string& text) {
  return wait_until([&] { return moved.run().error_output().find(text) != std::string::npos; }, 30s,
                    20ms);
}

void stop_following(Moved& moved) {
  moved.run().signal(SIGTERM);
  REQUIRE(moved.run().wait_or_throw(20s) == ExitStatus{.code = 143});
}

/// The owed comparison finds it, the owner has it written anew, and the way back is open.
void mended(Moved& moved) {
  REQUIRE(wait_until([&] { return moved.state_of("t") == "mismatch"; }, 30s, 20ms));
  CHECK(fence_gate_of(moved)["open"] == false);
  require_code(lockstep(rollback_words(moved)), 3);
  CHECK(moved.value("SELECT role FROM lockstep.switchover") == "primary");
  require_code(moved.verify({"--repair", "--yes"}), 0);
  require_code(moved.verify(), 0);
  CHECK(fence_gate_of(moved)["open"] == true);
  CHECK(words_in_sqlite(moved) == "precious,values");
}

std::string version_of(const Moved& moved) {
  return sqlite(moved.file(), "PRAGMA schema_version").at(0);
}

std::string recorded_version(const Moved& moved) {
  return sqlite(moved.file(),
                "SELECT substr(value, 3, instr(value, char(10)) - 3) FROM _lockstep_meta WHERE "
                "name = 'reverse_schema'")
      .at(0);
}

std::unique_ptr<Process> rollback_at(const Moved& moved, const std::string& point) {
  auto rollback = start_lockstep(rollback_words(moved),
                                 {.environment = {"LOCKSTEP_FAILPOINTS=" + point + "=stop"}});
  REQUIRE(wait_until(
      [&] {
        return contents("/proc/" + std::to_string(rollback->pid()) + "/stat").find(") T ") !=
               std::string::npos;
      },
      30s, 5ms));
  return rollback;
}

}  // namespace

TEST_CASE("a column that a stale migration emptied in SQLite holds the rollback back", "[system]") {
  Moved moved("emptied", R"({"continuous": false})", "WAL", kPrecious);
  Application stale(moved.file());
  CHECK(fence_gate_of(moved)["open"] == true);
  stale.exec(kEmpties);
  CHECK(hears(moved, "may have got other rows"));
  mended(moved);
  // While nobody follows: whoever starts next knows it.
  stop_following(moved);
  stale.exec(kFills);
  CHECK(words_in_sqlite(moved) == "7,7");
  CHECK(fence_gate_of(moved)["open"] == false);
  require_code(lockstep(rollback_words(moved)), 3);
  moved.follow();
  mended(moved);
  require_code(lockstep(rollback_words(moved)), 0);
  require_code(moved.wait("caught-up"), 0);
  CHECK(words_in_sqlite(moved) == "precious,values");
  CHECK(moved.value("SELECT string_agg(w, ',' ORDER BY id) FROM t") == "precious,values");
  moved.equal();
}

TEST_CASE("a stale migration in the middle of a rollback keeps the writers where they are",
          "[system]") {
  Moved moved("emptied_late", R"({"continuous": false})", "WAL", kPrecious);
  Application stale(moved.file());
  for (const char* const point : {"cut.installed", "rb.held", "rb.drained"}) {
    INFO(point);
    const auto rollback = rollback_at(moved, point);
    moved.run().signal(SIGSTOP);
    stale.exec(kEmpties);
    rollback->signal(SIGCONT);
    CHECK(rollback->wait_or_throw(60s) == ExitStatus{.code = 3});
    CHECK_THAT(rollback->error_output(), Contains("LS-X664"));
    CHECK(moved.value("SELECT role FROM lockstep.switchover") == "primary");
    moved.run().signal(SIGCONT);
    mended(moved);
  }
  // Looked at and on record by then: what is owed came behind the rollback's last look.
  const auto rollback = rollback_at(moved, "rb.drained");
  stale.exec(kEmpties);
  REQUIRE(wait_until([&] { return recorded_version(moved) == version_of(moved); }, 30s, 20ms));
  rollback->signal(SIGCONT);
  CHECK(rollback->wait_or_throw(60s) == ExitStatus{.code = 3});
  CHECK_THAT(rollback->error_output(), Contains("LS-X664"));
  CHECK(moved.value("SELECT role FROM lockstep.switchover") == "primary");
  mended(moved);
  // VACUUM is explained, and may come at any moment.
  const auto last = rollback_at(moved, "rb.drained");
  stale.exec("VACUUM");
  last->signal(SIGCONT);
  CHECK(last->wait_or_throw(60s) == ExitStatus{.code = 0});
  CHECK(words_in_sqlite(moved) == "precious,values");
}

TEST_CASE("what an older lockstep's cutover has not recorded is compared or explained",
          "[system]") {
  Moved moved("unrecorded", R"({"continuous": false})", "WAL", kPrecious);
  stop_following(moved);
  // Without the new entry the last look of the way there tells as much.
  moved.tamper("DELETE FROM _lockstep_meta WHERE name = 'reverse_schema'");
  CHECK(fence_gate_of(moved)["open"] == true);
  Application(moved.file()).exec(kEmpties);
  CHECK(fence_gate_of(moved)["open"] == false);
  moved.follow();
  mended(moved);
  stop_following(moved);
  moved.tamper("DELETE FROM _lockstep_meta WHERE name IN ('reverse_schema', 'schema_look')");
  CHECK(fence_gate_of(moved)["open"] == false);
  moved.follow();
  CHECK(hears(moved, "any table may have got other rows"));
  require_code(moved.verify(), 0);
  require_code(lockstep(rollback_words(moved)), 0);
  CHECK(words_in_sqlite(moved) == "precious,values");
}

}  // namespace lockstep::test
