// What lockstep assess says before anything is done, and that saying it changes nothing.
#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "tests/support/fault.hpp"
#include "tests/system/assessment.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

/// Everything in the folder, byte for byte.
std::map<std::string, std::string> files_in(const TempDir& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    files[entry.path().filename().string()] = contents(entry.path().string());
  return files;
}

/// What is in the target's catalogue, and how many rows it has ever been given.
std::string catalogue(const std::string& database) {
  return server().value(
      "SELECT concat((SELECT string_agg(nspname, ',' ORDER BY 1) FROM pg_namespace WHERE nspname "
      "!~ '^pg_'), '|', (SELECT string_agg(relname, ',' ORDER BY 1) FROM pg_class WHERE "
      "relnamespace = 'public'::regnamespace), '|', (SELECT count(*) FROM pg_class), '|', (SELECT "
      "count(*) FROM pg_type), '|', (SELECT count(*) FROM pg_attribute))",
      database);
}

}  // namespace

TEST_CASE("assess names what stands in the way of the torture database, and touches nothing",
          "[system]") {
  const TempDir folder;
  const std::string file = folder.file("torture.db");
  sqlite(file, contents(LOCKSTEP_SOURCE_DIR "/tests/data/torture_public.sql"));
  const std::string dsn = server().create_database("torture");
  const auto files = files_in(folder);
  const std::string before = catalogue("torture");
  const json page = assess({file, dsn}, 3);
  CHECK(files_in(folder) == files);
  CHECK(catalogue("torture") == before);

  CHECK(tables_with(page, "blocker", "LS-A101").count("int_mixed") == 1);
  CHECK(tables_with(page, "blocker", "LS-A102").count("text_nul") == 1);
  CHECK(tables_with(page, "blocker", "LS-A103").count("text_badutf8") == 1);
  CHECK(tables_with(page, "blocker", "LS-A105").count("pk_null") == 1);
  CHECK(tables_with(page, "blocker", "LS-A106").count("wide_cols") == 1);
  CHECK(tables_with(page, "warning", "LS-A110").count("fk_orphans") == 1);
  CHECK(tables_with(page, "warning", "LS-S305").count("no_pk") == 1);
  for (const json& finding : page["findings"])
    if (finding["code"] == "LS-A101") CHECK(has(finding["examples"][0], "="));
  const json& mixed = named(page["tables"], "int_mixed");
  CHECK(named(mixed["columns"], "qty")["type"].is_null());
  const json& big = named(named(page["tables"], "int_edges")["columns"], "big");
  CHECK(big["integer_min"] == std::numeric_limits<std::int64_t>::min());
  CHECK(big["integer_max"] == std::numeric_limits<std::int64_t>::max());
  CHECK(named(named(page["tables"], "real_inf")["columns"], "r")["real_max"] == "Infinity");
  REQUIRE(page["estimate"].is_object());
  CHECK(page["estimate"]["rows"] > 0);

  // The tables that assess blocks are those that run refuses, and its words decide it.
  const Outcome refused = lockstep({"run", file, dsn});
  require_code(refused, 3);
  std::string exclude;
  for (const std::string& table : tables_with(page, "blocker")) {
    CHECK(has(refused.output, "refused   " + table + ": "));
    exclude += (exclude.empty() ? "" : ",") + table;
  }
  CHECK(has(
      refused.output,
      R"(decide    LS-A101 int_mixed.qty: "columns": { "int_mixed.qty": { "type": "literal" } }   or --exclude int_mixed)"));
  CHECK(assess({file, dsn, "--exclude", exclude}, 0)["blockers"] == 0);
  const std::string config = config_of(
      folder, {{"version", 1},
               {"source", {{"sqlite", "torture.db"}}},
               {"target", {{"dsn", dsn}}},
               {"tables", {{"exclude", tables_with(page, "blocker")}, {"expect", {"no_pk"}}}}});
  require_code(lockstep({"run", "--config", config, "--until", "caught-up"}), 0);
  require_code(lockstep({"status", "--config", config}), 0);
  require_code(lockstep({"verify", "--config", config}), 0);
  // Another choice than the copy was made with.
  const std::string other = config_of(folder, {{"version", 1},
                                               {"source", {{"sqlite", "torture.db"}}},
                                               {"target", {{"dsn", dsn}}},
                                               {"tables", {{"exclude", {"no_pk"}}}}});
  const Outcome changed = lockstep({"run", "--config", other, "--until", "caught-up"});
  require_code(changed, 3);
  CHECK(has(changed.error_output, "LS-R702"));
  require_code(lockstep({"remove", "--config", other}), 0);
}

