// ALTER TABLE ADD COLUMN and indexes cost no copy; what only looks like them does.
#include <fstream>

#include "tests/system/followed.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer one{{"fsync=off"}};
  return one;
}

std::string type_of(const Followed& source, const std::string& column) {
  return query(source.dsn(),
               "SELECT format_type(atttypid, atttypmod) || ' ' || attnotnull FROM "
               "pg_attribute WHERE attrelid = 'a'::regclass AND attname = '" +
                   column + "'")
      .at(0)
      .at(0)
      .value_or("NULL");
}

/// Our triggers on a, as SQL that makes them again.
std::string triggers_of_a(const Followed& source) {
  std::string all;
  for (const std::string& sql :
       sqlite(source.file(),
              "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'a'"))
    all += sql + ";";
  return all;
}

// As SQLite's documentation says it is to be done: with the triggers that were there.
std::string rebuild(const Followed& source, const std::string& columns, const std::string& rows) {
  return "BEGIN IMMEDIATE; CREATE TABLE new_a(" + columns + "); INSERT INTO new_a SELECT " + rows +
         " FROM a; DROP TABLE a; ALTER TABLE new_a RENAME TO a;" + triggers_of_a(source) + "COMMIT";
}

}  // namespace

TEST_CASE("a column that is added costs no copy, whatever its default", "[system]") {
  Followed source("cheap", server().create_database("cheap"));
  source.start_and_catch_up();
  source.write(
      "WITH RECURSIVE c(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM c WHERE i < 3000)"
      "INSERT INTO a SELECT i, 'u' || i, i FROM c");
  source.caught_up();
  const std::vector<std::vector<std::string>> groups{
      {"c01", "c02 INT DEFAULT 7", "c03 INT NOT NULL DEFAULT -7", "c04 TEXT DEFAULT 'it''s ä'",
       "c05 REAL DEFAULT 0.1", "c06 REAL NOT NULL DEFAULT 3"},
      {"c07 BLOB DEFAULT x'00ff'", "c08 BOOLEAN NOT NULL DEFAULT 0",
       "c09 DECIMAL(9,2) DEFAULT 1.50", "c10 INT DEFAULT '12'", "c11 TEXT DEFAULT 12",
       "c12 DATETIME"},
      {"c13 VARCHAR(3) DEFAULT 'longer'", "c14 INT DEFAULT 0x10", "c15 TEXT NOT NULL DEFAULT ''",
       "c16 REAL DEFAULT -0.0", "c17 INT DEFAULT NULL", "c18 INT DEFAULT (5)"},
      {"c19 BOOLEAN DEFAULT true", "c20 NUMERIC DEFAULT 9223372036854775807", "c21 INT DEFAULT +5",
       "c22 DECIMAL(9,2) DEFAULT 100"}};
  for (const std::vector<std::string>& group : groups) {
    std::string alter = "BEGIN IMMEDIATE;";
    for (const std::string& column : group) alter += "ALTER TABLE a ADD COLUMN " + column + ";";
    source.write(alter + "UPDATE a SET n = n + 1 WHERE id % 500 = 3; COMMIT");
    source.write("INSERT INTO a(id, u) VALUES (NULL, hex(randomblob(9)))");
    source.caught_up();
  }
  // Some at once, with values, and another table with them.
  source.write(
      "BEGIN IMMEDIATE; ALTER TABLE a ADD COLUMN d1 INT DEFAULT 1; ALTER TABLE b ADD COLUMN d2 "
      "TEXT;"
      "ALTER TABLE a ADD COLUMN d3 TEXT; UPDATE a SET d1 = 2, d3 = 'x' WHERE id % 7 = 1;"
      "UPDATE b SET d2 = k; COMMIT");
  source.write_some();
  source.caught_up();
  INFO(source.process().error_output());
  CHECK(source.status()["resyncs"] == 0);
  source.write("ALTER TABLE a ADD COLUMN e2 DATETIME DEFAULT '2020-02-02 00:00:00'");
  source.caught_up();
  CHECK(source.status()["resyncs"] == 0);
  // What rows have that are older than the column is not what PostgreSQL would say, or nobody
  // knows.
  source.write("ALTER TABLE a ADD COLUMN e1 DEFAULT 1e3; UPDATE a SET n = 0 WHERE id = 11");
  source.caught_up();
  source.write("ALTER TABLE a ADD COLUMN e3 AS (n + 1)");
  source.caught_up();
  CHECK(source.status()["resyncs"] == 2);
  CHECK(type_of(source, "c03") == "bigint true");
  CHECK(type_of(source, "c08") == "boolean true");
  source.stop();
  CHECK_THAT(source.process().error_output(), Catch::Contains("no row is read anew"));
}

TEST_CASE("a table that was rebuilt with our triggers and a column more is read anew", "[system]") {
  Followed source("twelve", server().create_database("twelve"));
  source.start_and_catch_up();
  source.write(rebuild(source, "id INTEGER PRIMARY KEY, u TEXT UNIQUE, n INT, m INT DEFAULT 5",
                       "id, u || '!', n + 1000, 5"));
  source.caught_up();
  CHECK(source.status()["resyncs"] == 1);
  // As many columns as the rebuild has statements: the count alone would not tell.
  std::string more = "id INTEGER PRIMARY KEY, u TEXT UNIQUE, n INT, m INT DEFAULT 5", ones;
  const std::size_t statements = 3 + sqlite(source.file(),
                                            "SELECT name FROM sqlite_master WHERE type = 'trigger' "
                                            "AND tbl_name = 'a'")
                                         .size();
  for (std::size_t i = 0; i < statements; ++i) {
    more += ", e" + std::to_string(i) + " INT DEFAULT 1";
    ones += ", 1";
  }
  source.write(rebuild(source, more, "id, u || '?', n + 1000, m" + ones));
  source.caught_up();
  CHECK(source.status()["resyncs"] == 2);
  // A trigger that was away while something was written.
  source.write(
      "BEGIN IMMEDIATE; DROP TRIGGER _lockstep_1_update; UPDATE a SET n = n + 1;" +
      sqlite(source.file(), "SELECT sql FROM sqlite_master WHERE name = '_lockstep_1_update'")
          .at(0) +
      "; ALTER TABLE a ADD COLUMN f INT; COMMIT");
  source.caught_up();
  source.stop();
}

