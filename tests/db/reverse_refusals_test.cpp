// What the way back refuses: values, keys and schemas that SQLite cannot have, triggers that are
// gone.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "link/postgres/names.hpp"
#include "tests/support/fault.hpp"
#include "tests/support/reversed_pair.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

}  // namespace

TEST_CASE("triggers that are lost, disabled or changed are found; remove leaves nothing") {
  ReversedPair pair(server(), kReversedTables);
  postgres::Connection& owner = pair.target().connection();
  const auto missing = [&] {
    return switchover::reverse_log_missing(owner, kMigration, "public", pair.source().plans());
  };
  CHECK(missing().empty());
  for (const char* const change :
       {"ALTER TABLE a DISABLE TRIGGER _lockstep_log", "ALTER TABLE a ENABLE TRIGGER _lockstep_log",
        "DROP TRIGGER _lockstep_log_truncate ON a",
        "CREATE OR REPLACE TRIGGER _lockstep_log AFTER UPDATE OF n ON a FOR EACH ROW EXECUTE "
        "FUNCTION "
        "noop()",
        "DROP FUNCTION {}() CASCADE"}) {
    INFO(change);
    pair.sql(
        "CREATE OR REPLACE FUNCTION noop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN "
        "NULL; END'");
    pair.sql(fmt::format(fmt::runtime(change), postgres::log_function("public", 1)));
    CHECK(missing() == std::vector<std::string>{"a"});
    switchover::install_reverse_log(owner, kMigration, "public", pair.source().plans());
    CHECK(missing().empty());
  }
  // Somebody holds the table: named, and others do not wait for long.
  postgres::Connection slow = pair.session();
  pair.sql("ALTER TABLE a DISABLE TRIGGER _lockstep_log");
  slow.exec("BEGIN; LOCK TABLE a IN ROW EXCLUSIVE MODE");
  const ErrorFacts held = facts_of(
      [&] { switchover::install_reverse_log(owner, kMigration, "public", pair.source().plans()); });
  CHECK(held.code == "LS-X614");
  CHECK(held.retry == Retry::same_session);
  slow.exec("COMMIT");
  switchover::remove_reverse_log(owner, kMigration, "public");
  switchover::remove_reverse_log(owner, kMigration, "public");
  CHECK(pair.pg("SELECT count(*) FROM pg_trigger WHERE tgname LIKE '\\_lockstep\\_log%'") == "0");
  CHECK(
      pair.pg(
          "SELECT count(*) FROM pg_proc WHERE pronamespace = 'lockstep'::regnamespace AND proname "
          "LIKE 'log%'") == "0");
  CHECK(pair.pg("SELECT to_regclass('lockstep.changes') IS NULL") == "t");
  CHECK_FALSE(switchover::reverse_log_has_changes(owner, kMigration));
}

TEST_CASE("a row or value that SQLite cannot hold stops the way back by name, until it is mended") {
  ReversedPair pair(
      server(),
      "CREATE TABLE t(id INTEGER PRIMARY KEY, n INT NOT NULL, at DATETIME, d DECIMAL, b "
      "BOOLEAN, s DATETIME); INSERT INTO t VALUES (1, 1, '2024-01-02 03:04:05', 1.5, 1, "
      "'x');");
  REQUIRE(pair.source().plans()[0].types[2] == ColumnType::timestamp);
  const auto feed = pair.feed();
  pair.sql("ALTER TABLE t ALTER n DROP NOT NULL");
  const std::vector<std::pair<std::string, std::string>> bad{
      {"n = NULL", ""},
      {"at = 'infinity'", "column at"},
      {"at = '20000-01-01'", "column at"},
      {"d = 'NaN'", "column d"},
      {"d = 0.12345678901234567890", "column d"},
      {"s = '42'", "column s"}};
  for (const auto& [change, named] : bad) {
    INFO(change);
    pair.sql("UPDATE t SET " + change);
    for (int i = 0; i < 2; ++i) {
      const ErrorFacts facts = facts_of([&] { feed->round(); });
      CHECK(facts.code == "LS-X606");
      CHECK_THAT(facts.what, Catch::Contains("table t, key (1)") && Catch::Contains(named));
      CHECK(facts.retry == Retry::same_session);
    }
    CHECK(pair.lite("SELECT n || at || d || s FROM t") == "12024-01-02 03:04:051.5x");
    CHECK(pair.pg("SELECT count(*) > 0 FROM lockstep.changes") == "t");
    pair.sql("UPDATE t SET n = 1, at = '2024-01-02 03:04:05', d = 1.5, s = 'x'");
    CHECK(feed->round().anything);
    CHECK(pair.is_quiet());
  }
  // SQLite's schema may be what is mended.
  pair.sql("INSERT INTO t VALUES (2, NULL)");
  CHECK(facts_of([&] { feed->round(); }).code == "LS-X606");
  pair.source().app().exec(
      "PRAGMA writable_schema=ON; UPDATE sqlite_master SET sql = replace(sql, 'n INT NOT NULL', 'n "
      "INT') WHERE name = 't'; PRAGMA writable_schema=RESET; CREATE TABLE bump(x); DROP TABLE "
      "bump");
  CHECK(feed->round().anything);
  CHECK(pair.difference() == "");
  // So may columns that came, went or changed on PostgreSQL.
  pair.sql("ALTER TABLE t ADD COLUMN extra text; UPDATE t SET n = 3");
  const ErrorFacts facts = facts_of([&] { feed->round(); });
  CHECK(facts.code == "LS-X613");
  CHECK_THAT(facts.why, Catch::Contains("t.extra"));
  CHECK(switchover::cannot_go_back(pair.target().connection(), "public", pair.source().plans())
            .size() == 1);
  saw_fault("R5", "HALT: LS-X606 names table, key, column and reason; goes on once it is mended");
  saw_fault("R12", "HALT: LS-X613 names the columns; goes on once it is undone");
  pair.sql("ALTER TABLE t DROP COLUMN extra");
  CHECK(feed->round().anything);
  CHECK(pair.difference() == "");
}

