// The way back when something dies, lies or comes twice.
#include <fmt/format.h>

#include <signal.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "link/sqlite/replica.hpp"
#include "tests/support/fault.hpp"
#include "tests/support/reversed_pair.hpp"
#include "tests/support/wait_until.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  // Nobody but a commit that waits writes the log to disk.
  static PostgresServer running{{"fsync=off", "wal_writer_delay=10s"}};
  return running;
}

constexpr char kTables[] =
    "CREATE TABLE a(id INTEGER PRIMARY KEY, u TEXT UNIQUE, n INT);"
    "INSERT INTO a VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', NULL);";

/// One round in a process of its own, which the environment may let die.
Outcome round_in_a_process(const ReversedPair& pair, const std::string& path,
                           const std::string& failpoints) {
  return run({std::filesystem::read_symlink("/proc/self/exe").string(), "[one_round]"},
             {.environment = {"ROUND_DSN=" + pair.target().dsn(), "ROUND_FILE=" + path,
                              "LOCKSTEP_FAILPOINTS=" + failpoints}});
}

std::string code_of_round(ReversedPair::Feed& feed) {
  return facts_of([&] { feed.round(); }).code;
}

}  // namespace

TEST_CASE("one round of the way back", "[.][one_round]") {
  postgres::Connection reading = connect(std::getenv("ROUND_DSN"));
  sqlite::Database writing =
      sqlite::Database::open(std::getenv("ROUND_FILE"), sqlite::OpenMode::read_write);
  switchover::ReverseFeed feed(reading, writing, kMigration, "public",
                               apply::plans_of(apply::read_tables(reading, kMigration)));
  feed.round();
}

TEST_CASE("killed at any point, the way back goes on, and each change goes back once") {
  ReversedPair pair(server(), kTables);
  int id = 100;
  for (const char* const point :
       {"rev.read", "rev.begun", "rev.written", "rev.committed", "rev.acked"}) {
    INFO(point);
    const std::string number = pair.lite("SELECT reverse_number FROM _lockstep_switch");
    pair.sql(
        fmt::format("INSERT INTO a VALUES ({0}, 'u{0}', 0); UPDATE a SET n = {0} WHERE id = 1; "
                    "DELETE FROM a WHERE id = {1}",
                    id, id - 1));
    const Outcome killed =
        round_in_a_process(pair, pair.source().path(), std::string(point) + "=kill");
    REQUIRE(killed.status == ExitStatus{.signal = SIGKILL});
    const bool written = point == std::string("rev.committed") || point == std::string("rev.acked");
    CHECK(pair.lite("SELECT n FROM a WHERE id = 1") == (written     ? std::to_string(id)
                                                        : id == 100 ? "1"
                                                                    : std::to_string(id - 1)));
    // Meanwhile it goes on: what the dead one has not told is told first, and no more than that.
    pair.sql(fmt::format("INSERT INTO a VALUES ({0}, 'u{0}', 0)", id + 1000));
    REQUIRE(round_in_a_process(pair, pair.source().path(), "").status == ExitStatus{.code = 0});
    CHECK(pair.difference() == "");
    CHECK(pair.is_quiet());
    const int rounds =
        std::stoi(pair.lite("SELECT reverse_number FROM _lockstep_switch")) - std::stoi(number);
    CHECK(rounds == (written ? 2 : 1));
    CHECK(pair.pg("SELECT reverse_number || '/' || reverse_identity FROM lockstep.ledger") ==
          pair.lite("SELECT reverse_number || '/' || reverse_identity FROM _lockstep_switch"));
    ++id;
  }
  saw_fault("R1", "GO: after SIGKILL at any point of a round the next one goes on, exactly once");
}

TEST_CASE("what PostgreSQL could still lose does not come into SQLite") {
  ReversedPair pair(server(), kTables);
  pair.sql("SET synchronous_commit = off; INSERT INTO a VALUES (50, 'async', 1)");
  const Outcome killed = round_in_a_process(pair, pair.source().path(), "rev.committed=kill");
  REQUIRE(killed.status == ExitStatus{.signal = SIGKILL});
  REQUIRE(pair.lite("SELECT u FROM a WHERE id = 50") == "async");
  server().stop_immediate();
  server().start();
  CHECK(pair.pg("SELECT u FROM a WHERE id = 50") == "async");
  const auto feed = pair.feed();
  feed->round();
  CHECK(pair.difference() == "");
  CHECK(pair.is_quiet());
}

