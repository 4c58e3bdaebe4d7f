// Faults of the source's file: replaced, restored, copied, locked, its companions deleted. What
// happens to the disk below it is in source_disk_test.cpp.
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/system/source_world.hpp"

namespace lockstep::test {
namespace fs = std::filesystem;
namespace {

PostgresServer& server() {
  static PostgresServer one{{"fsync=off"}};
  return one;
}

void backup(const std::string& from, const std::string& to) {
  sqlite(from, "VACUUM INTO '" + to + "'");
}

/// The lines of `file` that are `line`.
std::size_t count_lines(const std::string& file, const std::string& line) {
  const std::string text = "\n" + contents(file);
  std::size_t found = 0;
  for (std::size_t at = 0; (at = text.find("\n" + line + "\n", at)) != std::string::npos; ++at)
    ++found;
  return found;
}

void touch(const std::string& file) {
  std::ofstream{file};
}

}  // namespace

TEST_CASE("a file that is put in the source's place stops within a second", "[system]") {
  Followed source(server(), "replaced");
  source.start();
  source.equal();
  const std::string other = source.folder().file("other.db");
  backup(source.file(), other);
  sqlite(other, "UPDATE a SET v = 'of another file'");
  const auto begun = std::chrono::steady_clock::now();
  SECTION("another file is moved over it") {
    fs::rename(other, source.file());
  }
  SECTION("it is moved away") {
    fs::rename(source.file(), source.folder().file("gone.db"));
  }
  source.require_halt("LS-S312", 7);
  CHECK(std::chrono::steady_clock::now() - begun < 1s);
  CHECK(source.at_target("SELECT count(*) FROM a WHERE v LIKE 'of%'") == "0");
  saw_fault("S10", "HALT: LS-S312 within a second, nothing of the other file is applied");
}

TEST_CASE("a WAL or its index that is deleted under the application stops by name", "[system]") {
  const auto [id, suffix] =
      GENERATE(table<std::string, std::string>({{"S8", "-wal"}, {"S9", "-shm"}}));
  Followed source(server(), "deleted" + suffix.substr(1));
  Application app(source.file());  // stays open, as the application does
  source.start();
  source.equal();
  app.exec("INSERT INTO a(v) VALUES ('before')");
  source.equal();
  REQUIRE(fs::remove(source.file() + suffix));
  source.require_halt("LS-S313", 7);
  saw_fault(id, "HALT: LS-S313 names the file that was deleted");
}

TEST_CASE("a folder or file system that cannot be written to is refused", "[system]") {
  Followed source(server(), "readonly");
  struct stat about {};
  SECTION("the folder has no right to write") {
    // root may write everywhere, so another user owns and runs this one.
    constexpr uid_t kNobody = 65534;
    if (::geteuid() != 0) {
      fs::permissions(source.folder().path(), fs::perms::owner_read | fs::perms::owner_exec);
    } else {
      REQUIRE(::chown(source.file().c_str(), kNobody, kNobody) == 0);
      REQUIRE(::chmod(source.folder().path().c_str(), 0755) == 0);
    }
    ProcessOptions options;
    if (::geteuid() == 0) {
      options.user = kNobody;
      options.group = kNobody;
    }
    const Outcome outcome = lockstep({"run", source.file(), source.dsn()}, options);
    fs::permissions(source.folder().path(), fs::perms::owner_all);
    INFO(everything(outcome));
    CHECK(outcome.status == ExitStatus{.code = 3});
    CHECK_THAT(outcome.error_output, Catch::Contains("LS-S303") || Catch::Contains("LS-S331"));
  }
  SECTION("the file system is mounted read-only") {
    const std::string path = source.folder().path().string();
    if (::mount(path.c_str(), path.c_str(), nullptr, MS_BIND, nullptr) != 0) {
      WARN("SKIP: this user may not mount: the other sections note S9");
      return;
    }
    const bool mounted =
        ::mount(nullptr, path.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) == 0;
    const Outcome outcome = lockstep({"run", source.file(), source.dsn()});
    REQUIRE(::umount(path.c_str()) == 0);
    REQUIRE(mounted);
    INFO(everything(outcome));
    CHECK(outcome.status == ExitStatus{.code = 3});
    CHECK_THAT(outcome.error_output, Catch::Contains("LS-S303"));
  }
  CHECK(::stat((source.file() + "-lockstep").c_str(), &about) != 0);
  CHECK(sqlite(source.file(), "SELECT count(*) FROM sqlite_master WHERE name LIKE '_lockstep%'") ==
        std::vector<std::string>{"0"});
  saw_fault("S9", "REFUSE: LS-S303 or LS-S331, exit 3, nothing is installed");
}

TEST_CASE("an older state that is put back while following stops by name", "[system]") {
  Followed source(server(), "restored");
  source.start();
  source.equal();
  const std::string older = source.folder().file("older.db");
  backup(source.file(), older);
  for (int i = 0; i < 5; ++i) source.write("INSERT INTO a(v) VALUES ('lost')");
  source.equal();
  SECTION("while lockstep runs") {
    restore(source.file(), older);
    source.require_halt("LS-S310", 7);
    saw_fault("S11", "HALT: LS-S310 while following; the target keeps what it has");
  }
  SECTION("while lockstep runs, with as many new writes as were lost") {
    source.run().signal(SIGSTOP);
    restore(source.file(), older);
    for (int i = 0; i < 9; ++i) source.write("INSERT INTO b(v) VALUES ('another history')");
    source.run().signal(SIGCONT);
    source.require_halt("LS-S310", 7);
    saw_fault("S12", "HALT: LS-S310 by identity, although the numbers are larger");
  }
  SECTION("before lockstep is started again, also with new writes") {
    source.stop();
    restore(source.file(), older);
    require_code(lockstep({"wait", source.file(), "--for", "caught-up", "--timeout", "200ms"}), 6);
    source.start();
    source.require_halt("LS-S310", 7);
    for (int i = 0; i < 9; ++i) source.write("INSERT INTO b(v) VALUES ('another history')");
    source.start();
    source.require_halt("LS-S310", 7);
    saw_fault("S11", "HALT: LS-S310 at the next start");
    saw_fault("S12", "HALT: LS-S310 by identity at the next start");
  }
  CHECK(source.at_target("SELECT count(*) FROM a WHERE v = 'lost'") == "5");
  CHECK(source.at_target("SELECT count(*) FROM b WHERE v = 'another history'") == "0");
}

// The state that is put back lies behind P0 but before what the chunks have read: every number of
// the ledger's own position is still right.
TEST_CASE("an older state that is put back in the middle of the copy stops by name", "[system]") {
  Followed source(server(), "restored_copy");
  const std::string trace = source.folder().file("trace");
  const std::string go = source.folder().file("go"), go_on = source.folder().file("go_on");
  const std::string older = source.folder().file("older.db");
  // Three chunks, one of each table; the first is held before it is sent.
  const auto start = [&](int held_chunk) {
    source.start({fmt::format("LOCKSTEP_FAILPOINTS=snap.chunk_read=block:{}@1;snap.chunk_sent="
                              "block:{}@{}",
                              go, go_on, held_chunk),
                  "LOCKSTEP_FAILPOINT_TRACE=" + trace});
    REQUIRE(wait_until([&] { return count_lines(trace, "snap.chunk_read block") == 1; }, 20s));
    backup(source.file(), older);
    // Of each table a row that the copy reads, or has read already.
    source.write("UPDATE a SET v = 'lost'; UPDATE b SET v = 'lost'; UPDATE c SET v = 'lost'");
    touch(go);
    REQUIRE(wait_until([&] { return count_lines(trace, "snap.chunk_sent block") == 1; }, 20s));
  };
  SECTION("between two chunks") {
    start(2);
    // No read transaction of ours keeps the WAL from being restarted.
    CHECK(sqlite(source.file(), "PRAGMA wal_checkpoint(TRUNCATE)").front() == "0");
    restore(source.file(), older);
    touch(go_on);
    source.require_halt("LS-S310", 7);
    saw_fault("S7", "GO: between two chunks no read view is open, the WAL can be truncated");
  }
  SECTION("behind the last chunk, before the batch that ends the copy") {
    start(3);
    restore(source.file(), older);
    touch(go_on);
    source.require_halt("LS-S310", 7);
  }
  SECTION("while lockstep is down") {
    start(3);
    REQUIRE(wait_until(
        [&] {
          return source.at_target(
                     "SELECT count(*) FROM lockstep.ledger_parts WHERE as_of IS NOT "
                     "NULL") >= "2";
        },
        20s));
    source.run().kill_hard();
    restore(source.file(), older);
    SECTION("and that is all") {}
    SECTION("with more writes on top") {
      for (int i = 0; i < 50; ++i) source.write("INSERT INTO a(v) VALUES ('another history')");
    }
    source.start();
    source.require_halt("LS-S310", 7);
  }
  CHECK(source.at_target("SELECT consistent FROM lockstep.ledger") == "f");
  saw_fault("S11",
            "HALT: LS-S310 also during the copy: chunks say as of which change they were read");
}

TEST_CASE("a ledger of version 0.2 gets the column that chunks need", "[system]") {
  Followed source(server(), "older_ledger");
  source.start({"LOCKSTEP_FAILPOINTS=snap.chunk_sent=kill"});
  REQUIRE(source.run().wait_or_throw(20s) == ExitStatus{.signal = SIGKILL});
  query(source.dsn(), "ALTER TABLE lockstep.ledger_parts DROP COLUMN as_of");
  require_code(lockstep({"status", source.dsn()}), 0);
  source.start();
  source.equal();
  source.stop();
}

TEST_CASE("a copy of the followed file is refused, a moved file is followed on", "[system]") {
  Followed source(server(), "copied");
  source.start();
  source.equal();
  source.stop();
  fs::create_directory(source.folder().file("there"));
  const std::string copy = source.folder().file("there/copied.db");
  backup(source.file(), copy);
  const Outcome refused = lockstep({"run", copy, source.dsn()});
  require_code(refused, 8);
  CHECK_THAT(refused.error_output, Catch::Contains("LS-R716"));
  // Under another name it is the same migration all the same.
  const std::string renamed = source.folder().file("renamed.db");
  backup(source.file(), renamed);
  CHECK_THAT(lockstep({"run", renamed, source.dsn()}).error_output, Catch::Contains("LS-R716"));
  SECTION("while the first is followed the copy is refused as well") {
    source.start();
    source.equal();
    require_code(lockstep({"run", copy, source.dsn()}), 8);
    source.stop();
  }
  SECTION("without the first it is the moved database") {
    fs::remove(source.file());
    auto moved = start_lockstep({"run", copy, source.dsn()});
    require_caught_up(*moved, copy);
    sqlite(copy, "UPDATE a SET v = 'moved'");
    require_caught_up(*moved, copy);
    require_equal(copy, source.dsn());
  }
  saw_fault("S13", "REFUSE: LS-R716 while the file that is followed is still there");
}

TEST_CASE("a second capture is refused, also while the first is stopped", "[system]") {
  Followed source(server(), "second");
  source.start();
  source.equal();
  source.run().signal(SIGSTOP);
  const Outcome second = lockstep({"run", source.file(), source.dsn()});
  require_code(second, 8);
  CHECK_THAT(second.error_output, Catch::Contains("LS-R701"));
  source.write("UPDATE a SET v = 'while it was stopped'");
  source.run().signal(SIGCONT);
  source.equal();
  source.stop();
  saw_fault("S3", "REFUSE: the second ends with LS-R701; the first goes on");
}

TEST_CASE("a container of the same host name does not take a living lockstep for one that is gone",
          "[system]") {
  Followed source(server(), "replica");
  source.start();
  source.equal();
  const std::string copy = source.folder().file("copy.db");
  backup(source.file(), copy);
  const char* const session =
      "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name "
      "LIKE 'lockstep apply%'";
  const std::string before = source.at_target(session);
  REQUIRE(!before.empty());
  // In a pid namespace of its own no process has the number of the first.
  const auto elsewhere = [](std::vector<std::string> words) {
    words.insert(words.begin(), {"unshare", "--pid", "--fork", "--kill-child"});
    return run(std::move(words));
  };
  if (elsewhere({"true"}).status != ExitStatus{.code = 0})
    return skipped_fault("S13", "no pid namespace can be made");
  const Outcome refused = elsewhere({LOCKSTEP_BINARY, "run", copy, source.dsn()});
  require_code(refused, 8);
  CHECK_THAT(refused.error_output, Catch::Contains("LS-R701"));
  CHECK(source.at_target(session) == before);
  source.write("UPDATE a SET v = 'of the first'");
  source.equal();
  source.stop();
  saw_fault("S13",
            "REFUSE: LS-R701 in another container of the same host name, while the first lives");
}

TEST_CASE("a writer that holds its lock for long keeps nobody from reading", "[system]") {
  Followed source(server(), "longwriter");
  Application app(source.file());
  source.start();
  source.equal();
  app.exec("INSERT INTO a(v) VALUES ('committed'); BEGIN IMMEDIATE; DELETE FROM a");
  REQUIRE(wait_until(
      [&] { return source.at_target("SELECT count(*) FROM a WHERE v = 'committed'") == "1"; },
      10s));
  CHECK(source.at_target("SELECT count(*) FROM a") == "11");  // and nothing that is not committed
  app.exec("COMMIT");
  REQUIRE(wait_until([&] { return source.at_target("SELECT count(*) FROM a") == "0"; }, 10s));
  source.equal();
  source.stop();
  saw_fault("S4", "GO: batches go on beside the lock, and have only what is committed");
}

TEST_CASE("in journal mode an application that locks readers out is waited for", "[system]") {
  Followed source(server(), "exclusive", "DELETE");
  Application app(source.file());
  source.start();
  source.equal();
  const std::string fault = GENERATE("S5", "S6");
  if (fault == "S5") {
    app.exec("BEGIN EXCLUSIVE; UPDATE a SET v = 'locked'");
  } else {
    app.exec("PRAGMA locking_mode=EXCLUSIVE; UPDATE a SET v = 'locked'");
  }
  REQUIRE(wait_until([&] { return source.awaited() == "LS-S309"; }, 20s, 20ms));
  CHECK(source.run().running());
  app.exec(fault == "S5" ? "COMMIT" : "PRAGMA locking_mode=NORMAL; SELECT count(*) FROM a");
  source.equal();
  CHECK(source.awaited().empty());
  source.stop();
  saw_fault(fault, "WAIT: LS-S309 in the status as long as the lock is held, then it goes on");
}

TEST_CASE("whoever holds the lock when lockstep wants to start is named", "[system]") {
  Followed held(server(), "held"), own(server(), "own");
  Application holder(held.file()), owner(own.file());
  holder.exec("BEGIN IMMEDIATE");
  owner.exec("PRAGMA locking_mode=EXCLUSIVE; UPDATE a SET v = 'mine'");
  held.start();
  own.start();
  held.require_halt("LS-S309", 6);
  own.require_halt("LS-S309", 6);
  CHECK_THAT(own.run().error_output(), Catch::Contains("locking_mode=EXCLUSIVE"));
  CHECK(owner.value("SELECT count(*) FROM sqlite_master WHERE name LIKE '\\_lock%' ESCAPE '\\'") ==
        "0");
  holder.exec("COMMIT");
  held.start();
  held.equal();
  held.stop();
  saw_fault("S4", "WAIT: the install waits 5 s for the lock, then LS-S309, exit 6; run it again");
  saw_fault("S6", "REFUSE: LS-S309 names locking_mode=EXCLUSIVE, exit 6, nothing is installed");
}

TEST_CASE("a transaction over two attached files is followed as it is in each", "[system]") {
  Followed source(server(), "attached");
  Application app(source.file());
  app.exec("ATTACH '" + source.folder().file("other.db") +
           "' AS other; CREATE TABLE other.log(id INTEGER PRIMARY KEY, v TEXT)");
  source.start();
  source.equal();
  app.exec("BEGIN; UPDATE a SET v = 'both'; INSERT INTO other.log(v) VALUES ('both'); COMMIT");
  source.equal();
  app.exec("BEGIN; UPDATE a SET v = 'neither'; INSERT INTO other.log(v) VALUES ('x'); ROLLBACK");
  app.exec("UPDATE b SET v = 'behind'");
  source.equal();
  CHECK(source.at_target("SELECT count(*) FROM a WHERE v = 'both'") == "10");
  source.stop();
  saw_fault("S31",
            "GO: the followed file's part of the transaction, as one; documented in GUIDE.md");
}

}  // namespace lockstep::test
