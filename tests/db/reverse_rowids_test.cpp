// Tables without a key are followed by rowids, and VACUUM numbers these anew.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "switchover/rowids.hpp"
#include "tests/support/fault.hpp"
#include "tests/support/reversed_pair.hpp"
#include "tests/support/wait_until.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

constexpr char kTables[] =
    "CREATE TABLE r(x TEXT, n INT); CREATE TABLE other(x TEXT); CREATE TABLE a(id INTEGER PRIMARY "
    "KEY, n INT); INSERT INTO a VALUES (1, 1);"
    "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 20) INSERT INTO r "
    "SELECT 'm' || i, i FROM s;"
    "INSERT INTO other SELECT x FROM r; DELETE FROM r WHERE n <= 5; DELETE FROM other WHERE rowid "
    "< 3;";

constexpr char kAll[] =
    "SELECT count(*) || ' ' || count(DISTINCT x) || ' ' || sum(n) FROM r WHERE n > 1000";

Outcome round_of(ReversedPair& pair) {
  return run(
      {std::filesystem::read_symlink("/proc/self/exe").string(), "[rowids_round]"},
      {.environment = {"ROUND_DSN=" + pair.target().dsn(), "ROUND_FILE=" + pair.source().path()}});
}

}  // namespace

TEST_CASE("one round, of tables without a key", "[.][rowids_round]") {
  postgres::Connection reading = connect(std::getenv("ROUND_DSN"));
  sqlite::Database writing =
      sqlite::Database::open(std::getenv("ROUND_FILE"), sqlite::OpenMode::read_write);
  switchover::ReverseFeed feed(reading, writing, kMigration, "public",
                               apply::plans_of(apply::read_tables(reading, kMigration)));
  feed.round();
}

TEST_CASE("no row is written by a rowid that VACUUM has changed") {
  ReversedPair pair(server(), kTables);
  const auto feed = pair.feed();
  pair.sql("UPDATE r SET n = n + 1000 WHERE x = 'm6'");
  CHECK(feed->round().keys == 1);
  CHECK(feed->feed.renumbered().empty());
  pair.source().app().exec("VACUUM");
  CHECK(feed->feed.renumbered() == std::vector<std::string>{"other", "r"});
  // Though nothing is logged, both are read anew, and once only.
  const switchover::ReverseRound anew = feed->round();
  CHECK((anew.anything && anew.keys == 15 + 18));
  CHECK(feed->feed.renumbered().empty());
  CHECK(pair.difference() == "");
  CHECK_FALSE(feed->round().anything);
  pair.sql("UPDATE r SET n = n + 1000 WHERE n < 1000");
  CHECK(feed->round().keys == 14);
  CHECK(pair.lite(kAll) == pair.pg(kAll));
  CHECK(pair.lite("SELECT count(*) FROM r") == "15");
  CHECK(pair.difference() == "");
  CHECK(pair.is_quiet());
}

TEST_CASE("a VACUUM while no lockstep runs, and one between reading and writing, are seen") {
  ReversedPair pair(server(), kTables);
  pair.source().app().exec("VACUUM");
  pair.sql("UPDATE r SET n = n + 1000; DELETE FROM other WHERE x = 'm20'");
  REQUIRE(round_of(pair).status == ExitStatus{.code = 0});
  CHECK(pair.difference() == "");
  CHECK(pair.lite(kAll) == pair.pg(kAll));

  // Rowids that PostgreSQL gave, with gaps: VACUUM closes them again.
  const TempDir folder;
  pair.sql("DELETE FROM r WHERE x = 'm7'; UPDATE r SET n = n + 1 WHERE x = 'm9'");
  REQUIRE(round_of(pair).status == ExitStatus{.code = 0});
  pair.sql("UPDATE r SET n = n + 1");
  Process round(
      {std::filesystem::read_symlink("/proc/self/exe").string(), "[rowids_round]"},
      {.environment = {"ROUND_DSN=" + pair.target().dsn(), "ROUND_FILE=" + pair.source().path(),
                       "LOCKSTEP_FAILPOINTS=rev.read=block:" + folder.file("go"),
                       "LOCKSTEP_FAILPOINT_TRACE=" + folder.file("trace")}});
  REQUIRE(wait_until([&] { return std::filesystem::exists(folder.file("trace")); },
                     std::chrono::seconds{20}));
  pair.source().app().exec("VACUUM");
  std::ofstream(folder.file("go")) << "on\n";
  REQUIRE(round.wait_or_throw(std::chrono::seconds{20}) == ExitStatus{.code = 0});
  CHECK(pair.lite(kAll) == pair.pg(kAll));
  CHECK(pair.lite("SELECT count(*) FROM r") == "14");
  CHECK(pair.difference() == "");
}

TEST_CASE("a file that was put in the place of another is one, whatever its schema_version") {
  ReversedPair pair(server(), kTables);
  pair.feed()->round();
  const std::string version = pair.lite("PRAGMA schema_version");
  {
    const std::string path = pair.source().path();
    sqlite::Database copied = sqlite::Database::open(path, sqlite::OpenMode::read_write);
    CHECK(switchover::renumbered_tables(copied, pair.source().plans()).empty());
    copied.exec(fmt::format("VACUUM INTO '{}'", path + ".new"));
  }
  const std::string copy = pair.source().path() + ".new";
  Application(copy).exec("PRAGMA schema_version = " + version);
  sqlite::Database copied = sqlite::Database::open(copy, sqlite::OpenMode::read_write);
  CHECK(switchover::renumbered_tables(copied, pair.source().plans()) ==
        std::vector<std::string>{"other", "r"});
}

TEST_CASE("rows in quarantine are not lost to a VACUUM") {
  ReversedPair pair(server(), kTables);
  const auto feed = pair.feed();
  feed->round();
  const std::string id = pair.pg("SELECT id FROM lockstep.ledger_tables WHERE name = 'r'");
  pair.target().connection().exec(fmt::format(
      "INSERT INTO lockstep.quarantine (migration, id, name, key, key_digest, column_name, value, "
      "bytes, code, reason, state) VALUES ('{}', {}, 'r', '6', '', 'n', '', 0, 'LS-D401', 'test', "
      "'skipped')",
      kMigration, id));
  pair.sql("UPDATE r SET n = n + 1000 WHERE x = 'm6'");
  feed->round();
  pair.source().app().exec("VACUUM");
  const ErrorFacts facts = facts_of([&] { feed->round(); });
  CHECK(facts.code == "LS-X670");
  CHECK(pair.lite("SELECT count(*) FROM r") == "15");
  pair.target().connection().exec("DELETE FROM lockstep.quarantine");
  feed->round();
  CHECK(pair.difference() == "");
}

}  // namespace lockstep::test
