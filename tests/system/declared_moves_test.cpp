// CHECKs and DEFAULTs that a migration changes: on the target with the rows that need them.
#include <fmt/format.h>

#include "tests/system/followed.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer one{{"fsync=off"}};
  return one;
}

std::string rebuilt(const std::string& columns, const std::string& table = "a") {
  return fmt::format(
      "BEGIN; CREATE TABLE new__{0}({1}); INSERT INTO new__{0} SELECT * FROM {0}; DROP TABLE {0};"
      "ALTER TABLE new__{0} RENAME TO {0}; COMMIT",
      table, columns);
}

std::string checks_of(const Followed& source, const std::string& table) {
  return query(source.dsn(), fmt::format("SELECT coalesce(string_agg(pg_get_constraintdef(oid), "
                                         "'; ' ORDER BY pg_get_constraintdef(oid)), '') FROM "
                                         "pg_constraint WHERE contype = 'c' AND conrelid = "
                                         "'{}'::regclass",
                                         table))
      .at(0)
      .at(0)
      .value();
}

std::string default_of(const Followed& source, const std::string& column) {
  return query(source.dsn(), fmt::format("SELECT coalesce(max(pg_get_expr(adbin, adrelid)), '') "
                                         "FROM pg_attrdef JOIN pg_attribute AS a ON attrelid = "
                                         "adrelid AND attnum = adnum WHERE adrelid = "
                                         "'a'::regclass AND attname = '{}'",
                                         column))
      .at(0)
      .at(0)
      .value();
}

constexpr char kKey[] = "id INTEGER PRIMARY KEY, ";

}  // namespace

TEST_CASE("an enum that gets one more value is followed with its CHECK, named or not", "[system]") {
  for (const std::string named : {"", "CONSTRAINT state_ok "}) {
    CAPTURE(named);
    const std::string name = named.empty() ? "enum_plain" : "enum_named";
    Followed source(name, server().create_database(name));
    const auto state = [&](const std::string& values, const std::string& given) {
      return rebuilt(
          fmt::format("{}state TEXT NOT NULL DEFAULT '{}' {}CHECK (state IN ({})), n "
                      "INT CHECK (n > 0)",
                      kKey, given, named, values));
    };
    source.write("DELETE FROM a; " + state("'x', 'y'", "x"));
    source.write("INSERT INTO a(state, n) VALUES ('x', 1), ('y', 2)");
    source.start_and_catch_up();
    const std::string before = checks_of(source, "a");
    CHECK_THAT(before, Catch::Contains("'y'") && Catch::Contains("n > 0"));
    source.write(state("'x', 'y', 'z'", "z"));
    source.write("INSERT INTO a(n) VALUES (3); UPDATE a SET state = 'z' WHERE n = 1");
    source.caught_up();
    CHECK_THAT(checks_of(source, "a"), Catch::Contains("'z'") && Catch::Contains("n > 0"));
    CHECK(query(source.dsn(),
                "SELECT 1 FROM pg_constraint WHERE contype = 'c' AND conrelid = "
                "'a'::regclass")
              .size() == 2);
    CHECK_THAT(default_of(source, "state"), Catch::Contains("'z'"));
    // And back again, while nobody follows.
    source.stop();
    source.write("UPDATE a SET state = 'x' WHERE state = 'z'; " + state("'x', 'y'", "x"));
    const Outcome told = lockstep({"ddl", "status", source.file()});
    require_code(told, 0);
    CHECK_THAT(told.output, Catch::Contains("CHECK (state IN ('x', 'y', 'z')) is gone"));
    CHECK_THAT(told.output, Catch::Contains("DEFAULT of state was 'z', it is 'x' now"));
    source.start_and_catch_up();
    CHECK(checks_of(source, "a") == before);
    CHECK_THAT(default_of(source, "state"), Catch::Contains("'x'"));
    source.stop();
  }
}

TEST_CASE("CHECKs and DEFAULTs that come and go are on the target as on the source", "[system]") {
  Followed source("come", server().create_database("come"));
  source.start_and_catch_up();
  CHECK(checks_of(source, "a").empty());
  source.write(rebuilt(std::string(kKey) +
                       "u TEXT UNIQUE DEFAULT 'none' CHECK (length(u) < 100), n INT DEFAULT 7 "
                       "CHECK (n < 1000000), CHECK (n GLOB '[0-9]*')"));
  source.write("INSERT INTO a(id) VALUES (77)");
  source.caught_up();
  CHECK_THAT(checks_of(source, "a"),
             Catch::Contains("char_length(u) < 100") && Catch::Contains("n < 1000000"));
  CHECK(default_of(source, "n") == "7");
  CHECK_THAT(source.process().error_output(),
             Catch::Contains("PostgreSQL does not get: CHECK (n GLOB '[0-9]*')"));
  // A column that brings its CHECK along, and a table that is made with one.
  source.write("ALTER TABLE a ADD COLUMN late INT DEFAULT 1 CHECK (late IN (1, 2))");
  source.write(
      "CREATE TABLE c(id INTEGER PRIMARY KEY, v INT CHECK (v <> 5)); INSERT INTO c VALUES (1, 1)");
  source.caught_up();
  CHECK_THAT(checks_of(source, "a"), Catch::Contains("late"));
  REQUIRE(wait_until(
      [&] { return !query(source.dsn(), "SELECT 1 FROM pg_class WHERE relname = 'c'").empty(); },
      20s));
  CHECK_THAT(checks_of(source, "c"), Catch::Contains("v <> 5"));
  source.write(rebuilt(std::string(kKey) + "u TEXT UNIQUE, n INT, late INT"));
  source.caught_up();
  CHECK(checks_of(source, "a").empty());
  CHECK(default_of(source, "n").empty());
  source.stop();
}

