// The way back: what is committed on PostgreSQL comes into SQLite, once, as the application had it.
#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <random>
#include <string>
#include <vector>

#include "tests/support/fault.hpp"
#include "tests/support/reversed_pair.hpp"
#include "tests/support/seed.hpp"

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
  // A row that is written as it was is looked at, and left alone.
  pair.sql("UPDATE a SET n = n WHERE id = 1");
  const switchover::ReverseRound same = feed->round();
  CHECK((same.anything && same.keys == 1 && same.rows == 0));
  // What lockstep itself writes there does not come back.
  pair.target().connection().exec("UPDATE public.a SET n = n");
  CHECK_FALSE(feed->round().anything);
}

TEST_CASE("every statement that can touch a row is captured") {
  ReversedPair pair(server(), kReversedTables);
  pair.sql(
      "ALTER TABLE child ADD FOREIGN KEY (a) REFERENCES a(id) ON DELETE CASCADE ON UPDATE "
      "CASCADE");
  const auto feed = pair.feed();
  const std::string rowid_of_b = pair.lite("SELECT rowid FROM k WHERE k = 'b'");
  const std::vector<std::string> statements{
      "INSERT INTO a(u, n) SELECT 'm' || g, g FROM generate_series(1, 50) AS g",
      "UPDATE a SET n = 0 WHERE n > 40", "DELETE FROM a WHERE n BETWEEN 10 AND 20",
      "UPDATE a SET id = id + 1000 WHERE id = 1", "DELETE FROM a WHERE id = 1001",
      "INSERT INTO a(id, u, n) VALUES (2, 'b2', 5) ON CONFLICT (id) DO UPDATE SET n = EXCLUDED.n",
      "INSERT INTO a(id, u, n) VALUES (2, 'b2', 5) ON CONFLICT DO NOTHING",
      "COPY p FROM PROGRAM 'printf \"7\\tq\\tw\\n8\\tq\\t\\\\N\\n\"'",
      "MERGE INTO p USING (VALUES (7, 'q'), (9, 'q')) AS s(n, k) ON p.n = s.n AND p.k = s.k WHEN "
      "MATCHED THEN UPDATE SET v = 'merged' WHEN NOT MATCHED THEN INSERT VALUES (s.n, s.k, 'new')",
      "BEGIN; UPDATE p SET n = -n; UPDATE p SET n = 1 - n; COMMIT",  // composite keys that move
                                                                     // onto each other
      "BEGIN; INSERT INTO a(id, u) VALUES (900, 'x'); SAVEPOINT s; INSERT INTO a(id, u) VALUES "
      "(901, "
      "'y'); UPDATE k SET u = 9 WHERE k = 'c'; ROLLBACK TO s; INSERT INTO a(id, u) VALUES (902, "
      "'z'); COMMIT",
      "SET session_replication_role = replica; UPDATE a SET n = 77 WHERE id = 2",
      "INSERT INTO r VALUES ('three', 3); DELETE FROM r WHERE x = 'one'; UPDATE r SET y = 0.1 "
      "WHERE x "
      "= 'two'",
      "UPDATE k SET k = upper(k) WHERE k = 'a'",
      "DELETE FROM k WHERE k = 'c'; INSERT INTO k VALUES ('C', 3)",
      "INSERT INTO g VALUES (2, 5, 10); UPDATE g SET n = 7, twice = 14 WHERE id = 1",
      "TRUNCATE a, child", "BEGIN; TRUNCATE p; INSERT INTO p VALUES (1, 'after', 'x'); COMMIT",
      "TRUNCATE r; TRUNCATE k", "INSERT INTO k VALUES ('x', 1), ('y', 2)"};
  for (const std::string& statement : statements) {
    INFO(statement);
    pair.sql(statement);
    const switchover::ReverseRound round = feed->round();
    CHECK(round.anything == (statement.find("DO NOTHING") == std::string::npos));
    REQUIRE(pair.difference() == "");
    REQUIRE(pair.is_quiet());
  }
  // Rolled back: nothing was.
  pair.sql("BEGIN; DELETE FROM k; ROLLBACK");
  CHECK_FALSE(feed->round().anything);
  CHECK(pair.lite("SELECT count(*) FROM k") == "2");
  CHECK(pair.lite("PRAGMA integrity_check") == "ok");
  saw_fault("R3", "GO: each of them is in SQLite after the next round");
  saw_fault("R7", "GO: after a round neither side has logged anything");
}

