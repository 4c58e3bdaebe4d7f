// Behind a cutover capture and apply have nothing to do, and say so.
#include <filesystem>

#include "tests/system/moved_world.hpp"

namespace lockstep::test {
namespace {

using Catch::Contains;

constexpr char kTables[] =
    "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a');";

void refused(const Outcome& outcome, const std::string& code) {
  require_code(outcome, 3);
  CHECK_THAT(everything(outcome), Contains(code));
}

}  // namespace

TEST_CASE("capture and apply do not follow as if there had been no cutover", "[system]") {
  const TempDir folder;
  const std::string before = folder.file("moved.db"), socket = folder.file("wire.sock");
  Moved moved("apart", R"({"continuous": false})", "WAL", kTables,
              [&](const Moved& now) { sqlite(now.file(), "VACUUM INTO '" + before + "'"); });
  moved.write("INSERT INTO t VALUES (2, 'b')");
  require_code(moved.wait("caught-up"), 0);
  moved.run().signal(SIGTERM);
  static_cast<void>(moved.run().wait_or_throw(20s));
  moved.write("INSERT INTO t VALUES (3, 'c')");

  const std::string logged = sqlite(moved.file(), "SELECT count(*) FROM _lockstep_changes").at(0);
  const Outcome capture = lockstep({"capture", moved.file(), "--listen", "ipc://" + socket});
  refused(capture, "LS-X676");
  CHECK_THAT(everything(capture),
             Contains("since a cutover") && Contains("lockstep run " + moved.file()));
  CHECK_FALSE(std::filesystem::exists(moved.file() + "-lockstep"));
  // A file from before the cutover knows of none: the target does.
  const auto old = start_lockstep({"capture", before, "--listen", "ipc://" + socket});
  const Outcome apply = lockstep({"apply", "--connect", "ipc://" + socket, moved.dsn()});
  refused(apply, "LS-X677");
  old->signal(SIGTERM);
  static_cast<void>(old->wait_or_throw(20s));
  CHECK(sqlite(moved.file(), "SELECT count(*) FROM _lockstep_changes").at(0) == logged);
  CHECK(moved.value("SELECT count(*) FROM t") == "3");

  // What it says helps.
  moved.follow();
  require_code(moved.wait("caught-up"), 0);
  CHECK(sqlite(moved.file(), "SELECT count(*) FROM t").at(0) == "3");
  moved.run().signal(SIGTERM);
  static_cast<void>(moved.run().wait_or_throw(20s));
  require_code(lockstep({"complete", moved.file(), "--confirm", "moved"}), 0);
  refused(lockstep({"capture", moved.file(), "--listen", "ipc://" + socket}), "LS-X626");
}

TEST_CASE("capture and apply serve again behind a rollback, not in the middle of one", "[system]") {
  const TempDir folder;
  const std::string socket = folder.file("wire.sock");
  Moved moved("apart_back", R"({"continuous": false})", "WAL", kTables);
  const auto rollback =
      start_lockstep({"rollback", moved.file(), "--confirm", "moved", "--verify-max-age", "0",
                      "--max-pause", "5s", "--when-ready"},
                     {.environment = {"LOCKSTEP_FAILPOINTS=rb.fenced=kill"}});
  // Before run finishes what that one has left.
  const auto fenced = [&] {
    return moved.value("SELECT role FROM lockstep.switchover") == "fenced";
  };
  REQUIRE(wait_until(
      [&] {
        if (!fenced()) return false;
        moved.run().kill_hard();
        return true;
      },
      30s, 1ms));
  CHECK(rollback->wait_or_throw(30s) == ExitStatus{.signal = SIGKILL});
  REQUIRE(fenced());
  refused(lockstep({"capture", moved.file(), "--listen", "ipc://" + socket}), "LS-X676");

  moved.follow();
  REQUIRE(wait_until([&] { return moved.status()["writers"] == "sqlite"; }, 30s, 20ms));
  require_code(moved.wait("caught-up"), 0);
  moved.run().signal(SIGTERM);
  static_cast<void>(moved.run().wait_or_throw(20s));
  const auto capture = start_lockstep({"capture", moved.file(), "--listen", "ipc://" + socket});
  const auto apply = start_lockstep({"apply", "--connect", "ipc://" + socket, moved.dsn()});
  sqlite(moved.file(), "INSERT INTO t VALUES (9, 'z')");
  CHECK(wait_until([&] { return moved.value("SELECT count(*) FROM t WHERE id = 9") == "1"; }, 30s,
                   20ms));
}

}  // namespace lockstep::test
