#include "tests/nemesis/run.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sqlite3.h>

#include <chrono>
#include <memory>
#include <random>
#include <stdexcept>
#include <thread>

#include "tests/nemesis/faults.hpp"
#include "tests/nemesis/following.hpp"
#include "tests/nemesis/reader.hpp"
#include "tests/nemesis/surroundings.hpp"
#include "tests/nemesis/workload.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/wait_until.hpp"

namespace lockstep::nemesis {

using namespace std::chrono_literals;
using Random = std::mt19937_64;
using Clock = std::chrono::steady_clock;

namespace {

std::chrono::milliseconds between(Random& random, std::uint64_t low, std::uint64_t high) {
  return std::chrono::milliseconds{low + random() % (high - low + 1)};
}

/// A connection of somebody else's to the source.
void on_source(const std::string& file, const std::string& begin, std::chrono::milliseconds hold) {
  sqlite3* handle = nullptr;
  sqlite3_open(file.c_str(), &handle);
  const std::unique_ptr<sqlite3, decltype(&sqlite3_close)> database{handle, sqlite3_close};
  // VACUUM and its like may find the file busy for long: then they are no fault this time. In
  // journal mode a lockstep that a failpoint stopped in the middle of a read keeps writers out
  // until it goes on, and the application's own patience is 30 s.
  sqlite3_busy_timeout(handle, 1'000);
  static_cast<void>(sqlite3_exec(handle, begin.c_str(), nullptr, nullptr, nullptr));
  std::this_thread::sleep_for(hold);
}

class Run {
 public:
  Run(test::PostgresServer& server, std::uint64_t seed, const std::vector<std::string>& failpoints,
      RunReport& report)
      : server_(server),
        random_(seed),
        report_(report),
        name_(fmt::format("n{}", seed)),
        file_(folder_.file(name_ + ".db")) {
    const bool wal = random_() % 3 != 0;
    const int writers = random_() % 3 == 0 ? 2 : 1;
    make_source(file_, wal ? "wal" : "delete", random_());
    std::tie(history_.first_n, history_.first_hash) = source_state(file_);
    dsn_ = server_.create_database(name_);
    surroundings_ = std::make_unique<Surroundings>(server_, sockets_.path().string(), random_);
    report_.odd = random_() % 3 == 0;
    report_.shape =
        fmt::format("{}, {}, {} writers{}", wal ? "wal" : "delete", surroundings_->words(), writers,
                    report_.odd ? ", values that do not fit" : "");
    auto commands = surroundings_->commands(file_, name_);
    if (report_.odd)
      commands.front().insert(commands.front().end(), {"--on-bad-value", "quarantine"});
    following_ = std::make_unique<Following>(std::move(commands), sockets_.path().string(),
                                             failpoints, random_);
    workload_ = std::make_unique<Workload>(file_, writers, 120, random_(), report_.odd);
    reader_ = std::make_unique<Reader>(dsn_, 8ms);
  }

  void play() {
    following_->keep_running();
    // Sometimes the copy is hit, mostly what comes after it.
    if (random_() % 3 != 0) static_cast<void>(test::wait_until([&] { return consistent(); }, 10s));
    for (const Fault fault : draw_faults(random_)) {
      std::this_thread::sleep_for(between(random_, 0, 250));
      report_.faults.emplace_back(to_string(fault));
      inject(fault);
      if (random_() % 2 == 0) following_->resume_all();
      if (random_() % 3 == 0) surroundings_->clear();
      following_->keep_running();
    }
  }

  void heal() {
    const Clock::time_point began = Clock::now();
    surroundings_->clear();
    following_->heal();
    history_.transactions = workload_->finish();
    const auto [n, hash] = source_state(file_);
    const bool equal = test::wait_until(
        [&] {
          following_->keep_running();
          return sees(n, hash);
        },
        60s, 20ms);
    report_.heal_seconds = std::chrono::duration<double>(Clock::now() - began).count();
    if (!equal)
      throw std::runtime_error(fmt::format("the target did not get to n {} within a minute\n{}", n,
                                           following_->words()));
  }

  void judge_it() {
    history_.sightings.push_back(reader_->finish());
    const Sighting last = look_at(dsn_).value();
    history_.final_n = last.n;
    history_.final_hash = last.hash;
    history_.final_ops = ops_of(dsn_);
    report_.verdict = judge(history_);
    following_->end();
  }

  void notes() {
    report_.hits = following_->hits();
    report_.strikes = following_->strikes();
    report_.ends = following_->ends();
  }

 private:
  bool consistent() {
    following_->keep_running();
    try {
      return look_at(dsn_).has_value();
    } catch (const std::runtime_error&) {
      return false;
    }
  }

  bool sees(std::int64_t n, std::uint64_t hash) {
    try {
      const auto seen = look_at(dsn_);
      return seen && seen->n == n && seen->hash == hash;
    } catch (const std::runtime_error&) {
      return false;
    }
  }

  /// For as long as the server takes no such statement (it is just being killed), nothing happens.
  void on_server(const std::string& sql) {
    try {
      server_.query(sql, name_);
    } catch (const std::runtime_error&) {
    }
  }

  /// Where there are rows there is the guard, whatever was killed before.
  void write_on_target() {
    std::size_t deleted = 0;
    try {
      deleted = test::query(dsn_, "DELETE FROM public.lines RETURNING id", test::Guard::met).size();
    } catch (const std::runtime_error&) {
    }
    if (deleted > 0)
      throw std::runtime_error(fmt::format("the guard let a stranger delete {} rows", deleted));
  }

  void inject(Fault fault) {
    constexpr char kOurs[] =
        "FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE "
        "'lockstep%'";
    switch (fault) {
      case Fault::kill:
        return following_->any().kill_hard();
      case Fault::stop: {
        following_->any().signal(SIGSTOP);
        std::this_thread::sleep_for(between(random_, 5, random_() % 10 == 0 ? 3'000 : 300));
        return following_->resume_all();
      }
      case Fault::terminate:
        following_->resume_all();
        return following_->any().signal(SIGTERM);
      case Fault::duplicate:
        return following_->duplicate();
      case Fault::backend_terminate:
        return on_server(fmt::format("SELECT pg_terminate_backend(pid) {}", kOurs));
      case Fault::backend_cancel:
        for (int i = 0; i < 12; ++i)
          on_server(fmt::format("SELECT pg_cancel_backend(pid) {}", kOurs));
        return;
      case Fault::server_immediate:
        server_.stop_immediate();
        return server_.start();
      case Fault::server_kill:
        server_.kill_hard();
        return server_.start();
      case Fault::server_read_only:
        return setting("default_transaction_read_only = on");
      case Fault::server_timeouts:
        return setting("statement_timeout = 1; ALTER DATABASE " + name_ +
                       " SET lock_timeout = 1; ALTER DATABASE " + name_ +
                       " SET idle_in_transaction_session_timeout = 1");
      case Fault::server_lock:
        return on_server(fmt::format(
            "BEGIN; LOCK TABLE public.items IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep({}); COMMIT",
            static_cast<double>(random_() % 400) / 1000));
      case Fault::source_lock:
        return on_source(file_, "BEGIN IMMEDIATE", between(random_, 5, 300));
      case Fault::source_exclusive:
        return on_source(file_, "BEGIN EXCLUSIVE", between(random_, 5, 300));
      case Fault::source_checkpoint:
        return on_source(file_, "PRAGMA wal_checkpoint(TRUNCATE)", 0ms);
      case Fault::source_vacuum:
        return on_source(file_, "VACUUM", 0ms);
      case Fault::foreign_write:
        return write_on_target();
      case Fault::wire_reset:
      case Fault::wire_flip:
      case Fault::wire_frozen:
      case Fault::wire_cable:
      case Fault::wire_slow:
      case Fault::answer_lost:
      case Fault::server_unheard:
        return surroundings_->strike(fault, random_);
    }
  }

  /// For new sessions, so that all of lockstep's are ended; then as before. From another database,
  /// where the setting does not hold.
  void setting(const std::string& text) {
    const std::string end = fmt::format(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}' AND "
        "application_name LIKE 'lockstep%'",
        name_);
    server_.query(fmt::format("ALTER DATABASE {} SET {}", name_, text));
    server_.query(end);
    std::this_thread::sleep_for(between(random_, 10, 400));
    server_.query(fmt::format("ALTER DATABASE {} RESET ALL", name_));
    server_.query(end);
  }

  test::PostgresServer& server_;
  Random random_;
  RunReport& report_;
  test::TempDir folder_;
  test::TempDir sockets_;  ///< not beside the source: what is written there wakes capture
  std::string name_, file_, dsn_;
  History history_;
  std::unique_ptr<Surroundings> surroundings_;
  std::unique_ptr<Following> following_;
  std::unique_ptr<Workload> workload_;
  std::unique_ptr<Reader> reader_;
};

}  // namespace

RunReport run_once(test::PostgresServer& server, std::uint64_t seed,
                   const std::vector<std::string>& failpoints) {
  RunReport report;
  report.seed = seed;
  try {
    Run run(server, seed, failpoints, report);
    try {
      run.play();
      run.heal();
      run.judge_it();
    } catch (const std::exception& exception) {
      report.trouble = exception.what();
    }
    run.notes();
  } catch (const std::exception& exception) {
    report.trouble = exception.what();
  }
  try {
    server.query(fmt::format("DROP DATABASE IF EXISTS n{} WITH (FORCE)", seed));
  } catch (const std::exception& exception) {
    if (report.trouble.empty()) report.trouble = exception.what();
  }
  return report;
}

}  // namespace lockstep::nemesis
