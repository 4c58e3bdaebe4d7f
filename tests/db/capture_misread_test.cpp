// SQLite makes a number of a text key in the OLD and NEW of AFTER triggers, where the foreign key
// of a numeric column with an index was looked up with it. What is logged is the key as it was.
#include <catch2/catch.hpp>
#include <string>

#include "tests/support/captured_source.hpp"

namespace lockstep::test {
namespace {

// Every kind of parent key and child column; a replica kept by batches alone must equal the table.
std::string schema_of(const std::string& key, const std::string& child) {
  return "CREATE TABLE p(" + key + "); CREATE TABLE c(id INTEGER PRIMARY KEY, x " + child +
         " REFERENCES p(k) ON DELETE CASCADE ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED);"
         "CREATE INDEX cx ON c(x); INSERT INTO p(k, v) VALUES ('12', 1), ('1.0', 2), (' 7', 3), "
         "('a', 4), ('0x1', 5), ('9.50', 6), ('', 7), ('1e3', 8);"
         "INSERT INTO c(x) VALUES (12), ('a')";
}

constexpr const char* kSteps[] = {
    "DELETE FROM p WHERE k = '1.0'",
    "DELETE FROM p WHERE k = '12'",
    "UPDATE p SET k = '2.0' WHERE k = ' 7'",
    "UPDATE p SET k = k, v = 'same' WHERE k = '9.50'",
    "BEGIN; INSERT INTO c(x) VALUES ('77.0'); INSERT INTO p(k, v) VALUES ('77.0', 1); INSERT INTO "
    "p(k, v) VALUES ('77', 2); COMMIT",
    "BEGIN; INSERT INTO c(x) VALUES ('88'); UPDATE p SET k = '88.0' WHERE k = '1e3'; INSERT INTO "
    "p(k, v) VALUES ('88', 2); COMMIT",
    "BEGIN; INSERT INTO c(x) VALUES ('99'); INSERT OR REPLACE INTO p(k, v) VALUES ('a', 9), ('99', "
    "9); COMMIT",
    "UPDATE OR REPLACE p SET k = '2.0' WHERE k = '0x1'",
    "INSERT INTO p(k, v) VALUES ('2.0', 1) ON CONFLICT(k) DO UPDATE SET k = '3.0'",
    "DELETE FROM p WHERE k IN ('77.0', '77', '88.0', '')",
    "INSERT INTO p(k, v) VALUES (hex(randomblob(9)), 1), (random(), 2)",
    "DELETE FROM p"};

}  // namespace

TEST_CASE("keys that look like numbers are logged as they are") {
  const char* key =
      GENERATE("k TEXT PRIMARY KEY, v", "k PRIMARY KEY, v", "k TEXT COLLATE NOCASE PRIMARY KEY, v",
               "k TEXT COLLATE RTRIM PRIMARY KEY, v", "id INTEGER, k TEXT NOT NULL UNIQUE, v",
               "g INT DEFAULT 5, k TEXT UNIQUE, v, PRIMARY KEY(k, g)");
  const char* child = GENERATE("INTEGER", "REAL", "");
  const char* rowid = GENERATE("", "WITHOUT ROWID");
  if (std::string(key).starts_with("id") && *rowid != '\0') return;
  const char* foreign = GENERATE("ON", "OFF");
  const char* recursive = GENERATE("ON", "OFF");
  std::string schema = schema_of(key, child);
  schema.insert(schema.find(';'), rowid);
  INFO(schema << ", foreign_keys=" << foreign << ", recursive_triggers=" << recursive);
  CapturedSource source(schema);
  source.app().exec(std::string("PRAGMA foreign_keys=") + foreign +
                    "; PRAGMA recursive_triggers=" + recursive);
  source.install();
  for (const char* step : kSteps) {
    INFO(step);
    // Some of it is more than the foreign keys let through.
    if (!source.app().attempt(step) && source.app().in_transaction()) source.app().exec("ROLLBACK");
    CHECK(source.follow() == "");
  }
}

}  // namespace lockstep::test