TEST_CASE("what cannot go back is counted over the whole round, by table and column") {
  ReversedPair pair(
      server(),
      "CREATE TABLE t(id INTEGER PRIMARY KEY, at DATETIME, d DECIMAL, u INT UNIQUE);"
      "WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < 9) INSERT INTO t "
      "SELECT i, '2024-01-02 03:04:05', 1.5, i FROM k;"
      "CREATE TABLE good(id INTEGER PRIMARY KEY, n INT); INSERT INTO good VALUES (1, 1);"
      "CREATE TABLE n(id INTEGER PRIMARY KEY, n INT NOT NULL); INSERT INTO n VALUES (1, 1);");
  REQUIRE(pair.source().plans()[2].types[1] == ColumnType::timestamp);
  const auto feed = pair.feed();
  // Unique values go round, so that all rows are written once more: none is counted twice.
  pair.sql(
      "UPDATE t SET at = 'infinity' WHERE id <= 5; UPDATE t SET d = 'NaN' WHERE id IN (5, 6);"
      "ALTER TABLE t DROP CONSTRAINT t_u_key; UPDATE t SET u = u % 9 + 1; UPDATE good SET n = 2;"
      "ALTER TABLE n ALTER n DROP NOT NULL; UPDATE n SET n = NULL");
  const ErrorFacts facts = facts_of([&] { feed->round(); });
  CHECK(facts.code == "LS-X606");
  CHECK_THAT(facts.what,
             Catch::Contains("7 rows cannot go back (n: 1, t.at: 5, t.d: 2); the first"));
  CHECK(facts.retry == Retry::same_session);
  const auto counted = feed->feed.refused().by_column();
  REQUIRE(counted.size() == 3);
  CHECK(switchover::counted(counted[1]) == "t.at: 5 rows, key (1), (2), (3), …: " + counted[1].why);
  CHECK(counted[2].keys == std::vector<std::string>{"5", "6"});
  CHECK_THAT(counted[0].why, Catch::Contains("NOT NULL"));
  CHECK(pair.lite("SELECT n FROM good") == "1");  // all or nothing
  pair.sql("UPDATE t SET at = NULL, d = 1; UPDATE n SET n = 5 WHERE id = 1");
  CHECK(feed->round().anything);
  CHECK(feed->feed.refused().empty());
  CHECK(pair.difference() == "");
}

TEST_CASE("a row whose key SQLite cannot have stops the way back only while it is there") {
  ReversedPair pair(
      server(),
      "CREATE TABLE d(at DATETIME PRIMARY KEY, n INT); INSERT INTO d VALUES ('2024-01-02 "
      "03:04:05', 1);");
  REQUIRE(pair.source().plans()[0].types[0] == ColumnType::timestamp);
  const auto feed = pair.feed();
  pair.sql("ALTER TABLE d DROP CONSTRAINT d_pkey; ALTER TABLE d ALTER at DROP NOT NULL");
  for (const char* const key : {"'infinity'", "'2024-01-02 03:04:05.5'", "NULL"}) {
    INFO(key);
    pair.sql(fmt::format("INSERT INTO d VALUES ({}, 2)", key));
    const ErrorFacts facts = facts_of([&] { feed->round(); });
    CHECK(facts.code == "LS-X606");
    CHECK_THAT(facts.what, Catch::Contains("column at"));
    pair.sql("DELETE FROM d WHERE n = 2");
    CHECK(feed->round().anything);
    CHECK(pair.is_quiet());
  }
  pair.sql("UPDATE d SET n = 3");
  CHECK(feed->round().rows == 1);
  // An index that lockstep's own SQLite cannot write: named.
  pair.source().app().exec("DROP TRIGGER fence_1; ALTER TABLE d RENAME COLUMN n TO m");
  pair.sql("UPDATE d SET n = 4");
  CHECK(facts_of([&] { feed->round(); }).code == "LS-X606");
  pair.source().app().exec("ALTER TABLE d RENAME COLUMN m TO n");
  CHECK(feed->round().rows == 1);
}

}  // namespace lockstep::test