TEST_CASE("a table that was rebuilt with our triggers is read anew, and after VACUUM it is not",
          "[system]") {
  Followed source("alike", server().create_database("alike"));
  source.start_and_catch_up();
  source.write("VACUUM");
  source.write_some();
  source.caught_up();
  CHECK(source.status()["resyncs"] == 0);
  source.write(
      rebuild(source, "id INTEGER PRIMARY KEY, u TEXT UNIQUE, n INT", "id, u || '!', n + 1000"));
  source.caught_up();
  CHECK(source.status()["resyncs"] == 1);
  source.stop();
}

// Between the last look of one reader of the source and the first of the next.
TEST_CASE("a rebuild with our triggers is seen across a reader that failed", "[system]") {
  Followed source("between", server().create_database("between"));
  const std::string trace = source.in_folder("trace"), go_on = source.in_folder("go_on");
  source.start({}, {.environment = {
                        "LOCKSTEP_FAILPOINTS=cap.tx_begun=error@3;cap.open=block:" + go_on + "@2",
                        "LOCKSTEP_FAILPOINT_TRACE=" + trace}});
  source.caught_up();
  REQUIRE(wait_until(
      [&] {
        if (contents(trace).find("cap.open block") != std::string::npos) return true;
        source.write("UPDATE b SET n = n + 1");
        return false;
      },
      20s, 20ms));
  source.write(
      rebuild(source, "id INTEGER PRIMARY KEY, u TEXT UNIQUE, n INT", "id, u || '!', n + 1000"));
  std::ofstream(go_on) << "now";
  source.caught_up();
  CHECK(source.status()["resyncs"] == 1);
  source.stop();
}

TEST_CASE("an index that comes or goes costs no copy, but for a UNIQUE one that comes",
          "[system]") {
  Followed source("indexes", server().create_database("indexes"));
  source.start_and_catch_up();
  const auto definitions = [&] {
    std::string all;
    for (const auto& row : query(source.dsn(),
                                 "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND "
                                 "indexname ~ '^(n_|both)' ORDER BY indexname"))
      all += row.at(0).value_or("NULL") + "\n";
    return all;
  };
  source.write("CREATE INDEX n_desc ON a(n DESC) WHERE n > 0");
  source.write_some();
  source.caught_up();
  CHECK_THAT(definitions(), Catch::Contains("n_desc ON public.a USING btree (n DESC"));
  // Two tables and a column in one transaction, with rows.
  source.write(
      "BEGIN IMMEDIATE; ALTER TABLE a ADD COLUMN m INT DEFAULT 4; CREATE INDEX both_m ON a(n, m);"
      "CREATE INDEX n_of_b ON b(n); UPDATE a SET m = 5 WHERE id = 1; DROP INDEX n_desc;"
      "INSERT INTO b VALUES ('in', 1); COMMIT");
  source.write_some();
  source.caught_up();
  CHECK(definitions() ==
        "CREATE INDEX both_m ON public.a USING btree (n, m)\n"
        "CREATE INDEX n_of_b ON public.b USING btree (n)\n");
  CHECK(source.status()["resyncs"] == 0);
  source.write("CREATE UNIQUE INDEX n_once ON b(n) WHERE n > 1000000");
  source.caught_up();
  CHECK(source.status()["resyncs"] == 1);
  source.write("REPLACE INTO b VALUES ('x', 1000001); REPLACE INTO b VALUES ('y', 1000001)");
  source.caught_up();
  // Its probes go with it: they would fail, or log for nothing.
  source.write("DROP INDEX n_once");
  source.caught_up();
  CHECK(source.status()["resyncs"] == 1);
  CHECK(sqlite(source.file(),
               "SELECT name FROM sqlite_master WHERE type = 'trigger' AND sql LIKE '%1000000%'")
            .empty());
  source.write("REPLACE INTO b VALUES ('x', 1000001); REPLACE INTO b VALUES ('y', 1000001)");
  source.caught_up();
  // More happened than an index: counted, and read anew.
  source.write(
      "BEGIN IMMEDIATE; DROP TRIGGER _lockstep_1_update; UPDATE a SET n = n + 1;" +
      sqlite(source.file(), "SELECT sql FROM sqlite_master WHERE name = '_lockstep_1_update'")
          .at(0) +
      "; CREATE INDEX n_again ON a(n); COMMIT");
  source.caught_up();
  CHECK(source.status()["resyncs"] == 2);
  source.stop();
}

TEST_CASE("columns that were added while nobody looked are met with a copy", "[system]") {
  Followed source("away", server().create_database("away"));
  source.start_and_catch_up();
  source.stop();
  source.write("ALTER TABLE a ADD COLUMN m INT DEFAULT 3");
  source.write_some();
  source.start_and_catch_up();
  CHECK(type_of(source, "m") == "bigint false");
  source.stop();
}

}  // namespace lockstep::test
