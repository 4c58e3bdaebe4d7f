#include "tests/nemesis/run.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sqlite3.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
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
  Run(Target& target, std::uint64_t seed, const std::vector<std::string>& failpoints,
      RunReport& report)
      : target_(target),
        random_(seed),
        report_(report),
        faults_(draw_faults(random_)),
        name_(fmt::format("n{}", seed)),
        file_(folder_.file(name_ + ".db")) {
    const bool wal = random_() % 3 != 0;
    const int writers = random_() % 3 == 0 ? 2 : 1;
    make_source(file_, wal ? "wal" : "delete", random_());
    std::tie(history_.first_n, history_.first_hash) = source_state(file_);
    dsn_ = target_.server().create_database(name_);
    const bool standby = drawn(Fault::server_failover);
    if (standby) target_.add_standby();
    surroundings_ =
        std::make_unique<Surroundings>(target_, standby, sockets_.path().string(), random_);
    report_.odd = random_() % 3 == 0;
    report_.shape = fmt::format("{}, {}, {} writers{}{}", wal ? "wal" : "delete",
                                surroundings_->words(), writers, standby ? ", standby" : "",
                                report_.odd ? ", values that do not fit" : "");
    auto commands = surroundings_->commands(file_, name_);
    if (report_.odd)
      commands.front().insert(commands.front().end(), {"--on-bad-value", "quarantine"});
    following_ = std::make_unique<Following>(std::move(commands), disk(), sockets_.path().string(),
                                             failpoints, random_);
    workload_ = std::make_unique<Workload>(file_, writers, 120, random_(), report_.odd);
    reader_ = std::make_unique<Reader>(dsn_, 8ms);
  }

  void play() {
    following_->keep_running();
    // Sometimes the copy is hit, mostly what comes after it.
    if (random_() % 3 != 0) static_cast<void>(test::wait_until([&] { return consistent(); }, 10s));
    for (const Fault fault : faults_) {
      std::this_thread::sleep_for(between(random_, 0, 250));
      report_.faults.emplace_back(to_string(fault));
      inject(fault);
      if (random_() % 2 == 0) following_->resume_all();
      if (random_() % 3 == 0) surroundings_->clear();
      following_->keep_running();
      start_anew_if_due();
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
          start_anew_if_due();
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
      target_.server().query(sql, name_);
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
        target_.server().stop_immediate();
        return target_.server().start();
      case Fault::server_kill:
        target_.server().kill_hard();
        return target_.server().start();
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
      case Fault::server_disk_full:
        if (random_() % 4 == 0) return target_.panic(between(random_, 0, 400));
        target_.fill_disk("base");
        std::this_thread::sleep_for(between(random_, 20, 600));
        return target_.room_again();
      case Fault::source_disk_low:
        return source_disk_low();
      case Fault::server_failover:
        return fail_over();
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
    target_.server().query(fmt::format("ALTER DATABASE {} SET {}", name_, text));
    target_.server().query(end);
    std::this_thread::sleep_for(between(random_, 10, 400));
    target_.server().query(fmt::format("ALTER DATABASE {} RESET ALL", name_));
    target_.server().query(end);
  }

  [[nodiscard]] bool drawn(Fault fault) const {
    return std::find(faults_.begin(), faults_.end(), fault) != faults_.end();
  }

  /// Of lockstep: a disk below the source that the run can fill.
  [[nodiscard]] std::vector<std::string> disk() const {
    if (!drawn(Fault::source_disk_low)) return {};
    return {"LD_PRELOAD=" FAULTY_DISK, "FAULTY_DISK_FREE=" + sockets_.file("free")};
  }

  /// The target takes nothing, more changes gather than the disk has room for, and the rows stay
  /// what they are. Lockstep looks five times a second, if it runs.
  void source_disk_low() {
    following_->allow("LS-S308");
    following_->allow("LS-R711");
    const auto hold = between(random_, 300, 1'500);
    const auto held = std::async(std::launch::async, [&] {
      on_server(
          fmt::format("BEGIN; SELECT seq FROM lockstep.ledger FOR UPDATE; SELECT "
                      "pg_sleep({}); COMMIT",
                      static_cast<double>(hold.count()) / 1000));
    });
    const std::string free = sockets_.file("free");
    std::ofstream(free + "~") << 4096;
    std::filesystem::rename(free + "~", free);
    std::string gather = "BEGIN IMMEDIATE;";
    for (int i = 0; i < 30; ++i) gather += "UPDATE items SET note = note;";
    on_source(file_, gather + "COMMIT", 0ms);
    held.wait();
    std::filesystem::remove(free);
  }

  /// What was committed on the old server and had not come to the new one is sent again. Where not
  /// even the ledger had come, lockstep says so by name.
  void fail_over() {
    following_->allow("LS-R707");
    following_->allow("LS-R709");
    // A standby from before the new copy knows the one before it.
    if (report_.new_copies > 0)
      for (const char* code : {"LS-S310", "LS-R708"}) following_->allow(code);
    const bool behind = random_() % 2 == 0;
    target_.fail_over(behind ? between(random_, 20, 400) : 0ms);
    dsn_ = target_.server().dsn(name_);
    history_.sightings.push_back(reader_->finish());
    const auto& seen = history_.sightings.back();
    reader_ = std::make_unique<Reader>(dsn_, 8ms);
    try {
      const auto now = look_at(dsn_);
      if (!seen.empty() && (!now || now->n < seen.back().n)) ++report_.behind;
    } catch (const std::runtime_error&) {  // it has not even the tables
      ++report_.behind;
    }
  }

  /// An operator does what the message says. Whoever reads then reads another copy.
  void start_anew_if_due() {
    if (!following_->asks_for_new_copy()) return;
    ++report_.new_copies;
    surroundings_->clear();
    following_->kill_all();
    history_.sightings.push_back(reader_->finish());
    test::Outcome removed;
    const auto remove = [&] {
      removed =
          test::run({LOCKSTEP_BINARY, "remove", file_, target_.address(name_), "--confirm", name_});
      return removed.status.code == 0;
    };
    if (!test::wait_until(remove, 20s, 100ms))
      throw std::runtime_error("lockstep remove: " + removed.output + removed.error_output);
    target_.server().query("DROP TABLE IF EXISTS meta, ops, items, places, lines", name_);
    reader_ = std::make_unique<Reader>(dsn_, 8ms);
    following_->keep_running();
  }

  Target& target_;
  Random random_;
  RunReport& report_;
  const std::vector<Fault> faults_;
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

RunReport run_once(Target& target, std::uint64_t seed, const std::vector<std::string>& failpoints) {
  RunReport report;
  report.seed = seed;
  try {
    Run run(target, seed, failpoints, report);
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
    target.settle();
    target.server().query(fmt::format("DROP DATABASE IF EXISTS n{} WITH (FORCE)", seed));
  } catch (const std::exception& exception) {
    if (report.trouble.empty()) report.trouble = exception.what();
  }
  return report;
}

}  // namespace lockstep::nemesis
