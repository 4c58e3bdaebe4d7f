// The whole SQL that lockstep puts into an application's database, so that a review sees it.
#include "capture/triggers.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "capture/defaults.hpp"
#include "tests/support/shape_of.hpp"

using namespace lockstep;
using test::shape_of;

namespace {

std::string all_triggers(std::uint32_t id, const TableShape& shape) {
  std::string text;
  for (const capture::Trigger& trigger : capture::triggers_for(id, shape)) {
    CHECK(trigger.sql.starts_with("CREATE TRIGGER " + trigger.name + " "));
    text += trigger.sql + "\n";
  }
  return text;
}

}  // namespace

TEST_CASE("the change table has no constraint besides its key") {
  CHECK(capture::change_table_sql(2) ==
        "CREATE TABLE _lockstep_changes (seq INTEGER PRIMARY KEY, identity INTEGER DEFAULT "
        "(random()), "
        "tbl INTEGER, k1, k2)");
}

TEST_CASE("a table with an integer key is logged by four triggers") {
  const TableShape shape = shape_of("CREATE TABLE t(id INTEGER PRIMARY KEY, v)");
  CHECK(all_triggers(3, shape) == R"(CREATE TRIGGER _lockstep_3_insert AFTER INSERT ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1) VALUES (3, NEW."id");
END
CREATE TRIGGER _lockstep_3_delete AFTER DELETE ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1) VALUES (3, OLD."id");
END
CREATE TRIGGER _lockstep_3_update AFTER UPDATE ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1) VALUES (3, OLD."id");
  INSERT INTO _lockstep_changes(tbl, k1) SELECT 3, NEW."id" WHERE NEW."id" IS NOT OLD."id";
END
CREATE TRIGGER _lockstep_3_probe_update BEFORE UPDATE ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1) SELECT 3, NEW."id" WHERE NEW."id" IS NOT OLD."id";
END
)");
  CHECK(capture::lookup_sql(shape) == R"(SELECT "id", "v" FROM "t" WHERE "id" = ?1)");
  CHECK(capture::probe_queries(shape).empty());
}

// SQLite makes 12 of '12' in OLD and NEW once a numeric column's foreign key was looked up with it.
TEST_CASE("a text key is logged before it is misread, and its rowid is probed") {
  const TableShape shape = shape_of("CREATE TABLE t(\"a\"\"b\" TEXT PRIMARY KEY, v)");
  CHECK(all_triggers(1, shape) == R"(CREATE TRIGGER _lockstep_1_insert AFTER INSERT ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1) SELECT 1, "a""b" FROM "t" WHERE rowid = NEW.rowid;
END
CREATE TRIGGER _lockstep_1_delete BEFORE DELETE ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1) VALUES (1, OLD."a""b");
END
CREATE TRIGGER _lockstep_1_update AFTER UPDATE OF "a""b" ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1) SELECT 1, "a""b" FROM "t" WHERE rowid = NEW.rowid;
END
CREATE TRIGGER _lockstep_1_probe_insert BEFORE INSERT ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1) SELECT 1, "a""b" FROM "t" WHERE rowid = NEW.rowid;
END
CREATE TRIGGER _lockstep_1_probe_update BEFORE UPDATE ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1) VALUES (1, OLD."a""b");
  INSERT INTO _lockstep_changes(tbl, k1) SELECT 1, NEW."a""b" WHERE NEW."a""b" IS NOT OLD."a""b";
  INSERT INTO _lockstep_changes(tbl, k1) SELECT 1, "a""b" FROM "t" WHERE rowid = NEW.rowid AND NEW.rowid IS NOT OLD.rowid;
END
)");
  CHECK(capture::lookup_sql(shape) == R"(SELECT "a""b", "v" FROM "t" WHERE "a""b" = ?1)");
}

