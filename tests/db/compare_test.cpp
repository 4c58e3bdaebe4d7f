// The judge is judged: every kind of planted difference must be found, and equal sides must be
// called equal.
#include <algorithm>

#include "tests/db/compared.hpp"

namespace lockstep::test {
namespace {

/// Rows with every class of value, the same on both sides.
void fill_equal(Sides& sides) {
  sides.source(
      "CREATE TABLE t(id INTEGER PRIMARY KEY, i INT, r REAL, s TEXT, b BLOB);"
      "INSERT INTO t VALUES (-9223372036854775808, 0, 0.1, '', x''), (1, 9223372036854775807, "
      "5e-324, 'a', x'00'),"
      "(2, NULL, NULL, NULL, NULL), (3, -1, 9e999, 'tab' || char(9) || 'é😀', x'00ff5c'),"
      "(4, 7, 1e23, '\\N', x'27'), (5, 8, 1.7976931348623157e308, 'a ', x'61');");
  sides.target(
      "CREATE TABLE t(id bigint PRIMARY KEY, i bigint, r float8, s text, b bytea);"
      "INSERT INTO t VALUES (-9223372036854775808, 0, 0.1, '', ''), (1, 9223372036854775807, "
      "5e-324, 'a', '\\x00'),"
      "(2, NULL, NULL, NULL, NULL), (3, -1, 'Infinity', E'tab\\té😀', '\\x00ff5c'),"
      "(4, 7, 1e23, '\\N', '\\x27'), (5, 8, 1.7976931348623157e308, 'a ', '\\x61');");
}

}  // namespace

TEST_CASE("equal sides are equal, whatever the values", "[db]") {
  Sides sides;
  fill_equal(sides);
  check_equal(sides.compare(), "t 6 6 0 0 0");
}

TEST_CASE("every kind of planted difference is found", "[db]") {
  Sides sides;
  fill_equal(sides);
  SECTION("a row is missing") {
    sides.target("DELETE FROM t WHERE id = 1");
    const Outcome outcome = sides.compare();
    check_different(outcome, "t 6 5 1 0 0");
    CHECK_THAT(outcome.output, Catch::Contains("missing (id=1)"));
  }
  SECTION("the last row is missing") {
    sides.target("DELETE FROM t WHERE id = 5");
    check_different(sides.compare(), "t 6 5 1 0 0");
  }
  SECTION("the target is empty") {
    sides.target("TRUNCATE t");
    check_different(sides.compare(), "t 6 0 6 0 0");
  }
  SECTION("a row is extra") {
    sides.target("INSERT INTO t VALUES (9)");
    const Outcome outcome = sides.compare();
    check_different(outcome, "t 6 7 0 1 0");
    CHECK_THAT(outcome.output, Catch::Contains("extra (id=9)"));
  }
  SECTION("a key is another") {
    sides.target("UPDATE t SET id = 6 WHERE id = 5");
    check_different(sides.compare(), "t 6 6 1 1 0");
  }
  const std::vector<std::string> one_cell{
      "r = 0.1::float8 + 1.4e-17 WHERE id = -9223372036854775808",  // one bit of 0.1
      "r = 0 WHERE id = 1",                                         // the smallest double
      "r = '-Infinity' WHERE id = 3",
      "s = NULL WHERE id = -9223372036854775808",  // '' is not NULL
      "s = '' WHERE id = 2",
      "s = 'a' WHERE id = 5",  // a trailing blank
      "s = 'A' WHERE id = 1",
      "i = NULL WHERE id = -9223372036854775808",  // 0 is not NULL
      "i = 0 WHERE id = 2",
      "i = 9223372036854775806 WHERE id = 1",
      "b = '\\x00ff5d' WHERE id = 3",  // a byte of a blob
      "b = '\\x' WHERE id = 1",
      "b = '\\x' WHERE id = 2",
  };
  for (const std::string& change : one_cell) DYNAMIC_SECTION("UPDATE t SET " << change) {
      sides.target("UPDATE t SET " + change);
      const Outcome outcome = sides.compare();
      check_different(outcome, "t 6 6 0 0 1");
      CHECK_THAT(
          outcome.output,
          Catch::Contains("differ (" + change.substr(change.find("id =")).replace(2, 3, "=")));
    }
  SECTION("a column is missing") {
    sides.target("ALTER TABLE t DROP COLUMN b");
    const Outcome outcome = sides.compare();
    check_different(outcome, "t 6 6 0 0 0");
    CHECK_THAT(outcome.output, Catch::Contains("column b is missing on the target"));
  }
  SECTION("the table is missing") {
    sides.target("DROP TABLE t");
    check_different(sides.compare(), "t 6 0 6 0 0");
  }
}

TEST_CASE("the sign of zero and the class of a value count", "[db]") {
  Sides sides;
  sides.source(
      "CREATE TABLE t(id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 0.0), (2, '5')");
  SECTION("a negative zero") {
    sides.target("CREATE TABLE t(id bigint, v float8); INSERT INTO t VALUES (1, '-0'), (2, 5)");
    check_different(sides.compare(), "t 2 2 0 0 2");
  }
  SECTION("a number as text") {
    sides.target("CREATE TABLE t(id bigint, v text); INSERT INTO t VALUES (1, '0.0'), (2, '5')");
    check_different(sides.compare(), "t 2 2 0 0 1");
  }
}

TEST_CASE("a numeric holds integers and reals, told apart by their value", "[db]") {
  Sides sides;
  sides.source(
      "CREATE TABLE t(v NUMERIC); INSERT INTO t VALUES (5.0), (0.1), (0.1), (9223372036854775807), "
      "(9223372036854775808), (NULL), (-9e999), (1e300), (-7.5), (5e-324)");
  sides.target(
      "CREATE TABLE t(v numeric); INSERT INTO t VALUES (5), (0.1), (0.1), (9223372036854775807), "
      "(9223372036854776000), (NULL), ('-Infinity'), (1e300), (-7.5), (5e-324)");
  check_equal(sides.compare(), "t 10 10 0 0 0");
  const std::vector<std::string> changes{"v = 5.0000000000000001 WHERE v = 5",
                                         "v = 0.3 WHERE ctid = '(0,2)'",
                                         "v = 9223372036854775806 WHERE v = 9223372036854775807",
                                         "v = 9223372036854775807 WHERE v = 9223372036854776000",
                                         "v = NULL WHERE v = -7.5",
                                         "v = 'Infinity' WHERE v = '-Infinity'",
                                         "v = 'NaN' WHERE v = '-Infinity'",
                                         "v = 0 WHERE v = 5e-324"};
  for (const std::string& change : changes) DYNAMIC_SECTION(change) {
      sides.target("UPDATE t SET " + change);
      CHECK(sides.compare().status == ExitStatus{.code = 4});
    }
  SECTION("a real that equals an integer") {
    sides.source(
        "CREATE TABLE w(id INTEGER PRIMARY KEY, v); INSERT INTO w VALUES (1, 5.0), (2, 0.0)");
    sides.target("CREATE TABLE w(id bigint, v numeric); INSERT INTO w VALUES (1, 5), (2, 0)");
    check_different(sides.compare({"--tables", "w"}), "w 2 2 0 0 2");
  }
}

TEST_CASE("text keys are merged in byte order under any collation of the database", "[db]") {
  Sides sides{"TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"};
  sides.source(
      "CREATE TABLE t(k TEXT COLLATE NOCASE, n INT, PRIMARY KEY (k, n)) WITHOUT ROWID;"
      "INSERT INTO t VALUES ('', 1), ('a', 10), ('a', 9), ('B', 1), ('Z', 1), ('a b', 1), ('é', "
      "1), ('z', 2), "
      "('_', 1), ('😀', 1), ('ﾮ', 1)");
  sides.target(
      "CREATE TABLE t(k text, n bigint, PRIMARY KEY (k, n));"
      "INSERT INTO t VALUES ('z', 2), ('', 1), ('a', 9), ('B', 1), ('a', 10), ('Z', 1), ('a b', "
      "1), ('é', 1), "
      "('_', 1), ('😀', 1), ('ﾮ', 1)");
  check_equal(sides.compare(), "t 11 11 0 0 0");
  sides.target("UPDATE t SET k = 'b' WHERE k = 'B'");
  check_different(sides.compare(), "t 11 11 1 1 0");
}

TEST_CASE("a UTF-16 database is merged in the same order", "[db]") {
  Sides sides;
  sides.source(
      "PRAGMA encoding = 'UTF-16le'; CREATE TABLE t(k TEXT PRIMARY KEY);"
      "INSERT INTO t VALUES ('a'), ('ā'), ('b'), ('😀'), ('ﾮ')");
  sides.target(
      "CREATE TABLE t(k text PRIMARY KEY); INSERT INTO t VALUES ('a'), ('ā'), ('b'), ('😀'), ('ﾮ')");
  check_equal(sides.compare(), "t 5 5 0 0 0");
}

TEST_CASE("tables without a key are compared as multisets", "[db]") {
  Sides sides;
  sides.source(
      "CREATE TABLE t(a, b TEXT);"
      "INSERT INTO t VALUES (1, 'x'), (2, NULL), (1, 'x'), (NULL, NULL), (NULL, NULL), (10, '')");
  sides.target(
      "CREATE TABLE t(a bigint, b text);"
      "INSERT INTO t VALUES (NULL, NULL), (10, ''), (1, 'x'), (NULL, NULL), (2, NULL), (1, 'x')");
  check_equal(sides.compare(), "t 6 6 0 0 0");
  sides.target("DELETE FROM t WHERE ctid = (SELECT min(ctid) FROM t WHERE a = 1)");
  check_different(sides.compare(), "t 6 5 1 0 0");
}

TEST_CASE("where the target keeps the rowid of a table without a key, rowids count too", "[db]") {
  Sides sides;
  sides.source(
      "CREATE TABLE t(a, Rowid TEXT, _lockstep_rowid INT);"
      "INSERT INTO t(_rowid_, a, rowid) VALUES (3, 1, 'x'), (-2, 1, 'x'), (1, NULL, 'x')");
  sides.target(
      "CREATE TABLE t(a bigint, \"Rowid\" text, _lockstep_rowid bigint, _lockstep_rowid_ bigint);"
      "INSERT INTO t VALUES (1, 'x', NULL, -2), (NULL, 'x', NULL, 1), (1, 'x', NULL, 3)");
  check_equal(sides.compare(), "t 3 3 0 0 0");
  SECTION("a row has another rowid") {
    sides.target("UPDATE t SET _lockstep_rowid_ = 4 WHERE _lockstep_rowid_ = 3");
    const Outcome outcome = sides.compare();
    check_different(outcome, "t 3 3 1 1 0");
    CHECK_THAT(outcome.output, Catch::Contains("missing (_lockstep_rowid_=3)"));
  }
  SECTION("two rows have exchanged their rowids") {
    sides.target("UPDATE t SET _lockstep_rowid_ = 4 - _lockstep_rowid_ WHERE _lockstep_rowid_ > 0");
    check_different(sides.compare(), "t 3 3 0 0 2");
  }
  SECTION("one of several equal rows is missing") {
    sides.target("DELETE FROM t WHERE _lockstep_rowid_ = 3");
    check_different(sides.compare(), "t 3 2 1 0 0");
  }
}

TEST_CASE("a key that holds NULLs does not hide rows", "[db]") {
  Sides sides;
  sides.source(
      "CREATE TABLE t(k TEXT PRIMARY KEY, v INT); INSERT INTO t VALUES (NULL, 1), (NULL, 2), ('a', "
      "3)");
  sides.target(
      "CREATE TABLE t(k text, v bigint); INSERT INTO t VALUES ('a', 3), (NULL, 2), (NULL, 1)");
  check_equal(sides.compare(), "t 3 3 0 0 0");
  sides.target("UPDATE t SET v = 1 WHERE k IS NULL");
  check_different(sides.compare(), "t 3 3 1 1 0");
}

TEST_CASE("only ordinary tables of the application are compared, or those that are named", "[db]") {
  Sides sides;
  sides.source(
      "CREATE TABLE a(id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO a VALUES (1);"
      "CREATE TABLE \"odd \"\"name\"(id INTEGER PRIMARY KEY, \"co\"\"l\" TEXT); CREATE TABLE "
      "_lockstep_state(x);"
      "CREATE VIEW v AS SELECT * FROM a; CREATE VIRTUAL TABLE f USING fts5(x)");
  sides.target(
      "CREATE SCHEMA app; CREATE TABLE app.a(id bigint); INSERT INTO app.a VALUES (1);"
      "CREATE TABLE app.\"odd \"\"name\"(id bigint, \"co\"\"l\" text)");
  check_equal(sides.compare({"--schema", "app"}), "a 1 1 0 0 0\nodd \"name 0 0 0 0 0");
  check_equal(sides.compare({"--schema", "app", "--tables", "a"}), "a 1 1 0 0 0");
  check_different(sides.compare({"--tables", "a"}), "a 1 0 1 0 0");
}

TEST_CASE("at most five differences of a table are shown, and all are counted", "[db]") {
  Sides sides;
  sides.source(
      "CREATE TABLE t(id INTEGER PRIMARY KEY); WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n "
      "+ 1 "
      "FROM c WHERE n < 100) INSERT INTO t SELECT n FROM c");
  sides.target("CREATE TABLE t(id bigint PRIMARY KEY)");
  const Outcome outcome = sides.compare();
  check_different(outcome, "t 100 0 100 0 0");
  CHECK(std::count(outcome.output.begin(), outcome.output.end(), '\n') == 6);
}

TEST_CASE("trouble is not called a difference", "[db]") {
  Sides sides;
  fill_equal(sides);
  CHECK(sides.compare({"--tables", "no_such_table"}).status == ExitStatus{.code = 1});
  CHECK(run({TOOL_COMPARE, "/nonexistent", server().dsn()}).status == ExitStatus{.code = 1});
  CHECK(run({TOOL_COMPARE}).status == ExitStatus{.code = 1});
}

}  // namespace lockstep::test
