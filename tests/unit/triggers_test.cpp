// The whole SQL that lockstep puts into an application's database, so that a review sees it.
#include "capture/triggers.hpp"

#include <catch2/catch.hpp>
#include <string>

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

TEST_CASE("a table with an integer key is logged by three triggers") {
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
)");
  CHECK(capture::lookup_sql(shape) == R"(SELECT "id", "v" FROM "t" WHERE "id" = ?1)");
  CHECK(capture::probe_queries(shape).empty());
}

TEST_CASE("a table with a text key has its rowid probed") {
  const TableShape shape = shape_of("CREATE TABLE t(\"a\"\"b\" TEXT PRIMARY KEY, v)");
  CHECK(all_triggers(1, shape) == R"(CREATE TRIGGER _lockstep_1_insert AFTER INSERT ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1) VALUES (1, NEW."a""b");
END
CREATE TRIGGER _lockstep_1_delete AFTER DELETE ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1) VALUES (1, OLD."a""b");
END
CREATE TRIGGER _lockstep_1_update AFTER UPDATE ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1) VALUES (1, OLD."a""b");
  INSERT INTO _lockstep_changes(tbl, k1) SELECT 1, NEW."a""b" WHERE NEW."a""b" IS NOT OLD."a""b";
END
CREATE TRIGGER _lockstep_1_probe_insert BEFORE INSERT ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1) SELECT 1, "a""b" FROM "t" WHERE rowid = NEW.rowid;
END
CREATE TRIGGER _lockstep_1_probe_update BEFORE UPDATE ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1) SELECT 1, "a""b" FROM "t" WHERE rowid = NEW.rowid AND NEW.rowid IS NOT OLD.rowid;
END
)");
  CHECK(capture::lookup_sql(shape) == R"(SELECT "a""b", "v" FROM "t" WHERE "a""b" = ?1)");
}

TEST_CASE("a composite key of a WITHOUT ROWID table is logged as a whole") {
  const TableShape shape =
      shape_of("CREATE TABLE t(a INT, v, b TEXT, PRIMARY KEY(b DESC, a)) WITHOUT ROWID");
  CHECK(all_triggers(1, shape) == R"(CREATE TRIGGER _lockstep_1_insert AFTER INSERT ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1, k2) VALUES (1, NEW."b", NEW."a");
END
CREATE TRIGGER _lockstep_1_delete AFTER DELETE ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1, k2) VALUES (1, OLD."b", OLD."a");
END
CREATE TRIGGER _lockstep_1_update AFTER UPDATE ON "t" BEGIN
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
  INSERT INTO _lockstep_changes(tbl, k1) VALUES (1, NEW."k");
END
CREATE TRIGGER _lockstep_1_delete AFTER DELETE ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1) VALUES (1, OLD."k");
END
CREATE TRIGGER _lockstep_1_update AFTER UPDATE ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1) VALUES (1, OLD."k");
  INSERT INTO _lockstep_changes(tbl, k1) SELECT 1, NEW."k";
END
CREATE TRIGGER _lockstep_1_probe_insert BEFORE INSERT ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1) SELECT 1, "k" FROM "t" WHERE "k" = NEW."k" COLLATE NOCASE;
END
CREATE TRIGGER _lockstep_1_probe_update BEFORE UPDATE ON "t" BEGIN
  INSERT INTO _lockstep_changes(tbl, k1) SELECT 1, "k" FROM "t" WHERE "k" = NEW."k" COLLATE NOCASE AND (NEW."k" IS NOT OLD."k" COLLATE NOCASE);
END
)");
  CHECK(capture::lookup_sql(shape) == R"(SELECT "k" FROM "t" WHERE "k" = ?1)");
  CHECK(capture::probe_queries(shape) ==
        std::vector<std::string>{R"(SELECT "k" FROM "t" WHERE "k" = ?1 COLLATE NOCASE)"});
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
  INSERT INTO _lockstep_changes(tbl, k1) SELECT 1, "id" FROM "t" WHERE "a" = coalesce(NEW."a", 'it''s') COLLATE NOCASE AND "b" = NEW."b" COLLATE BINARY AND (NEW."a" IS NOT OLD."a" COLLATE NOCASE OR NEW."b" IS NOT OLD."b" COLLATE BINARY);
END
)");
  CHECK(
      capture::probe_queries(shape) ==
      std::vector<std::string>{
          R"(SELECT "id" FROM "t" WHERE "a" = coalesce(?1, 'it''s') COLLATE NOCASE AND "b" = ?2 COLLATE BINARY)"});
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
