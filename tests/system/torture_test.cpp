// A hostile but legal application (tests/data/workload_public.py: REPLACE through every kind of
// unique index, changed keys, swapped values, cascades, savepoints, VACUUM) writes with three
// processes while lockstep copies and follows; both sides must be equal in the end, and no reader
// of the target may see a state in between.
#include <fmt/format.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include "tests/support/seed.hpp"
#include "tests/support/state_reader.hpp"
#include "tests/system/carried.hpp"
#include "tests/system/world.hpp"

namespace lockstep::test {
namespace {

constexpr int kSeedsInCi = 20;
constexpr int kSeedsWithDdl = 2;
constexpr int kWriters = 3;
constexpr int kTransactions = 400;  ///< of each writer
/// Of 100 transactions. The writers meet SQLITE_BUSY among themselves, because some begin by
/// reading; what lockstep adds to that is measured by busy_test.
constexpr int kBusyMax = 20;

/// Tables with a column of several storage classes: followed as literals.
const std::vector<std::string> kLiteral{"kv", "pk_text"};
constexpr char kLiteralConfig[] =
    R"({"version": 1, "columns": {"kv.v": {"type": "literal"}, "pk_text.v": {"type": "literal"}}})";

constexpr char kComplaint[] =
    "concat((SELECT 'the balances add up to ' || coalesce(sum(balance), 0) || '; ' FROM acct "
    "HAVING coalesce(sum(balance), 0) <> 100000), (SELECT count(*) || ' entries are in one ledger "
    "only' FROM ((TABLE ledger_a EXCEPT ALL TABLE ledger_b) UNION ALL (TABLE ledger_b EXCEPT ALL "
    "TABLE ledger_a)) AS d HAVING count(*) > 0))";

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

struct Round {
  std::uint64_t seed;
  const char* journal;
  bool vacuum;
  bool before;       ///< lockstep is there before the workload begins
  int pause;         ///< of each writer between two transactions, in milliseconds
  bool ddl = false;  ///< it adds columns in the middle of transactions
};

/// As ORMs alter what SQLite cannot: another process makes tables anew, over and over, from what
/// they are at that moment, in one transaction each.
class Rebuilder {
 public:
  explicit Rebuilder(std::string file) : file_(std::move(file)), thread_([this] { work(); }) {}
  ~Rebuilder() { stop(); }
  Rebuilder(const Rebuilder&) = delete;
  Rebuilder& operator=(const Rebuilder&) = delete;
  /// How many tables were made anew.
  int stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
    return rebuilt_;
  }

 private:
  void work() {
    for (std::size_t turn = 0; !stop_; ++turn) {
      static constexpr const char* kTables[] = {"seats", "bag", "tags", "slugs", "ledger_a"};
      const std::string name = kTables[turn % std::size(kTables)];
      try {
        rebuild(name);
        ++rebuilt_;
      } catch (const std::exception&) {  // another writer altered it meanwhile: the next turn
      }
      // Not synchronisation: the pace of an application that migrates far too often.
      std::this_thread::sleep_for(50ms);
    }
  }
  void rebuild(const std::string& name) const {
    const auto made = sqlite(file_,
                             "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND type "
                             "IN ('table', 'index') AND tbl_name = '" +
                                 name + "' ORDER BY type DESC");
    std::string sql = made.at(0);
    sql.replace(sql.find(name), name.size(), "new__" + name);
    sql = "PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE;" + sql + "; INSERT INTO new__" + name +
          " SELECT * FROM " + name + "; DROP TABLE " + name + "; ALTER TABLE new__" + name +
          " RENAME TO " + name + ";";
    for (std::size_t i = 1; i < made.size(); ++i) sql += made[i] + ";";
    sqlite(file_, sql + "COMMIT");
  }

  std::string file_;
  std::atomic<bool> stop_ = false;
  std::atomic<int> rebuilt_ = 0;
  std::thread thread_;
};

std::string name_of(const Round& round) {
  return fmt::format("seed {}, journal {}, {}{}, {} ms pause, lockstep starts {}", round.seed,
                     round.journal, round.vacuum ? "with VACUUM" : "no VACUUM",
                     round.ddl ? ", with ALTER TABLE" : "", round.pause,
                     round.before ? "before the workload" : "in the middle of it");
}

struct Tally {
  std::int64_t rounds = 0, commits = 0, busy = 0, transactions = 0;
  std::uint64_t looks = 0, states = 0;
};

class Torture {
 public:
  Torture(const Round& round, Tally& tally)
      : round_(round),
        tally_(tally),
        database_(fmt::format("t{}_{}_{}{}", round.seed, round.journal, round.vacuum ? "v" : "",
                              round.before ? "b" : "")),
        file_(folder_.file("torture.db")),
        dsn_(server().create_database(database_)),
        config_(folder_.file("literal.json")),
        tables_(listed(kTorture) + "," + listed(kLiteral)) {
    std::ofstream(config_) << kLiteralConfig;
    sqlite(file_, contents(LOCKSTEP_SOURCE_DIR "/tests/data/torture_public.sql"));
    sqlite(file_, fmt::format("PRAGMA journal_mode = {}", round.journal));
  }

