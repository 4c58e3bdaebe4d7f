// The way back: what is committed on PostgreSQL comes into SQLite, once, as the application had it.
#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <random>
#include <string>
#include <vector>

#include "link/postgres/names.hpp"
#include "tests/support/fault.hpp"
#include "tests/support/reversed_pair.hpp"
#include "tests/support/seed.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"fsync=off", "max_prepared_transactions=4"}};
  return running;
}

/// A session of the application, for transactions that take their time.
postgres::Connection session(const ReversedPair& pair) {
  postgres::Connection connection = connect(pair.target().dsn());
  connection.exec(
      "RESET lockstep.applier; SET search_path = public, pg_catalog; SET lock_timeout = 5");
  return connection;
}

/// Every cell of a table with its class and its bytes.
std::string cells(ReversedPair& pair, const std::string& table) {
  std::string columns;
  for (const TablePlan& plan : pair.source().plans())
    if (plan.name() == table)
      for (const Column& column : plan.shape.columns)
        columns +=
            fmt::format("{0} || typeof({1}) || quote({1})", columns.empty() ? "''" : "|| ','",
                        column.is_rowid ? "rowid" : sqlite::quoted(column.name));
  std::string all;
  for (const auto& row :
       pair.source().app().query(fmt::format("SELECT {} FROM {} ORDER BY 1", columns, table)))
    all += row[0].value_or("?") + "\n";
  return all;
}

constexpr char kTables[] =
    "CREATE TABLE a(id INTEGER PRIMARY KEY AUTOINCREMENT, u TEXT UNIQUE, n INT);"
    "CREATE TABLE child(id INTEGER PRIMARY KEY, a INT REFERENCES a(id) ON DELETE CASCADE, n INT);"
    "CREATE TABLE p(n INT, k TEXT, v TEXT, PRIMARY KEY(k DESC, n)) WITHOUT ROWID;"
    "CREATE TABLE k(k TEXT COLLATE NOCASE PRIMARY KEY, u INT UNIQUE);"
    "CREATE TABLE r(x TEXT, y REAL);"
    "CREATE TABLE g(id INTEGER PRIMARY KEY, n INT, twice INT GENERATED ALWAYS AS (n * 2) STORED);"
    "INSERT INTO a VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', NULL), (4, 'd', 4);"
    "INSERT INTO child VALUES (1, 1, 1), (2, 1, 2), (3, 2, 3);"
    "INSERT INTO p VALUES (1, 'x', ''), (2, 'x', 'y');"
    "INSERT INTO k(rowid, k, u) VALUES (5, 'a', 1), (17, 'b', 2), (9, 'c', 3);"
    "INSERT INTO r VALUES ('one', 1.5), ('two', NULL), ('two', NULL);"
    "INSERT INTO g(id, n) VALUES (1, 1);";

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

TEST_CASE("values come back in the class and spelling that the application gave them") {
  ReversedPair pair(
      server(),
      "CREATE TABLE v(id INTEGER PRIMARY KEY, i INTEGER, r REAL, t TEXT, b BLOB, d DECIMAL(10,2),"
      " day DATE, django DATETIME, js TIMESTAMP, seq DATETIME, ms DATETIME, yes BOOLEAN,"
      " u CHAR(32), dashed CHAR(36), j TEXT CHECK (json_valid(j) OR j IS NULL), any);"
      "INSERT INTO v VALUES"
      "(1, 9223372036854775807, -0.0, 'é😀', x'00ff', 12.5, '2024-02-29', '2024-01-02 "
      "03:04:05.123456', '2024-01-02T03:04:05.678Z', '2024-01-02 03:04:05.678 +00:00', "
      "1704164645678, 1, '6ba7b8109dad41d180b400c04fd430c8', "
      "'6ba7b810-9dad-41d1-80b4-00c04fd430c8',"
      " '{\"a\": [1, 2.50], \"b\":null}', x'00'),"
      "(2, -9223372036854775808, 9e999, '', x'', 12, '0001-01-01', '9999-12-31 23:59:59', "
      "'1999-12-31T23:59:59.000Z', '1999-12-31 23:59:59.000 +00:00', -1, 0, NULL, NULL, '[]', "
      "NULL),"
      "(3, NULL, 5.0, ' a ', NULL, 1e300, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "
      "x''), (4, 0, 5e-324, '12', x'31', -0.001, NULL, '0001-01-01 00:00:00', NULL, NULL, NULL, "
      "NULL, NULL, NULL, '\"\\u00e9\"', x'78');"
      "UPDATE v SET ms = 1704164645678 WHERE ms = -1;"
      "CREATE TABLE keyed(k REAL, d DATETIME, u CHAR(32), b BLOB, PRIMARY KEY(k, d, u, b));"
      "INSERT INTO keyed VALUES (-0.0, '2024-01-02 03:04:05.000', "
      "'6ba7b8109dad41d180b400c04fd430c8',"
      " x'00'), (1e300, '2024-01-02 03:04:05.100', '6ba7b8109dad41d180b400c04fd430c9', x'');");
  const std::string before = cells(pair, "v") + cells(pair, "keyed");
  const auto feed = pair.feed();
  for (const char* const table : {"v", "keyed"}) {
    pair.sql(fmt::format("CREATE TABLE kept AS SELECT * FROM {0}; DELETE FROM {0}", table));
    CHECK(feed->round().anything);
    CHECK(pair.lite(fmt::format("SELECT count(*) FROM {}", table)) == "0");
    // Whatever the session's formats are.
    pair.sql(
        fmt::format("SET DateStyle = 'German'; SET TimeZone = 'Asia/Kathmandu'; SET "
                    "extra_float_digits = -10; SET bytea_output = 'escape'; INSERT INTO {} "
                    "SELECT * FROM kept; DROP TABLE kept",
                    table));
    CHECK(feed->round().anything);
  }
  CHECK(cells(pair, "v") + cells(pair, "keyed") == before);
  CHECK(pair.difference() == "");
  CHECK(pair.is_quiet());
}

