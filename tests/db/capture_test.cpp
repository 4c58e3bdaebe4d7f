// Capture leaves the application alone, comes and goes as a whole, and notices when history is not
// what it was.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "capture/prune.hpp"
#include "capture/triggers.hpp"
#include "link/sqlite/statement.hpp"
#include "tests/support/captured_source.hpp"
#include "tests/support/fault.hpp"

namespace lockstep::test {
namespace {

namespace fs = std::filesystem;

constexpr char kShop[] =
    "CREATE TABLE orders(id INTEGER PRIMARY KEY AUTOINCREMENT, ref TEXT NOT NULL UNIQUE, note);"
    "CREATE TABLE tags(name TEXT COLLATE NOCASE PRIMARY KEY, n INT) WITHOUT ROWID;"
    "CREATE INDEX orders_note ON orders(note); CREATE VIEW noted AS SELECT * FROM orders;"
    "CREATE TRIGGER mine AFTER DELETE ON orders BEGIN DELETE FROM tags WHERE name = OLD.ref; END;"
    "INSERT INTO orders(ref, note) VALUES ('a', 1), ('b', 2); INSERT INTO tags VALUES ('a', 1);";

template <class Action>
std::string code_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  return "none";
}

std::string followed(CapturedSource& source) {
  std::string difference;
  const std::string code = code_of([&] { difference = source.follow(); });
  CHECK(difference == "");
  return code;
}

/// The database file alone; the WAL has been put into it.
void copy_file(CapturedSource& source, const std::string& to) {
  source.app().exec("PRAGMA wal_checkpoint(TRUNCATE)");
  fs::copy_file(source.path(), to, fs::copy_options::overwrite_existing);
}

std::string master(Application& app) {
  std::string text;
  for (const auto& row :
       app.query("SELECT rowid, type, name, tbl_name, rootpage, sql FROM sqlite_master "
                 "ORDER BY rowid"))
    for (const auto& cell : row) text += cell.value_or("NULL") + "|";
  return text;
}

}  // namespace

TEST_CASE("the application sees the same answers with capture and without") {
  const std::vector<std::string> statements{
      "INSERT INTO orders(ref, note) VALUES ('c', 3)",
      "INSERT OR REPLACE INTO orders(ref, note) VALUES ('a', 4)",
      "INSERT OR IGNORE INTO orders(ref) VALUES ('a'), ('d')",
      "UPDATE OR REPLACE orders SET ref = 'd' WHERE ref = 'c'",
      "UPDATE OR FAIL orders SET note = note + 1",
      "INSERT INTO tags VALUES ('A', 5) ON CONFLICT DO UPDATE SET n = n + 1",
      "DELETE FROM tags WHERE n > 100",
      "DELETE FROM orders WHERE ref = 'a'",
  };
  CapturedSource captured(kShop), bare(kShop);
  captured.install();
  for (const std::string& statement : statements) {
    INFO(statement);
    const auto left = captured.app().query(statement + " RETURNING *");
    const auto right = bare.app().query(statement + " RETURNING *");
    CHECK(left == right);
    CHECK(captured.app().changes() == bare.app().changes());
    CHECK(captured.app().last_insert_rowid() == bare.app().last_insert_rowid());
    for (const char* table : {"orders", "tags", "sqlite_sequence"}) {
      const std::string all = std::string("SELECT * FROM ") + table + " ORDER BY 1";
      CHECK(captured.app().query(all) == bare.app().query(all));
    }
  }
  for (const char* refused :
       {"INSERT INTO orders(ref) VALUES ('d')", "INSERT INTO orders(ref) VALUES (NULL)",
        "UPDATE OR FAIL orders SET ref = 'same'"}) {
    CHECK_FALSE(captured.app().attempt(refused));
    CHECK_FALSE(bare.app().attempt(refused));
    CHECK(captured.app().query("SELECT * FROM orders") == bare.app().query("SELECT * FROM orders"));
  }
  CHECK(captured.follow() == "");
}

