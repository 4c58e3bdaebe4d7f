// lockstep-writer FILE (--seconds S | --until-stdin-closes) [--rate TPS] [--seed N] [--journal
// wal|delete]
//                 [--sync normal|full] [--report FILE] [--commits FILE] [--counter-only]
//
// A live application for a database made by lockstep-prices: single-row changes, key changes,
// REPLACE, transfers, transactions and savepoints that are rolled back. Every committed transaction
// also adds one to `counter.n`, so n numbers the states of the database, and sum(accounts.balance)
// never changes. The counter's row says of the other tables what must be true in the same state:
// entries and entry_sum (count and sum of n of ledger_entries), account_sum (sum of id * balance),
// volume (that of the row `day` of ohlcv_data, NULL if there is none), newest_day (max(id) of
// ohlcv_data). Several writers may run on one file. With --counter-only each transaction changes
// the counter's row and nothing else.
//
// It ends after S seconds, when its input ends, or on SIGTERM, and prints one line of JSON (also
// into --report). Waits are from BEGIN to the answer of COMMIT. "lost" are acknowledged commits
// that are not in the file when it is opened again. --commits appends 16 bytes per commit, in the
// machine's byte order: n, then CLOCK_REALTIME in microseconds just after the commit. Exit: 0 done,
// 4 something was lost, 1 trouble.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tests/tools/writer_work.hpp"

namespace {

using writer::Database;
using writer::Work;

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

volatile sig_atomic_t told_to_stop = 0;

struct Arguments {
  std::string file;
  std::optional<double> seconds;
  bool until_stdin_closes = false;
  double rate = 0;  ///< transactions per second; 0: flat out
  std::uint64_t seed = 1;
  std::string journal;  ///< empty: as the file is
  std::string sync = "full";
  std::string report;
  std::string commits;
  bool counter_only = false;
};

/// Waits until `moment`, or notices that it is time to stop. Signals are let in only here.
class Stop {
 public:
  explicit Stop(const Arguments& arguments) : watch_stdin_(arguments.until_stdin_closes) {
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    sigprocmask(SIG_BLOCK, &ours, &outside_);
    struct sigaction action {};
    action.sa_handler = [](int) { told_to_stop = 1; };
    sigaction(SIGTERM, &action, nullptr);
    sigaction(SIGINT, &action, nullptr);
    const auto limit = std::chrono::duration<double>{arguments.seconds.value_or(1e8)};
    end_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(limit);
  }

  bool before(Clock::time_point moment) {
    moment = std::min(moment, end_);
    for (;;) {
      const auto left = std::max(Clock::duration{0}, moment - Clock::now());
      const timespec timeout{
          .tv_sec = std::chrono::duration_cast<std::chrono::seconds>(left).count(),
          .tv_nsec = std::chrono::nanoseconds(left % 1s).count()};
      pollfd input{.fd = watch_stdin_ ? STDIN_FILENO : -1, .events = POLLIN, .revents = 0};
      const int ready = ppoll(&input, 1, &timeout, &outside_);
      if (told_to_stop != 0) return false;
      std::array<char, 256> ignored{};
      if (ready > 0 && read(STDIN_FILENO, ignored.data(), ignored.size()) <= 0) return false;
      if (ready == 0) return Clock::now() < end_;
    }
  }

 private:
  bool watch_stdin_;
  sigset_t outside_{};
  Clock::time_point end_;
};

struct Tally {
  std::vector<std::int64_t> acknowledged;  ///< the counter after each commit
  std::vector<std::int64_t> ledger;        ///< those with a ledger entry
  std::vector<std::int64_t> waits_us;
  std::uint64_t errors = 0;
  std::string first_error;
  double elapsed_s = 0;
};

class Application {
 public:
  explicit Application(const Arguments& arguments)
      : arguments_(arguments), database_(arguments.file), stop_(arguments) {
    if (!arguments.journal.empty())
      database_.run(arguments.journal == "wal" ? "PRAGMA journal_mode = WAL"
                                               : "PRAGMA journal_mode = DELETE");
    database_.run(arguments.sync == "full" ? "PRAGMA synchronous = FULL"
                                           : "PRAGMA synchronous = NORMAL");
    if (arguments.commits.empty()) return;
    commits_ = open(arguments.commits.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (commits_ < 0) throw std::runtime_error("cannot open " + arguments.commits);
  }
  ~Application() {
    if (commits_ >= 0) close(commits_);
  }
  Application(const Application&) = delete;
  Application& operator=(const Application&) = delete;

  Tally run() {
    Work work{database_, arguments_.seed};
    const auto start = Clock::now();
    auto next = start;
    for (std::int64_t count = 1; stop_.before(next); ++count) {
      const auto began = Clock::now();
      const std::uint64_t errors = tally_.errors;
      transact(work);
      const auto wait = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - began);
      tally_.waits_us.push_back(wait.count());
      next =
          arguments_.rate > 0
              ? start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(
                            static_cast<double>(count) / arguments_.rate))
              : Clock::now();
      if (tally_.errors > errors)
        next = std::max(next, Clock::now() + 10ms);  // whatever it is, give it room
    }
    tally_.elapsed_s = std::chrono::duration<double>(Clock::now() - start).count();
    return tally_;
  }

