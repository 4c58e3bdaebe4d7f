// The sweep: lockstep dies, stops, fails and dawdles at every failpoint of
// tests/data/failpoints.txt while an application writes, from the copy to streaming. Afterwards it
// goes on, both sides are equal, and a reader of the target never saw a state that the source did
// not have. A case whose failpoint is not reached fails. CI takes a slice by the seed in which
// lockstep is killed at each failpoint, and something else happens there; the soak takes all.
#include <fmt/format.h>

#include <array>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "tests/support/fault.hpp"
#include "tests/support/seed.hpp"
#include "tests/system/failpoint_case.hpp"

namespace lockstep::test {
namespace {

using Random = std::mt19937_64;

// Those of a cutover, a rollback and the way back are met by switchover_test and reverse_test,
// those of dual writing by dual_write_test.
bool is_of_another_test(const std::string& point) {
  return point.starts_with("cut.") || point.starts_with("rb.") || point.starts_with("rev.") ||
         point.starts_with("dual.");
}

std::vector<std::string> all_points() {
  std::vector<std::string> points;
  std::istringstream lines(contents(LOCKSTEP_SOURCE_DIR "/tests/data/failpoints.txt"));
  for (std::string line; std::getline(lines, line);)
    if (!line.empty() && line[0] != '#' && !is_of_another_test(line))
      points.push_back(line.substr(0, line.find(' ')));
  return points;
}

bool only_while_copying(const std::string& point) {
  return point.starts_with("snap.");
}
bool once_per_session(const std::string& point) {
  static const std::set<std::string> once{"cap.open", "snap.last_chunk", "snap.keys_made",
                                          "snap.references_entered", "snap.references_made"};
  return once.contains(point);
}
bool is_pruning(const std::string& point) {
  return point.starts_with("cap.prune");
}

/// A strike at its first hit, or at a later one. What one process meets once only is met again
/// after a failure there; nothing if not even then.
std::optional<Strike> strike(const std::string& point, const std::string& action, bool later,
                             Random& random) {
  // A copy becomes consistent once: the next session finds keys to build.
  if (later && point == "snap.consistent") return std::nullopt;
  Strike strike{.point = point, .action = action};
  if (point == "apply.reconnect") {
    // A failure in a small batch takes the connection with it; the first batch of a copy is none.
    strike.prelude = "apply.pos_set=error@4";
    if (later) strike.prelude += ";apply.pos_set=error@7";
    strike.hit = later ? 2 : 1;
  } else if (later && once_per_session(point)) {
    strike.prelude = point + "=error@1";
    strike.hit = 2;
  } else if (later) {
    std::uint64_t hits = only_while_copying(point) ? 5 : 25;
    if (point.starts_with("verify.")) hits = 2;    // passes take their time
    if (point == "snap.reference_made") hits = 2;  // there are two
    strike.hit = static_cast<int>(2 + random() % (hits - 1));
  }
  return strike;
}

Strike commit_lost(const std::string& action, int hit) {
  return {.point = "apply.commit_sent", .action = action, .hit = hit};
}

std::string file_name(std::string text) {
  std::replace(text.begin(), text.end(), '.', '_');
  return text;
}

/// Strikes of one failpoint, one after the other in a migration where that can be.
void add_scripts(std::vector<Script>& scripts, const std::string& point, Form form,
                 const std::string& journal, const std::vector<Strike>& strikes, Random& random) {
  const auto add = [&](std::vector<Strike> some) {
    scripts.push_back({.name = fmt::format("{}_{}", file_name(point), scripts.size()),
                       .form = is_pruning(point) ? Form::pruning : form,
                       .journal = journal,
                       .seed = random() % 1'000'000,
                       .strikes = std::move(some)});
  };
  if (!only_while_copying(point)) {
    add(strikes);
    return;
  }
  for (const Strike& one : strikes) add({one});
}

/// Each failpoint of `points`: killed once, and struck otherwise once.
std::vector<Script> slice(const std::vector<std::string>& points, Random& random) {
  constexpr std::array kOther{"stop", "error", "delay:300"};
  std::vector<Script> scripts;
  for (const std::string& point : points) {
    std::vector<Strike> strikes;
    const bool later = random() % 2 == 0;
    for (const bool kills : {true, false}) {
      const std::string action = kills ? "kill" : kOther[random() % kOther.size()];
      auto one = strike(point, action, kills == later, random);
      if (!one) one = strike(point, action, false, random);
      strikes.push_back(*one);
    }
    // Stopped in a read transaction, it holds writers up; a comparison there reads for 1 ms at a
    // time.
    const bool in_wal = strikes[1].action == "stop" || point.starts_with("verify.");
    add_scripts(scripts, point, random() % 2 == 0 ? Form::run : Form::apart,
                !in_wal && random() % 4 == 0 ? "delete" : "wal", strikes, random);
  }
  return scripts;
}

/// Each failpoint x action x hit, with one process and with two.
std::vector<Script> everything_there_is(Random& random, int& unreachable) {
  std::vector<Script> scripts;
  for (const std::string& point : all_points()) {
    for (const Form form : {Form::run, Form::apart}) {
      if (is_pruning(point) && form == Form::apart) continue;
      for (const bool later : {false, true}) {
        std::vector<Strike> strikes;
        for (const char* action : {"kill", "stop", "error", "delay:300"}) {
          if (const auto one = strike(point, action, later, random))
            strikes.push_back(*one);
          else
            ++unreachable;
        }
        if (!strikes.empty()) add_scripts(scripts, point, form, "wal", strikes, random);
      }
    }
  }
  return scripts;
}

struct Sum {
  std::map<std::string, std::vector<int>> hits;  ///< by failpoint, of each script
  std::int64_t observations = 0, states = 0, commits = 0;
  std::vector<std::string> failures;
};

/// Plays the scripts, some at a time: most of the time each waits for something.
Sum play(const PostgresServer& server, const std::vector<std::string>& dsns,
         const std::vector<Script>& scripts) {
  const TempDir folder;
  const std::string source = make_prices(folder, "prices.db", "200", "6000");
  // A wide span of rowids: the copy takes the table in several parts.
  sqlite(
      source,
      "UPDATE ohlcv_data SET id = 900000 WHERE id = (SELECT max(id) FROM ohlcv_data); UPDATE "
      "sqlite_sequence SET seq = 900000 WHERE name = 'ohlcv_data';"
      "CREATE TABLE parents(id INTEGER PRIMARY KEY, up INT REFERENCES parents ON DELETE CASCADE);"
      "CREATE TABLE children(id INTEGER PRIMARY KEY, parent INT REFERENCES parents);"
      "INSERT INTO parents VALUES (1, NULL), (2, 1); INSERT INTO children VALUES (1, 2)");
  Sum sum;
  std::mutex mutex;
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < scripts.size(); i = next++) {
      try {
        StruckMigration migration(server, dsns[i], source, scripts[i]);
        const Struck struck = migration.play();
        const std::lock_guard lock(mutex);
        for (const auto& [point, hits] : struck.hits) sum.hits[point].push_back(hits);
        sum.observations += struck.observations;
        sum.states += struck.states;
        sum.commits += struck.commits;
      } catch (const std::exception& failure) {
        const std::lock_guard lock(mutex);
        sum.failures.push_back(scripts[i].shown() + "\n  " + failure.what());
      }
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  return sum;
}

Sum sweep(const std::vector<Script>& scripts) {
  const auto began = std::chrono::steady_clock::now();
  PostgresServer server{{"fsync=off", "max_connections=200"}};
  std::vector<std::string> dsns;
  for (const Script& script : scripts) dsns.push_back(server.create_database(script.name));
  Sum sum = play(server, dsns, scripts);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  std::size_t strikes = 0;
  for (const Script& script : scripts) strikes += script.strikes.size();
  fmt::print(stderr,
             "figure: failpoints: seed {}, {} migrations struck {} times, {} commits, {} "
             "observations of {} states, {:.0f} s\n",
             test_seed(), scripts.size(), strikes, sum.commits, sum.observations, sum.states,
             took.count());
  for (const std::string& failure : sum.failures) FAIL_CHECK(failure);
  REQUIRE(sum.failures.empty());
  return sum;
}

std::vector<std::string> points_that(bool (*wanted)(const std::string&)) {
  std::vector<std::string> points = all_points();
  std::erase_if(points, [&](const std::string& point) { return !wanted(point); });
  return points;
}

}  // namespace

TEST_CASE("capture killed, stopped, failing or slow at any point loses nothing",
          "[system][capture]") {
  Random random{test_seed()};
  sweep(slice(points_that([](const std::string& point) { return point.starts_with("cap."); }),
              random));
  saw_fault("S1", "GO: killed at each failpoint of capture, goes on from the target's position");
  saw_fault("S32", "GO: killed before and after a slice of a prune, the next process goes on");
}

TEST_CASE("the copy killed, stopped, failing or slow at any point is exact once consistent",
          "[system][copy]") {
  Random random{test_seed()};
  sweep(slice(points_that([](const std::string& point) { return point.starts_with("snap."); }),
              random));
  saw_fault("S34", "GO: interrupted at each failpoint of the copy, exact once it is consistent");
}

TEST_CASE("apply killed, stopped, failing or slow at any point applies each batch once",
          "[system][apply]") {
  Random random{test_seed()};
  sweep(slice(points_that([](const std::string& point) { return point.starts_with("apply."); }),
              random));
  saw_fault("A1", "GO: killed at each failpoint of apply, each batch is applied exactly once");
}

TEST_CASE(
    "a comparison killed, stopped, failing or slow at any point claims nothing false and ends",
    "[system][verify]") {
  Random random{test_seed()};
  sweep(slice(points_that([](const std::string& point) { return point.starts_with("verify."); }),
              random));
}

// The zombie's turn: while one side is stopped, the other is killed and started anew.
TEST_CASE("a side that wakes up with what it had in memory long ago does no harm",
          "[system][capture]") {
  sweep(
      {{.name = "stale_capture",
        .form = Form::apart,
        .strikes = {{.point = "cap.encoded", .action = "stop", .hit = 9, .other_dies = true}}},
       {.name = "stale_apply",
        .form = Form::apart,
        .strikes = {{.point = "apply.pos_set", .action = "stop", .hit = 9, .other_dies = true}}},
       {.name = "stale_run", .strikes = {{.point = "cap.tx_begun", .action = "stop", .hit = 9}}}});
  saw_fault("S2", "GO: stopped with a batch in memory, what is stale is not applied");
}

TEST_CASE("a commit whose answer is lost is looked up in the ledger", "[system][apply]") {
  sweep({{.name = "doubt_early", .strikes = {commit_lost("error", 3), commit_lost("kill", 3)}},
         {.name = "doubt_late",
          .form = Form::apart,
          .strikes = {commit_lost("error", 20), commit_lost("kill", 20), commit_lost("stop", 9)}}});
  saw_fault("A2", "GO: a new session reads the ledger row FOR UPDATE, which tells");
}

TEST_CASE("a side that dies between a request and its answer costs a session", "[system][copy]") {
  // Capture has `follow` and has not answered; apply has the answer and has not looked at it.
  sweep({{.name = "no_answer",
          .form = Form::apart,
          .strikes = {{.point = "cap.tx_begun", .action = "kill"},
                      {.point = "cap.sent", .action = "kill"},
                      {.point = "cap.log_read", .action = "kill", .hit = 3}}},
         {.name = "answer_unread",
          .form = Form::apart,
          .strikes = {{.point = "apply.recv", .action = "kill"},
                      {.point = "apply.recv", .action = "kill", .hit = 2},
                      {.point = "apply.acked", .action = "kill"}}}});
  saw_fault("T3", "GO: the side that lives begins another session, from the ledger's position");
}

TEST_CASE("a failed assertion of a library ends the process, and the next one goes on",
          "[system][apply]") {
  sweep({{.name = "asserted_run", .strikes = {{.point = "cap.sent", .action = "abort", .hit = 12}}},
         {.name = "asserted_capture",
          .form = Form::apart,
          .strikes = {{.point = "cap.acked", .action = "abort", .hit = 3}}},
         {.name = "asserted_apply",
          .form = Form::apart,
          .strikes = {{.point = "apply.recv", .action = "abort", .hit = 12}}}});
  saw_fault("T13", "GO: SIGABRT, the next process goes on from the ledger's position");
}

TEST_CASE("every failpoint, killed, stopped, failing and slow, at its first and at a later hit",
          "[.][soak]") {
  Random random{test_seed()};
  int unreachable = 0;
  Sum sum = sweep(everything_there_is(random, unreachable));
  CHECK(unreachable == 8);  // snap.consistent: see strike()
  for (const std::string& point : all_points()) {
    std::vector<int>& hits = sum.hits[point];
    INFO(point);
    REQUIRE_FALSE(hits.empty());
    std::sort(hits.begin(), hits.end());
    fmt::print(stderr, "figure: failpoint {}: {} migrations, hits min {} median {}\n", point,
               hits.size(), hits.front(), hits[hits.size() / 2]);
  }
}

// Not a test: what Form::pruning starts.
TEST_CASE(kPruningRun, "[.][child]") {
  pruning_run();
}

}  // namespace lockstep::test