  void run() {
    StateReader reader{dsn_, kComplaint};
    if (round_.before) {
      follow();
      require_caught_up(*following_, file_);
    }
    start_workload();
    if (!round_.before) {
      const std::string at_start = entries();
      REQUIRE(wait_until([&] { return entries() != at_start; }, 30s));
      follow();
    }
    finish_workload();
    INFO(said());
    require_caught_up(*following_, file_);
    const StateReader::Report seen = reader.finish();
    CHECK(seen.first_violation == "");
    CHECK(seen.violations == 0);
    CHECK(seen.looks > 0);
    CHECK(seen.states > (round_.before ? 1U : 0U));  // more than the first copy
    tally_.looks += seen.looks;
    tally_.states += seen.states;
    following_->signal(SIGTERM);
    CHECK(following_->wait_or_throw(20s) == ExitStatus{.code = 143});
    require_equal(file_, dsn_, {"--tables", tables_, "--config", config_});
    require_code(lockstep({"verify", file_, dsn_}), 0);
    CHECK(sqlite(file_, "PRAGMA integrity_check") == std::vector<std::string>{"ok"});
    server().query(fmt::format("DROP DATABASE \"{}\" WITH (FORCE)", database_));
    ++tally_.rounds;
  }

 private:
  /// Moves whenever the workload has written into its ledgers.
  std::string entries() const {
    return sqlite(file_, "SELECT count(*) || ' ' || ifnull(max(id), 0) FROM ledger_a").front();
  }

  void follow() {
    following_ = start_lockstep({"run", file_, dsn_, "--tables", tables_, "--config", config_});
  }

  void start_workload() {
    const std::string command = fmt::format(
        "python3 {}/tests/data/workload_public.py {} --seed {} --txns {} --writers {} --sleep {} "
        "--fk mixed --recursive mixed",
        LOCKSTEP_SOURCE_DIR, file_, round_.seed, kTransactions, kWriters, round_.pause);
    std::istringstream words{command};
    std::vector<std::string> arguments{std::istream_iterator<std::string>{words}, {}};
    if (round_.vacuum) arguments.emplace_back("--vacuum");
    if (round_.ddl) arguments.emplace_back("--ddl");
    if (round_.ddl) rebuilder_ = std::make_unique<Rebuilder>(file_);
    workload_ = std::make_unique<Process>(arguments);
  }

  /// Exit 0: no unexpected error, and its own invariants held at the source.
  void finish_workload() {
    const ExitStatus status = workload_->wait_or_throw(120s);
    if (rebuilder_) CHECK(rebuilder_->stop() > 0);
    INFO(said());
    REQUIRE(status == ExitStatus{.code = 0});
    for (const auto& writer : nlohmann::json::parse(workload_->output())) {
      tally_.commits += writer["commits"].get<std::int64_t>();
      const auto busy = writer["busy"].get<std::int64_t>();
      if (!round_.ddl) CHECK(busy * 100 <= kTransactions * kBusyMax);
      tally_.busy += busy;
      tally_.transactions += kTransactions;
    }
  }

  std::string said() const {
    std::string text;
    if (following_)
      text += "lockstep says: " + following_->output() + following_->error_output() + "\n";
    if (!workload_) return text;
    auto writers = nlohmann::json::parse(workload_->output(), nullptr, false);
    if (writers.is_array())
      for (auto& writer : writers) writer.erase("ops");
    text += "workload says: " + writers.dump() + "\n" + workload_->error_output();
    return text;
  }