TEST_CASE("a column that did not change keeps its spelling when another one of its row does") {
  ReversedPair pair(
      server(),
      "CREATE TABLE v(id INTEGER PRIMARY KEY, at DATETIME, n INT);"
      "INSERT INTO v VALUES (1, '2024-01-02 03:04', 1), (2, '2024-01-02T03:04:05.100', "
      "1), (3, '2024-01-02 03:04:05.123456', 1);");
  REQUIRE(pair.source().plans()[0].types[1] == ColumnType::timestamp);
  const auto feed = pair.feed();
  pair.sql("UPDATE v SET n = 2");
  CHECK(feed->round().rows == 3);
  CHECK(pair.lite("SELECT group_concat(at || n) FROM v") ==
        "2024-01-02 03:042,2024-01-02T03:04:05.1002,2024-01-02 03:04:05.1234562");
  pair.sql("UPDATE v SET at = at + interval '1 minute' WHERE id < 3");
  CHECK(feed->round().rows == 2);
  CHECK(pair.difference() == "");
}

TEST_CASE("every statement that can touch a row is captured") {
  ReversedPair pair(server(), kTables);
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
  ReversedPair pair(server(), kTables);
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
  ReversedPair pair(server(), kTables);
  const auto feed = pair.feed();
  postgres::Connection slow = session(pair);
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
  ReversedPair pair(server(), kTables);
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

TEST_CASE("triggers that are lost, disabled or changed are found; remove leaves nothing") {
  ReversedPair pair(server(), kTables);
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
  postgres::Connection slow = session(pair);
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

TEST_CASE("a reader of the kept view sees just what SQLite has, while others go on writing") {
  ReversedPair pair(server(), kTables);
  std::mt19937_64 random(test_seed());
  const auto feed = pair.feed();
  std::vector<postgres::Connection> sessions;
  for (int i = 0; i < 3; ++i) sessions.push_back(session(pair));
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

TEST_CASE("rules that can be inverted go back, the others keep what did not change") {
  ReversedPair pair(server(), kTables, [] {
    RuleSet rules;
    rules.tables["a"].rename = "renamed";
    rules.columns["a.u"].rename = "uu";
    rules.columns["a.n"].cast = Cast::literal;
    rules.columns["r.y"].cast = Cast::text;
    rules.columns["child.n"].cast = Cast::epoch_s;
    rules.columns["r.x"].default_if_null = Value({.kind = ValueClass::text, .bytes = "none"});
    return rules;
  }());
  const auto feed = pair.feed();
  CHECK(switchover::cannot_go_back(pair.target().connection(), "public", pair.source().plans())
            .size() == 3);  // what SQLite computes, too
  pair.sql(
      "UPDATE renamed SET uu = 'new', n = '4711' WHERE id = 1; UPDATE renamed SET n = "
      "'''it''''s''' "
      "WHERE id = 2; INSERT INTO renamed(id, n) VALUES (99, 'x''00ff'''); UPDATE child SET n = "
      "'2024-01-01 00:00:00Z' WHERE id = 1; UPDATE r SET x = 'changed' WHERE x = 'one'");
  CHECK(feed->round().anything);
  CHECK(pair.lite("SELECT group_concat(quote(u) || quote(n)) FROM a WHERE id IN (1, 2, 99)") ==
        "'new'4711,'b''it''s',NULLX'00FF'");
  CHECK(pair.lite("SELECT n FROM child WHERE id = 1") == "1704067200");
  CHECK(pair.lite("SELECT x || y || typeof(y) FROM r WHERE rowid = 1") == "changed1.5real");
  pair.sql("UPDATE r SET y = '2.5' WHERE x = 'changed'");
  CHECK(feed->round().anything);
  CHECK(pair.lite("SELECT y || typeof(y) FROM r WHERE rowid = 1") == "2.5real");
  // What the rules would make otherwise of what SQLite then holds.
  for (const char* const change :
       {"UPDATE r SET y = '2.50' WHERE x = 'changed'", "UPDATE renamed SET n = '1.50' WHERE id = 1",
        "UPDATE renamed SET n = 'no literal' WHERE id = 1"}) {
    pair.sql(change);
    CHECK(facts_of([&] { feed->round(); }).code == "LS-X606");
    pair.sql("UPDATE r SET y = '2.5' WHERE x = 'changed'; UPDATE renamed SET n = '1' WHERE id = 1");
    CHECK(feed->round().anything);
  }
}

TEST_CASE("tables that an ORM made give back what their types keep") {
  ReversedPair pair(
      server(),
      "CREATE TABLE o(id INTEGER PRIMARY KEY, name VARCHAR(20), price DECIMAL(10,2), at DATETIME, "
      "clock "
      "TIME, doc TEXT CHECK (json_valid(doc) OR doc IS NULL), small INT, code CHAR(3), note TEXT);"
      "INSERT INTO o VALUES (1, 'a', 12.5, '2024-01-02 03:04:05.123456', '12:30', '{\"b\":1, "
      "\"a\":[1,2]}', 7, 'xyz', 'n'), (2, 'b', 12, '2024-01-02 03:04:05', '12:30:01.500000', NULL, "
      "-7, "
      "'abc', 'n');");
  const std::vector<std::pair<std::string, std::string>> types{{"id", "bigint"},
                                                               {"name", "character varying(20)"},
                                                               {"price", "numeric(10,2)"},
                                                               {"at", "timestamp with time zone"},
                                                               {"clock", "time without time zone"},
                                                               {"doc", "jsonb"},
                                                               {"small", "smallint"},
                                                               {"code", "character(3)"},
                                                               {"note", "text"}};
  std::vector<TablePlan> plans = pair.source().plans();
  REQUIRE(plans[0].types[2] == ColumnType::numeric);
  REQUIRE(plans[0].types[3] == ColumnType::timestamp);
  plans[0].existing.emplace();
  plans[0].existing->extra = {"extra"};
  plans[0].existing->upserts = true;
  for (const auto& [name, type] : types) {
    plans[0].existing->columns.push_back({name, type, false, parse_target_type(type).value()});
    pair.sql(fmt::format("SET TimeZone = 'UTC'; ALTER TABLE o ALTER {0} TYPE {1} USING {0}::{1}",
                         name, type));
  }
  pair.sql("ALTER TABLE o ADD COLUMN extra text DEFAULT 'only here'");
  const std::string before = cells(pair, "o");
  const auto feed = pair.feed(plans);
  // Only what changed is written: the rest keeps the application's spelling, JSON's blanks too.
  pair.sql("UPDATE o SET extra = 'x'");
  CHECK(feed->round().rows == 0);
  CHECK(cells(pair, "o") == before);
  pair.sql("UPDATE o SET note = 'm'");
  CHECK(feed->round().rows == 2);
  CHECK(pair.lite("SELECT group_concat(clock || at || doc) FROM o WHERE id = 1") ==
        "12:302024-01-02 03:04:05.123456{\"b\":1, \"a\":[1,2]}");
  pair.sql(
      "INSERT INTO o(id, name, price, at, clock, doc, small, code, note) VALUES (3, 'c', 0.10, "
      "'2024-05-06 07:08:09.5+02', '01:02:03.25', '{\"z\":1}', 1, 'q', ''); UPDATE o SET price = "
      "99, "
      "clock = '23:00', at = '2020-01-01 00:00:00Z', doc = '[]' WHERE id = 1; DELETE FROM o WHERE "
      "id "
      "= 2");
  CHECK(feed->round().rows == 3);
  CHECK(cells(pair, "o") ==
        "integer1,text'a',integer99,text'2020-01-01 "
        "00:00:00',text'23:00:00',text'[]',integer7,text'xyz',text'm'\n"
        "integer3,text'c',real0.1,text'2024-05-06 "
        "05:08:09.500000',text'01:02:03.250000',text'{\"z\": "
        "1}',integer1,text'q',text''\n");
  pair.sql("UPDATE o SET clock = '24:00' WHERE id = 1");
  CHECK_THAT(facts_of([&] { feed->round(); }).what, Catch::Contains("column clock"));
  CHECK(switchover::cannot_go_back(pair.target().connection(), "public", plans).size() == 1);
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
