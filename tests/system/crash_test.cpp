// lockstep and PostgreSQL are killed at random moments while an application writes; a reader of the
// target must never see a state that the source did not have, and in the end nothing may be
// missing. Delays are drawn from the seed: they are the faults, nothing waits for them.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <map>
#include <optional>
#include <random>
#include <string_view>
#include <thread>

#include "tests/support/seed.hpp"
#include "tests/system/world.hpp"

namespace lockstep::test {
namespace fs = std::filesystem;
namespace {

using Random = std::mt19937_64;

std::chrono::milliseconds between(Random& random, std::uint64_t low, std::uint64_t high) {
  return std::chrono::milliseconds{low + random() % (high - low + 1)};
}

/// SIGKILL for the postmaster and then for everything that it started, as the end of a machine
/// would be.
void kill_all_of(PostgresServer& server) {
  const fs::path data = fs::canonical(server.data_folder());
  ::kill(server.pid(), SIGKILL);
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    pid_t pid = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (parsed.ec != std::errc{} || parsed.ptr != name.data() + name.size()) continue;
    std::error_code gone;
    if (fs::read_symlink(entry.path() / "cwd", gone) == data) ::kill(pid, SIGKILL);
  }
  server.kill_hard();
}

enum class Victim { lockstep, postgres, both };
constexpr std::array kDeck{Victim::lockstep, Victim::lockstep, Victim::lockstep, Victim::lockstep,
                           Victim::lockstep, Victim::lockstep, Victim::lockstep, Victim::postgres,
                           Victim::postgres, Victim::postgres, Victim::both};
/// What the first kills of a migration wait for.
constexpr std::array<std::string_view, 3> kAims{"snapshot", "catchup", "indexing"};
constexpr std::array<std::string_view, 6> kPhases{"",        "installing", "snapshot",
                                                  "catchup", "indexing",   "streaming"};

struct Tally {
  std::map<Victim, int> kills;
  std::map<std::string, int> phases;  ///< kills by what the ledger said just before
  int starts = 0;                     ///< of lockstep
  int gave_up = 0;                    ///< lockstep ended by itself while starting, the server gone
  std::int64_t changes = 0;
  std::int64_t commits = 0;
  std::int64_t observations = 0;
  std::int64_t states = 0;
};

/// One source, one target, and everybody who works on them.
class Migration {
 public:
  Migration(PostgresServer& server, const std::string& name, const std::string& journal,
            const std::string& sync, Random& random, Tally& tally)
      : server_(server),
        name_(name),
        journal_(journal),
        sync_(sync),
        random_(random),
        tally_(tally),
        file_(make_prices(folder_, name + ".db", "2000", "40000", random() % 1000)),
        dsn_(server.create_database(name)) {
    sqlite(file_, "PRAGMA journal_mode = " + journal);
    start_writer();
    observer_.emplace(
        std::vector<std::string>{TOOL_OBSERVER, dsn_, "--until-stdin-closes", "--migration", name});
    keep_running();
  }