TEST_CASE("assess prints a page and an HTML page with nothing from elsewhere", "[system]") {
  const TempDir folder;
  const std::string file = folder.file("page.db");
  sqlite(file,
         "CREATE TABLE \"<script>alert(1)</script>\"(id INTEGER PRIMARY KEY, v);"
         "INSERT INTO \"<script>alert(1)</script>\" VALUES (1, 'x'), (2, 3);"
         "CREATE TABLE empty(id INTEGER PRIMARY KEY, at DATETIME); CREATE VIEW seen AS SELECT 1");
  const std::string html = folder.file("page.html");
  const Outcome outcome = lockstep({"assess", file, "--html", html, "--columns"});
  require_code(outcome, 3);
  for (const char* part :
       {"Blockers (1)", "LS-A101  <script>alert(1)</script>.v: mixes", "(id=1, 'x')",
        R"("columns": { "<script>alert(1)</script>.v": { "type": "literal" } })",
        "at DATETIME -> timestamp without time zone", "Views   not carried: seen", "give TARGET",
        "1 blocker. lockstep run would refuse"})
    CHECK(has(outcome.output, part));
  const std::string page = contents(html);
  CHECK(has(page, "&lt;script&gt;alert(1)&lt;/script&gt;"));
  for (const char* part : {"<script", "http:", "https:", "src=", "href=", "url("})
    CHECK_FALSE(has(page, part));
  CHECK(has(page, "</html>"));
}

TEST_CASE("assess names the types of a table that is on the target already", "[system]") {
  const TempDir folder;
  const std::string file = folder.file("there.db");
  sqlite(file,
         "CREATE TABLE item(id INTEGER PRIMARY KEY, ref CHAR(32), price DECIMAL, at DATETIME);"
         "INSERT INTO item VALUES (1, '6ba7b8109dad41d180b400c04fd430c8', 1.5, NULL)");
  const std::string dsn = server().create_database("there");
  server().query(
      "CREATE TABLE item(id integer PRIMARY KEY, ref uuid, price numeric(9,2), at "
      "timestamp with time zone)",
      "there");
  const json page = assess({file, dsn}, 0);
  const json& columns = named(page["tables"], "item")["columns"];
  const auto type = [&](const char* name) { return named(columns, name)["type"]; };
  CHECK(type("id") == "integer");
  CHECK(type("ref") == "uuid");
  CHECK(type("price") == "numeric(9,2)");
  CHECK(type("at") == "timestamp with time zone");
  CHECK(has(named(columns, "at")["reason"], "the column on the target has this type"));
}

