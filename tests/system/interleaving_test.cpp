// Orders of events that are rare by themselves, made exact with failpoints.
#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <utility>

#include "tests/system/pruning_run.hpp"
#include "tests/system/world.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

std::size_t count(const std::string& trace, const std::string& line) {
  std::size_t found = 0;
  std::ifstream lines(trace);
  for (std::string one; std::getline(lines, one);)
    if (one == line) ++found;
  return found;
}

void touch(const std::string& path) {
  std::ofstream file(path);
  REQUIRE(file.is_open());
}

std::int64_t number(const std::string& file, const std::string& sql) {
  return std::stoll(sqlite(file, sql).front());
}

void require_streaming(const std::string& dsn) {
  REQUIRE(wait_until(
      [&] {
        try {
          return query(dsn, "SELECT phase FROM lockstep.ledger").at(0).at(0) == "streaming";
        } catch (const std::exception&) {  // there is no ledger yet
          return false;
        }
      },
      30s, 10ms));
}

}  // namespace

// The ack of where apply is may never be taken for that of the first batch: capture would write
// down that the target knows the rowids of this version of the file.
TEST_CASE("a keyless table is read anew after VACUUM, though apply dies while it starts to follow",
          "[system]") {
  const TempDir folder, traces;  // lockstep watches the folder of the file
  const std::string file = folder.file("vacuumed.db");
  sqlite(file,
         "PRAGMA journal_mode = wal; CREATE TABLE bag(v INTEGER, w TEXT); INSERT INTO bag WITH "
         "RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 300) SELECT i, 'w' || i "
         "FROM n");
  const std::string dsn = server().create_database("vacuumed");
  const std::string endpoint = "ipc://" + folder.file("wire.sock");
  const std::string seen_by_capture = traces.file("capture"), seen_by_apply = traces.file("apply");
  const auto capture =
      start_lockstep({"capture", file, "--listen", endpoint},
                     {.environment = {"LOCKSTEP_FAILPOINT_TRACE=" + seen_by_capture}});
  auto apply = start_lockstep({"apply", "--connect", endpoint, dsn});
  require_streaming(dsn);
  wait_caught_up(file);
  apply->signal(SIGTERM);
  REQUIRE(apply->wait_or_throw(20s) == ExitStatus{.code = 143});
  sqlite(file, "DELETE FROM bag WHERE v % 3 = 0");
  sqlite(file, "VACUUM");

  const std::size_t batches = count(seen_by_capture, "cap.encoded");
  const std::size_t acks = count(seen_by_capture, "cap.acked");
  const std::string go = folder.file("go");
  apply = start_lockstep(
      {"apply", "--connect", endpoint, dsn},
      {.environment = {"LOCKSTEP_FAILPOINTS=apply.ack_due=block:" + go + ";apply.begun=block:never",
                       "LOCKSTEP_FAILPOINT_TRACE=" + seen_by_apply}});
  REQUIRE(wait_until([&] { return count(seen_by_apply, "apply.ack_due block") == 1; }, 20s));
  // Nothing is asked of capture before that ack: were it, a batch would come within moments.
  const bool too_early =
      wait_until([&] { return count(seen_by_capture, "cap.encoded") > batches; }, 500ms);
  touch(go);
  REQUIRE(wait_until([&] { return count(seen_by_apply, "apply.begun block") == 1; }, 20s));
  REQUIRE(wait_until([&] { return count(seen_by_capture, "cap.acked") > acks; }, 20s));
  apply->kill_hard();

  // Rows that are known by the rowids of before go wrong here.
  sqlite(file, "UPDATE bag SET w = 'later' WHERE rowid % 5 = 0; DELETE FROM bag WHERE rowid = 7");
  apply = start_lockstep({"apply", "--connect", endpoint, dsn});
  REQUIRE(wait_until([&] { return lockstep({"status", dsn}).status.code == 0; }, 20s));
  wait_caught_up(file);
  require_equal(file, dsn);
  CHECK_FALSE(too_early);
}

// SQLite gives an application that read before it writes SQLITE_BUSY at once if it meets a write of
// ours, so a commit is never followed by a prune within 50 ms; not even if capture has its hands
// full and begins no batch.
TEST_CASE("nothing is pruned while the application writes and batches are under way", "[system]") {
  const TempDir folder, traces;  // lockstep watches the folder of the file
  const std::string file = folder.file("resting.db");
  sqlite(file,
         "PRAGMA journal_mode = wal; CREATE TABLE t(id INTEGER PRIMARY KEY, v INTEGER); INSERT "
         "INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3000) SELECT "
         "i, 0 FROM n");
  const std::string dsn = server().create_database("resting");
  const std::string go = folder.file("go"), trace = traces.file("trace");
  touch(go);
  const auto following =
      start_pruning_run(file, dsn,
                        {.environment = {"LOCKSTEP_FAILPOINTS=apply.half_rows=block:" + go + "@0",
                                         "LOCKSTEP_FAILPOINT_TRACE=" + trace}});
  require_streaming(dsn);

  constexpr char kOldest[] = "SELECT min(seq) FROM _lockstep_changes";
  using Clock = std::chrono::steady_clock;
  int too_early = 0, commits = 0;
  std::int64_t oldest = -1;
  Clock::time_point last{}, last_but_one{};
  // What went since the last look went after the last commit but one.
  const auto commit = [&](const std::string& sql) {
    const std::int64_t now = number(file, kOldest);
    if (oldest >= 0 && now != oldest && Clock::now() - last_but_one < 50ms) ++too_early;
    oldest = now;
    last_but_one = std::exchange(last, Clock::now());
    sqlite(file, "BEGIN IMMEDIATE; " + sql + "; COMMIT");
    ++commits;
    std::this_thread::sleep_for(5ms);  // how often it writes
  };
  const auto one_row = [&] { commit(fmt::format("UPDATE t SET v = {0} WHERE id = {0}", commits)); };
  commit("UPDATE t SET v = 1");
  REQUIRE(wait_until(
      [&] {
        one_row();
        return query(dsn, "SELECT min(v) > 0 FROM t").at(0).at(0) == "t";
      },
      20s));
  std::filesystem::remove(go);  // apply stays in the middle of the next batch
  REQUIRE(wait_until(
      [&] {
        one_row();
        return !number(file, "SELECT count(*) = 0 FROM t WHERE v > 2") &&
               count(trace, "apply.half_rows block") > 0;
      },
      20s));
  for (int i = 0; i < 80; ++i) one_row();
  CHECK(too_early == 0);

  touch(go);
  CHECK(wait_until([&] { return number(file, kOldest) > 1'000; }, 20s, 20ms));  // it does prune
  wait_caught_up(file);
  require_equal(file, dsn);
  following->signal(SIGTERM);
  CHECK(following->wait_or_throw(20s) == ExitStatus{.code = 143});
}

// Not a test: what start_pruning_run() starts.
TEST_CASE(kPruningRun, "[.][child]") {
  pruning_run();
}

}  // namespace lockstep::test