 private:
  void transact(Work& work) try {
    database_.run("BEGIN IMMEDIATE");
    if (!arguments_.counter_only && !work.perform()) {
      database_.run("ROLLBACK");
      return;
    }
    const auto n = work.count_commit();
    if (!n) throw std::runtime_error("the counter has no row");
    database_.run("COMMIT");
    tally_.acknowledged.push_back(*n);
    if (work.wrote_ledger()) tally_.ledger.push_back(*n);
    if (commits_ >= 0) note_commit(*n);
  } catch (const std::exception& failure) {
    if (tally_.errors++ == 0) tally_.first_error = failure.what();
    if (database_.in_transaction()) database_.run("ROLLBACK");
  }

  void note_commit(std::int64_t n) const {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    const std::array<std::int64_t, 2> record{n, now.tv_sec * 1'000'000 + now.tv_nsec / 1'000};
    if (write(commits_, record.data(), sizeof record) != sizeof record)
      throw std::runtime_error("cannot write " + arguments_.commits);
  }

  Arguments arguments_;
  Database database_;
  Stop stop_;
  Tally tally_;
  int commits_ = -1;
};

/// Acknowledged commits that are not in the file: above its counter, numbered twice (the first of
/// the two is gone), or without their ledger entry.
std::uint64_t count_lost(const Tally& tally, const std::string& path) {
  if (tally.acknowledged.empty()) return 0;
  Database database{path};
  const std::int64_t n = database.run("SELECT n FROM counter").value_or(-1);
  std::vector<std::int64_t> there = database.column("SELECT n FROM ledger_entries WHERE n >= " +
                                                    std::to_string(tally.acknowledged.front()));
  std::sort(there.begin(), there.end());
  std::uint64_t lost = 0;
  std::int64_t last = 0;
  for (const std::int64_t acknowledged : tally.acknowledged) {
    if (acknowledged > n || acknowledged <= last) ++lost;
    last = acknowledged;
  }
  for (const std::int64_t entry : tally.ledger)
    if (entry <= n && !std::binary_search(there.begin(), there.end(), entry)) ++lost;
  return lost;
}

std::string quoted(std::string_view text) {
  std::string json = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') json += '\\';
    json += static_cast<unsigned char>(c) < 32 ? ' ' : c;
  }
  return json + '"';
}

std::string report(Tally tally, std::uint64_t lost) {
  std::sort(tally.waits_us.begin(), tally.waits_us.end());
  const std::size_t count = tally.waits_us.size();
  const auto milliseconds = [&](std::size_t place) {
    return count == 0 ? 0.0
                      : static_cast<double>(tally.waits_us[std::min(place, count - 1)]) / 1000;
  };
  std::array<char, 320> numbers{};
  std::snprintf(numbers.data(), numbers.size(),
                "{\"acknowledged\":%zu,\"lost\":%llu,\"transactions_per_second\":%.1f,"
                "\"longest_wait_ms\":%.3f,\"p99_wait_ms\":%.3f,\"errors\":%llu,\"first_error\":",
                tally.acknowledged.size(), static_cast<unsigned long long>(lost),
                static_cast<double>(tally.acknowledged.size()) / std::max(tally.elapsed_s, 1e-9),
                milliseconds(count), milliseconds(count * 99 / 100),
                static_cast<unsigned long long>(tally.errors));
  return numbers.data() + quoted(tally.first_error) + "}\n";
}

Arguments parse(const std::vector<std::string>& words) {
  Arguments arguments;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--until-stdin-closes" || word == "--counter-only") {
      (word == "--counter-only" ? arguments.counter_only : arguments.until_stdin_closes) = true;
      continue;
    }
    if (!word.starts_with("--")) {
      if (!arguments.file.empty()) throw std::invalid_argument("one FILE only");
      arguments.file = word;
      continue;
    }
    if (i + 1 == words.size()) throw std::invalid_argument(word + " needs a value");
    const std::string& value = words[++i];
    if (word == "--seconds")
      arguments.seconds = std::stod(value);
    else if (word == "--rate")
      arguments.rate = std::stod(value);
    else if (word == "--seed")
      arguments.seed = std::stoull(value);
    else if (word == "--journal" && (value == "wal" || value == "delete"))
      arguments.journal = value;
    else if (word == "--sync" && (value == "normal" || value == "full"))
      arguments.sync = value;
    else if (word == "--report")
      arguments.report = value;
    else if (word == "--commits")
      arguments.commits = value;
    else
      throw std::invalid_argument("unknown: " + word + " " + value);
  }
  if (arguments.file.empty() || (!arguments.seconds && !arguments.until_stdin_closes))
    throw std::invalid_argument(
        "usage: lockstep-writer FILE (--seconds S | --until-stdin-closes) [--rate TPS] [--seed N] "
        "[--journal wal|delete] [--sync normal|full] [--report FILE] [--commits FILE] "
        "[--counter-only]");
  return arguments;
}

}  // namespace

int main(int count, char** words) {
  try {
    const Arguments arguments = parse({words + 1, words + count});
    const Tally tally = Application{arguments}.run();
    const std::uint64_t lost = count_lost(tally, arguments.file);
    const std::string line = report(tally, lost);
    std::fputs(line.c_str(), stdout);
    if (!arguments.report.empty()) std::ofstream{arguments.report} << line;
    return lost == 0 ? 0 : 4;
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "lockstep-writer: %s\n", failure.what());
    return 1;
  }
}