TEST_CASE("what went into a file that nobody opens again is not acknowledged") {
  ReversedPair pair(server(), kTables);
  const std::string& path = pair.source().path();
  const auto counted = [&](const char* what) {
    return pair.pg(std::string("SELECT ") + what + " FROM lockstep." +
                   (what[0] == 'c' ? "changes" : "ledger"));
  };
  {
    const auto feed = pair.feed();
    pair.sql("UPDATE a SET n = 5");
    CHECK(feed->round().anything);
    CHECK(counted("count(*)") == "0");
    const std::string number = counted("reverse_number");
    std::filesystem::rename(path, path + ".away");
    std::filesystem::copy_file(path + ".away", path);
    pair.sql("UPDATE a SET n = 6");
    CHECK(code_of_round(*feed) == "LS-S312");
    CHECK(counted("count(*)") == "3");
    CHECK(counted("reverse_number") == number);
    // Nor is it by the next attempt, which finds SQLite ahead.
    CHECK(code_of_round(*feed) == "LS-S312");
    CHECK(counted("count(*)") == "3");
  }
  std::filesystem::rename(path + ".away", path);
  const auto feed = pair.feed();
  feed->round();
  CHECK(pair.difference() == "");
  CHECK(pair.is_quiet());
}

// A table looks empty to snapshots that are older than its TRUNCATE.
TEST_CASE("nobody truncates a table between the snapshot of a round and the reading of its rows") {
  ReversedPair pair(server(), kTables);
  const TempDir folder;
  pair.sql("UPDATE a SET n = 5");
  Process round(
      {std::filesystem::read_symlink("/proc/self/exe").string(), "[one_round]"},
      {.environment = {"ROUND_DSN=" + pair.target().dsn(), "ROUND_FILE=" + pair.source().path(),
                       "LOCKSTEP_FAILPOINTS=rev.read=block:" + folder.file("go"),
                       "LOCKSTEP_FAILPOINT_TRACE=" + folder.file("trace")}});
  REQUIRE(wait_until([&] { return std::filesystem::exists(folder.file("trace")); },
                     std::chrono::seconds{20}));
  CHECK_THROWS_WITH(pair.sql("SET lock_timeout = '50ms'; TRUNCATE a"),
                    Catch::Contains("lock timeout"));
  pair.sql("UPDATE a SET n = 6 WHERE id = 1");  // others go on
  std::ofstream(folder.file("go")) << "on\n";
  REQUIRE(round.wait_or_throw(std::chrono::seconds{20}) == ExitStatus{.code = 0});
  CHECK(pair.lite("SELECT group_concat(n) FROM a") == "5,5,5");
  CHECK(pair.feed()->round().keys == 1);
  CHECK(pair.difference() == "");
}

TEST_CASE("two feeds at once do each change once") {
  ReversedPair pair(server(), kTables);
  std::atomic<bool> stop = false;
  std::atomic<int> rounds = 0, failures = 0;
  const auto follow = [&] {
    const auto feed = pair.feed();
    while (!stop) try {
        if (feed->round().anything) ++rounds;
      } catch (const Error& error) {
        if (error.retry() == Retry::never) ++failures;
      }
  };
  std::thread one(follow), other(follow);
  for (int i = 0; i < 60; ++i)
    pair.sql(
        fmt::format("INSERT INTO a VALUES ({0}, 'n{0}', 0) ON CONFLICT (id) DO UPDATE SET n = "
                    "a.n + 1",
                    1000 + i % 7));
  const bool quiet = wait_until([&] { return pair.is_quiet(); }, std::chrono::seconds{20});
  stop = true;
  one.join();
  other.join();
  CHECK(quiet);
  CHECK(failures == 0);
  CHECK(std::to_string(rounds) == pair.lite("SELECT reverse_number FROM _lockstep_switch"));
  CHECK(pair.difference() == "");
}

