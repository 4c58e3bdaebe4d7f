// The way back: what is committed on PostgreSQL comes into SQLite, once, as the application had it.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/reversed_pair.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"fsync=off", "max_prepared_transactions=4"}};
  return running;
}

}  // namespace

TEST_CASE("what is written on PostgreSQL is in SQLite after a round, and both logs are quiet") {
  ReversedPair pair(server(),
                    "CREATE TABLE a(id INTEGER PRIMARY KEY AUTOINCREMENT, u TEXT UNIQUE, n INT);"
                    "INSERT INTO a VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', NULL);");
  const auto feed = pair.feed();
  CHECK_FALSE(feed->round().anything);
  CHECK_FALSE(switchover::reverse_log_has_changes(pair.target().connection(), kMigration));
  pair.sql("INSERT INTO a(u, n) VALUES ('d', 4)");
  pair.sql("UPDATE a SET n = 20 WHERE id = 2; DELETE FROM a WHERE id = 3");
  CHECK(switchover::reverse_log_has_changes(pair.target().connection(), kMigration));
  const switchover::ReverseRound round = feed->round();
  CHECK(round.anything);
  CHECK(round.keys == 3);
  CHECK(round.rows == 3);
  CHECK(round.position.number == 1);
  CHECK(pair.difference() == "");
  CHECK(pair.lite("SELECT group_concat(id || u || n) FROM a") == "1a1,2b20,4d4");
  CHECK(pair.lite("SELECT seq FROM sqlite_sequence WHERE name = 'a'") == "4");
  CHECK(pair.is_quiet());
  CHECK_FALSE(feed->round().anything);
  CHECK(pair.lite("SELECT reverse_number FROM _lockstep_switch") == "1");
}

}  // namespace lockstep::test