TEST_CASE("a composite key of a WITHOUT ROWID table is logged as a whole") {
  const TableShape shape =
      shape_of("CREATE TABLE t(a INT, v, b TEXT, PRIMARY KEY(b DESC, a)) WITHOUT ROWID");
  CHECK(all_triggers(1, shape) == R"(CREATE TRIGGER _lockstep_1_insert AFTER INSERT ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1, k2) SELECT 1, "b", "a" FROM "t" WHERE "b" = +NEW."b" AND "a" = +NEW."a";
END
CREATE TRIGGER _lockstep_1_delete BEFORE DELETE ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1, k2) VALUES (1, OLD."b", OLD."a");
END
CREATE TRIGGER _lockstep_1_update AFTER UPDATE OF "b", "a" ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1, k2) SELECT 1, "b", "a" FROM "t" WHERE "b" = +NEW."b" AND "a" = +NEW."a";
END
CREATE TRIGGER _lockstep_1_probe_insert BEFORE INSERT ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1, k2) SELECT 1, NEW."b", NEW."a" WHERE NEW."b" <= CAST(9e999 AS REAL);
END
CREATE TRIGGER _lockstep_1_probe_update BEFORE UPDATE ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1, k2) VALUES (1, OLD."b", OLD."a");
  INSERT INTO _lockstep_changes(tbl, k1, k2) SELECT 1, NEW."b", NEW."a" WHERE NEW."b" IS NOT OLD."b" OR NEW."a" IS NOT OLD."a";
END
)");
  CHECK(capture::lookup_sql(shape) ==
        R"(SELECT "a", "v", "b" FROM "t" WHERE "b" = ?1 AND "a" = ?2)");
}

TEST_CASE("a key that compares by NOCASE is probed itself, and its new spelling is always logged") {
  const TableShape shape =
      shape_of("CREATE TABLE t(k TEXT COLLATE NOCASE PRIMARY KEY) WITHOUT ROWID");
  CHECK(all_triggers(1, shape) == R"(CREATE TRIGGER _lockstep_1_insert AFTER INSERT ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1) SELECT 1, "k" FROM "t" WHERE "k" = +NEW."k";
END
CREATE TRIGGER _lockstep_1_delete BEFORE DELETE ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1) VALUES (1, OLD."k");
END
CREATE TRIGGER _lockstep_1_update AFTER UPDATE OF "k" ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1) SELECT 1, "k" FROM "t" WHERE "k" = +NEW."k";
END
CREATE TRIGGER _lockstep_1_probe_insert BEFORE INSERT ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1) SELECT 1, NEW."k" WHERE NEW."k" <= CAST(9e999 AS REAL);
  INSERT INTO _lockstep_changes(tbl, k1) SELECT 1, "k" FROM "t" WHERE "k" = NEW."k" COLLATE NOCASE;
END
CREATE TRIGGER _lockstep_1_probe_update BEFORE UPDATE ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1) VALUES (1, OLD."k");
  INSERT INTO _lockstep_changes(tbl, k1) SELECT 1, NEW."k" WHERE NEW."k" <= CAST(9e999 AS REAL);
  INSERT INTO _lockstep_changes(tbl, k1) SELECT 1, "k" FROM "t" WHERE "k" = NEW."k" COLLATE NOCASE AND (NEW."k" IS NOT OLD."k" COLLATE NOCASE);
END
)");
  CHECK(capture::lookup_sql(shape) == R"(SELECT "k" FROM "t" WHERE "k" = ?1)");
  CHECK(
      capture::probe_queries(shape)[0].sql ==
      R"(SELECT EXISTS (SELECT "k" FROM "t" WHERE "k" = NEW."k" COLLATE NOCASE) FROM "t" AS NEW, "t" AS OLD)");
}

TEST_CASE(
    "a unique index is probed with its collations and with the defaults of NOT NULL columns") {
  const TableShape shape = shape_of(
      "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT NOT NULL DEFAULT 'it''s', b INT);"
      "CREATE UNIQUE INDEX i ON t(a COLLATE NOCASE DESC, b); CREATE INDEX plain ON t(b)");
  CHECK(all_triggers(1, shape) == R"(CREATE TRIGGER _lockstep_1_insert AFTER INSERT ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1) VALUES (1, NEW."id");
END
CREATE TRIGGER _lockstep_1_delete AFTER DELETE ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1) VALUES (1, OLD."id");
END
CREATE TRIGGER _lockstep_1_update AFTER UPDATE ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1) VALUES (1, OLD."id");
  INSERT INTO _lockstep_changes(tbl, k1) SELECT 1, NEW."id" WHERE NEW."id" IS NOT OLD."id";
