// Random faults on real processes: nothing lost, nothing doubled, no state that the source never
// had. And the judge is judged.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <random>
#include <thread>

#include "tests/nemesis/run.hpp"
#include "tests/support/seed.hpp"

namespace lockstep::nemesis {
namespace {

using Random = std::mt19937_64;

std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// Without those that its runs do not come by: they have no table that both sides write, too few
// changes to be pruned, no comparison that is asked for and no switch. A name that is never passed
// would make a strike at nothing: the runs fail then.
bool is_met(const std::string& name) {
  constexpr std::array kElsewhere{"verify.", "dual.", "cut.", "rb.", "rev.", "cap.prune"};
  return std::none_of(kElsewhere.begin(), kElsewhere.end(),
                      [&](const char* other) { return name.starts_with(other); });
}

std::vector<std::string> failpoint_names() {
  std::vector<std::string> names;
  std::ifstream file(LOCKSTEP_SOURCE_DIR "/tests/data/failpoints.txt");
  for (std::string line; std::getline(file, line);)
    if (!line.empty() && line.front() != '#')
      names.push_back(line.substr(0, line.find_first_of(" \t")));
  std::erase_if(names, [](const std::string& name) { return !is_met(name); });
  return names;
}

struct Figures {
  std::mutex mutex;
  std::uint64_t runs = 0, dirty = 0, odd = 0;
  int behind = 0, new_copies = 0;
  Verdict sum;
  std::map<std::string, int> faults, hits, strikes;
  std::map<std::string, int> ends;
  std::vector<double> heals;
  std::string first_dirty;

  void add(const RunReport& report) {
    const std::lock_guard lock(mutex);
    ++runs;
    if (report.odd) ++odd;
    behind += report.behind;
    new_copies += report.new_copies;
    const Verdict& verdict = report.verdict;
    sum.lost += verdict.lost, sum.invented += verdict.invented, sum.torn += verdict.torn,
        sum.backward += verdict.backward;
    sum.looks += verdict.looks, sum.states += verdict.states,
        sum.acknowledged += verdict.acknowledged, sum.looks_at_held += verdict.looks_at_held;
    for (const std::string& fault : report.faults) ++faults[fault];
    for (const auto& [name, count] : report.hits) hits[name] += count;
    for (const auto& [name, count] : report.strikes) strikes[name] += count;
    for (const auto& [code, count] : report.ends) ends[code] += count;
    heals.push_back(report.heal_seconds);
    if (report.clean()) return;
    ++dirty;
    const std::string text =
        fmt::format("seed {} ({}; {}): {}{}", report.seed, report.shape,
                    fmt::join(report.faults, ", "), report.trouble, verdict.first);
    fmt::print(stderr, "nemesis: {}\n", text);
    if (first_dirty.empty()) first_dirty = text;
  }