TEST_CASE("rows that break a new CHECK are carried, and it is named", "[system]") {
  Followed source("broken", server().create_database("broken"));
  source.start_and_catch_up();
  source.write("PRAGMA ignore_check_constraints = ON; " +
               rebuilt(std::string(kKey) + "u TEXT UNIQUE, n INT CHECK (n > 1)"));
  source.caught_up();
  CHECK(checks_of(source, "a").empty());
  REQUIRE(wait_until(
      [&] { return source.process().error_output().find("break a CHECK") != std::string::npos; },
      20s));
  CHECK_THAT(source.process().error_output(), Catch::Contains("LS-T231"));
  source.write("UPDATE a SET n = n + 5; INSERT INTO b VALUES ('later', 7)");
  source.caught_up();
  source.stop();
}

TEST_CASE("a rebuild that brings the triggers back with another CHECK is read anew", "[system]") {
  const bool running = GENERATE(true, false);
  const std::string name = running ? "brought" : "brought_unseen";
  Followed source(name, server().create_database(name));
  source.start_and_catch_up();
  if (!running) source.stop();
  std::string triggers;
  for (const std::string& sql :
       sqlite(source.file(),
              "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'a'"))
    triggers += sql + ";";
  source.write(
      "BEGIN; CREATE TABLE new__a(id INTEGER PRIMARY KEY, u TEXT UNIQUE, n INT CHECK (n > 10));"
      "INSERT INTO new__a SELECT id, u, n + 10 FROM a; DROP TABLE a; ALTER TABLE new__a RENAME TO "
      "a; " +
      triggers + "COMMIT");
  if (!running) source.start();
  source.caught_up();
  CHECK_THAT(checks_of(source, "a"), Catch::Contains("n > 10"));
  source.stop();
}

TEST_CASE("keys and indexes that a rebuild calls otherwise are renamed, and rows go by them",
          "[system]") {
  Followed source("renamed", server().create_database("renamed"));
  const auto named = [](const std::string& end, const std::string& given) {
    return rebuilt(fmt::format("id INTEGER NOT NULL, u TEXT, n INT DEFAULT {1}, CONSTRAINT pk{0} "
                               "PRIMARY KEY (id), CONSTRAINT u{0} UNIQUE (u)",
                               end, given)) +
           fmt::format("; CREATE INDEX i{0} ON a(n); CREATE INDEX k{0} ON a(u, n)", end);
  };
  source.write(named("_old", "1"));
  source.start_and_catch_up();
  // With and without another change; lockstep's own names where none is declared.
  for (const std::string& next :
       {named("_new", "1"), named("_newer", "2"),
        rebuilt("id INTEGER PRIMARY KEY, u TEXT UNIQUE, n INT DEFAULT 3")}) {
    source.write(next);
    source.write_some();
    source.caught_up();
    CHECK(query(source.dsn(),
                "SELECT 1 FROM pg_constraint WHERE conrelid = 'a'::regclass AND contype IN "
                "('p', 'u')")
              .size() == 2);
  }
  CHECK(query(source.dsn(),
              "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_index JOIN "
              "pg_class ON oid = indexrelid WHERE indrelid = 'a'::regclass")
            .at(0)
            .at(0)
            .value() == "a_pkey a_u_key");
  source.stop();
}

TEST_CASE("a CHECK that changes where it stands costs no second reading", "[system]") {
  Followed source("in_place", server().create_database("in_place"));
  source.write(rebuilt(std::string(kKey) + "u TEXT UNIQUE, n INT CHECK (n < 100)"));
  source.start_and_catch_up();
  source.write(
      "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = replace(sql, 'n < 100', 'n < "
      "200') WHERE name = 'a'; PRAGMA writable_schema = RESET");
  const std::string version = sqlite(source.file(), "PRAGMA schema_version").at(0);
  source.write(fmt::format("PRAGMA schema_version = {}", std::stoi(version) + 1));
  source.write("INSERT INTO a(id, n) VALUES (150, 150)");
  source.caught_up();
  CHECK_THAT(checks_of(source, "a"), Catch::Contains("n < 200"));
  CHECK_THAT(source.process().error_output(), Catch::Contains("no row is read anew"));
  source.stop();
}

}  // namespace lockstep::test