END
CREATE TRIGGER _lockstep_1_probe_insert BEFORE INSERT ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1) SELECT 1, "id" FROM "t" WHERE "a" = coalesce(NEW."a", 'it''s') COLLATE NOCASE AND "b" = NEW."b" COLLATE BINARY;
END
CREATE TRIGGER _lockstep_1_probe_update BEFORE UPDATE ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1) SELECT 1, NEW."id" WHERE NEW."id" IS NOT OLD."id";
  INSERT INTO _lockstep_changes(tbl, k1) SELECT 1, "id" FROM "t" WHERE "a" = coalesce(NEW."a", 'it''s') COLLATE NOCASE AND "b" = NEW."b" COLLATE BINARY AND (NEW."a" IS NOT OLD."a" COLLATE NOCASE OR NEW."b" IS NOT OLD."b" COLLATE BINARY);
END
)");
}

TEST_CASE("a table without a key is logged and looked up by its rowid") {
  const TableShape shape = shape_of("CREATE TABLE t(a, RowId, b UNIQUE)");
  CHECK(all_triggers(1, shape) == R"(CREATE TRIGGER _lockstep_1_insert AFTER INSERT ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1) VALUES (1, NEW._rowid_);
END
CREATE TRIGGER _lockstep_1_delete AFTER DELETE ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1) VALUES (1, OLD._rowid_);
END
CREATE TRIGGER _lockstep_1_update AFTER UPDATE ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1) VALUES (1, OLD._rowid_);
  INSERT INTO _lockstep_changes(tbl, k1) SELECT 1, NEW._rowid_ WHERE NEW._rowid_ IS NOT OLD._rowid_;
END
CREATE TRIGGER _lockstep_1_probe_insert BEFORE INSERT ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1) SELECT 1, _rowid_ FROM "t" WHERE "b" = NEW."b" COLLATE BINARY;
END
CREATE TRIGGER _lockstep_1_probe_update BEFORE UPDATE ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1) SELECT 1, NEW._rowid_ WHERE NEW._rowid_ IS NOT OLD._rowid_;
  INSERT INTO _lockstep_changes(tbl, k1) SELECT 1, _rowid_ FROM "t" WHERE "b" = NEW."b" COLLATE BINARY AND (NEW."b" IS NOT OLD."b" COLLATE BINARY);
END
)");
  CHECK(capture::lookup_sql(shape) ==
        R"(SELECT "a", "RowId", "b", _rowid_ FROM "t" WHERE _rowid_ = ?1)");
}

namespace {

/// The conditions of the INSERT's and of the UPDATE's probes.
std::vector<std::string> conditions(const std::string& sql, const std::string& table = "t") {
  std::vector<std::string> all;
  const TableShape shape = shape_of(sql, table);
  for (const auto event : {capture::ProbeEvent::insert, capture::ProbeEvent::update})
    for (const capture::Probe& probe : capture::probes(shape, event))
      all.push_back(probe.condition);
  return all;
}
using Conditions = std::vector<std::string>;

}  // namespace

TEST_CASE("a partial index is probed through its predicate, whatever an UPDATE changes") {
  CHECK(
      conditions("CREATE TABLE t(id INTEGER PRIMARY KEY, a, b);"
                 "CREATE UNIQUE INDEX i ON t(a) WHERE b > 1 /* or so */ -- here\n") ==
      Conditions{
          R"("a" = NEW."a" COLLATE BINARY AND (b > 1))",
          R"("a" = NEW."a" COLLATE BINARY AND (b > 1) AND ("id" IS NOT OLD."id" COLLATE BINARY))"});
}