TEST_CASE("another history is not written over") {
  ReversedPair pair(server(), kTables);
  const auto feed = pair.feed();
  pair.sql("UPDATE a SET n = 5 WHERE id = 1");
  feed->round();
  const std::string here = pair.lite("SELECT reverse_identity FROM _lockstep_switch");
  const std::string target = pair.lite("SELECT reverse_target FROM _lockstep_switch");
  const std::string snapshot = pair.lite("SELECT reverse_snapshot FROM _lockstep_switch");
  pair.sql("UPDATE a SET n = 6 WHERE id = 1");
  const auto sqlite_says = [&](const std::string& set) {
    pair.source().app().exec("UPDATE _lockstep_switch SET " + set);
  };
  const auto refused = [&](const std::string& set, const std::string& code) {
    INFO(set);
    sqlite_says(set);
    CHECK(code_of_round(*feed) == code);
    CHECK(pair.lite("SELECT n FROM a WHERE id = 1") == "5");
    CHECK(pair.pg("SELECT count(*) FROM lockstep.changes") == "1");
    sqlite_says(
        fmt::format("role = 'replica', reverse_era = '11111111-1111-4111-8111-111111111111', "
                    "reverse_number = 1, reverse_identity = {}, reverse_snapshot = '{}', "
                    "reverse_target = '{}'",
                    here, snapshot, target));
  };
  refused("reverse_number = 0", "LS-X611");                        // an older file
  refused("reverse_number = 2, reverse_identity = 1", "LS-X611");  // a restored server
  refused("reverse_number = 3", "LS-X611");
  refused("reverse_identity = 99", "LS-X611");
  refused("reverse_era = '22222222-2222-4222-8222-222222222222'", "LS-X611");
  // One ahead, as after a crash, but of another predecessor.
  refused("reverse_number = 2, reverse_identity = 8, reverse_snapshot = '999 8 3:4:'", "LS-X611");
  refused(fmt::format("reverse_snapshot = '7 {} 3:99999999:'", here), "LS-X611");  // ahead in time
  refused("role = 'primary'", "LS-X610");
  const std::size_t slash = target.rfind('/');
  refused(fmt::format("reverse_target = '{}/{}'", target.substr(0, slash), 0), "LS-X612");
  refused("reverse_target = '12345' || reverse_target", "LS-X612");
  saw_fault("R11",
            "HALT: LS-X611 or LS-X612 when PostgreSQL lost what SQLite has, nothing is written");
  // Somebody decides that PostgreSQL is right: what only SQLite has goes.
  sqlite_says("reverse_number = 9, reverse_identity = 9");
  pair.source().app().exec("DROP TRIGGER fence_1; INSERT INTO a VALUES (77, 'only here', 1)");
  CHECK(code_of_round(*feed) == "LS-X611");
  feed->feed.start_over();
  CHECK(feed->round().anything);
  CHECK(pair.lite("SELECT count(*) FROM a WHERE id = 77") == "0");
  CHECK(pair.difference() == "");
  pair.sql("UPDATE a SET n = 8 WHERE id = 1; UPDATE lockstep.ledger SET role = 'replica'");
  CHECK(code_of_round(*feed) == "LS-X610");
  pair.sql("UPDATE lockstep.ledger SET role = 'fenced'");
  CHECK(feed->round().rows == 1);
  // What is left of an older era says nothing about a new one.
  pair.hand_over("33333333-3333-4333-8333-333333333333", 5);
  sqlite_says("reverse_snapshot = '1 2 3:99999999:', reverse_target = '1/2/3'");
  pair.sql("UPDATE a SET n = 7 WHERE id = 1");
  CHECK(feed->round().rows == 1);
  CHECK(pair.difference() == "");
}

TEST_CASE("SQLite or a table that is locked is waited for, and nothing is half done") {
  ReversedPair pair(server(), kTables);
  const auto feed = pair.feed();
  feed->writing.set_busy_patience(Milliseconds{50});
  pair.sql("UPDATE a SET n = 5 WHERE id = 1");
  pair.source().app().exec("BEGIN IMMEDIATE");
  const ErrorFacts busy = facts_of([&] { feed->round(); });
  CHECK(busy.code == "LS-S309");
  CHECK(busy.retry == Retry::same_session);
  pair.source().app().exec("ROLLBACK");
  CHECK(feed->round().rows == 1);
  postgres::Connection ddl = connect(pair.target().dsn());
  ddl.exec("RESET lockstep.applier");
  pair.sql("UPDATE a SET n = 6 WHERE id = 1");
  ddl.exec("BEGIN; TRUNCATE public.a");
  const ErrorFacts locked = facts_of([&] { feed->round(); });
  CHECK(locked.code == "LS-X616");
  CHECK(locked.retry == Retry::same_session);
  ddl.exec("COMMIT");
  CHECK(feed->round().anything);
  CHECK(pair.lite("SELECT count(*) FROM a") == "0");
  saw_fault("R6", "WAIT: LS-S309 while SQLite is locked; PostgreSQL keeps the record");
}

TEST_CASE("in journal mode a reader holds a round up, and the next one does it all") {
  ReversedPair pair(server(), kTables, {}, "DELETE");
  const auto feed = pair.feed();
  feed->writing.set_busy_patience(Milliseconds{50});
  pair.sql("UPDATE a SET n = 5 WHERE id = 1");
  pair.source().app().exec("BEGIN; SELECT * FROM a");
  CHECK(code_of_round(*feed) == "LS-S309");
  pair.source().app().exec("COMMIT");
  pair.sql("INSERT INTO a VALUES (9, 'z', 1)");
  CHECK(feed->round().rows == 2);
  CHECK(pair.difference() == "");
  CHECK(pair.is_quiet());
}

TEST_CASE("the way back checkpoints alone, or not at all") {
  const TempDir folder;
  const std::string path = folder.file("app.db");
  Application app(path);
  app.exec(
      "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; CREATE TABLE t(b BLOB); INSERT INTO t "
      "VALUES (zeroblob(100000))");
  sqlite::Database writing = sqlite::Database::open(path, sqlite::OpenMode::read_write);
  const auto size = [&] { return std::filesystem::file_size(path); };
  const auto empty = size();
  CHECK(sqlite::checkpoint_alone(writing, 1 << 20, Milliseconds{0}));  // not that large yet
  CHECK(size() == empty);
  app.exec("BEGIN IMMEDIATE");
  CHECK_FALSE(sqlite::checkpoint_alone(writing, 1'000, Milliseconds{0}));
  CHECK(size() == empty);
  app.exec("ROLLBACK");
  CHECK(sqlite::checkpoint_alone(writing, 1'000, Milliseconds{0}));
  CHECK(size() > empty + 100'000);
}

}  // namespace lockstep::test