TEST_CASE("what was installed can be read back, also by its plans") {
  CapturedSource source(kShop);
  sqlite::Database database = sqlite::Database::open(source.path(), sqlite::OpenMode::read_only);
  CHECK_FALSE(capture::read_installed(database).has_value());
  source.install();
  const auto installed = capture::read_installed(database);
  REQUIRE(installed.has_value());
  CHECK(installed->era == source.installed().era);
  CHECK(installed->source_id == source.installed().source_id);
  REQUIRE(installed->tables.size() == 2);
  CHECK(fingerprint(installed->tables[0].shape) == fingerprint(source.plans()[0].shape));
  CHECK(capture::newest_position(database, installed->era).seq == 0);
  source.app().exec("UPDATE _lockstep_meta SET value = '99' WHERE name = 'format'");
  CHECK(code_of([&] { (void)capture::read_installed(database); }) == "LS-S326");
}

TEST_CASE("install is all or nothing") {
  CapturedSource source(kShop);
  const std::string before = master(source.app());
  sqlite::Database database = sqlite::Database::open(source.path(), sqlite::OpenMode::read_write);
  capture::Installed what;
  what.source_id = "6ba7b810-9dad-41d1-80b4-00c04fd430c8";
  what.tables = plan_everything(database);
  what.tables[1].shape.columns[0].name = "gone";  // the second table's triggers cannot be made
  what.tables[1].shape.name = "no such table";
  CHECK(code_of([&] { capture::install(database, what); }) != "none");
  CHECK(master(source.app()) == before);
}

TEST_CASE("a look-up without an index is refused before anything is installed") {
  // A second unique index in the plan that the file does not have.
  CapturedSource source("CREATE TABLE t(id INTEGER PRIMARY KEY, u TEXT)");
  const std::string before = master(source.app());
  sqlite::Database database = sqlite::Database::open(source.path(), sqlite::OpenMode::read_write);
  capture::Installed what;
  what.tables = plan_everything(database);
  what.tables[0].shape.indexes.push_back({"i", IndexOrigin::created, true, false, {IndexTerm{1}}});
  CHECK(code_of([&] { capture::install(database, what); }) == "LS-S327");
  CHECK(master(source.app()) == before);
}

TEST_CASE("a table's name does not decide whether its look-ups are fast") {
  CapturedSource source("CREATE TABLE \"SCANS\"(id INTEGER PRIMARY KEY, \"SCAN\" TEXT UNIQUE)");
  source.install();
  source.app().exec(
      "INSERT INTO \"SCANS\" VALUES (1, 'a'); REPLACE INTO \"SCANS\" VALUES (2, 'a')");
  CHECK(source.follow() == "");
}

TEST_CASE("remove leaves the schema byte for byte as it was") {
  CapturedSource source(kShop);
  const std::string before = master(source.app());
  source.install();
  CHECK(master(source.app()) != before);
  source.app().exec("DELETE FROM orders WHERE ref = 'a'; ANALYZE");
  sqlite::Database database = sqlite::Database::open(source.path(), sqlite::OpenMode::read_write);
  CHECK(capture::remove(database) > 3);
  source.app().exec("DROP TABLE sqlite_stat1");
  CHECK(master(source.app()) == before);
  CHECK(capture::remove(database) == 0);
  CHECK(source.app().value("PRAGMA integrity_check") == "ok");
  source.app().exec("INSERT INTO orders(ref) VALUES ('later')");
}

