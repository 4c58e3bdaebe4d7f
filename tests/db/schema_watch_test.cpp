// How schema_version moves, by real statements: what explains it, and what must have come and gone.
#include "capture/schema_watch.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/support/application.hpp"
#include "tests/support/temp_dir.hpp"

namespace lockstep::test {
namespace {

using capture::SchemaWatch;
using sqlite::Database;

constexpr char kSchema[] =
    "CREATE TABLE a(id INTEGER PRIMARY KEY, u TEXT, n INT);"
    "CREATE TABLE b(id INTEGER PRIMARY KEY AUTOINCREMENT, a REFERENCES a, UNIQUE(a));"
    "CREATE INDEX a_n ON a(n); CREATE INDEX a_u ON a(u);"
    "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END;"
    "CREATE VIEW w AS SELECT id FROM b;"
    "CREATE TRIGGER _lockstep_1_insert AFTER INSERT ON a BEGIN SELECT 2; END;"
    "INSERT INTO a VALUES (1, 'x', 1)";

constexpr char kRebuild[] =
    "BEGIN; CREATE TABLE new_a(id INTEGER PRIMARY KEY, u TEXT, n TEXT, m); INSERT INTO new_a "
    "SELECT id, u, n, 0 FROM a; DROP TABLE a; ALTER TABLE new_a RENAME TO a; CREATE INDEX a_n ON "
    "a(n); CREATE INDEX a_u ON a(u); CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END; "
    "COMMIT";

/// Whether a watch that looked before is in doubt after `sql`.
bool leaves_doubt(const std::string& sql) {
  const TempDir folder;
  Application app(folder.file("t.db"));
  app.exec(kSchema);
  Database reading = Database::open(folder.file("t.db"), sqlite::OpenMode::read_only);
  SchemaWatch watch;
  watch.look(reading);
  app.exec(sql);
  watch.look(reading);
  return watch.in_doubt();
}

}  // namespace

TEST_CASE("what an application usually does to its schema is explained by what it leaves") {
  const std::string sql = GENERATE(
      as<std::string>{}, "INSERT INTO a VALUES (2, 'y', 2)", "CREATE TABLE c(x)",
      "CREATE TABLE c(x PRIMARY KEY, y UNIQUE); CREATE INDEX i ON c(x)", "DROP TABLE a",
      "DROP INDEX a_n", "DROP INDEX a_n; DROP INDEX a_u", "CREATE UNIQUE INDEX u ON a(u)",
      "ALTER TABLE a ADD COLUMN x; ALTER TABLE a ADD COLUMN y; ALTER TABLE a ADD COLUMN z",
      "ALTER TABLE a RENAME COLUMN n TO k", "DROP VIEW w; ALTER TABLE a RENAME TO aa",
      "CREATE VIEW v AS SELECT 1; CREATE VIEW v2 AS SELECT 2", "DROP VIEW w; DROP TRIGGER t",
      "DROP TRIGGER t; CREATE TRIGGER t AFTER DELETE ON a BEGIN SELECT 1; END",
      "DROP INDEX a_n; CREATE INDEX a_n ON a(n DESC)", "ANALYZE", "ANALYZE; ANALYZE", "VACUUM",
      "REINDEX", "CREATE VIRTUAL TABLE f USING fts5(q)",
      "CREATE TABLE c AS SELECT * FROM a; CREATE TABLE d AS SELECT * FROM a; DROP TABLE b",
      kRebuild);
  INFO(sql);
  CHECK_FALSE(leaves_doubt(sql));
}

TEST_CASE("what came and went leaves a doubt, whatever else was done beside it") {
  const std::string beside = GENERATE(
      as<std::string>{}, "", "CREATE TABLE c(x);", "DROP INDEX a_n;", "ALTER TABLE a ADD COLUMN x;",
      "ALTER TABLE a RENAME COLUMN n TO k;", "CREATE VIEW v AS SELECT 1;", "VACUUM;", "ANALYZE;",
      "DROP TRIGGER t;", "DROP VIEW w; ALTER TABLE b RENAME TO bb;");
  const std::string unseen =
      GENERATE(as<std::string>{}, "BEGIN; CREATE UNIQUE INDEX u ON a(u); DROP INDEX u; COMMIT",
               "CREATE UNIQUE INDEX u ON a(u); DROP INDEX u", "PRAGMA schema_version = 1");
  INFO(beside << unseen);
  CHECK(leaves_doubt(beside + unseen));
}

}  // namespace lockstep::test
