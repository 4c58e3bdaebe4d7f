// Faults below the source's file: power loss, a full or broken disk, damaged pages, a file system
// of a network, a clock that jumps; and what SQLite itself does not tell us.
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "link/sqlite/lock_file.hpp"
#include "tests/support/seed.hpp"
#include "tests/system/source_world.hpp"

namespace lockstep::test {
namespace fs = std::filesystem;
namespace {

PostgresServer& server() {
  static PostgresServer one{{"fsync=off"}};
  return one;
}

void say(const std::string& file, const std::string& text) {
  std::ofstream{file + "~"} << text;
  fs::rename(file + "~", file);  // whoever reads it meanwhile sees all of it
}

std::vector<std::string> faulty(const Followed& source, std::vector<std::string> more) {
  more.push_back("LD_PRELOAD=" FAULTY_DISK);
  more.push_back("FAULTY_DISK_NAME=" + fs::path(source.file()).filename().string());
  return more;
}

/// Application and lockstep on a disk that keeps only what was synced. Nobody else may open the
/// database: what a connection without that disk copies back or rolls back would not be on it.
class PowerLoss {
 public:
  PowerLoss(const std::string& name, std::string journal, std::string sync)
      : journal_(std::move(journal)),
        sync_(std::move(sync)),
        file_(make_prices(folder_, name + ".db", "40", "400")),
        dsn_(server().create_database(name)) {
    sqlite(file_, "PRAGMA journal_mode=" + journal_);
    fs::create_directory(shadow());
    fs::copy_file(file_, shadow() + "/" + fs::path(file_).filename().string());
    environment_ = {"LD_PRELOAD=" FAULTY_DISK, "FAULTY_DISK_SHADOW=" + shadow(),
                    "FAULTY_DISK_NAME=" + fs::path(file_).filename().string()};
  }
  void start() {
    run_ = start_lockstep({"run", file_, dsn_}, {.environment = environment_});
    writer_ = std::make_unique<Process>(
        std::vector<std::string>{TOOL_WRITER, file_, "--until-stdin-closes", "--rate", "200",
                                 "--journal", journal_, "--sync", sync_, "--seed",
                                 std::to_string(++writers_), "--commits", commits_},
        clean({.environment = environment_, .own_stdin = true}));
  }
  /// The state that the files hold, seen in a copy of them. Nobody may be writing.
  [[nodiscard]] std::int64_t n() const {
    const TempDir aside;
    const std::string copy = aside.file("copy.db");
    for (const char* suffix : {"", "-wal", "-journal"})
      if (fs::exists(file_ + suffix)) fs::copy_file(file_ + suffix, copy + suffix);
    return std::stoll(sqlite(copy, "SELECT n FROM counter").front());
  }
  /// Transactions that the application has been told are committed.
  [[nodiscard]] std::int64_t commits() const {
    constexpr std::uintmax_t kBytesEach = 16;
    std::error_code none_yet;
    const std::uintmax_t bytes = fs::file_size(commits_, none_yet);
    return none_yet ? 0 : static_cast<std::int64_t>(bytes / kBytesEach);
  }
  [[nodiscard]] std::int64_t n_at_target() const {
    try {
      const Rows rows = query(dsn_, "SELECT n FROM counter");
      return rows.empty() ? 0 : std::stoll(rows[0][0].value_or("0"));
    } catch (const std::exception&) {  // there is no table yet
      return 0;
    }
  }
  void wait_for_writes(std::int64_t more) {
    const std::int64_t before = commits();
    REQUIRE(wait_until([&] { return commits() >= before + more; }, 20s, 5ms));
  }
  /// The machine's end: both processes, and what was not synced.
  void cut() {
    writer_->kill_hard();
    run_->kill_hard();
    for (const char* suffix : {"", "-wal", "-journal", "-shm"}) {
      const std::string kept = shadow() + "/" + fs::path(file_).filename().string() + suffix;
      fs::remove(file_ + suffix);
      if (fs::exists(kept)) fs::copy_file(kept, file_ + suffix);
    }
  }
  void require_equal_after_start() {
    run_ = start_lockstep({"run", file_, dsn_}, {.environment = environment_});
    require_caught_up(*run_, file_);
    require_equal(file_, dsn_);
    CHECK(sqlite(file_, "PRAGMA integrity_check").front() == "ok");
    run_->signal(SIGTERM);
    REQUIRE(run_->wait_or_throw(20s) == ExitStatus{.code = 143});
  }
  Process& run() { return *run_; }
  [[nodiscard]] const std::string& file() const { return file_; }

