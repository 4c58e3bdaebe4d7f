// Values that come back, each in the class and spelling that the application gave it.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/reversed_pair.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

}  // namespace

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
  const std::string before = pair.cells("v") + pair.cells("keyed");
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
  CHECK(pair.cells("v") + pair.cells("keyed") == before);
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

TEST_CASE("rules that can be inverted go back, the others keep what did not change") {
  ReversedPair pair(server(), kReversedTables, [] {
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
  const std::string before = pair.cells("o");
  const auto feed = pair.feed(plans);
  // Only what changed is written: the rest keeps the application's spelling, JSON's blanks too.
  pair.sql("UPDATE o SET extra = 'x'");
  CHECK(feed->round().rows == 0);
  CHECK(pair.cells("o") == before);
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
  CHECK(pair.cells("o") ==
        "integer1,text'a',integer99,text'2020-01-01 "
        "00:00:00',text'23:00:00',text'[]',integer7,text'xyz',text'm'\n"
        "integer3,text'c',real0.1,text'2024-05-06 "
        "05:08:09.500000',text'01:02:03.250000',text'{\"z\": "
        "1}',integer1,text'q',text''\n");
  pair.sql("UPDATE o SET clock = '24:00' WHERE id = 1");
  CHECK_THAT(facts_of([&] { feed->round(); }).what, Catch::Contains("column clock"));
  CHECK(switchover::cannot_go_back(pair.target().connection(), "public", plans).size() == 1);
}

TEST_CASE("a key of milliseconds that has more digits on PostgreSQL is no other row's") {
  ReversedPair pair(server(),
                    "CREATE TABLE m(dev INT NOT NULL, at DATETIME NOT NULL, v TEXT, PRIMARY "
                    "KEY(dev, at)); INSERT INTO m VALUES (1, 1704103200000, 'a'), (1, "
                    "1704103200001, 'b'), (1, 1704103200002, 'c');");
  std::vector<TablePlan> plans = pair.source().plans();
  REQUIRE(plans[0].types[1] == ColumnType::timestamp_ms);
  plans[0].existing.emplace();
  plans[0].existing->upserts = true;
  for (const auto& [name, type] :
       {std::pair<std::string, std::string>{"dev", "bigint"},
        {"at", GENERATE("timestamp without time zone", "timestamp with time zone")},
        {"v", "text"}}) {
    plans[0].existing->columns.push_back({name, type, false, parse_target_type(type).value()});
    pair.sql(fmt::format("SET TimeZone = 'UTC'; ALTER TABLE m ALTER {0} TYPE {1}", name, type));
  }
  const auto feed = pair.feed(plans);
  // What SQLite never had: PostgreSQL counts on in microseconds.
  pair.sql(
      "SET TimeZone = 'UTC'; INSERT INTO m VALUES (1, '2024-01-01 10:00:00.0004', 'x'); "
      "DELETE FROM m WHERE v = 'x'; DELETE FROM m WHERE v = 'b'");
  CHECK(feed->round().rows == 1);
  CHECK(pair.lite("SELECT group_concat(v, '') FROM (SELECT v FROM m ORDER BY at)") == "ac");
  pair.sql("SET TimeZone = 'UTC'; INSERT INTO m VALUES (1, '2024-01-01 10:00:00.0016', 'x')");
  CHECK(facts_of([&] { feed->round(); }).code == "LS-X606");
  pair.sql("DELETE FROM m WHERE v = 'x'; UPDATE m SET v = 'changed' WHERE v = 'a'");
  CHECK(feed->round().rows == 1);
  CHECK(pair.lite("SELECT group_concat(v, '') FROM (SELECT v FROM m ORDER BY at)") == "changedc");
}

TEST_CASE("rows in quarantine outlive a TRUNCATE, whatever is chosen for bad values by then") {
  ReversedPair pair(server(),
                    "CREATE TABLE t(id INTEGER PRIMARY KEY, n INT, u INT UNIQUE); INSERT INTO t "
                    "VALUES (1, 1, 1), (2, 2, 2);");
  // It was held while quarantine was the choice; the plan knows of no such choice any more.
  REQUIRE(pair.source().plans()[0].on_bad_value_of(1) != OnBadValue::quarantine);
  pair.source().app().exec("DROP TRIGGER fence_1; INSERT INTO t VALUES (4, 'precious', 4)");
  const auto aside = [&](const std::string& sql) { pair.target().connection().exec(sql); };
  aside(fmt::format(
      "INSERT INTO lockstep.quarantine (migration, id, name, key, key_digest, column_name, value, "
      "bytes, code, reason, state) VALUES ('{}', {}, 't', '4', '', 'n', '', 8, 'LS-D401', 'test', "
      "'skipped')",
      kMigration, pair.source().plans()[0].id));
  const auto feed = pair.feed();
  const std::string rows = "SELECT group_concat(id || n, ' ') FROM (SELECT * FROM t ORDER BY id)";
  pair.sql("TRUNCATE t; INSERT INTO t VALUES (1, 10, 1), (7, 70, 7)");
  CHECK(feed->round().anything);
  CHECK(pair.lite(rows) == "110 4precious 770");
  // Rows that exchange a unique value are all taken out before they come.
  pair.sql("TRUNCATE t; INSERT INTO t VALUES (1, 11, 7), (7, 71, 1)");
  CHECK(feed->round().anything);
  CHECK(pair.lite(rows) == "111 4precious 771");
  // Taken out of the quarantine it goes like any other.
  aside("DELETE FROM lockstep.quarantine");
  pair.sql("TRUNCATE t");
  CHECK(feed->round().anything);
  CHECK(pair.lite("SELECT count(*) FROM t") == "0");
}

// SQLite has no integer in such a column: whatever number PostgreSQL has comes back as a real.
TEST_CASE("a numeric of a table that was there gives whole reals back to a REAL column") {
  ReversedPair pair(server(),
                    "CREATE TABLE o(id INTEGER PRIMARY KEY, price REAL, level DOUBLE);"
                    "INSERT INTO o VALUES (1, 101, 0), (2, 101.25, 1), (3, NULL, 1e23);");
  std::vector<TablePlan> plans = pair.source().plans();
  plans[0].existing.emplace();
  plans[0].existing->upserts = true;
  for (const auto& [name, type] : std::vector<std::pair<std::string, std::string>>{
           {"id", "bigint"}, {"price", "numeric(15,4)"}, {"level", "numeric"}}) {
    plans[0].existing->columns.push_back({name, type, false, parse_target_type(type).value()});
    pair.sql(fmt::format("ALTER TABLE o ALTER {0} TYPE {1} USING {0}::{1}", name, type));
  }
  plans[0].types = {ColumnType::bigint, ColumnType::numeric, ColumnType::numeric};
  plans[0].rules.columns.resize(3);
  plans[0].rules.columns[2].default_if_null = Value({.kind = ValueClass::integer, .integer = 7});
  const auto feed = pair.feed(plans);
  pair.sql(
      "UPDATE o SET price = 99, level = 7 WHERE id = 1; UPDATE o SET price = 102.0000, level "
      "= 8000000000.00 WHERE id = 2; UPDATE o SET price = 0.0001, level = -9223372036854774784 "
      "WHERE id = 3; INSERT INTO o "
      "VALUES (4, 0, 0)");
  CHECK(feed->round().rows == 4);
  CHECK(pair.cells("o") ==
        "integer1,real99.0,real7.0\ninteger2,real102.0,real8000000000.0\n"
        "integer3,real0.0001,real-9.22337203685477478431e+18\ninteger4,real0.0,real0.0\n");
  for (const char* odd : {"9007199254740993", "-9223372036854775808", "'NaN'"}) {
    INFO(odd);
    pair.sql(fmt::format("UPDATE o SET level = {} WHERE id = 4", odd));
    const ErrorFacts facts = facts_of([&] { feed->round(); });
    CHECK(facts.code == "LS-X606");
    CHECK_THAT(facts.what, Catch::Contains("column level"));
  }
  pair.sql("UPDATE o SET level = 1 WHERE id = 4");
  CHECK(feed->round().rows == 1);
}

// Where a rule makes it numeric, whole reals are integers on the way there.
TEST_CASE("a REAL column that a rule makes numeric gets whole numbers back as reals") {
  ReversedPair pair(server(),
                    "CREATE TABLE o(id INTEGER PRIMARY KEY, price REAL, n NUMERIC);"
                    "INSERT INTO o VALUES (1, 101, 5), (2, 101.25, 2.5), (3, 9007199254740992.0, "
                    "NULL);",
                    [] {
                      RuleSet rules;
                      rules.columns["o.price"].cast = Cast::numeric;
                      rules.columns["o.n"].cast = Cast::numeric;
                      return rules;
                    }());
  REQUIRE(pair.source().plans().at(0).types.at(1) == ColumnType::numeric);
  const auto feed = pair.feed();
  pair.sql(
      "UPDATE o SET price = 99.00, n = 6 WHERE id = 1; UPDATE o SET price = 102, n = 3 WHERE id = "
      "2; UPDATE o SET price = 0.5 WHERE id = 3; INSERT INTO o VALUES (4, -7, -7)");
  CHECK(feed->round().rows == 4);
  CHECK(pair.cells("o") ==
        "integer1,real99.0,integer6\ninteger2,real102.0,integer3\ninteger3,real0.5,nullNULL\n"
        "integer4,real-7.0,integer-7\n");
  CHECK(pair.difference().empty());
  pair.sql("UPDATE o SET price = 9007199254740993 WHERE id = 4");
  CHECK(facts_of([&] { feed->round(); }).code == "LS-X606");
}

}  // namespace lockstep::test