  void print(double seconds) {
    std::sort(heals.begin(), heals.end());
    const auto heal = [&](double share) {
      return heals[static_cast<std::size_t>(share * static_cast<double>(heals.size() - 1))];
    };
    fmt::print(
        "figure: nemesis: {} runs in {:.0f} s, {} not clean; {} acknowledged transactions, {} "
        "lost, {} doubled or invented; {} looks at {} states, {} "
        "torn, {} backward\n",
        runs, seconds, dirty, sum.acknowledged, sum.lost, sum.invented, sum.looks, sum.states,
        sum.torn, sum.backward);
    fmt::print(
        "figure: nemesis: {} runs with values that do not fit; {} looks at rows in quarantine\n",
        odd, sum.looks_at_held);
    fmt::print("figure: nemesis: faults {}\n", faults);
    fmt::print(
        "figure: nemesis: {} failovers to a standby that was behind; {} new copies that lockstep "
        "had asked for\n",
        behind, new_copies);
    fmt::print("figure: nemesis: ends of lockstep's processes {}\n", ends);
    fmt::print(
        "figure: nemesis: back to equal after the last fault: p50 {:.2f} s, p99 {:.2f} s, longest "
        "{:.2f} s\n",
        heal(0.5), heal(0.99), heal(1));
    fmt::print("figure: nemesis: failpoints passed {}\n", hits);
    fmt::print("figure: nemesis: strikes at failpoints {}\n", strikes);
  }
};

History random_history(Random& random) {
  History history;
  history.first_n = 1;
  history.first_hash = random();
  std::vector<std::pair<std::int64_t, std::uint64_t>> states{{1, history.first_hash}};
  for (std::int64_t op = 1; op <= 200; ++op) {
    Transaction transaction{
        .op = op, .n = states.back().first + 1, .hash = random(), .answer = Answer::acknowledged};
    if (random() % 10 == 0) transaction.answer = Answer::refused;
    history.transactions.push_back(transaction);
    if (transaction.answer == Answer::refused) continue;
    states.emplace_back(transaction.n, transaction.hash);
    history.final_ops.emplace(op, transaction.n);
  }
  std::tie(history.final_n, history.final_hash) = states.back();
  history.sightings.emplace_back();
  for (std::size_t at = 0; at < states.size(); at += 1 + random() % 3)
    history.sightings.back().push_back(
        {static_cast<std::int64_t>(at) * 10, states[at].first, states[at].second});
  return history;
}

/// Makes the history one that lockstep must never leave behind; says what it did.
std::string plant(History& history, Random& random) {
  auto& seen = history.sightings.front();
  const std::size_t look = 1 + random() % (seen.size() - 2);
  const auto op = std::next(history.final_ops.begin(),
                            static_cast<std::ptrdiff_t>(random() % history.final_ops.size()));
  switch (random() % 8) {
    case 0:
      history.final_ops.erase(op);
      return "lost";
    case 1:
      history.final_ops.emplace(1'000'000, 5);
      return "invented";
    case 2:
      ++op->second;
      return "in another place";
    case 3:
      ++seen[look].hash;
      return "torn";
    case 4:
      seen[look].hash = seen[look - 1].hash;
      return "a state under another number";
    case 5:
      std::swap(seen[look], seen[look + 1]);
      return "back in time";
    case 6:
      seen[look].seq = seen[look - 1].seq;
      return "two states of one position";
    default:
      ++history.final_hash;
      return "wrong at the end";
  }
}

}  // namespace

TEST_CASE("the judge of histories finds each of 200 planted faults, and nothing in right ones",
          "[system]") {
  Random random(test::test_seed());
  for (int i = 0; i < 200; ++i) {
    History history = random_history(random);
    const Verdict right = judge(history);
    INFO(right.first);
    REQUIRE(right.clean());
    const std::string planted = plant(history, random);
    INFO("planted: " << planted);
    REQUIRE_FALSE(judge(history).clean());
  }
}

// Else nobody would know that ops/nemesis.sh --plant finds nothing any more.
TEST_CASE("the bugs that are planted into lockstep still fit its code", "[system]") {
  int patches = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(LOCKSTEP_SOURCE_DIR "/tests/nemesis/plants")) {
    const test::Outcome checked = test::run(
        {"git", "-c", "safe.directory=*", "apply", "-C1", "--check", entry.path().string()},
        {.directory = LOCKSTEP_SOURCE_DIR});
    INFO(checked.error_output);
    CHECK(checked.status.code == 0);
    ++patches;
  }
  CHECK(patches == 3);
}

// LOCKSTEP_NEMESIS_RUNS says how many; each has the seed LOCKSTEP_SEED + its number, and
// LOCKSTEP_NEMESIS_RUNS=1 repeats one.
TEST_CASE("random faults lose nothing, double nothing and show no state that the source never had",
          "[system]") {
  const std::uint64_t runs = number_from_environment("LOCKSTEP_NEMESIS_RUNS", 100);
  const std::uint64_t first = test::test_seed() % 1'000'000'000;
  const std::vector<std::string> failpoints = failpoint_names();
  const auto began = std::chrono::steady_clock::now();
  Figures figures;
  std::atomic<std::uint64_t> next{0};
  const auto work = [&] {
    Target target;
    for (std::uint64_t run = next++; run < runs; run = next++) {
      figures.add(run_once(target, first + run, failpoints));
      if ((run + 1) % 100 == 0)
        fmt::print(stderr, "nemesis: {} runs, {} not clean\n", run + 1, figures.dirty);
    }
  };
  std::vector<std::thread> workers;
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(runs, 2); ++i) workers.emplace_back(work);
  for (std::thread& worker : workers) worker.join();
  figures.print(std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
  INFO(figures.first_dirty);
  CHECK(figures.runs == runs);
  CHECK(figures.dirty == 0);
  CHECK(figures.sum.acknowledged > runs * 10);
  constexpr std::uint64_t kEnough = 25;  // runs after which each name has been passed
  for (const std::string& name : failpoints) {
    INFO(name);
    if (runs >= kEnough) CHECK(figures.hits[name] > 0);
  }
  if (runs >= 100) CHECK(figures.faults["server_failover"] + figures.faults["source_disk_low"] > 0);
  std::uint64_t strikes = 0;
  for (const auto& [name, count] : figures.strikes) strikes += static_cast<std::uint64_t>(count);
  if (runs >= kEnough) CHECK(strikes > runs / 10);
}

}  // namespace lockstep::nemesis