  Round round_;
  Tally& tally_;
  TempDir folder_;
  std::string database_, file_, dsn_, config_, tables_;
  std::unique_ptr<Process> following_, workload_;
  std::unique_ptr<Rebuilder> rebuilder_;
};

void run(const Round& round, Tally& tally) {
  INFO(name_of(round));
  INFO("tables: " << fmt::format("{}", fmt::join(kTorture, " ")));
  Torture(round, tally).run();
}

void print(const Tally& tally, std::chrono::steady_clock::time_point began) {
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  fmt::print(
      stderr,
      "figure: torture: {} rounds from seed {}, {} commits, {} of {} transactions met SQLITE_BUSY, "
      "{} looks at {} states, {:.0f} s\n",
      tally.rounds, test_seed(), tally.commits, tally.busy, tally.transactions, tally.looks,
      tally.states, took.count());
}

/// The `number`-th round: journal mode by the caller, else all combinations in turn.
Round round_of(int number, const char* journal) {
  return {.seed = (test_seed() + static_cast<std::uint64_t>(number) * 1'000) % 1'000'000'007,
          .journal = journal,
          .vacuum = number % 2 == 1,
          .before = number / 2 % 2 == 0,
          .pause = number % 5 == 0 ? 0 : 2};
}

void in_ci(const char* journal) {
  static Tally tally;
  static const auto began = std::chrono::steady_clock::now();
  for (int number = 0; number < kSeedsInCi / 2; ++number) {
    const Round round = round_of(number, journal);
    DYNAMIC_SECTION(name_of(round)) {
      run(round, tally);
      if (tally.rounds == kSeedsInCi / 2) print(tally, began);
    }
  }
}

}  // namespace

TEST_CASE("a hostile application in WAL mode is followed exactly", "[system][wal]") {
  in_ci("wal");
}

TEST_CASE("a hostile application in rollback-journal mode is followed exactly",
          "[system][journal]") {
  in_ci("delete");
}

TEST_CASE("a hostile application that adds columns and rebuilds tables is followed exactly",
          "[system][ddl]") {
  Tally tally;
  const auto began = std::chrono::steady_clock::now();
  for (int number = 0; number < kSeedsWithDdl; ++number) {
    Round round = round_of(number, number % 2 == 0 ? "wal" : "delete");
    round.ddl = true;
    DYNAMIC_SECTION(name_of(round)) {
      run(round, tally);
    }
  }
  if (tally.rounds > 0) print(tally, began);
}

TEST_CASE("a hostile application that alters its schema is followed for many seeds", "[.][soak]") {
  const char* wanted = std::getenv("LOCKSTEP_TORTURE_SEEDS");
  Tally tally;
  const auto began = std::chrono::steady_clock::now();
  for (int number = 0; number < (wanted == nullptr ? kSeedsInCi : std::stoi(wanted)); ++number) {
    Round round = round_of(number / 2, number % 2 == 0 ? "wal" : "delete");
    round.ddl = true;
    run(round, tally);
  }
  print(tally, began);
}

TEST_CASE("a hostile application is followed exactly for hundreds of seeds", "[.][soak]") {
  const char* wanted = std::getenv("LOCKSTEP_TORTURE_SEEDS");
  const int seeds = wanted == nullptr ? kSeedsInCi : std::stoi(wanted);
  Tally tally;
  const auto began = std::chrono::steady_clock::now();
  for (int number = 0; number < seeds; ++number) {
    run(round_of(number / 2, number % 2 == 0 ? "wal" : "delete"), tally);
    if ((number + 1) % 20 == 0 || number + 1 == seeds) print(tally, began);
  }
  CHECK(tally.rounds == seeds);
}

TEST_CASE("the reader of the target sees a sum that is off and a row in one ledger only",
          "[system][wal]") {
  const std::string dsn = server().create_database("reader");
  server().query(
      "CREATE SCHEMA lockstep; CREATE TABLE lockstep.ledger(seq bigint, consistent boolean);"
      "INSERT INTO lockstep.ledger VALUES (1, false);"
      "CREATE TABLE acct(balance bigint); INSERT INTO acct VALUES (99999), (0);"
      "CREATE TABLE ledger_a(id bigint, tx bigint); CREATE TABLE ledger_b(id bigint, tx bigint);",
      "reader");
  StateReader reader{dsn, kComplaint};
  const auto looked = [&](const std::string& sql) {
    server().query(sql, "reader");
    const std::uint64_t before = reader.so_far().looks;
    REQUIRE(wait_until([&] { return reader.so_far().looks >= before + 3; }, 20s));
    return reader.so_far();
  };
  // While it is not consistent, nothing is wrong: the balances are.
  CHECK(looked("BEGIN; UPDATE acct SET balance = 100000 WHERE balance > 0; UPDATE lockstep.ledger "
               "SET consistent = true, seq = 2; COMMIT")
            .violations == 0);
  CHECK(looked("UPDATE lockstep.ledger SET seq = 3").violations == 0);
  const auto change = GENERATE(as<std::pair<std::string, std::string>>{},
                               std::pair{"UPDATE acct SET balance = 1 WHERE balance = 0", "100001"},
                               std::pair{"INSERT INTO ledger_b VALUES (1, 1)", "1 entries"},
                               std::pair{"UPDATE lockstep.ledger SET seq = 2", "after seq 3"},
                               std::pair{"DROP TABLE ledger_a", "ledger_a"});
  const auto seen = looked("UPDATE lockstep.ledger SET seq = 3").violations;
  CHECK(seen == 0);
  server().query(change.first, "reader");
  REQUIRE(wait_until([&] { return reader.so_far().violations > 0; }, 20s));
  CHECK(reader.finish().first_violation.find(change.second) != std::string::npos);
  server().query("DROP DATABASE reader WITH (FORCE)");
}

}  // namespace lockstep::test
