// How schema_version moves, by real statements: what explains it, and what must have come and gone.
#include "capture/schema_watch.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "capture/schema_record.hpp"
#include "tests/support/application.hpp"
#include "tests/support/temp_dir.hpp"

namespace lockstep::test {
namespace {

using capture::SchemaWatch;
using sqlite::Database;

constexpr char kSchema[] =
    "CREATE TABLE a(id INTEGER PRIMARY KEY, u TEXT, n INT, m INT);"
    "CREATE TABLE b(id INTEGER PRIMARY KEY AUTOINCREMENT, a REFERENCES a, UNIQUE(a));"
    "CREATE INDEX a_n ON a(n); CREATE INDEX a_u ON a(u);"
    "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END;"
    "CREATE VIEW w AS SELECT id FROM b;"
    "CREATE TRIGGER _lockstep_1_insert AFTER INSERT ON a BEGIN SELECT 2; END;"
    "INSERT INTO a VALUES (1, 'x', 1, 1)";

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

/// The tables that are in question after `sql`, as "a b"; `away`: nobody of this process looked
/// before.
std::string in_question(const std::string& sql, bool away) {
  const TempDir folder;
  Application app(folder.file("t.db"));
  app.exec(kSchema);
  Database reading = Database::open(folder.file("t.db"), sqlite::OpenMode::read_only);
  SchemaWatch watch(away ? capture::decode_look(capture::encode_look(capture::look_at(reading)))
                         : capture::SchemaLook());
  if (!away) watch.look(reading);
  app.exec(sql);
  watch.look(reading);
  CHECK((watch.lost_track() && watch.in_doubt()) == false);
  std::string names = watch.in_doubt() ? "doubt" : watch.lost_track() ? "lost" : "";
  for (const std::string& name : watch.in_question()) names += (names.empty() ? "" : " ") + name;
  return names;
}

}  // namespace

TEST_CASE("what an application usually does to its schema is explained by what it leaves") {
  const std::string sql = GENERATE(
      as<std::string>{}, "INSERT INTO a(id) VALUES (2)", "CREATE TABLE c(x)",
      "CREATE TABLE c(x PRIMARY KEY, y UNIQUE); CREATE INDEX i ON c(x)", "DROP TABLE a",
      "DROP INDEX a_n", "DROP INDEX a_n; DROP INDEX a_u", "CREATE UNIQUE INDEX u ON a(u)",
      "ALTER TABLE a ADD COLUMN x; ALTER TABLE a ADD COLUMN y; ALTER TABLE a ADD COLUMN z",
      "ALTER TABLE a RENAME COLUMN n TO k", "DROP VIEW w; ALTER TABLE a RENAME TO aa",
      "CREATE VIEW v AS SELECT 1; CREATE VIEW v2 AS SELECT 2", "DROP VIEW w; DROP TRIGGER t",
      "DROP TRIGGER t; CREATE TRIGGER t AFTER DELETE ON a BEGIN SELECT 1; END",
      "CREATE TRIGGER _lockstep_fence_1 BEFORE INSERT ON a BEGIN SELECT 1; END; CREATE TRIGGER "
      "_lockstep_fence_2 BEFORE INSERT ON b BEGIN SELECT 1; END; DROP TRIGGER _lockstep_1_insert",
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

TEST_CASE("tables whose rows may be others without a trigger are in question, and no others") {
  const bool away = GENERATE(false, true);
  const std::vector<std::pair<std::string, std::string>> cases{
      // Nothing of these rewrites a row, or it is done where triggers are.
      {"ALTER TABLE a ADD COLUMN x; ALTER TABLE a ADD COLUMN y DEFAULT 3", ""},
      {"ALTER TABLE a ADD COLUMN x; VACUUM", ""},
      {"CREATE INDEX i ON a(n, u); DROP INDEX a_n; CREATE VIEW v AS SELECT 1", ""},
      {"VACUUM", ""},
      {"CREATE TABLE c(x)", ""},
      {"UPDATE a SET n = 2; ANALYZE", ""},
      {"ALTER TABLE a RENAME COLUMN n TO k", ""},
      // A column goes, and comes again with another text.
      {"ALTER TABLE a DROP COLUMN m", "a"},
      {"ALTER TABLE a DROP COLUMN m; ALTER TABLE a ADD COLUMN m INT DEFAULT 5", "a"},
      {"ALTER TABLE a DROP COLUMN m; ALTER TABLE a ADD COLUMN m AS (n + 1)", "a"},
      {"CREATE TABLE c(x); ALTER TABLE a DROP COLUMN m; ALTER TABLE a ADD COLUMN m INT DEFAULT 5; "
       "CREATE INDEX i ON b(a, id)",
       "a"},
      {kRebuild, "a"},
      {"DROP TABLE a", "a"},
      {"DROP TRIGGER _lockstep_1_insert; CREATE TABLE c(x); CREATE TRIGGER _lockstep_1_insert "
       "AFTER "
       "INSERT ON a BEGIN SELECT 2; END",
       away ? "lost a b sqlite_sequence" : "doubt a"},
      // Nothing is left of it.
      {"ALTER TABLE a DROP COLUMN m; ALTER TABLE a ADD COLUMN m INT",
       away ? "lost a b sqlite_sequence" : "doubt"},
      {"CREATE UNIQUE INDEX i ON a(n); DROP INDEX i", away ? "lost a b sqlite_sequence" : "doubt"}};
  for (const auto& [sql, names] : cases) {
    INFO(sql);
    CHECK(in_question(sql, away) == names);
  }
}

TEST_CASE("VACUUM hides nothing that came and went beside it") {
  const TempDir folder;
  Application app(folder.file("t.db"));
  app.exec(kSchema);
  // So that it moves what is there.
  app.exec("CREATE TABLE gap(x); CREATE TABLE behind(id INTEGER PRIMARY KEY); DROP TABLE gap");
  Database reading = Database::open(folder.file("t.db"), sqlite::OpenMode::read_only);
  SchemaWatch watch;
  watch.look(reading);
  app.exec("VACUUM; CREATE UNIQUE INDEX u ON a(u); DROP INDEX u");
  watch.look(reading);
  CHECK(watch.in_doubt());
  CHECK(watch.in_question().contains("behind"));
}

TEST_CASE("what only made objects numbered no row anew, and anything beside it may have") {
  const bool made = GENERATE(true, false);
  const std::string sql =
      made ? GENERATE(as<std::string>{},
                      "CREATE TRIGGER _lockstep_fence_INSERT_a BEFORE INSERT ON a BEGIN SELECT 1; "
                      "END; CREATE TABLE _lockstep_switch(one INTEGER PRIMARY KEY)",
                      "CREATE VIEW v AS SELECT 1; CREATE INDEX i ON b(id, a)",
                      "INSERT INTO a(id) "
                      "VALUES (2)")
           : GENERATE(as<std::string>{}, "VACUUM", "CREATE INDEX i ON b(id, a); VACUUM",
                      "CREATE TABLE c(x)", "CREATE TABLE c(x PRIMARY KEY, y UNIQUE)",
                      "CREATE VIRTUAL TABLE f USING fts5(q)", "CREATE INDEX i ON b(a); DROP VIEW w",
                      "DROP INDEX a_n", "ALTER TABLE a ADD COLUMN x", kRebuild,
                      "CREATE INDEX i ON b(id, a); CREATE INDEX j ON b(id); DROP INDEX j");
  INFO(sql);
  const TempDir folder;
  Application app(folder.file("t.db"));
  app.exec(kSchema);
  Database reading = Database::open(folder.file("t.db"), sqlite::OpenMode::read_only);
  const capture::SchemaLook before = capture::look_at(reading);
  CHECK_FALSE(capture::nothing_but_created({}, before));
  app.exec(sql);
  CHECK(capture::nothing_but_created(before, capture::look_at(reading)) == made);
}

TEST_CASE("a recorded look is read as it was written, and what is none is no look") {
  const TempDir folder;
  Application app(folder.file("t.db"));
  app.exec(kSchema);
  app.exec("CREATE TABLE \"a b\n1 2:3\"(\"x\"); CREATE INDEX \"\" ON \"a b\n1 2:3\"(x)");
  Database reading = Database::open(folder.file("t.db"), sqlite::OpenMode::read_only);
  const std::string text = capture::encode_look(capture::look_at(reading));
  CHECK(capture::encode_look(capture::decode_look(text)) == text);
  CHECK(capture::decode_look(text).version == reading.pragma_int("schema_version"));
  for (std::size_t size = 1; size < text.size(); ++size) {
    const capture::SchemaLook cut = capture::decode_look(text.substr(0, size));
    CHECK((cut.version == -1 || text[size - 1] == '\n'));
  }
  CHECK(capture::decode_look("2" + text.substr(1)).version == -1);
}

}  // namespace lockstep::test