TEST_CASE("an expression is computed over the proposed row, with its index's collation") {
  CHECK(
      conditions("CREATE TABLE t(id INTEGER PRIMARY KEY, \"we\"\"ird\" TEXT, b);"
                 "CREATE UNIQUE INDEX i ON t(lower(\"we\"\"ird\") COLLATE nocase DESC, b)")[0] ==
      R"((lower("we""ird") COLLATE nocase) COLLATE NOCASE = (SELECT (lower("we""ird") COLLATE nocase) )"
      R"(FROM (SELECT NEW."we""ird" AS "we""ird") AS _lockstep_new) AND "b" = NEW."b" COLLATE BINARY)");
}

TEST_CASE("a default in an expression or a generated column has a probe of its own") {
  CHECK(
      conditions("CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE NOT NULL DEFAULT q);"
                 "CREATE UNIQUE INDEX i ON t(a || 'x')") ==
      Conditions{
          R"((a || 'x') COLLATE BINARY = (SELECT (a || 'x') FROM (SELECT NEW."a" AS "a") AS _lockstep_new))",
          R"((a || 'x') COLLATE BINARY = (SELECT (a || 'x') FROM (SELECT CAST('q' AS TEXT) COLLATE "NOCASE" AS "a") )"
          R"(AS _lockstep_new) AND NEW."a" IS NULL)",
          R"((a || 'x') COLLATE BINARY = (SELECT (a || 'x') FROM (SELECT NEW."a" AS "a") AS _lockstep_new) )"
          R"(AND ("id" IS NOT OLD."id" COLLATE BINARY))",
          R"((a || 'x') COLLATE BINARY = (SELECT (a || 'x') FROM (SELECT CAST('q' AS TEXT) COLLATE "NOCASE" AS "a") )"
          R"(AS _lockstep_new) AND NEW."a" IS NULL AND ("id" IS NOT OLD."id" COLLATE BINARY))"});
  CHECK(
      conditions("CREATE TABLE t(id INTEGER PRIMARY KEY, a INT NOT NULL DEFAULT -5, "
                 "g INT AS (a + 1) UNIQUE)")[1] ==
      R"("g" = (SELECT (a + 1) FROM (SELECT CAST(-5 AS INTEGER) COLLATE "BINARY" AS "a") AS _lockstep_new) )"
      R"(COLLATE BINARY AND NEW."a" IS NULL)");
}

TEST_CASE("a table called new is not taken for the proposed row") {
  const TableShape shape =
      shape_of("CREATE TABLE \"New\"(id INTEGER PRIMARY KEY, a UNIQUE)", "New");
  CHECK_THAT(capture::triggers_for(1, shape)[3].sql,
             Catch::Contains(R"(FROM "New" AS _lockstep_row WHERE "a" = NEW."a")"));
}

TEST_CASE("constant defaults are told from expressions") {
  using capture::constant_default;
  for (const auto& [text, value] :
       std::vector<std::pair<std::string, std::string>>{{"", ""},
                                                        {"null", ""},
                                                        {"true", "1"},
                                                        {"FALSE", "0"},
                                                        {"foo", "'foo'"},
                                                        {"\"d\"\"q\"", "'d\"q'"},
                                                        {"[b'r]", "'b''r'"},
                                                        {"0x10", "0x10"},
                                                        {"- 5", "- 5"},
                                                        {"x'00'", "x'00'"},
                                                        {"5 /* c */", "5"},
                                                        {"1e-3", "1e-3"},
                                                        {"'a'||'b'", "'a'||'b'"},
                                                        {"'random()'", "'random()'"}}) {
    INFO(text);
    CHECK(constant_default(text) == value);
  }
  for (const char* text : {"current_timestamp", "random()", "lower('A')", "NOT true", "1 + abs(2)"})
    CHECK_FALSE(constant_default(text));
}

TEST_CASE("a look-up compares as the key's index does") {
  CHECK(capture::lookup_sql(shape_of("CREATE TABLE t(k TEXT, PRIMARY KEY(k COLLATE NOCASE))")) ==
        R"(SELECT "k" FROM "t" WHERE "k" = ?1 COLLATE NOCASE)");
}

TEST_CASE("changes are read in order, a number of them at a time") {
  CHECK(capture::changes_sql(2) ==
        "SELECT seq, identity, tbl, k1, k2 FROM _lockstep_changes WHERE seq > ?1 ORDER BY seq "
        "LIMIT ?2");
}