TEST_CASE("rows that exchange unique values keep the rowids they had") {
  ReversedPair pair(server(), kReversedTables);
  const auto feed = pair.feed();
  const std::string before = pair.lite("SELECT group_concat(rowid || k) FROM k");
  pair.sql(
      "BEGIN; UPDATE k SET u = -u; UPDATE k SET u = CASE u WHEN -1 THEN 2 WHEN -2 THEN 3 ELSE 1 "
      "END; INSERT INTO k VALUES ('new', 4); UPDATE a SET u = u || '_'; UPDATE a SET u = CASE id "
      "WHEN 1 THEN 'b' WHEN 2 THEN 'a' ELSE u END; COMMIT");
  CHECK(feed->round().anything);
  CHECK(pair.difference() == "");
  CHECK(pair.lite("SELECT group_concat(rowid || k) FROM k WHERE k <> 'new'") == before);
  CHECK(pair.lite("SELECT group_concat(k || u) FROM (SELECT * FROM k ORDER BY rowid)") ==
        "a2,c1,b3,new4");
  // The same, of a table that was truncated and filled again.
  pair.sql(
      "BEGIN; CREATE TABLE kept AS SELECT k, 5 - u AS u FROM k; TRUNCATE k; INSERT INTO k SELECT "
      "* FROM kept; DROP TABLE kept; COMMIT");
  CHECK(feed->round().anything);
  CHECK(pair.difference() == "");
  CHECK(pair.lite("SELECT group_concat(rowid || k) FROM k WHERE k <> 'new'") == before);
  CHECK(pair.is_quiet());
}

TEST_CASE("what is under way is not there yet, however early its numbers were drawn") {
  ReversedPair pair(server(), kReversedTables);
  const auto feed = pair.feed();
  postgres::Connection slow = pair.session();
  slow.exec("BEGIN; INSERT INTO a(id, u) VALUES (500, 'slow'), (501, 'slower')");
  pair.sql("INSERT INTO a(id, u) VALUES (600, 'fast')");
  pair.sql("BEGIN; INSERT INTO a(id, u) VALUES (700, 'prepared'); PREPARE TRANSACTION 'late'");
  CHECK(feed->round().keys == 1);
  CHECK(pair.lite("SELECT group_concat(id) FROM a WHERE id >= 500") == "600");
  pair.sql("UPDATE a SET n = 1 WHERE id = 600");
  CHECK(feed->round().keys == 1);
  slow.exec("COMMIT");
  CHECK(feed->round().keys == 2);
  CHECK_FALSE(feed->round().anything);
  pair.sql("COMMIT PREPARED 'late'");
  CHECK(feed->round().keys == 1);
  CHECK(pair.lite("SELECT group_concat(id) FROM a WHERE id >= 500") == "500,501,600,700");
  CHECK(pair.difference() == "");
  CHECK(pair.is_quiet());
  saw_fault("R2", "GO: what commits late comes with the round after its commit");
}