TEST_CASE("an older copy of the file is noticed, also with new writes on top") {
  CapturedSource source(kShop, "DELETE");
  source.install();
  source.app().exec("INSERT INTO tags VALUES ('1', 1)");
  REQUIRE(source.follow() == "");
  const std::string copy = source.folder().file("copy.db");
  copy_file(source, copy);
  const Position kept = source.position();
  source.app().exec("INSERT INTO tags VALUES ('2', 2)");
  REQUIRE(source.follow() == "");
  const Position lost = source.position();
  Application restored(copy);
  sqlite::Database database = sqlite::Database::open(copy, sqlite::OpenMode::read_only);
  const auto tail_of_copy = [&] {
    return capture::Tail(sqlite::Database::open(copy, sqlite::OpenMode::read_only),
                         source.installed().era, source.plans());
  };
  capture::Tail tail = tail_of_copy();
  CHECK(code_of([&] { (void)tail.next(lost)->next(); }) == "LS-S310");
  CHECK(code_of([&] { tail.prove(lost); }) == "LS-S310");
  restored.exec("INSERT INTO tags VALUES ('3', 3)");
  REQUIRE(capture::newest_position(database, lost.era).seq == lost.seq);
  CHECK(code_of([&] { (void)tail.next(lost)->next(); }) == "LS-S310");
  CHECK(code_of([&] { tail.prove(lost); }) == "LS-S310");
  restored.exec("INSERT INTO tags VALUES ('4', 4)");
  CHECK(code_of([&] { (void)tail.next(lost)->next(); }) == "LS-S310");
  // What both have is proven.
  CHECK(code_of([&] { tail.prove(kept); }) == "none");
  CHECK(tail.next(kept)->next().back().end.has_value());
}

TEST_CASE("a position of another era is refused") {
  CapturedSource source(kShop);
  source.install();
  Position other = source.position();
  other.era.bytes[0] ^= 1;
  CHECK(code_of([&] { source.tail().prove(other); }) == "LS-S310");
  CHECK(code_of([&] { (void)source.tail().next(other)->next(); }) == "LS-S310");
}

TEST_CASE("a missing change stops before anything is sent") {
  CapturedSource source(kShop);
  source.install();
  source.app().exec("INSERT INTO tags VALUES ('1', 1), ('2', 2), ('3', 3)");
  source.app().exec("DELETE FROM _lockstep_changes WHERE seq = 2");
  CHECK(followed(source) == "LS-S311");
  // As if prune had gone beyond what a target that was failed over still needs.
  source.app().exec("DELETE FROM _lockstep_changes WHERE seq = 0");
  CHECK(followed(source) == "LS-S310");
  source.app().exec("DELETE FROM _lockstep_changes");
  CHECK(followed(source) == "LS-S328");
  saw_fault("S33", "HALT: LS-S310 or LS-S311, a gap is never skipped");
}

TEST_CASE("a schema that is no longer the one that was installed stops by name") {
  const bool restarted = GENERATE(false, true);
  const std::string change = GENERATE(
      as<std::string>{}, "DROP TRIGGER _lockstep_1_delete", "DROP TRIGGER _lockstep_1_probe_update",
      "DROP TRIGGER _lockstep_1_delete; CREATE TRIGGER _lockstep_1_delete "
      "AFTER DELETE ON orders BEGIN SELECT 1; END",
      "ALTER TABLE orders ADD COLUMN extra DEFAULT 7", "ALTER TABLE orders DROP COLUMN id2",
      "ALTER TABLE orders RENAME COLUMN ref TO reference", "ALTER TABLE orders RENAME TO sales",
      "CREATE UNIQUE INDEX orders_unique ON orders(note)", "DROP TABLE tags",
      "CREATE TABLE o2(id INTEGER PRIMARY KEY AUTOINCREMENT, ref TEXT NOT NULL UNIQUE, note, id2);"
      "INSERT INTO o2 SELECT * FROM orders; DROP TABLE orders; ALTER TABLE o2 RENAME TO orders");
  INFO(change << (restarted ? ", seen by a new tail" : ""));
  CapturedSource source(
      "CREATE TABLE orders(id INTEGER PRIMARY KEY AUTOINCREMENT, ref TEXT NOT NULL UNIQUE, note, "
      "id2);"
      "CREATE TABLE tags(name TEXT PRIMARY KEY) WITHOUT ROWID; INSERT INTO orders VALUES (1, 'a', "
      "1, 1)");
  source.install();
  source.app().exec("INSERT INTO orders(ref) VALUES ('b')");
  REQUIRE(source.follow() == "");
  source.app().exec(change);
  if (restarted) source.reopen();
  CHECK(followed(source) == "LS-S306");
  CHECK(code_of([&] { source.tail().prove(source.position()); }) == "LS-S306");
  saw_fault("S21",
            "HALT: LS-S306 for a column added, dropped or renamed, a table renamed or dropped, an "
            "index, a trigger");
}

