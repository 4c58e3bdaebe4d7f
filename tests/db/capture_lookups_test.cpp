// What SQLite is asked before anything is installed: whether our connection can run the look-ups
// and probes at all, and whether each is a search. And which triggers and tables are ours.
#include "capture/drift.hpp"
#include "capture/lookups.hpp"

#include <catch2/catch.hpp>
#include <memory>
#include <string>

#include "link/sqlite/own_objects.hpp"
#include "link/sqlite/statement.hpp"
#include "tests/support/captured_source.hpp"

namespace lockstep::test {
namespace {

using Catch::Contains;

struct Close {
  void operator()(sqlite3* handle) const noexcept { sqlite3_close(handle); }
};

/// Runs `sql` on a connection that has what only an application has: the function own(x) and the
/// collation OWN.
void run_with_own(const std::string& path, const std::string& sql) {
  sqlite3* handle = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &handle) == SQLITE_OK);
  const std::unique_ptr<sqlite3, Close> closing(handle);
  sqlite3_create_function(
      handle, "own", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, nullptr,
      [](sqlite3_context* context, int, sqlite3_value** values) {
        sqlite3_result_value(context, values[0]);
      },
      nullptr, nullptr);
  sqlite3_create_collation(handle, "OWN", SQLITE_UTF8, nullptr,
                           [](void*, int a, const void*, int b, const void*) { return a - b; });
  INFO(sql);
  REQUIRE(sqlite3_exec(handle, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
}

/// Everything against capturing table t.
std::string problems(const std::string& sql) {
  const TempDir folder;
  run_with_own(folder.file("a"), sql);
  sqlite::Database database = sqlite::Database::open(folder.file("a"), sqlite::OpenMode::read_only);
  const TableShape shape = sqlite::read_shape(database, "t");
  std::vector<std::string> found = capture::capture_problems(shape);
  if (found.empty()) found = capture::lookup_problems(database, shape);
  std::string all;
  for (const std::string& problem : found) all += problem + ";";
  return all;
}

template <class Action>
std::string code_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  return "none";
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

TEST_CASE("strings in double quotes are read in the application's schema, and nowhere else") {
  const std::string table =
      "CREATE TABLE t(id INTEGER PRIMARY KEY, s TEXT CHECK (s <> \"never\"), u TEXT, g TEXT "
      "GENERATED ALWAYS AS (s || \"!\") VIRTUAL);"
      "CREATE UNIQUE INDEX i ON t(u) WHERE s = \"active\";"
      "CREATE INDEX e ON t(s || \"-\");"
      "CREATE TRIGGER r AFTER UPDATE ON t BEGIN SELECT \"a string\"; END;"
      "INSERT INTO t VALUES (1, 'active', 'x')";
  CHECK(problems(table) == "");
  const TempDir folder;
  run_with_own(folder.file("a"), table);
  sqlite::Database database =
      sqlite::Database::open(folder.file("a"), sqlite::OpenMode::read_write);
  database.exec("INSERT INTO t VALUES (2, 'active', 'y')");
  CHECK_THROWS_WITH(database.exec("INSERT INTO t VALUES (3, 'never', 'z')"), Contains("CHECK"));
  CHECK_THROWS_WITH(database.exec("INSERT INTO t VALUES (3, 'active', 'y')"), Contains("UNIQUE"));
  sqlite::Statement row(database, "SELECT g FROM t WHERE s || '-' = 'active-' AND id = 2");
  REQUIRE(row.step());
  CHECK(row.text(0) == "active!");
  CHECK_THROWS_WITH(database.exec("SELECT \"gone\" FROM t"), Contains("no such column"));
}

TEST_CASE("what only the application's SQLite has is refused by name") {
  const std::string table = "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b); ";
  CHECK_THAT(problems(table + "CREATE UNIQUE INDEX i ON t(own(a))"),
             Contains("no such function: own"));
  CHECK_THAT(problems(table + "CREATE UNIQUE INDEX i ON t(a) WHERE own(b)"),
             Contains("no such function: own"));
  CHECK_THAT(problems(table + "CREATE UNIQUE INDEX i ON t(a COLLATE OWN)"),
             Contains("collation OWN, which only the application has"));
  CHECK_THAT(problems(table + "CREATE UNIQUE INDEX i ON t(b) WHERE a = 'x' COLLATE OWN"),
             Contains("no such collation sequence: OWN"));
  CHECK_THAT(problems("CREATE TABLE t(k TEXT COLLATE OWN PRIMARY KEY)"),
             Contains("collation OWN, which only the application has"));
  CHECK_THAT(problems("CREATE TABLE t(id INTEGER PRIMARY KEY, a, g AS (own(a)))"),
             Contains("unknown function: own()"));
  // Nothing of ours goes through these.
  CHECK(problems(table + "CREATE INDEX i ON t(own(a)); CREATE INDEX j ON t(a COLLATE OWN)") == "");
  CHECK(problems("CREATE TABLE t(id INTEGER PRIMARY KEY, a CHECK (own(a)) COLLATE OWN)") == "");
}

TEST_CASE("look-ups and probes of every kind are searches") {
  for (const char* sql :
       {"CREATE TABLE t(a, b); CREATE UNIQUE INDEX i ON t(a) WHERE b > 1 AND (a IS NOT 4 OR b IN "
        "(1, 2))",
        "CREATE TABLE t(k TEXT PRIMARY KEY, a TEXT COLLATE nocase, b INT NOT NULL DEFAULT 5);"
        "CREATE UNIQUE INDEX i ON t(lower(a) collate rtrim DESC, -b, a COLLATE binary);"
        "CREATE UNIQUE INDEX j ON t(CAST(b AS TEXT)) WHERE typeof(a) = 'text' AND NOT b",
        "CREATE TABLE t(k INT PRIMARY KEY, doc, x AS (doc ->> '$.x') UNIQUE);"
        "CREATE UNIQUE INDEX i ON t(json_extract(doc, '$.y')) WHERE json_valid(doc)",
        "CREATE TABLE t(k INT, l TEXT COLLATE NOCASE, v, PRIMARY KEY(l DESC, k)) WITHOUT ROWID;"
        "CREATE UNIQUE INDEX i ON t((v)); CREATE UNIQUE INDEX j ON t(+v || l)",
        "CREATE TABLE t(k ANY PRIMARY KEY, v ANY UNIQUE, w REAL UNIQUE) STRICT",
        "CREATE TABLE t(id INTEGER PRIMARY KEY, v); CREATE UNIQUE INDEX only ON t((1)) WHERE v",
        "CREATE TABLE t(id INTEGER PRIMARY KEY, v); CREATE UNIQUE INDEX \"a  b\" ON t('x' || '')"})
    CHECK(problems(sql) == "");
}

TEST_CASE("a probe that would read the whole table is refused") {
  // A look-up through an index that was made with another collation than the plan says.
  const TempDir folder;
  Application app(folder.file("a"));
  app.exec("CREATE TABLE t(k INTEGER PRIMARY KEY, a TEXT, b); CREATE UNIQUE INDEX i ON t(a, b)");
  sqlite::Database database = sqlite::Database::open(folder.file("a"), sqlite::OpenMode::read_only);
  TableShape shape = sqlite::read_shape(database, "t");
  CHECK(capture::lookup_problems(database, shape).empty());
  shape.indexes[0].terms[0].collation = "NOCASE";
  const std::vector<std::string> found = capture::lookup_problems(database, shape);
  REQUIRE(found.size() == 2);
  CHECK_THAT(found[0], Contains("SCAN t"));
  shape.indexes[0].terms[0] = {{}, "BINARY", false, "a || 'x'"};
  CHECK_THAT(capture::lookup_problems(database, shape).at(0), Contains("SCAN t"));
}

TEST_CASE("AFTER triggers that hide changes are named, others are not") {
  const TempDir folder;
  Application app(folder.file("a"));
  app.exec(
      "CREATE TABLE T(a); CREATE TABLE other(a);"
      "CREATE TRIGGER \"after\" BEFORE UPDATE ON t BEGIN SELECT RAISE(IGNORE); END;"
      "CREATE TRIGGER plain INSERT ON t BEGIN SELECT RAISE(IGNORE); END;"
      "CREATE TRIGGER aborts AFTER UPDATE ON t BEGIN SELECT RAISE(ABORT, 'IGNORE'); END;"
      "CREATE TRIGGER elsewhere AFTER UPDATE ON other BEGIN SELECT RAISE(IGNORE); END;"
      "CREATE TRIGGER hides AFTER UPDATE ON t BEGIN SELECT CASE WHEN NEW.a THEN raise ( ignore ) "
      "END; END;");
  sqlite::Database database = sqlite::Database::open(folder.file("a"), sqlite::OpenMode::read_only);
  CHECK(capture::hiding_triggers(database, "T") == std::vector<std::string>{"hides"});
}

TEST_CASE("a trigger that hides changes and is newer than ours is a drift, an older one is none") {
  const std::string hides = " AFTER INSERT ON T BEGIN SELECT RAISE(IGNORE); END";
  CapturedSource source(
      "CREATE TABLE t(id INTEGER PRIMARY KEY); CREATE TABLE o(id INTEGER PRIMARY "
      "KEY); CREATE TRIGGER older" +
      hides);
  source.install();
  sqlite::Database database = sqlite::Database::open(source.path(), sqlite::OpenMode::read_write);
  CHECK(capture::drift(database, source.plans()).empty());
  source.app().exec(
      "CREATE TRIGGER harmless AFTER INSERT ON t BEGIN SELECT 1; END; CREATE TRIGGER "
      "before BEFORE INSERT ON t BEGIN SELECT RAISE(IGNORE); END");
  CHECK(capture::drift(database, source.plans()).empty());
  source.app().exec("CREATE TRIGGER newer" + hides);
  const std::vector<capture::Drift> found = capture::drift(database, source.plans());
  REQUIRE(found.size() == 1);
  CHECK(found[0].table == "t");
  CHECK_FALSE(found[0].altered);
  CHECK_THAT(found[0].what, Contains("newer"));
  // Ours are made anew, and so the newest.
  CHECK(source.reinstall() == std::vector<std::string>{"t"});
  CHECK(capture::drift(database, source.plans()).empty());
  source.app().exec("INSERT INTO t VALUES (1)");
  CHECK(source.follow() == "");
}

TEST_CASE("a schema with JSON in indexes and generated columns can be opened and followed") {
  CapturedSource source(
      "CREATE TABLE t(id INTEGER PRIMARY KEY, doc, x AS (doc ->> '$.x') STORED UNIQUE);"
      "CREATE INDEX i ON t(json_extract(doc, '$.y')); INSERT INTO t(doc) VALUES ('{\"x\": 1}');");
  source.install();
  source.app().exec("INSERT OR REPLACE INTO t(id, doc) VALUES (9, '{\"x\": 1, \"y\": [2]}')");
  CHECK(source.follow() == "");
}

TEST_CASE("remove takes nothing of the application's, whatever it is called") {
  const std::string own =
      "CREATE TABLE t(id INTEGER PRIMARY KEY); CREATE TABLE _lockstep_mine(v);"
      "CREATE TABLE _LOCKSTEP_Other(v); CREATE TABLE _lockstep_meta(name TEXT, value TEXT);"
      "CREATE TABLE _lockstep_switch(role);"
      "CREATE TRIGGER _lockstep_audit AFTER INSERT ON t BEGIN SELECT 1; END;"
      "CREATE TRIGGER _lockstep_1_insert AFTER INSERT ON t BEGIN SELECT 1; END;"
      "CREATE TRIGGER _lockstep_fence_INSERT_t AFTER INSERT ON t BEGIN SELECT 1; END";
  CapturedSource source(own);
  const std::string before = master(source.app());
  sqlite::Database database = sqlite::Database::open(source.path(), sqlite::OpenMode::read_write);
  CHECK(capture::remove(database) == 0);
  CHECK(master(source.app()) == before);
  CHECK_FALSE(capture::read_installed(database).has_value());
  CHECK(code_of([&] { sqlite::refuse_names_like_ours(database); }) == "LS-S336");
}

TEST_CASE("remove takes ours and leaves what the application made since, whatever it is called") {
  CapturedSource source(
      "CREATE TABLE orders(id INTEGER PRIMARY KEY, ref TEXT UNIQUE); CREATE TABLE tags(name TEXT "
      "PRIMARY KEY)");
  source.install();
  source.app().exec(
      "CREATE TABLE _lockstep_mine(v); CREATE TRIGGER _lockstep_1_audit AFTER INSERT ON tags BEGIN "
      "INSERT INTO _lockstep_mine VALUES (1); END; DROP TRIGGER _lockstep_1_delete; CREATE TRIGGER "
      "_lockstep_1_delete AFTER DELETE ON orders BEGIN SELECT 1; END; CREATE TRIGGER "
      "_lockstep_99_insert AFTER INSERT ON tags BEGIN INSERT INTO _lockstep_mine VALUES (2); END; "
      "DROP TRIGGER _lockstep_1_insert; CREATE TRIGGER _lockstep_1_insert AFTER INSERT ON orders "
      "BEGIN DELETE FROM _lockstep_changes; END");
  sqlite::Database database = sqlite::Database::open(source.path(), sqlite::OpenMode::read_write);
  CHECK(capture::remove(database) > 3);
  CHECK(source.app().value("SELECT group_concat(name, ' ') FROM (SELECT name FROM sqlite_master "
                           "WHERE name LIKE '%lockstep%' ORDER BY 1)") ==
        "_lockstep_1_audit _lockstep_1_delete _lockstep_99_insert _lockstep_mine");
  source.app().exec("INSERT INTO orders VALUES (1, 'x')");  // nothing looks for a table of ours
}

}  // namespace lockstep::test
