// The judge with a configuration of lockstep, and with rows in quarantine.
#include <fstream>

#include "tests/db/compared.hpp"

namespace lockstep::test {

TEST_CASE("with a configuration its names and values are asked for, and each other one is found",
          "[db]") {
  Sides sides;
  sides.source(
      "CREATE TABLE t(id INTEGER PRIMARY KEY, lit, txt, byt, big, dbl, num, boo, day, ts, ms, uid, "
      "js, "
      "def TEXT, nul TEXT);"
      "INSERT INTO t VALUES"
      "(1, 'it''s', 7, 'ab', '-7', '1.5', '2.50', 'YES', '2024-01-02', "
      "'2024-01-02T03:04:05+02:00', "
      "1704164645678, x'00112233445566778899aabbccddeeff', 5, NULL, 'a' || char(0) || 'b'),"
      "(2, x'00ff', 1.5, x'00', 3.0, 4, 12.0, 0, '2024-02-29 00:00:00', '1969-12-31 23:59:59.5', "
      "1.25, "
      "'00112233-4455-6677-8899-AABBCCDDEE00', 1.5, 'x', 'plain'),"
      "(3, 'nul' || char(0), 'x', NULL, 9, NULL, 1e300, 1.0, NULL, '0001-01-01', '2024-01-02', "
      "NULL, "
      "'{\"a\": 1}', '', NULL), (4, 1e300, 1e23, NULL, NULL, 0.1, NULL, NULL, NULL, NULL, NULL, "
      "NULL, NULL, "
      "NULL, NULL);"
      "CREATE TABLE kv(k PRIMARY KEY, v) WITHOUT ROWID;"
      "INSERT INTO kv VALUES (1, 'a'), ('1', 'b'), (x'31', 'c'), (1.5, 'd'), (-0.0, 'e');"
      "CREATE TABLE left_out(a)");
  sides.target(
      "CREATE TABLE u(id bigint PRIMARY KEY, lit text, txt text, byt bytea, big bigint, dbl "
      "float8, num numeric, "
      "boo boolean, day date, ts timestamp, ms timestamptz, uid uuid, js json, def text, plain "
      "text, "
      "origin text);"
      "INSERT INTO u VALUES"
      "(1, '''it''''s''', '7', 'ab', -7, 1.5, 2.50, 't', '2024-01-02', '2024-01-02 01:04:05', "
      "'2024-01-02 03:04:05.678+00', '00112233445566778899aabbccddeeff', '5', 'US', 'ab', "
      "'sqlite'),"
      "(2, 'x''00ff''', '1.5', '\\x00', 3, 4, 12, 'f', '2024-02-29', '1969-12-31 23:59:59.5', "
      "'1970-01-01 00:00:00.00125+00', '00112233445566778899aabbccddee00', '1.5', 'x', 'plain', "
      "'sqlite'),"
      "(3, 'CAST(x''6e756c00'' AS TEXT)', 'x', NULL, 9, NULL, 1e300, 't', NULL, '0001-01-01', "
      "'2024-01-02 00:00+00', NULL, '{\"a\": 1}', '', NULL, 'sqlite'),"
      "(4, '1e300', '1e+23', NULL, NULL, 0.1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'US', "
      "NULL, 'sqlite');"
      "CREATE TABLE kv(k text PRIMARY KEY, v text);"
      "INSERT INTO kv VALUES ('1', 'a'), ('''1''', 'b'), ('x''31''', 'c'), ('1.5', 'd'), ('0.0', "
      "'e')");
  const TempDir folder;
  const std::string config = folder.file("config.json");
  std::ofstream(config) << R"({"version": 1, // as lockstep reads it
    "tables": {"rename": {"t": "u"}, "exclude": ["left*"], "add": {"t": {"origin": "sqlite"}}},
    "columns": {"t.lit": {"type": "literal"}, "t.txt": {"type": "text"}, "t.byt": {"type": "bytea"},
      "t.big": {"type": "bigint"}, "t.dbl": {"type": "double precision"}, "t.num": {"type": "numeric"},
      "t.boo": {"type": "boolean"}, "t.day": {"type": "date"}, "t.ts": {"type": "timestamp"},
      "t.ms": {"type": "epoch-ms"}, "t.uid": {"type": "uuid"}, "t.js": {"type": "json"},
      "t.def": {"default_if_null": "US"}, "t.nul": {"nul": "strip", "rename": "plain"},
      "kv.k": {"type": "literal"}}})";
  const std::vector<std::string> with{"--config", config};
  check_equal(sides.compare(with), "kv 5 5 0 0 0\nt 4 4 0 0 0");
  CHECK(sides.compare().status == ExitStatus{.code = 4});
  for (const char* planted :
       {"lit = '''its'''", "lit = 'it''s'", "txt = '8'", "byt = 'ac'", "big = 7", "dbl = 1.25",
        "num = 2.51", "boo = 'f'", "day = '2024-01-03'", "ts = '2024-01-02 03:04:05'",
        "ms = '2024-01-02 03:04:05.679+00'", "uid = '00112233445566778899aabbccddeefe'", "js = '6'",
        "def = NULL", "plain = 'a'", "origin = 'other'"}) {
    INFO(planted);
    sides.target("CREATE TABLE kept AS SELECT * FROM u WHERE id = 1");
    sides.target(std::string("UPDATE u SET ") + planted + " WHERE id = 1");
    CHECK(sides.compare(with).status == ExitStatus{.code = 4});
    sides.target("DELETE FROM u WHERE id = 1; INSERT INTO u TABLE kept; DROP TABLE kept");
  }
  for (const char* planted : {"txt = '1'", "js = '15e-1'", "big = 4"}) {
    INFO(planted);
    sides.target(
        std::string("BEGIN; CREATE TABLE kept AS SELECT * FROM u WHERE id = 2; UPDATE u SET ") +
        planted + " WHERE id = 2; COMMIT");
    CHECK((sides.compare(with).status.code == 0) == (std::string(planted) == "js = '15e-1'"));
    sides.target("DELETE FROM u WHERE id = 2; INSERT INTO u TABLE kept; DROP TABLE kept");
  }
  check_different((sides.target("UPDATE kv SET k = '2' WHERE v = 'd'"), sides.compare(with)),
                  "kv 5 5 1 1 0");
}