TEST_CASE("rows that move between partitions, and partitions that are truncated") {
  ReversedPair pair(server(), kReversedTables);
  pair.sql(
      "ALTER TABLE a RENAME TO a_old; CREATE TABLE a(id bigint PRIMARY KEY, u text, n bigint) "
      "PARTITION BY RANGE (id); CREATE TABLE a1 PARTITION OF a FOR VALUES FROM (0) TO (100); "
      "CREATE TABLE a2 PARTITION OF a FOR VALUES FROM (100) TO (200); INSERT INTO a SELECT * FROM "
      "a_old; DROP TABLE a_old");
  const auto feed = pair.feed();
  postgres::Connection& owner = pair.target().connection();
  const auto missing = [&] {
    return switchover::reverse_log_missing(owner, kMigration, "public", pair.source().plans());
  };
  CHECK(missing() == std::vector<std::string>{"a"});
  switchover::install_reverse_log(owner, kMigration, "public", pair.source().plans());
  CHECK(missing().empty());
  pair.sql("UPDATE a SET id = id + 100 WHERE id < 3; INSERT INTO a2 VALUES (150, 'direct', 1)");
  CHECK(feed->round().anything);
  CHECK(pair.difference() == "");
  pair.sql("TRUNCATE a2");
  CHECK(feed->round().anything);
  CHECK(pair.difference() == "");
  CHECK(pair.lite("SELECT group_concat(id) FROM a") == "3,4");
  // A partition that comes later has its row triggers by itself, and not the one for TRUNCATE.
  pair.sql(
      "CREATE TABLE a3 PARTITION OF a FOR VALUES FROM (200) TO (300); INSERT INTO a VALUES (250, "
      "'later', 1)");
  CHECK(feed->round().keys == 1);
  CHECK(missing() == std::vector<std::string>{"a"});
  pair.sql("ALTER TABLE a1 DISABLE TRIGGER ALL");
  switchover::install_reverse_log(owner, kMigration, "public", pair.source().plans());
  CHECK(missing().empty());
  CHECK(pair.difference() == "");
}

TEST_CASE("a reader of the kept view sees just what SQLite has, while others go on writing") {
  ReversedPair pair(server(), kReversedTables);
  std::mt19937_64 random(test_seed());
  const auto feed = pair.feed();
  std::vector<postgres::Connection> sessions;
  for (int i = 0; i < 3; ++i) sessions.push_back(pair.session());
  const auto number = [&](std::uint64_t sides) { return random() % sides; };
  const auto statement = [&]() -> std::string {
    switch (number(10)) {
      case 0:
        return fmt::format("DELETE FROM a WHERE id = {}", number(40));
      case 1:
        return fmt::format("UPDATE a SET n = {} WHERE id % 7 = {}", number(1000), number(7));
      case 2:
        return fmt::format("UPDATE a SET id = {} WHERE id = {}", number(40), number(40));
      case 3:
        return fmt::format(
            "UPDATE a SET u = CASE id WHEN {0} THEN 'u{1}' ELSE 'u{0}' END WHERE id IN "
            "({0}, {1})",
            number(40), number(40));
      case 4:
        return fmt::format(
            "INSERT INTO k VALUES ('w{0}', {0}) ON CONFLICT (k) DO UPDATE SET u = {1}", number(20),
            100 + number(50));
      case 5:
        return fmt::format("DELETE FROM k WHERE k = 'w{}'", number(20));
      case 6:
        return number(8) == 0 ? "TRUNCATE p"
                              : fmt::format("UPDATE p SET n = n + {}", 1 + number(3));
      case 7:
        return fmt::format("INSERT INTO r VALUES ('r{}', {})", number(9), number(9));
      case 8:
        return fmt::format(
            "SAVEPOINT s; DELETE FROM r; ROLLBACK TO s; INSERT INTO p VALUES ({}, 'z', "
            "'') ON CONFLICT DO NOTHING",
            number(20));
      default:
        return fmt::format("INSERT INTO a(id, u, n) VALUES ({0}, 'u{0}', 1) ON CONFLICT DO NOTHING",
                           number(40));
    }
  };
  const auto same_through_view = [&] {
    for (const auto& [table, columns] : std::vector<std::pair<std::string, std::string>>{
             {"a", "id || ' ' || coalesce(u, '-') || ' ' || coalesce(n, -1)"},
             {"k", "k || ' ' || u"},
             {"p", "n || ' ' || k || ' ' || coalesce(v, '-')"},
             {"r", "x || ' ' || coalesce(y * 10, -1)"}}) {
      const std::string sql = fmt::format("SELECT {} FROM {}.{}", columns, "{}", table);
      std::vector<std::string> there, here;
      const postgres::Result rows = feed->reading.exec(fmt::format(fmt::runtime(sql), "public"));
      for (int i = 0; i < rows.rows(); ++i) there.emplace_back(rows.value(i, 0));
      for (const auto& row : pair.source().app().query(fmt::format(fmt::runtime(sql), "main")))
        here.push_back(row[0].value_or("?"));
      if (table == "r")  // 10.0 there, 10 here
        for (std::string& text : here)
          if (text.ends_with(".0")) text.resize(text.size() - 2);
      std::sort(there.begin(), there.end());
      std::sort(here.begin(), here.end());
      if (there != here) return table;
    }
    return std::string();
  };
  int rounds = 0;
  for (int step = 0; step < 400; ++step) {
    postgres::Connection& one = sessions[number(sessions.size())];
    try {
      if (one.idle()) one.exec(number(3) == 0 ? "BEGIN ISOLATION LEVEL REPEATABLE READ" : "BEGIN");
      one.exec(statement());
      if (number(3) == 0) one.exec(number(5) == 0 ? "ROLLBACK" : "COMMIT");
    } catch (const Error&) {
      one.abort();
    }
    if (number(6) != 0) continue;
    try {
      const switchover::ReverseRound round = feed->feed.round_and_keep_view();
      rounds += round.anything ? 1 : 0;
    } catch (const Error& error) {
      // Somebody has TRUNCATEd and not committed yet.
      REQUIRE(error.code() == "LS-X616");
      for (postgres::Connection& other : sessions) other.abort();
      continue;
    }
    REQUIRE(same_through_view() == "");
    feed->feed.end_view();
  }
  CHECK(rounds > 20);
  for (postgres::Connection& one : sessions)
    if (!one.idle()) one.exec("COMMIT");
  feed->round();
  CHECK(pair.difference() == "");
  CHECK(pair.is_quiet());
  CHECK(pair.lite("PRAGMA integrity_check") == "ok");
}

