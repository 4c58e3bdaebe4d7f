// The way back beside another feed that is quicker.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <future>

#include "tests/support/reversed_pair.hpp"
#include "tests/support/wait_until.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

}  // namespace

TEST_CASE(
    "a feed that was overtaken behind its snapshot begins again: nobody's history is another") {
  ReversedPair pair(server(),
                    "CREATE TABLE a(id INTEGER PRIMARY KEY, n INT); INSERT INTO a VALUES (1, 1);");
  const auto feed = pair.feed();
  pair.sql("UPDATE a SET n = 2 WHERE id = 1");
  REQUIRE(feed->round().position.number == 1);

  // Who looks at the ledger has its snapshot, and waits.
  postgres::Connection other = connect(pair.target().dsn());
  other.exec("BEGIN; LOCK TABLE lockstep.ledger IN ACCESS EXCLUSIVE MODE");
  auto overtaken = std::async(std::launch::async, [&] { return feed->round(); });
  const bool waits = wait_until(
      [&] {
        return pair.pg(
                   "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = "
                   "'lockstep.ledger'::regclass") == "1";
      },
      std::chrono::seconds{20});
  // Two rounds of another feed.
  pair.source().app().exec(
      fmt::format("UPDATE _lockstep_switch SET reverse_number = 3, reverse_identity = 77, "
                  "reverse_snapshot = '76 77 {}'",
                  pair.pg("SELECT pg_current_snapshot()")));
  other.exec("UPDATE lockstep.ledger SET reverse_number = 3, reverse_identity = 77; COMMIT");
  CHECK(waits);
  CHECK(overtaken.get().position.number == 3);
  pair.sql("UPDATE a SET n = 3 WHERE id = 1");
  CHECK(feed->round().position.number == 4);
  CHECK(pair.difference() == "");
}

}  // namespace lockstep::test
