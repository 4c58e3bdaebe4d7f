// A table that left the migration between two cutovers is on PostgreSQL still, and what the first
// one gave it holds back nobody.
#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "link/postgres/names.hpp"
#include "switchover/left_tables.hpp"
#include "switchover/postgres_side.hpp"
#include "tests/support/fault.hpp"
#include "tests/support/reversed_pair.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

constexpr char kTables[] =
    "CREATE TABLE old(id INTEGER PRIMARY KEY, v TEXT); CREATE TABLE t(id INTEGER PRIMARY KEY, v "
    "TEXT); INSERT INTO old VALUES (1, 'a'); INSERT INTO t VALUES (1, 'a');";

/// What the batch does that takes a table out of the migration; the plans that are left.
std::vector<TablePlan> without_old(ReversedPair& pair) {
  std::vector<TablePlan> plans = pair.source().plans();
  const auto old = std::find_if(plans.begin(), plans.end(),
                                [](const TablePlan& plan) { return plan.name() == "old"; });
  for (const char* table : {"ledger_parts", "ledger_tables"})
    pair.sql(fmt::format("DELETE FROM lockstep.{} WHERE id = {}", table, old->id));
  plans.erase(old);
  return plans;
}

std::string ours_on(const ReversedPair& pair, const std::string& table) {
  return pair.pg(
      "SELECT count(*) FROM pg_trigger WHERE tgname LIKE '\\_lockstep%' AND tgrelid = '" + table +
      "'::regclass");
}

}  // namespace

TEST_CASE("what a table that left has logged stops no round, and goes") {
  ReversedPair pair(server(), kTables);
  const auto plans = without_old(pair);
  const auto feed = pair.feed(plans);
  pair.sql("UPDATE old SET v = 'b'; INSERT INTO t VALUES (2, 'b')");
  CHECK(feed->round().keys == 1);
  CHECK(pair.lite("SELECT v FROM t WHERE id = 2") == "b");
  CHECK(pair.pg("SELECT count(*) FROM lockstep.changes") == "0");
  // Nothing else is logged.
  pair.sql("TRUNCATE old");
  CHECK_FALSE(feed->round().anything);
  CHECK(pair.pg("SELECT count(*) FROM lockstep.changes") == "0");
  // Nor does it hold back a rollback that has the writers already.
  pair.sql("INSERT INTO old VALUES (3, 'c')");
  postgres::Connection leading = connect(pair.target().dsn());
  {
    switchover::WritersHeld held(leading, kMigration, Milliseconds{1'000});
    CHECK(held.drained().has_value());
  }
  pair.sql("INSERT INTO t VALUES (3, 'c')");
  {
    switchover::WritersHeld held(leading, kMigration, Milliseconds{1'000});
    CHECK_FALSE(held.drained().has_value());
  }
  // It is the ledger that says who has left: a feed that knows less than that stops.
  const auto knows_nothing = pair.feed({});
  CHECK(facts_of([&] { knows_nothing->round(); }).code == "LS-X613");
}

TEST_CASE("a table that left loses log and fence, and nobody else does") {
  const bool partitioned = GENERATE(false, true);
  ReversedPair pair(server(), kTables);
  postgres::Connection& owner = pair.target().connection();
  if (partitioned)
    pair.sql(
        "DROP TABLE old; CREATE TABLE old(id bigint PRIMARY KEY, v text) PARTITION BY RANGE (id); "
        "CREATE TABLE old_1 PARTITION OF old DEFAULT");
  switchover::install_reverse_log(owner, kMigration, "public", pair.source().plans());
  switchover::install_fence(owner, kMigration, "public");
  CHECK(switchover::release_left_tables(owner, kMigration, "public").empty());
  CHECK(switchover::unfenced(owner, kMigration, "public").empty());
  const std::string before = ours_on(pair, "t");
  REQUIRE(ours_on(pair, "old") != "0");

  const auto plans = without_old(pair);
  pair.sql("INSERT INTO old VALUES (2, 'b'); INSERT INTO t VALUES (2, 'b')");
  postgres::Connection slow = pair.session();
  slow.exec("BEGIN; LOCK TABLE old IN ROW EXCLUSIVE MODE");
  const auto kept = switchover::release_left_tables(owner, kMigration, "public");
  REQUIRE_FALSE(kept.empty());
  CHECK(kept.front() == R"("public"."old")");
  CHECK(ours_on(pair, "old") != "0");
  CHECK(pair.pg("SELECT count(*) FROM lockstep.changes") == "1");
  slow.exec("COMMIT");
  CHECK(switchover::release_left_tables(owner, kMigration, "public").empty());
  CHECK(ours_on(pair, "old") == "0");
  if (partitioned) CHECK(ours_on(pair, "old_1") == "0");
  CHECK(ours_on(pair, "t") == before);
  CHECK(switchover::reverse_log_missing(owner, kMigration, "public", plans).empty());
  CHECK(switchover::unfenced(owner, kMigration, "public").empty());
  CHECK(pair.pg("SELECT count(*) FROM pg_proc WHERE pronamespace = 'lockstep'::regnamespace AND "
                "proname LIKE 'log\\_%'") == "1");
  CHECK(pair.feed(plans)->round().keys == 1);
}

TEST_CASE("what is logged while SQLite is written goes, and not once a cutover has begun") {
  ReversedPair pair(server(), kTables);
  postgres::Connection& owner = pair.target().connection();
  CHECK(switchover::forget_idle_changes(owner, kMigration, 100) == 0);  // it met no cutover
  switchover::install_fence(owner, kMigration, "public");
  const auto logged = [&] { return pair.pg("SELECT count(*) FROM lockstep.changes"); };
  const auto become = [&](const std::string& role, const std::string& decision) {
    pair.sql(
        fmt::format("UPDATE lockstep.switchover SET role = '{}', decision = '{}'", role, decision));
  };
  pair.sql("INSERT INTO t SELECT i, 'x' FROM generate_series(2, 11) AS i");
  pair.sql("INSERT INTO lockstep.changes (migration, tbl) VALUES ('other', 1)");
  for (const auto& [role, decision] : std::vector<std::pair<std::string, std::string>>{
           {"replica", "pending"}, {"primary", "committed"}, {"fenced", "committed"}}) {
    become(role, decision);
    CHECK(switchover::forget_idle_changes(owner, kMigration, 100) == 0);
    CHECK(logged() == "11");
  }
  become("replica", "aborted");
  // What has not committed yet is kept: it may go on behind a cutover.
  postgres::Connection slow = pair.session();
  slow.exec("BEGIN; INSERT INTO t VALUES (50, 'slow')");
  CHECK(switchover::forget_idle_changes(owner, kMigration, 7) == 7);
  CHECK(switchover::forget_idle_changes(owner, kMigration, 7) == 3);
  CHECK(switchover::forget_idle_changes(owner, kMigration, 7) == 0);
  slow.exec("COMMIT");
  CHECK(logged() == "2");
}

}  // namespace lockstep::test