// Prints what it costs: run it alone. Not in CI, where the machine is not its own.
TEST_CASE("rows per second, and what a statement pays", "[.][bench]") {
  ReversedPair pair(
      server(),
      "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, price REAL, at DATETIME, n INT); "
      "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 300000) "
      "INSERT INTO t SELECT i, 'name ' || i, i / 7.0, '2024-01-02 03:04:05.123456', i FROM "
      "c;");
  const auto feed = pair.feed();
  const auto seconds = [](const auto& action) {
    const auto from = std::chrono::steady_clock::now();
    action();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count();
  };
  const auto statement = [&](const std::string& what, const std::string& sql, bool logged) {
    const double took =
        seconds([&] { pair.sql((logged ? "" : "SET lockstep.applier = on; ") + sql); });
    fmt::print("{:30} {} {:6.2f} s\n", what, logged ? "logged    " : "not logged", took);
  };
  const auto back = [&](const std::string& what) {
    switchover::ReverseRound round;
    const double took = seconds([&] { round = feed->round(); });
    fmt::print("{:30} round      {:6.2f} s  {:8.0f} rows/s\n", what, took,
               static_cast<double>(round.keys) / took);
  };
  statement("update 300,000", "UPDATE t SET n = n + 1", false);
  pair.sql("VACUUM t");
  statement("update 300,000", "UPDATE t SET n = n + 1", true);
  back("update 300,000");
  statement("delete 300,000", "CREATE TABLE kept AS SELECT * FROM t; DELETE FROM t", true);
  back("delete 300,000");
  statement("insert 300,000", "INSERT INTO t SELECT * FROM kept", true);
  back("insert 300,000");
  statement("truncate, insert 300,000", "TRUNCATE t; INSERT INTO t SELECT * FROM kept", true);
  back("truncate, insert 300,000");
  std::vector<double> rounds;
  for (int i = 0; i < 500; ++i) {
    pair.sql(fmt::format("UPDATE t SET n = 0 WHERE id = {}", 1 + i));
    rounds.push_back(seconds([&] { feed->round(); }) * 1'000);
  }
  std::sort(rounds.begin(), rounds.end());
  fmt::print("a round of one row: p50 {:.2f} ms, p99 {:.2f} ms\n", rounds[250], rounds[495]);
  const double asked = seconds([&] {
    for (int i = 0; i < 1'000; ++i)
      CHECK_FALSE(switchover::reverse_log_has_changes(feed->reading, kMigration));
  });
  fmt::print("reverse_log_has_changes: {:.0f} us\n", asked * 1'000);
  CHECK(pair.difference() == "");
}

}  // namespace lockstep::test