TEST_CASE("VACUUM and schema changes elsewhere are none of our business") {
  CapturedSource source(kShop);
  source.install();
  source.app().exec(
      "INSERT INTO orders(ref) VALUES ('c'); DELETE FROM orders WHERE ref = 'a'; VACUUM");
  CHECK(source.follow() == "");
  source.app().exec(
      "CREATE TABLE later(x); INSERT INTO later VALUES (1); CREATE INDEX l ON later(x)");
  source.app().exec("UPDATE orders SET note = 'after'; PRAGMA user_version=5; ANALYZE; REINDEX");
  CHECK(source.follow() == "");
  source.reopen();
  CHECK(source.follow() == "");
  saw_fault("S21", "GO: VACUUM and changes of other tables");
}

TEST_CASE("a row without a key stops its batch, and no longer once it has one") {
  CapturedSource source("CREATE TABLE t(k TEXT, n INT, v, PRIMARY KEY(k, n))");
  source.install();
  source.app().exec("INSERT INTO t VALUES ('a', 1, 1), ('b', NULL, 2), ('b', NULL, 3)");
  CHECK(followed(source) == "LS-D412");
  source.app().exec("UPDATE t SET n = 2 WHERE v = 2");
  CHECK(followed(source) == "LS-D412");
  source.app().exec("UPDATE t SET n = 3 WHERE v = 3");
  CHECK(followed(source) == "none");
  saw_fault("S27", "HALT: LS-D412 for a row with NULL in its key, until it has one");
}