 private:
  [[nodiscard]] std::string shadow() const { return folder_.file("durable"); }

  TempDir folder_;
  std::string journal_, sync_, file_, dsn_, commits_ = folder_.file("commits");
  std::vector<std::string> environment_;
  std::unique_ptr<Process> run_, writer_;
  int writers_ = 0;
};

}  // namespace

TEST_CASE("a power loss takes commits back, and none of them was shipped", "[system]") {
  const auto [journal, sync] =
      GENERATE(table<std::string, std::string>({{"wal", "normal"}, {"delete", "full"}}));
  PowerLoss machine("power_" + journal, journal, sync);
  machine.start();
  REQUIRE(wait_until([&] { return machine.n_at_target() > 20; }, 30s, 10ms));
  for (int turn = 0; turn < 4; ++turn) {
    machine.wait_for_writes(10 + static_cast<std::int64_t>((test_seed() >> turn * 4) % 40));
    if (turn == 0 && sync == "normal") {
      // Nobody else syncs at a commit: what comes now is lost for certain.
      machine.run().signal(SIGSTOP);
      machine.wait_for_writes(20);
      machine.cut();
      REQUIRE(machine.n() <= machine.commits() - 20);
    } else {
      machine.cut();
    }
    CHECK(machine.n_at_target() <= machine.n());
    machine.start();
  }
  machine.cut();
  machine.require_equal_after_start();
  saw_fault("S14", "GO: what vanished had not been shipped, in WAL and in rollback-journal mode");
}

TEST_CASE("a disk that runs full because of our changes is given back to the application",
          "[system]") {
  Followed source(server(), "roomless");
  const std::string room = source.folder().file("room");
  say(room, std::to_string(std::int64_t{40} << 30));
  source.start(faulty(source, {"FAULTY_DISK_FREE=" + room}));
  source.equal();
  // While the target takes everything it is not our changes that fill the disk.
  say(room, std::to_string(100 << 20));
  source.write("UPDATE a SET v = 'a little'");
  source.equal();
  CHECK(source.run().running());
  // 200,000 changes that no target takes, on a disk with less left than they are.
  Application app(source.file());
  std::unique_ptr<Process> blocker;  // holds the row that each batch must move
  blocker = std::make_unique<Process>(std::vector<std::string>{"psql", "-X", "-q", source.dsn()},
                                      clean({.own_stdin = true}));
  REQUIRE(blocker->write_stdin("BEGIN; SELECT seq FROM lockstep.ledger FOR UPDATE;\n"));
  REQUIRE(wait_until([&] { return !blocker->output().empty(); }, 10s));
  app.exec(
      "WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) INSERT "
      "INTO a SELECT i, 'v' FROM n");
  say(room, std::to_string(4 << 20));
  source.require_halt("LS-S308", 7);
  CHECK_THAT(source.run().error_output(), Catch::Contains("gave up"));
  blocker.reset();
  CHECK(
      app.value("SELECT count(*) FROM sqlite_master WHERE name LIKE '\\_lockstep%' ESCAPE '\\'") ==
      "0");
  app.exec("INSERT INTO a(v) VALUES ('the application lives on')");
  const Outcome again = lockstep({"run", source.file(), source.dsn()});
  require_code(again, 8);
  CHECK_THAT(again.error_output, Catch::Contains("LS-R711"));
  saw_fault("S17",
            "HALT: LS-S308, triggers and change table are out, the application lives on; a new "
            "copy is needed");
}

TEST_CASE("an application whose disk is full gets the error, and the change table stays exact",
          "[system]") {
  Followed source(server(), "full");
  Application app(source.file());
  source.start();
  source.equal();
  app.exec("PRAGMA max_page_count=" + app.value("PRAGMA page_count"));
  const std::string changes = "SELECT max(seq) FROM _lockstep_changes";
  const std::string before = app.value(changes), rows = app.value("SELECT count(*) FROM a");
  REQUIRE_THROWS_WITH(
      app.exec("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) "
               "INSERT INTO a(v) SELECT 'long text ' || i FROM n"),
      Catch::Contains("full"));
  CHECK(app.value(changes) == before);
  CHECK(app.value("SELECT count(*) FROM a") == rows);
  app.exec("UPDATE a SET v = 'it fits' WHERE id = 1");
  source.equal();
  app.exec("PRAGMA max_page_count=1000000");
  app.exec("INSERT INTO a(v) VALUES ('room again')");
  source.equal();
  source.stop();
  saw_fault("S16",
            "GO: the application's transaction is rolled back as a whole, and nothing is logged");
}

TEST_CASE("a disk that fails to read is tried again for seconds, then it stops by name",
          "[system]") {
  Followed source(server(), "unreadable");
  const std::string reads = source.folder().file("reads");
  source.start(faulty(source, {"FAULTY_DISK_READS=" + reads}));
  source.equal();
  const std::string rows = source.at_target("SELECT count(*) FROM a");
  SECTION("and goes on when the disk does") {
    say(reads, "eio");
    source.write("INSERT INTO a(v) VALUES ('behind an error')");
    const bool waits = wait_until([&] { return source.awaited() == "LS-S323"; }, 10s, 10ms);
    INFO(source.run().error_output());
    REQUIRE(waits);
    fs::remove(reads);
    source.equal();
    CHECK(source.awaited().empty());
    source.stop();
    saw_fault("S18", "WAIT: LS-S323 is tried again for some seconds");
  }
  SECTION("and stops when it stays so") {
    say(reads, "eio");
    source.write("INSERT INTO a(v) VALUES ('behind an error')");
    source.require_halt("LS-S323", 7, 30s);
    CHECK(source.at_target("SELECT count(*) FROM a") == rows);
    saw_fault("S18", "HALT: LS-S323 after 8 tries; nothing is taken for gone");
  }
  SECTION("a read that comes back empty is not taken for rows that are gone") {
    say(reads, "short");
    source.write("UPDATE a SET v = 'behind an empty read'");
    const ExitStatus status = source.run().wait_or_throw(30s);
    INFO(source.run().error_output());
    CHECK(status == ExitStatus{.code = 7});
    CHECK(source.at_target("SELECT count(*) FROM a") == rows);
    fs::remove(reads);
    source.start();
    source.equal();
    source.stop();
    saw_fault("S18", "HALT: an empty read is an error of the disk or a damaged database");
  }
}

TEST_CASE("damaged pages stop by name, and nothing is shipped from them", "[system]") {
  const std::string when = GENERATE("while following", "at the start");
  Followed source(server(), "damaged" + std::to_string(when.size()));
  source.start();
  source.equal();
  if (when == "at the start") source.stop();
  source.write(
      "UPDATE a SET v = 'new'; WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n "
      "WHERE i < 3000) INSERT INTO a SELECT i, 'text ' || i FROM n; PRAGMA "
      "wal_checkpoint(TRUNCATE)");
  const auto page = std::stoll(
      sqlite(source.file(), "SELECT rootpage FROM sqlite_master WHERE name = 'a'").front());
  const auto size = std::stoll(sqlite(source.file(), "PRAGMA page_size").front());
  const auto damage = [&] {
    std::fstream file(source.file(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp((page - 1) * size);
    file << std::string(64, '\x5a');
    REQUIRE(file.flush());
  };
  if (when == "while following") {
    source.caught_up();
    damage();
    // The application has the page in its cache; what it logs makes lockstep look.
    source.write("INSERT INTO _lockstep_changes(tbl, k1) VALUES (1, 1)");
  } else {
    damage();
    source.start();
  }
  source.require_halt("LS-S322", 7);
  CHECK(source.at_target("SELECT count(*) FROM a") == (when == "at the start" ? "10" : "2911"));
  saw_fault("S19", "HALT: LS-S322, the target stays at the batch before");
}

TEST_CASE("the database file is never written to by us while the application uses a WAL",
          "[system]") {
  Followed source(server(), "untouched");
  const std::string writes = source.folder().file("writes");
  const auto environment = faulty(source, {"FAULTY_DISK_WRITES=" + writes});
  Application app(source.file());  // without it, the last to close would copy the WAL back
  source.start(environment);
  source.equal();
  for (int i = 0; i < 3'000; ++i) app.exec("UPDATE a SET v = 'v" + std::to_string(i) + "'");
  source.equal();
  source.stop();
  require_code(lockstep({"verify", source.file(), source.dsn()}, {.environment = environment}), 0);
  require_code(lockstep({"remove", source.file(), source.dsn()}, {.environment = environment}), 0);
  const std::string seen = contents(writes);
  CHECK_THAT(seen, Catch::Contains("untouched.db-wal\n"));  // triggers came and went
  CHECK_THAT(seen, !Catch::Contains("untouched.db\n"));
  saw_fault("S20",
            "GO: no command of lockstep writes to the database file, so none can checkpoint");
}

TEST_CASE("a source on a network file system is refused", "[system]") {
  Followed source(server(), "network");
  const auto on = [&](const std::string& magic) {
    return lockstep({"run", source.file(), source.dsn(), "--until", "caught-up"},
                    {.environment = faulty(source, {"FAULTY_DISK_MAGIC=" + magic})});
  };
  const Outcome refused = on("6969");
  require_code(refused, 3);
  CHECK_THAT(refused.error_output, Catch::Contains("LS-S314") && Catch::Contains("NFS"));
  CHECK_FALSE(fs::exists(source.file() + "-lockstep"));
  require_code(on("ff534d42"), 3);
  const Outcome warned = on("65735546");
  require_code(warned, 0);
  CHECK_THAT(everything(warned), Catch::Contains("LS-S314") && Catch::Contains("FUSE"));
  saw_fault("S35", "REFUSE: LS-S314, exit 3, for NFS, SMB and cluster file systems; FUSE is noted");
}

TEST_CASE("a wall clock that jumps changes nothing", "[system]") {
  Followed source(server(), "clock");
  const std::string clock = source.folder().file("clock");
  source.start(faulty(source, {"FAULTY_CLOCK=" + clock}));
  source.equal();
  for (const char* seconds : {"31536000", "-31536000", "0", "-1700000000"}) {
    say(clock, seconds);
    source.write(std::string("UPDATE b SET v = 'at ") + seconds + "'; DELETE FROM b WHERE id = 1");
    source.equal();
  }
  CHECK(source.awaited().empty());
  source.stop();
  CHECK_THAT(source.run().error_output(), !Catch::Contains("error["));
  saw_fault("S30", "GO: a year forward and back, and before 1990, while following");
}

TEST_CASE("after a restart of the machine the database is checked before it is followed",
          "[system]") {
  Followed source(server(), "rebooted");
  source.write(
      "WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 9000) INSERT "
      "INTO a SELECT i, 'text ' || i FROM n; PRAGMA wal_checkpoint(TRUNCATE)");
  source.start();
  source.equal();
  source.run().kill_hard();
  // A leaf in the middle of the table, which following alone would not come by.
  const auto page = std::stoll(
      sqlite(source.file(),
             "SELECT pageno FROM dbstat WHERE name = 'a' AND pagetype = 'leaf' LIMIT 1 OFFSET 9")
          .front());
  const auto size = std::stoll(sqlite(source.file(), "PRAGMA page_size").front());
  {
    std::fstream file(source.file(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp((page - 1) * size);
    file << std::string(static_cast<std::size_t>(size), '\0');
    REQUIRE(file.flush());
  }
  SECTION("lockstep alone was killed: it goes on at once") {
    source.start();
    source.caught_up();
    source.stop();
  }
  SECTION("the machine went down under it") {
    auto lock = sqlite::LockFile::take(source.file());
    REQUIRE(lock);
    lock->publish(R"({"boot": "an earlier one"})");
    lock.reset();
    source.start();
    source.require_halt("LS-S322", 7);
    CHECK_THAT(source.run().error_output(), Catch::Contains("quick_check"));
    saw_fault("S15",
              "HALT: LS-S322 by quick_check at the first start after a restart of the machine");
  }
}

}  // namespace lockstep::test