TEST_CASE("a row in quarantine is absent, and no other row", "[db]") {
  Sides sides;
  sides.source(
      "CREATE TABLE t(k TEXT PRIMARY KEY, n INT); INSERT INTO t VALUES ('a', 1), ('b', 'x'), ('c', "
      "3)");
  sides.target(
      "CREATE SCHEMA lockstep; CREATE TABLE lockstep.ledger(migration text, target_schema text);"
      "CREATE TABLE lockstep.quarantine(migration text, name text, key text);"
      "INSERT INTO lockstep.ledger VALUES ('m', 'public');"
      "INSERT INTO lockstep.quarantine VALUES ('m', 't', '[[\"text\", \"b\"]]');"
      "CREATE TABLE t(k text PRIMARY KEY, n bigint); INSERT INTO t VALUES ('a', 1), ('c', 3)");
  check_equal(sides.compare({"--quarantine"}), "t 3 2 0 0 0");
  check_different(sides.compare(), "t 3 2 1 0 0");
  sides.target("INSERT INTO t VALUES ('b', 2)");
  check_different(sides.compare({"--quarantine"}), "t 3 3 0 1 0");
  sides.target("DELETE FROM t WHERE k <> 'c'");
  check_different(sides.compare({"--quarantine"}), "t 3 1 1 0 0");
  sides.target(
      "INSERT INTO t VALUES ('a', 1); INSERT INTO lockstep.quarantine VALUES ('m', 't', "
      "'[[\"text\", \"d\"]]')");
  check_different(sides.compare({"--quarantine"}), "t 3 2 0 1 0");
}

}  // namespace lockstep::test
