// REPLACE removes rows without telling a DELETE trigger. Every form of it that the probes promise
// to see, each with all settings an application may have: a replica kept by batches alone must
// equal the table afterwards.
#include <catch2/catch.hpp>
#include <string>

#include "tests/support/captured_source.hpp"
#include "tests/support/fault.hpp"

namespace lockstep::test {
namespace {

// What the application does must reach the replica, with recursive_triggers and foreign_keys on and
// off, in both journals.
void check_form(const char* name, const std::string& schema, const std::string& statements) {
  for (const char* journal_mode : {"WAL", "DELETE"})
    for (const char* recursive : {"OFF", "ON"})
      for (const char* foreign : {"OFF", "ON"}) {
        INFO(name << ", recursive_triggers=" << recursive << ", foreign_keys=" << foreign << ", "
                  << journal_mode);
        CapturedSource source(schema, journal_mode);
        source.app().exec(std::string("PRAGMA recursive_triggers=") + recursive +
                          "; PRAGMA foreign_keys=" + foreign);
        source.install();
        source.app().exec(statements);
        CHECK(capture::newest_position(source.judge(), source.position().era).seq > 0);
        CHECK(source.follow() == "");
      }
}

constexpr char kUnique[] =
    "CREATE TABLE t(id INTEGER PRIMARY KEY, u TEXT UNIQUE, v);"
    "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3), (4, NULL, 4), (5, NULL, 5);";
constexpr char kSchemaReplace[] =
    "CREATE TABLE t(id INTEGER PRIMARY KEY, u TEXT UNIQUE ON CONFLICT REPLACE, v);"
    "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2);";
constexpr char kComposite[] =
    "CREATE TABLE t(id INTEGER PRIMARY KEY, a INT, b TEXT, UNIQUE(a, b));"
    "INSERT INTO t VALUES (1, 1, 'x'), (2, 1, 'y'), (3, NULL, 'x'), (4, NULL, 'x');";
constexpr char kNocase[] =
    "CREATE TABLE t(id INTEGER PRIMARY KEY, u TEXT UNIQUE COLLATE NOCASE);"
    "INSERT INTO t VALUES (1, 'Ann'), (2, 'Bob');";
constexpr char kIndexNocase[] =
    "CREATE TABLE t(id INTEGER PRIMARY KEY, u TEXT);"
    "CREATE UNIQUE INDEX i ON t(u COLLATE NOCASE DESC);"
    "INSERT INTO t VALUES (1, 'Ann'), (2, 'Bob');";
constexpr char kRtrim[] =
    "CREATE TABLE t(id INTEGER PRIMARY KEY, u TEXT COLLATE RTRIM UNIQUE);"
    "INSERT INTO t VALUES (1, 'Ann'), (2, 'Bob');";

constexpr char kWithTriggers[] =
    "CREATE TABLE t(id INTEGER PRIMARY KEY, u TEXT UNIQUE, v);"
    "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2);"
    "CREATE TABLE log(id INTEGER PRIMARY KEY, u UNIQUE);"
    "CREATE TRIGGER mine AFTER INSERT ON t BEGIN INSERT OR REPLACE INTO log(u) VALUES (NEW.v); END;"
    "CREATE TRIGGER other BEFORE INSERT ON t BEGIN UPDATE t SET u = 'moved' WHERE id = 1; END;";
constexpr char kWithView[] =
    "CREATE TABLE t(id INTEGER PRIMARY KEY, u TEXT UNIQUE, v);"
    "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2); CREATE VIEW w AS SELECT * FROM t;"
    "CREATE TRIGGER into_t INSTEAD OF INSERT ON w BEGIN "
    "INSERT OR REPLACE INTO t VALUES (NEW.id, NEW.u, NEW.v); END;";

TEST_CASE("victims of REPLACE on a unique column are seen") {
  check_form("INSERT OR REPLACE", kUnique, "INSERT OR REPLACE INTO t VALUES (9, 'a', 9)");
  check_form("REPLACE", kUnique, "REPLACE INTO t(u) VALUES ('b')");
  check_form("INSERT OR REPLACE of key and value", kUnique,
             "INSERT OR REPLACE INTO t VALUES (1, 'b', 9)");
  check_form("UPDATE OR REPLACE", kUnique, "UPDATE OR REPLACE t SET u = 'a' WHERE id = 2");
  check_form("UPDATE OR REPLACE of every row", kUnique, "UPDATE OR REPLACE t SET u = 'z'");
  check_form("UPDATE OR REPLACE of key and value", kUnique,
             "UPDATE OR REPLACE t SET id = 3, u = 'a' WHERE id = 2");
  check_form("INSERT OR REPLACE .. SELECT", kUnique,
             "INSERT OR REPLACE INTO t(u, v) SELECT u, v + 1 FROM t");
  check_form("a row of the statement itself", kUnique,
             "INSERT OR REPLACE INTO t(u) VALUES ('q'), ('q'), ('a')");
  check_form("schema-level, plain INSERT", kSchemaReplace, "INSERT INTO t VALUES (9, 'a', 9)");
  check_form("schema-level, plain UPDATE", kSchemaReplace, "UPDATE t SET u = 'b' WHERE id = 1");
  check_form("schema-level, UPSERT on the key", kSchemaReplace,
             "INSERT INTO t VALUES (9, 'a', 9) ON CONFLICT(id) DO UPDATE SET v = 10");
  saw_fault("S24", "GO: victims of REPLACE are logged by probes");
}

TEST_CASE("victims of REPLACE on other unique indexes are seen") {
  check_form("composite", kComposite, "INSERT OR REPLACE INTO t VALUES (9, 1, 'x')");
  check_form("composite, UPDATE of one part", kComposite,
             "UPDATE OR REPLACE t SET b = 'y' WHERE id = 1");
  check_form("composite, NULLs never meet", kComposite,
             "INSERT OR REPLACE INTO t VALUES (9, NULL, 'x')");
  check_form("NOCASE column", kNocase, "INSERT OR REPLACE INTO t VALUES (9, 'ANN')");
  check_form("NOCASE column, UPDATE", kNocase, "UPDATE OR REPLACE t SET u = 'BOB' WHERE id = 1");
  check_form("NOCASE column, respelled", kNocase, "UPDATE t SET u = 'ANN' WHERE id = 1");
  check_form("NOCASE index", kIndexNocase, "INSERT OR REPLACE INTO t VALUES (9, 'aNN')");
  check_form("NOCASE index, UPDATE", kIndexNocase,
             "UPDATE OR REPLACE t SET u = 'bob' WHERE id = 1");
  check_form("RTRIM column", kRtrim, "INSERT OR REPLACE INTO t VALUES (9, 'Ann  ')");
  check_form("two victims by two indexes",
             "CREATE TABLE t(id INTEGER PRIMARY KEY, u TEXT UNIQUE, w INT UNIQUE);"
             "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3);",
             "INSERT OR REPLACE INTO t VALUES (9, 'a', 2)");
  check_form("a REAL in an INTEGER column",
             "CREATE TABLE t(id INTEGER PRIMARY KEY, u INT UNIQUE);"
             "INSERT INTO t VALUES (1, 7), (2, 8);",
             "INSERT OR REPLACE INTO t VALUES (9, '7.0')");
  check_form("no type at all, 1 = 1.0",
             "CREATE TABLE t(id INTEGER PRIMARY KEY, u UNIQUE);"
             "INSERT INTO t VALUES (1, 1), (2, '1');",
             "INSERT OR REPLACE INTO t VALUES (9, 1.0)");
  check_form("a table in need of quotes",
             "CREATE TABLE \"or\"\"der's\"(\"key\" TEXT PRIMARY KEY, \"a\"\"b\" TEXT UNIQUE);"
             "INSERT INTO \"or\"\"der's\" VALUES ('1', 'a'), ('2', 'b');",
             "INSERT OR REPLACE INTO \"or\"\"der's\" VALUES ('9', 'a')");
  saw_fault("S24", "GO: victims by every kind of unique index");
}

TEST_CASE("a default that takes the place of NULL meets its victim too") {
  constexpr char table[] =
      "CREATE TABLE t(id INTEGER PRIMARY KEY, u TEXT NOT NULL DEFAULT 'a' UNIQUE);"
      "INSERT INTO t VALUES (1, 'a'), (2, 'b');";
  check_form("INSERT OR REPLACE", table, "INSERT OR REPLACE INTO t VALUES (9, NULL)");
  check_form("UPDATE OR REPLACE", table, "UPDATE OR REPLACE t SET u = NULL WHERE id = 2");
  check_form("a number for a text column",
             "CREATE TABLE t(id INTEGER PRIMARY KEY, u TEXT NOT NULL DEFAULT 5 UNIQUE);"
             "INSERT INTO t VALUES (1, '5'), (2, 'b');",
             "INSERT OR REPLACE INTO t VALUES (9, NULL)");
  check_form("a text for a number column",
             "CREATE TABLE t(id INTEGER PRIMARY KEY, u INT NOT NULL DEFAULT '-5' UNIQUE);"
             "INSERT INTO t VALUES (1, -5), (2, 6);",
             "INSERT OR REPLACE INTO t VALUES (9, NULL)");
  check_form(
      "schema-level",
      "CREATE TABLE t(id INTEGER PRIMARY KEY, u TEXT NOT NULL ON CONFLICT REPLACE DEFAULT 'a' "
      "UNIQUE ON CONFLICT REPLACE);"
      "INSERT INTO t VALUES (1, 'a'), (2, 'b');",
      "INSERT INTO t VALUES (9, NULL)");
  check_form("in the key",
             "CREATE TABLE t(k TEXT NOT NULL DEFAULT 'a' PRIMARY KEY, v);"
             "INSERT INTO t VALUES ('a', 1), ('b', 2);",
             "INSERT OR REPLACE INTO t VALUES (NULL, 9)");
  check_form("in the key, UPDATE",
             "CREATE TABLE t(k TEXT NOT NULL DEFAULT 'a' PRIMARY KEY, v);"
             "INSERT INTO t VALUES ('a', 1), ('b', 2);",
             "UPDATE OR REPLACE t SET k = NULL WHERE v = 2");
  check_form("in the key, an expression",
             "CREATE TABLE t(k TEXT NOT NULL DEFAULT (lower('A')) PRIMARY KEY, v);"
             "INSERT INTO t VALUES ('a', 1), ('b', 2);",
             "UPDATE OR REPLACE t SET k = NULL WHERE v = 2");
  check_form("in a NOCASE key",
             "CREATE TABLE t(k TEXT NOT NULL DEFAULT 'A' COLLATE NOCASE PRIMARY KEY, v);"
             "INSERT INTO t VALUES ('a', 1), ('b', 2);",
             "INSERT OR REPLACE INTO t VALUES (NULL, 9)");
}

TEST_CASE("victims through a partial unique index are seen") {
  constexpr char table[] =
      "CREATE TABLE t(id INTEGER PRIMARY KEY, a INT, b TEXT, live INT NOT NULL DEFAULT 1);"
      "CREATE UNIQUE INDEX i ON t(a, b COLLATE NOCASE) WHERE live AND b IS NOT NULL;"
      "INSERT INTO t VALUES (1, 1, 'x', 1), (2, 1, 'x', 0), (3, 2, 'y', 1), (4, 2, NULL, 1);";
  check_form("INSERT OR REPLACE", table, "INSERT OR REPLACE INTO t VALUES (9, 1, 'X', 1)");
  check_form("a default brings the row in", table,
             "INSERT OR REPLACE INTO t VALUES (9, 2, 'Y', NULL)");
  check_form("UPDATE of the predicate alone", table,
             "UPDATE OR REPLACE t SET live = 1 WHERE id = 2");
  check_form("UPDATE of another column of the predicate", table,
             "UPDATE OR REPLACE t SET b = 'Y' WHERE id = 4");
  check_form("UPDATE by a default", table, "UPDATE OR REPLACE t SET live = NULL WHERE id = 2");
  check_form(
      "UPSERT", table,
      "INSERT INTO t VALUES (9, 1, 'X', 1) ON CONFLICT(a, b COLLATE NOCASE) WHERE live AND b "
      "IS NOT NULL DO UPDATE SET a = 7");
  check_form("only one row of a kind",
             "CREATE TABLE t(id INTEGER PRIMARY KEY, chosen INT);"
             "CREATE UNIQUE INDEX i ON t((1)) WHERE chosen;"
             "INSERT INTO t VALUES (1, 0), (2, 1), (3, 0);",
             "UPDATE OR REPLACE t SET chosen = 1 WHERE id = 3");
  check_form("no more than one row at all",
             "CREATE TABLE t(id INTEGER PRIMARY KEY, v); CREATE UNIQUE INDEX i ON t('one' || '');"
             "INSERT INTO t VALUES (1, 0);",
             "INSERT OR REPLACE INTO t VALUES (2, 1)");
}

TEST_CASE("victims through a unique expression are seen") {
  constexpr char table[] =
      "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE, b INT, \"de sc\");"
      "CREATE UNIQUE INDEX i ON t(lower(a) /* a, b */ COLLATE RTRIM desc, ifnull(b, -1));"
      "CREATE UNIQUE INDEX j ON t((a < 'n') || [de sc] || \"none such\" ASC) WHERE b IS NULL;"
      "INSERT INTO t VALUES (1, 'Ann', 1, 'p'), (2, 'Bob', NULL, 'q'), (3, 'Zoe', NULL, 'q');";
  check_form("INSERT OR REPLACE", table, "INSERT OR REPLACE INTO t VALUES (9, 'ANN  ', '1', 'x')");
  check_form("of NULL", table, "INSERT OR REPLACE INTO t VALUES (9, 'bob', NULL, NULL)");
  check_form("by the column's collation", table,
             "INSERT OR REPLACE INTO t VALUES (9, 'MAX', NULL, 'q')");
  check_form("UPDATE OR REPLACE", table, "UPDATE OR REPLACE t SET a = 'ann', b = 1 WHERE id = 3");
  check_form("UPDATE of the second", table, "UPDATE OR REPLACE t SET a = 'alf' WHERE id = 3");
  check_form("INSERT OR REPLACE .. SELECT", table,
             "INSERT OR REPLACE INTO t SELECT id + 7, upper(a), b, NULL FROM t");
  check_form("of JSON",
             "CREATE TABLE t(id INTEGER PRIMARY KEY, doc TEXT);"
             "CREATE UNIQUE INDEX i ON t(json_extract(doc, '$.x'));"
             "INSERT INTO t VALUES (1, '{\"x\": 5}'), (2, '{\"x\": \"5\"}');",
             "INSERT OR REPLACE INTO t VALUES (9, '{\"y\": 1, \"x\": 5}')");
  check_form("a default in it",
             "CREATE TABLE t(k TEXT PRIMARY KEY, a TEXT NOT NULL DEFAULT 'q', b INT NOT NULL "
             "DEFAULT 5); CREATE UNIQUE INDEX i ON t(a || 'x', -b);"
             "INSERT INTO t VALUES ('1', 'q', 5), ('2', 'q', 6), ('3', 'r', 5), ('4', 's', 6);",
             "INSERT OR REPLACE INTO t VALUES ('9', NULL, 6);"
             "UPDATE OR REPLACE t SET a = NULL, b = NULL WHERE k = '4';"
             "INSERT OR REPLACE INTO t VALUES ('8', 'r', NULL)");
  check_form("in a table called old",
             "CREATE TABLE old(id INTEGER PRIMARY KEY, a); CREATE UNIQUE INDEX i ON old(a || '');"
             "INSERT INTO old VALUES (1, 'a'), (2, 'b');",
             "UPDATE OR REPLACE old SET a = 'a' WHERE id = 2");
}

TEST_CASE("victims through a unique generated column are seen") {
  for (const char* kind : {"VIRTUAL", "STORED"}) {
    INFO(kind);
    const std::string table = fmt::format(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT NOT NULL DEFAULT 'Q', b, "
        "g TEXT COLLATE NOCASE AS (a || b) {0} UNIQUE, h AS (-b) {0}, "
        "j INT AS (h * 2) {0} UNIQUE);"
        "INSERT INTO t(id, a, b) VALUES (1, 'A', 1), (2, 'B', 2), (3, 'Q', 3);",
        kind);
    check_form("INSERT OR REPLACE", table, "INSERT OR REPLACE INTO t(id, a, b) VALUES (9, 'a', 1)");
    check_form("a default below it", table,
               "INSERT OR REPLACE INTO t(id, a, b) VALUES (9, NULL, '3')");
    check_form("UPDATE OR REPLACE", table, "UPDATE OR REPLACE t SET a = 'a', b = '1' WHERE id = 2");
    check_form("UPDATE by a default", table,
               "UPDATE OR REPLACE t SET a = NULL, b = '3' WHERE id = 2");
    check_form("two columns deep", table, "UPDATE OR REPLACE t SET b = 1 WHERE id = 3");
    check_form(
        "UPSERT", table,
        "INSERT OR REPLACE INTO t(id, a, b) VALUES (1, 'x', 2) ON CONFLICT(id) DO UPDATE SET "
        "b = 7");
  }
}

TEST_CASE("a table without a key is followed by its rowid") {
  constexpr char table[] =
      "CREATE TABLE t(a, b TEXT UNIQUE); INSERT INTO t VALUES (1, 'x'), (1, NULL), (1, NULL), (2, "
      "'y');";
  constexpr char shadowed[] =
      "CREATE TABLE t(RowId, oid INT, _lockstep_rowid); INSERT INTO t VALUES (1, 2, 3), (1, 2, 3);"
      "CREATE UNIQUE INDEX i ON t(oid + 1) WHERE oid > 2;";
  check_form("INSERT", table, "INSERT INTO t VALUES (1, NULL), (1, NULL)");
  check_form("INSERT OR REPLACE", table, "INSERT OR REPLACE INTO t VALUES (7, 'x')");
  check_form("of a rowid", table, "INSERT OR REPLACE INTO t(rowid, a, b) VALUES (2, 7, 'y')");
  check_form("UPDATE of equal rows", table, "UPDATE t SET a = a + 1 WHERE b IS NULL");
  check_form("UPDATE OR REPLACE", table, "UPDATE OR REPLACE t SET b = 'x' WHERE a = 2");
  check_form("UPDATE of a rowid", table,
             "UPDATE OR REPLACE t SET rowid = 1, b = 'y' WHERE oid = 3");
  check_form("rowids go down by one", table, "UPDATE t SET rowid = rowid - 1");
  check_form("DELETE", table, "DELETE FROM t WHERE _rowid_ = 2; INSERT INTO t DEFAULT VALUES");
  check_form("every row is deleted", table, "DELETE FROM t; INSERT INTO t(rowid) VALUES (-3)");
  check_form("two of its names are columns", shadowed,
             "INSERT INTO t VALUES (1, 7, 3); INSERT OR REPLACE INTO t VALUES (5, 7, 3);"
             "UPDATE t SET _rowid_ = 99 WHERE rowid = 1 AND oid = 2 AND _rowid_ = 1");
  saw_fault("S27", "GO: followed by its rowid");
}

TEST_CASE("a rowid that the application names has its victim") {
  constexpr char table[] =
      "CREATE TABLE t(k TEXT PRIMARY KEY, v); INSERT INTO t VALUES ('a', 1), ('b', 2), ('c', 3);";
  constexpr char shadowed[] =
      "CREATE TABLE t(k TEXT PRIMARY KEY, RowId, v); INSERT INTO t VALUES ('a', 7, 1), ('b', 8, "
      "2);";
  check_form("INSERT OR REPLACE", table,
             "INSERT OR REPLACE INTO t(rowid, k, v) VALUES (1, 'z', 9)");
  check_form("both key and rowid", table,
             "INSERT OR REPLACE INTO t(_rowid_, k, v) VALUES (1, 'b', 9)");
  check_form("UPDATE OR REPLACE", table, "UPDATE OR REPLACE t SET rowid = 3 WHERE k = 'a'");
  check_form("a column called rowid", shadowed,
             "INSERT OR REPLACE INTO t(oid, k, rowid) VALUES (1, 'z', 2)");
  check_form("a key that is not the rowid",
             "CREATE TABLE t(k INT PRIMARY KEY, v);"
             "INSERT INTO t VALUES (10, 1), (20, 2);",
             "INSERT OR REPLACE INTO t(rowid, k) VALUES (1, 30)");
  check_form("INTEGER PRIMARY KEY DESC is not the rowid",
             "CREATE TABLE t(k INTEGER PRIMARY KEY DESC, v);"
             "INSERT INTO t VALUES (10, 1), (20, 2);",
             "INSERT OR REPLACE INTO t(rowid, k) VALUES (1, 30)");
}

TEST_CASE("a key that is looser than its bytes may be respelled") {
  constexpr char plain[] =
      "CREATE TABLE t(k TEXT COLLATE NOCASE PRIMARY KEY, v); INSERT INTO t VALUES ('Ann', 1), "
      "('Bob', 2);";
  constexpr char without[] =
      "CREATE TABLE t(k TEXT COLLATE NOCASE PRIMARY KEY, v) WITHOUT ROWID;"
      "INSERT INTO t VALUES ('Ann', 1), ('Bob', 2);";
  for (const char* table : {plain, without}) {
    check_form("INSERT OR REPLACE", table, "INSERT OR REPLACE INTO t VALUES ('ANN', 9)");
    check_form("UPDATE", table, "UPDATE t SET k = 'ANN' WHERE k = 'ann'");
    check_form("UPDATE OR REPLACE", table, "UPDATE OR REPLACE t SET k = 'BOB' WHERE k = 'ann'");
    check_form("UPSERT", table,
               "INSERT INTO t VALUES ('BOB', 9) ON CONFLICT DO UPDATE SET k = excluded.k");
    check_form("there and back", table,
               "UPDATE t SET k = 'ANN'  WHERE v = 1; UPDATE t SET k = 'Ann' WHERE v = 1");
  }
  check_form("RTRIM key",
             "CREATE TABLE t(k TEXT COLLATE RTRIM PRIMARY KEY); INSERT INTO t VALUES ('a');",
             "INSERT OR REPLACE INTO t VALUES ('a ')");
  check_form("1 by 1.0", "CREATE TABLE t(k PRIMARY KEY, v); INSERT INTO t VALUES (1, 1);",
             "INSERT OR REPLACE INTO t VALUES (1.0, 2)");
  check_form(
      "text in an INTEGER column that compares by NOCASE",
      "CREATE TABLE t(k POINT COLLATE NOCASE PRIMARY KEY, v); INSERT INTO t VALUES ('p1', 1);",
      "INSERT OR REPLACE INTO t VALUES ('P1', 2)");
  check_form(
      "one part of a composite key",
      "CREATE TABLE t(a INT, b TEXT COLLATE NOCASE, v, PRIMARY KEY(b DESC, a)) WITHOUT ROWID;"
      "INSERT INTO t VALUES (1, 'x', 1), (2, 'x', 2);",
      "INSERT OR REPLACE INTO t VALUES (1, 'X', 3)");
  check_form(
      "a key looser than its column",
      "CREATE TABLE t(k TEXT, v, PRIMARY KEY(k COLLATE NOCASE)); INSERT INTO t VALUES ('a', 1);",
      "INSERT OR REPLACE INTO t VALUES ('A', 2)");
  check_form("a key stricter than its column",
             "CREATE TABLE t(k TEXT COLLATE NOCASE, v, PRIMARY KEY(k COLLATE BINARY)); CREATE "
             "INDEX i ON t(k);"
             "INSERT INTO t VALUES ('a', 1), ('A', 2), ('b', 3);",
             "UPDATE t SET k = 'B' WHERE k = 'b'; UPDATE t SET v = 9 WHERE v < 3");
}

TEST_CASE("UPSERT, key changes and swaps are followed") {
  check_form("UPSERT that updates", kUnique,
             "INSERT INTO t VALUES (1, 'q', 9) ON CONFLICT(id) DO UPDATE SET v = 9");
  check_form(
      "UPSERT on the unique value", kUnique,
      "INSERT INTO t VALUES (9, 'a', 9) ON CONFLICT(u) DO UPDATE SET id = 10, v = excluded.v");
  check_form("UPSERT OR REPLACE", kUnique,
             "INSERT OR REPLACE INTO t VALUES (1, 'b', 9) ON CONFLICT(id) DO UPDATE SET v = 9");
  check_form("UPSERT that does nothing", kUnique,
             "INSERT INTO t VALUES (1, 'a', 9) ON CONFLICT DO NOTHING; DELETE FROM t WHERE id = 1");
  check_form("keys go down by one", kUnique, "UPDATE t SET id = id - 1");
  check_form("keys are mirrored", kUnique, "UPDATE t SET id = -id");
  check_form("two keys are swapped", kUnique,
             "BEGIN; UPDATE t SET id = 0 WHERE id = 1; UPDATE t SET id = 1 WHERE id = 2;"
             "UPDATE t SET id = 2 WHERE id = 0; COMMIT");
  check_form("two values are swapped", kUnique,
             "BEGIN; UPDATE t SET u = NULL WHERE id = 1; UPDATE t SET u = 'a' WHERE id = 2;"
             "UPDATE t SET u = 'b' WHERE id = 1; COMMIT");
  check_form("a key is used again", kUnique,
             "DELETE FROM t WHERE id = 5; INSERT INTO t(u) VALUES ('new')");
  check_form("UPDATE OR REPLACE of a key", kUnique, "UPDATE OR REPLACE t SET id = 1 WHERE id = 2");
  check_form("every row is deleted", kUnique, "DELETE FROM t");
  check_form("a trigger of the application writes", kWithTriggers,
             "INSERT OR REPLACE INTO t VALUES (7, 'moved', 9); INSERT INTO t VALUES (8, 'x', 9)");
  check_form("a view is written through", kWithView, "INSERT INTO w VALUES (9, 'a', 9)");
  saw_fault("S25", "GO: exact");
}

TEST_CASE("what foreign keys do to children is followed") {
  constexpr char tree[] =
      "CREATE TABLE p(id INTEGER PRIMARY KEY, u TEXT UNIQUE);"
      "CREATE TABLE c(id INTEGER PRIMARY KEY, p INT REFERENCES p ON DELETE CASCADE ON UPDATE "
      "CASCADE);"
      "CREATE TABLE g(c INT REFERENCES c ON DELETE SET NULL, n INT PRIMARY KEY) WITHOUT ROWID;"
      "INSERT INTO p VALUES (1, 'a'), (2, 'b'); INSERT INTO c VALUES (10, 1), (20, 2);"
      "INSERT INTO g VALUES (10, 100), (20, 200);";
  constexpr char self[] =
      "CREATE TABLE p(id INTEGER PRIMARY KEY, up INT REFERENCES p ON DELETE CASCADE);"
      "INSERT INTO p VALUES (1, NULL), (2, 1), (3, 2), (4, 3), (5, NULL);";
  check_form("DELETE", tree, "DELETE FROM p WHERE id = 1");
  check_form("REPLACE of the parent", tree, "INSERT OR REPLACE INTO p VALUES (9, 'a')");
  check_form("REPLACE of the parent's key", tree, "INSERT OR REPLACE INTO p VALUES (1, 'z')");
  check_form("UPDATE of the parent's key", tree, "UPDATE p SET id = id + 10");
  check_form("a tree that refers to itself", self, "DELETE FROM p WHERE id = 1");
  // The victim's children go, and with them the row that was to take its place.
  check_form("an UPDATE that deletes its own row", self,
             "UPDATE OR REPLACE p SET id = 1 WHERE id = 3");
  // With recursive triggers on SQLite refuses it where the key is not the rowid.
  CapturedSource source(
      "CREATE TABLE t(k TEXT NOT NULL DEFAULT 'a' PRIMARY KEY, v REFERENCES t ON DELETE CASCADE);"
      "INSERT INTO t VALUES ('a', NULL), ('b', 'a'), ('c', 'b')");
  source.install();
  source.app().exec("PRAGMA foreign_keys=ON; UPDATE OR REPLACE t SET k = NULL WHERE k = 'c'");
  CHECK(source.app().value("SELECT count(*) FROM t") == "0");
  CHECK(source.follow() == "");
  saw_fault("S26", "GO: exact");
}

}  // namespace
}  // namespace lockstep::test