TEST_CASE("prune keeps the acknowledged row, the retention and the last row") {
  CapturedSource source("CREATE TABLE t(id INTEGER PRIMARY KEY)");
  source.install();
  source.app().exec(
      "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) "
      "SELECT i FROM n");
  REQUIRE(source.follow() == "");
  const Position all = source.position();
  REQUIRE(all.seq == 100);
  const auto rows = [&] {
    return source.app().value("SELECT min(seq) || '-' || max(seq) FROM _lockstep_changes");
  };
  const auto limits = [](std::int64_t retained, std::int64_t least,
                         Milliseconds every = Milliseconds{0}) {
    return capture::PruneLimits{
        .every = every, .retained_changes = retained, .slice_changes = 7, .least_changes = least};
  };
  Position acked = all;
  acked.seq = 60;
  // All slices of one turn, and how many rows each took.
  const auto turn = [&](const capture::PruneLimits& what) {
    capture::Prune prune(source.path(), what);
    std::int64_t deleted = 0;
    while (const std::int64_t slice = prune.turn(acked)) {
      CHECK(slice <= what.slice_changes);
      deleted += slice;
    }
    return deleted;
  };
  CHECK(turn(limits(0, 1, Milliseconds{60'000})) == 0);
  CHECK(turn(limits(10, 51)) == 0);
  CHECK(rows() == "0-100");
  CHECK(turn(limits(10, 50)) == 50);
  CHECK(rows() == "50-100");
  CHECK(turn(limits(0, 1)) == 10);
  CHECK(rows() == "60-100");
  acked.seq =
      1'000;  // more than there is: only the last row stays, so that its number is never used again
  CHECK(turn(limits(0, 1)) == 40);
  CHECK(rows() == "100-100");
  source.app().exec("DELETE FROM t WHERE id = 5");
  CHECK(source.follow() == "");
  CHECK(source.position().seq == 101);
}

TEST_CASE("a prune that meets a writer waits for its next turn") {
  CapturedSource source("CREATE TABLE t(id INTEGER PRIMARY KEY)");
  source.install();
  source.app().exec("INSERT INTO t VALUES (1), (2), (3)");
  REQUIRE(source.follow() == "");
  capture::Prune prune(source.path(), {.every = Milliseconds{0},
                                       .retained_changes = 0,
                                       .least_changes = 1,
                                       .busy_patience = Milliseconds{1}});
  source.app().exec("BEGIN IMMEDIATE");
  CHECK(prune.turn(source.position()) == 0);
  source.app().exec("COMMIT");
  CHECK(prune.turn(source.position()) == 3);
}

TEST_CASE("tables whose changes cannot be captured exactly are refused with the reason") {
  const auto problems = [](const std::string& sql) {
    const TempDir folder;
    Application app(folder.file("a"));
    app.exec(sql);
    sqlite::Database database =
        sqlite::Database::open(folder.file("a"), sqlite::OpenMode::read_only);
    std::string all;
    for (const std::string& problem : capture::capture_problems(sqlite::read_shape(database, "t")))
      all += problem + ";";
    return all;
  };
  using Catch::Contains;
  constexpr char assigned[] = "is computed from k, which SQLite assigns only after a probe has run";
  CHECK_THAT(problems("CREATE TABLE t(k INTEGER PRIMARY KEY, a, g AS (a || \"K\") UNIQUE)"),
             Contains(assigned));
  CHECK_THAT(
      problems(
          "CREATE TABLE t(k INTEGER PRIMARY KEY, a, g AS (-[k]), h TEXT COLLATE NOCASE AS (g||a) "
          "UNIQUE)"),
      Contains(assigned));
  CHECK_THAT(problems("CREATE TABLE t(k INTEGER PRIMARY KEY, a); CREATE UNIQUE INDEX i ON t(k+a)"),
             Contains(assigned));
  CHECK_THAT(
      problems("CREATE TABLE t(k INT PRIMARY KEY, a INT NOT NULL DEFAULT 'x'); CREATE UNIQUE INDEX "
               "i ON t(-a)"),
      Contains("default of a is of another type"));
  CHECK_THAT(
      problems("CREATE TABLE t(k INT PRIMARY KEY, a NOT NULL DEFAULT (random())); CREATE UNIQUE "
               "INDEX i ON t(-a)"),
      Contains("default of a is an expression"));
  CHECK_THAT(problems("CREATE TABLE t(k INT PRIMARY KEY, a INT NOT NULL DEFAULT 1, g AS (-a), h AS "
                      "(-g) UNIQUE)"),
             Contains("default of a reaches it through generated columns"));
  CHECK_THAT(problems("CREATE TABLE t(k INT PRIMARY KEY, a NOT NULL DEFAULT CURRENT_DATE UNIQUE)"),
             Contains("default of a is an expression"));
  CHECK_THAT(
      problems("CREATE TABLE t(k INTEGER PRIMARY KEY, a NOT NULL DEFAULT (random()) UNIQUE)"),
      Contains("default of a is an expression"));
  CHECK_THAT(
      problems(
          "CREATE TABLE t(k INTEGER PRIMARY KEY, a NOT NULL DEFAULT ('x' || random()) UNIQUE)"),
      Contains("default of a is an expression"));
  CHECK_THAT(problems("CREATE TABLE t(k TEXT PRIMARY KEY, rowid, oid, _rowid_)"),
             Contains("rowid"));
  for (const char* fine :
       {"CREATE TABLE t(k INTEGER PRIMARY KEY, a UNIQUE, b); CREATE INDEX i ON t(lower(a)) WHERE b "
        "> 1",
        "CREATE TABLE t(a, b)", "CREATE TABLE t(k INTEGER PRIMARY KEY, a, UNIQUE(k, a))",
        "CREATE TABLE t(k INTEGER PRIMARY KEY, a NOT NULL DEFAULT (random()), b); CREATE UNIQUE "
        "INDEX i ON t(b) WHERE a > 1",
        "CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL DEFAULT (lower(hex(randomblob(16)))), a)",
        "CREATE TABLE t(k TEXT PRIMARY KEY, a NOT NULL DEFAULT 'it''s; -- x' UNIQUE)",
        "CREATE TABLE t(k TEXT PRIMARY KEY, a NOT NULL DEFAULT -1.5e3 UNIQUE)",
        "CREATE TABLE t(k TEXT PRIMARY KEY, a NOT NULL DEFAULT x'00ff' UNIQUE)"}) {
    INFO(fine);
    CHECK(problems(fine) == "");
  }
}

}  // namespace lockstep::test