  void kill(Victim victim, std::size_t turn) {
    if (turn < kAims.size()) {
      REQUIRE(wait_until(
          [&] {
            keep_running();
            return rank(phase()) >= rank(kAims[turn]);
          },
          30s, 1ms));
      std::this_thread::sleep_for(between(random_, 0, 60));
    } else {
      std::this_thread::sleep_for(between(random_, 20, 1'500));
    }
    ++tally_.phases[phase()];
    ++tally_.kills[victim];
    if (victim != Victim::postgres) following_->kill_hard();
    if (victim != Victim::lockstep) {
      kill_all_of(server_);
      server_.start();
    }
    keep_running();
  }

  void quiet_point() {
    check_writer();
    REQUIRE(wait_until(
        [&] {
          keep_running();
          return lockstep({"wait", file_, "--for", "caught-up", "--timeout", "3s"}).status.code ==
                 0;
        },
        60s));
    require_equal(file_, dsn_);
    start_writer();
  }

  void finish() {
    check_writer();
    wait_caught_up(file_);
    const std::string last = n();
    const auto seen = observer_->finish();
    CHECK(seen["violations"] == 0);
    CHECK(seen["observations"].get<std::int64_t>() > 500);
    // In journal mode application and lockstep take turns at the file.
    CHECK(seen["states"].get<std::int64_t>() > (journal_ == "wal" ? 100 : 3));
    CHECK(std::to_string(seen["last_n"].get<std::int64_t>()) == last);
    require_equal(file_, dsn_);
    following_->signal(SIGTERM);
    CHECK(following_->wait_or_throw(20s) == ExitStatus{.code = 143});
    CHECK(sqlite(file_, "PRAGMA integrity_check") == std::vector<std::string>{"ok"});
    tally_.changes += std::stoll(server_.value("SELECT changes FROM lockstep.ledger", name_));
    tally_.observations += seen["observations"].get<std::int64_t>();
    tally_.states += seen["states"].get<std::int64_t>();
  }

 private:
  static std::size_t rank(std::string_view phase) {
    return static_cast<std::size_t>(std::find(kPhases.begin(), kPhases.end(), phase) -
                                    kPhases.begin());
  }
  std::string n() { return sqlite(file_, "SELECT n FROM counter").front(); }

  std::string phase() {
    try {
      return server_.value("SELECT phase FROM lockstep.ledger", name_);
    } catch (const std::exception&) {  // there is no ledger yet
      return "";
    }
  }

  void start_writer() {
    writer_.emplace(std::vector<std::string>{TOOL_WRITER, file_, "--until-stdin-closes", "--rate",
                                             "300", "--journal", journal_, "--sync", sync_,
                                             "--seed", std::to_string(random_() % 1'000'000)});
  }
  void check_writer() {
    const auto said = writer_->finish();
    INFO(said.dump());
    CHECK(said["lost"] == 0);
    CHECK(said["errors"] == 0);
    CHECK(said["acknowledged"].get<std::int64_t>() > 0);
    tally_.commits += said["acknowledged"].get<std::int64_t>();
  }

  /// It may end by itself only if the server was gone while it started.
  void keep_running() {
    if (following_ && following_->running()) return;
    if (following_) {
      const ExitStatus status = following_->wait_or_throw(1s);
      INFO(following_->output() + following_->error_output());
      REQUIRE((status.signal == SIGKILL || status.code == 5));
      if (status.code) ++tally_.gave_up;
    }
    following_ = start_lockstep({"run", file_, dsn_});
    ++tally_.starts;
  }

  PostgresServer& server_;
  std::string name_, journal_, sync_;
  Random& random_;
  Tally& tally_;
  TempDir folder_;
  std::string file_, dsn_;
  std::optional<Tool> writer_, observer_;
  std::unique_ptr<Process> following_;
};

void print(const Tally& tally, std::chrono::steady_clock::time_point began) {
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  const auto kills = [&](Victim victim) {
    const auto found = tally.kills.find(victim);
    return found == tally.kills.end() ? 0 : found->second;
  };
  fmt::print(stderr,
             "crash test: seed {}, kills: lockstep {}, postgres {}, both {}; by phase {}\n"
             "            lockstep started {} times ({} gave up without a server), {} commits, {} "
             "changes applied, {} observations of {} states, {:.0f} s\n",
             test_seed(), kills(Victim::lockstep), kills(Victim::postgres), kills(Victim::both),
             tally.phases, tally.starts, tally.gave_up, tally.commits, tally.changes,
             tally.observations, tally.states, took.count());
}

}  // namespace

TEST_CASE(
    "kill -9 of lockstep and of PostgreSQL at any moment loses nothing and shows no torn state",
    "[system]") {
  const auto began = std::chrono::steady_clock::now();
  Random random{test_seed()};
  Tally tally;
  // What was written survives the end of a process without fsync.
  PostgresServer server{{"fsync=off"}};
  struct Kind {
    const char *name, *journal, *sync;
  };
  for (const Kind& kind :
       {Kind{"wal_normal", "wal", "normal"}, Kind{"delete_full", "delete", "full"},
        Kind{"wal_full", "wal", "full"}, Kind{"delete_normal", "delete", "normal"}}) {
    INFO("migration " << kind.name);
    auto deck = kDeck;
    std::shuffle(deck.begin(), deck.end(), random);
    Migration migration{server, kind.name, kind.journal, kind.sync, random, tally};
    for (std::size_t turn = 0; turn < deck.size(); ++turn) {
      migration.kill(deck[turn], turn);
      if (turn == deck.size() / 2) migration.quiet_point();
    }
    migration.finish();
  }
  print(tally, began);
  CHECK(tally.kills[Victim::lockstep] + tally.kills[Victim::postgres] + tally.kills[Victim::both] >=
        40);
  CHECK(tally.changes > 1'000);
}

TEST_CASE("a target that went back in time gets again what it lost, and nothing is skipped",
          "[system]") {
  PostgresServer server{{"fsync=off"}};
  const TempDir folder;
  const std::string file = make_prices(folder, "back.db", "100", "2000");
  const std::string dsn = server.create_database("back");
  const auto write = [&] {
    require_code(run({TOOL_WRITER, file, "--seconds", "1", "--rate", "200"}), 0);
  };
  const auto following = start_lockstep({"run", file, dsn});
  REQUIRE(wait_until(
      [&] {
        return lockstep({"wait", file, "--for", "caught-up"}).status.code == 0;
      },
      50s, 50ms));
  write();
  wait_caught_up(file);
  constexpr std::array kTables{"tickers", "ohlcv_data", "accounts", "counter", "ledger_entries"};
  std::string save = "CREATE SCHEMA saved; CREATE TABLE saved.ledger AS TABLE lockstep.ledger;";
  std::string restore =
      "BEGIN; UPDATE lockstep.ledger SET (era, seq, identity) = (SELECT era, seq, identity FROM "
      "saved.ledger);";
  for (const char* table : kTables) {
    save += fmt::format("CREATE TABLE saved.{0} AS TABLE public.{0};", table);
    restore += fmt::format(
        "DELETE FROM public.{0}; INSERT INTO public.{0} SELECT * FROM saved.{0};", table);
  }
  server.query(save, "back");
  write();
  wait_caught_up(file);
  require_equal(file, dsn);

  // As after a failover that lost commits, but behind a pooler that kept the connection.
  server.query(restore + "COMMIT", "back");
  CHECK(run({TOOL_COMPARE, file, dsn}).status == ExitStatus{.code = 4});
  write();
  const Outcome waited = lockstep({"wait", file, "--for", "caught-up", "--timeout", "30s"});
  INFO(following->output() + following->error_output() + everything(waited));
  REQUIRE(waited.status == ExitStatus{.code = 0});
  require_equal(file, dsn);
  CHECK(following->running());
}

}  // namespace lockstep::test