TEST_CASE("assess reads the price database, by sample too, beside its application", "[system]") {
  const TempDir folder;
  const std::string file = make_prices(folder, "prices.db", "20", "20000");
  const std::string dsn = server().create_database("prices");
  const json whole = assess({file, dsn}, 0);
  std::int64_t rows = 0;
  for (const json& table : whole["tables"]) {
    CHECK(table["whole"] == true);
    rows += table["rows"].get<std::int64_t>();
    CHECK(std::to_string(table["rows"].get<std::int64_t>()) ==
          sqlite(file, "SELECT count(*) FROM \"" + table["name"].get<std::string>() + "\"")[0]);
  }
  CHECK(rows > 10'000);
  const json sampled = assess({file, "--sample", "100"}, 0);
  CHECK(sampled["sample"] == 100);
  CHECK(std::any_of(sampled["tables"].begin(), sampled["tables"].end(), [](const json& table) {
    return table["rows"] == 100 && table["whole"] == false;
  }));
}

TEST_CASE("what stands in the way on the target is part of the page", "[system]") {
  const TempDir folder;
  const std::string file = folder.file("t.db");
  sqlite(file, "CREATE TABLE notes(id INTEGER PRIMARY KEY); INSERT INTO notes VALUES (1)");
  const std::string dsn = server().create_database("taken");
  server().query("CREATE TABLE notes(id bigint PRIMARY KEY); INSERT INTO notes VALUES (7)",
                 "taken");
  const auto codes = [](const json& page) {
    std::set<std::string> found;
    for (const json& check : page["target_checks"])
      if (check["severity"] == "blocker") found.insert(check["code"].get<std::string>());
    return found;
  };
  CHECK(codes(assess({file, dsn}, 3)) == std::set<std::string>{"LS-T206"});
  CHECK(codes(assess({file, dsn, "--schema", "nowhere"}, 3)) == std::set<std::string>{"LS-T204"});
  server().query("CREATE ROLE lowly LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC", "taken");
  std::string lowly = dsn;
  const std::size_t user = lowly.find("://") + 3;
  lowly.replace(user, lowly.find('@') - user, "lowly");
  CHECK(codes(assess({file, lowly}, 3)) == std::set<std::string>{"LS-T204"});
  const std::size_t name = dsn.rfind("taken");
  CHECK(codes(assess({file, std::string(dsn).replace(name, 5, "absent")}, 3)) ==
        std::set<std::string>{"LS-T203"});
}

TEST_CASE("databases of Django, Rails, Alembic and Prisma are recognised", "[system]") {
  const std::map<std::string, std::string> made{
      {"Django",
       "CREATE TABLE \"django_migrations\" (\"id\" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "
       "\"app\" varchar(255) NOT NULL, \"name\" varchar(255) NOT NULL, \"applied\" datetime NOT "
       "NULL);"
       "CREATE TABLE \"auth_user\" (\"id\" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "
       "\"is_superuser\" bool NOT NULL, \"username\" varchar(150) NOT NULL UNIQUE, \"date_joined\" "
       "datetime NOT NULL);"
       "CREATE TABLE \"shop_order\" (\"id\" integer NOT NULL PRIMARY KEY AUTOINCREMENT, \"total\" "
       "decimal NOT NULL, \"user_id\" integer NOT NULL REFERENCES \"auth_user\" (\"id\") "
       "DEFERRABLE INITIALLY DEFERRED);"
       "INSERT INTO auth_user VALUES (1, 1, 'kim', '2026-01-02 03:04:05.678901');"
       "INSERT INTO shop_order VALUES (1, 12.5, 1), (2, 3, 1);"},
      {"Rails",
       "CREATE TABLE \"schema_migrations\" (\"version\" varchar NOT NULL PRIMARY KEY);"
       "CREATE TABLE \"ar_internal_metadata\" (\"key\" varchar NOT NULL PRIMARY KEY, \"value\" "
       "varchar, \"created_at\" datetime(6) NOT NULL, \"updated_at\" datetime(6) NOT NULL);"
       "CREATE TABLE \"posts\" (\"id\" integer PRIMARY KEY AUTOINCREMENT NOT NULL, \"title\" "
       "varchar, \"published\" boolean DEFAULT 0 NOT NULL, \"created_at\" datetime(6) NOT NULL);"
       "INSERT INTO schema_migrations VALUES ('20260102030405');"
       "INSERT INTO posts VALUES (1, 'one', 1, '2026-01-02 03:04:05.123456');"},
      {"Alembic",
       "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT "
       "alembic_version_pkc PRIMARY KEY (version_num));"
       "CREATE TABLE item (id INTEGER NOT NULL, price NUMERIC(10, 2), PRIMARY KEY (id));"
       "INSERT INTO alembic_version VALUES ('ae1027a6acf'); INSERT INTO item VALUES (1, 9.99)"},
      {"Prisma",
       "CREATE TABLE \"_prisma_migrations\" (\"id\" TEXT PRIMARY KEY NOT NULL, \"checksum\" TEXT "
       "NOT NULL, \"finished_at\" DATETIME, \"migration_name\" TEXT NOT NULL, \"started_at\" "
       "DATETIME NOT NULL DEFAULT current_timestamp);"
       "CREATE TABLE \"User\" (\"id\" TEXT NOT NULL PRIMARY KEY, \"email\" TEXT NOT NULL, "
       "\"createdAt\" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP);"
       "CREATE UNIQUE INDEX \"User_email_key\" ON \"User\"(\"email\");"
       "INSERT INTO \"User\" VALUES ('c1', 'a@b.c', 1767323045123);"}};
  for (const auto& [framework, sql] : made) {
    INFO(framework);
    const TempDir folder;
    const std::string file = folder.file("app.db");
    sqlite(file, sql);
    const json page = assess({file}, 0);
    REQUIRE(page["frameworks"].size() == 1);
    CHECK(has(page["frameworks"][0], framework));
    CHECK(has(lockstep({"assess", file}).output, "Made by "));
  }
}

}  // namespace lockstep::test
