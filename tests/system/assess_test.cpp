// What lockstep assess says before anything is done, and that saying it changes nothing.
#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "config/validate.hpp"
#include "tests/support/fault.hpp"
#include "tests/system/world.hpp"

namespace lockstep::test {
namespace {

using nlohmann::json;

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
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

/// Its JSON, which has to be as published.
json assessment(const Outcome& outcome) {
  INFO(everything(outcome));
  const json page = json::parse(outcome.output);
  const json schema = json::parse(contents(LOCKSTEP_SOURCE_DIR "/ops/assessment.schema.json"));
  std::string mistakes;
  for (const auto& mistake : config::mistakes_in(page, schema))
    mistakes += mistake.path + ": " + mistake.what + "\n";
  REQUIRE(mistakes.empty());
  return page;
}

json assess(const std::vector<std::string>& arguments, int code) {
  std::vector<std::string> all{"assess", "--json"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  const Outcome outcome = lockstep(all);
  require_code(outcome, code);
  return assessment(outcome);
}

std::set<std::string> tables_with(const json& page, const std::string& severity,
                                  const std::string& code = "") {
  std::set<std::string> tables;
  for (const json& finding : page["findings"])
    if (finding["severity"] == severity && (code.empty() || finding["code"] == code))
      tables.insert(finding["table"].get<std::string>());
  return tables;
}

const json& named(const json& list, const std::string& name) {
  const auto found =
      std::find_if(list.begin(), list.end(), [&](const json& one) { return one["name"] == name; });
  REQUIRE(found != list.end());
  return *found;
}

std::string config_of(const TempDir& folder, const json& config) {
  const std::string path = folder.file("lockstep.json");
  std::ofstream(path) << config.dump(1);
  std::filesystem::permissions(path, std::filesystem::perms{0600});
  return path;
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

TEST_CASE("assess says how values are written, and which line makes moments of them", "[system]") {
  const TempDir folder;
  const std::string file = folder.file("formats.db");
  sqlite(file,
         "CREATE TABLE e(id INTEGER PRIMARY KEY, at TEXT, seen_at INTEGER, ref CHAR(36), doc JSON, "
         "word TEXT, born DATE, day TEXT UNIQUE, note TEXT);"
         "INSERT INTO e VALUES (1, '2024-01-02 03:04:05', 1704164645123, "
         "'6ba7b810-9dad-41d1-80b4-00c04fd430c8', '[]', 'yes', 2460000.5, '2024-01-02', 'x'),"
         "(2, '2024-01-02T03:04:05.5', 1704164645124, '00000000-0000-0000-0000-000000000000', "
         "'{}', 'no', 2460001.5, '2024-01-03', '')");
  const json page = assess({file}, 0);
  const json& columns = named(page["tables"], "e")["columns"];
  const auto formats = [&](const std::string& name) { return named(columns, name)["formats"]; };
  CHECK(formats("at") == json{{"YYYY-MM-DD HH:MM:SS", 1}, {"YYYY-MM-DDTHH:MM:SS.f", 1}});
  CHECK(formats("seen_at") == json{{"epoch-ms", 2}});
  CHECK(formats("ref") == json{{"uuid xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", 2}});
  CHECK(formats("doc") == json{{"json", 2}});
  CHECK(formats("word") == json{{"boolean yes/no", 2}});
  CHECK(formats("born") == json{{"julian day", 2}});
  CHECK(formats("day") == json{{"YYYY-MM-DD", 2}});
  CHECK(formats("note") == json::object());
  CHECK(named(columns, "ref")["type"] == "uuid");  // the nil UUID has no version
  CHECK(named(columns, "at")["possible_type"] == "timestamp");
  CHECK(named(columns, "seen_at")["possible_config"] ==
        R"("columns": { "e.seen_at": { "type": "epoch-ms" } })");
  CHECK(named(columns, "day")["possible_type"].is_null());  // unique: two texts might become one
  CHECK(named(columns, "word")["possible_type"].is_null());
  const std::string html = folder.file("formats.html");
  const Outcome text = lockstep({"assess", file, "--columns", "--html", html});
  require_code(text, 0);
  for (const char* part :
       {"formats: 1 YYYY-MM-DD HH:MM:SS, 1 YYYY-MM-DDTHH:MM:SS.f", "formats: 2 julian day",
        "Notes (2)",
        R"(e.seen_at: 2 epoch-ms: "columns": { "e.seen_at": { "type": "epoch-ms" } })"})
    CHECK(has(text.output, part));
  CHECK(has(contents(html), "2 boolean yes/no"));
  // The lines do what they say.
  const std::string dsn = server().create_database("formats");
  const std::string config = config_of(
      folder,
      {{"version", 1},
       {"source", {{"sqlite", "formats.db"}}},
       {"target", {{"dsn", dsn}}},
       {"columns", {{"e.at", {{"type", "timestamp"}}}, {"e.seen_at", {{"type", "epoch-ms"}}}}}});
  require_code(lockstep({"run", "--config", config, "--until", "caught-up"}), 0);
  CHECK(server().query("SELECT at::text, seen_at AT TIME ZONE 'UTC' FROM e ORDER BY id",
                       "formats")[0] ==
        std::vector<std::optional<std::string>>{"2024-01-02 03:04:05", "2024-01-02 03:04:05.123"});
}

TEST_CASE("a mixture that one type carries is decided by that type, no literal", "[system]") {
  const TempDir folder;
  const std::string file = folder.file("mixed.db");
  sqlite(file,
         "CREATE TABLE m(id INTEGER PRIMARY KEY, at DATETIME DEFAULT CURRENT_TIMESTAMP, flag "
         "BOOLEAN, odd DATETIME, once DATETIME UNIQUE);"
         "INSERT INTO m VALUES (1, 1704164645123, 'true', 'soon', 1704164645123);"
         "INSERT INTO m(id, at, flag, odd, once) VALUES (2, '2024-01-02 03:04:05', 0, 7, "
         "'2024-01-02 03:04:05')");
  const json page = assess({file}, 3);
  std::map<std::string, std::string> lines;
  for (const json& finding : page["findings"])
    if (finding["severity"] == "blocker")
      lines[finding["column"].get<std::string>()] = finding["decide_config"].get<std::string>();
  CHECK(lines["at"] == R"("columns": { "m.at": { "type": "epoch-ms" } })");
  CHECK(lines["flag"] == R"("columns": { "m.flag": { "type": "boolean" } })");
  CHECK(lines["odd"] == R"("columns": { "m.odd": { "type": "literal" } })");
  CHECK(lines["once"] == R"("columns": { "m.once": { "type": "literal" } })");
  json columns;
  for (const auto& [column, line] : lines) columns.update(json::parse("{" + line + "}")["columns"]);
  const std::string dsn = server().create_database("mixed");
  const std::string config = config_of(folder, {{"version", 1},
                                                {"source", {{"sqlite", "mixed.db"}}},
                                                {"target", {{"dsn", dsn}}},
                                                {"columns", columns}});
  require_code(lockstep({"run", "--config", config, "--until", "caught-up"}), 0);
  CHECK(server().query("SELECT string_agg(concat(at AT TIME ZONE 'UTC', ' ', flag), ', ' ORDER BY "
                       "id) FROM m",
                       "mixed")[0][0] == "2024-01-02 03:04:05.123 t, 2024-01-02 03:04:05 f");
  require_code(lockstep({"verify", "--config", config}), 0);
}

TEST_CASE("a DEFAULT that its column's type cannot hold is told before it stops", "[system]") {
  const TempDir folder;
  const std::string file = folder.file("defaults.db");
  sqlite(file,
         "PRAGMA journal_mode = WAL;"
         "CREATE TABLE u(id INTEGER PRIMARY KEY, \"createdAt\" DATETIME NOT NULL DEFAULT "
         "CURRENT_TIMESTAMP, n INT DEFAULT 3, at DATETIME DEFAULT CURRENT_TIMESTAMP);"
         "INSERT INTO u VALUES (1, 1704164645123, 1, '2024-01-02 03:04:05')");
  const json page = assess({file}, 0);
  CHECK(tables_with(page, "warning", "LS-A118") == std::set<std::string>{"u"});
  std::string what;
  for (const json& finding : page["findings"])
    if (finding["code"] == "LS-A118") what = finding["what"].get<std::string>();
  const std::string line = R"("columns": { "u.createdAt": { "type": "epoch-ms" } })";
  CHECK(has(what,
            "createdAt becomes timestamp(3) without time zone, and its DEFAULT "
            "CURRENT_TIMESTAMP gives text (which " +
                line + " carries, too)"));
  CHECK_FALSE(has(what, "; "));
  // As it says: without the line it stops, with it the row arrives.
  const auto follow = [&](const std::string& database, const json& columns) {
    const std::string config =
        config_of(folder, {{"version", 1},
                           {"source", {{"sqlite", "defaults.db"}}},
                           {"target", {{"dsn", server().create_database(database)}}},
                           {"columns", columns}});
    require_code(lockstep({"run", "--config", config, "--until", "caught-up"}), 0);
    sqlite(file, "INSERT INTO u(n) VALUES (7)");
    Outcome again = lockstep({"run", "--config", config, "--until", "caught-up"});
    require_code(lockstep({"remove", "--config", config}), 0);
    sqlite(file, "DELETE FROM u WHERE n = 7");
    return again;
  };
  const Outcome stopped = follow("without", json::object());
  require_code(stopped, 7);
  CHECK(has(stopped.error_output, "LS-D401"));
  require_code(follow("with_line", json::parse("{" + line + "}")["columns"]), 0);
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

TEST_CASE("a configuration file: precedence, expectations, mistakes, secrets", "[system]") {
  const TempDir folder;
  const std::string file = folder.file("app.db");
  sqlite(file,
         "CREATE TABLE a(id INTEGER PRIMARY KEY); CREATE TABLE b(id INTEGER PRIMARY KEY);"
         "INSERT INTO a VALUES (1), (2)");
  const auto tables_of = [](const json& page) {
    std::set<std::string> names;
    for (const json& table : page["tables"]) names.insert(table["name"].get<std::string>());
    return names;
  };
  json config{{"version", 1},
              {"source", {{"sqlite", "app.db"}}},
              {"tables", {{"exclude", {"b"}}, {"expect", {{{"table", "a"}, {"rows_min", 2}}}}}}};
  std::string path = config_of(folder, config);
  CHECK(tables_of(assess({"--config", path}, 0)) == std::set<std::string>{"a"});
  // The flag goes before the file; what is expected is then left out.
  require_code(lockstep({"assess", "--config", path, "--exclude", "a"}), 3);
  require_code(lockstep({"config", "validate", path}), 0);
  const Outcome shown = lockstep({"config", "show", path});
  require_code(shown, 0);
  CHECK(has(shown.output, "line "));
  CHECK(has(shown.output, "default"));

  config["tables"]["expect"][0]["rows_min"] = 3;
  path = config_of(folder, config);
  const Outcome unmet = lockstep({"assess", "--config", path});
  require_code(unmet, 3);
  CHECK(has(unmet.error_output, "LS-A113"));
  CHECK(has(unmet.error_output, "a has 2 rows, not at least 3"));

  config["tables"]["exclude"] = {"c"};
  path = config_of(folder, config);
  const Outcome wrong = lockstep({"config", "validate", path});
  require_code(wrong, 2);
  CHECK(has(wrong.error_output, "/tables/exclude/0: no table of "));

  config["target"] = {{"dsn", "postgresql://owner:xK9-canary@db.invalid/shop"}};
  config["tables"].erase("exclude");
  path = config_of(folder, config);
  const Outcome secret = lockstep({"config", "show", path});
  require_code(secret, 0);
  CHECK(has(everything(secret), "LS-C103"));
  CHECK_FALSE(has(everything(secret), "xK9-canary"));
  std::filesystem::permissions(path, std::filesystem::perms{0644});
  const Outcome open = lockstep({"status", "--config", path});
  require_code(open, 2);
  CHECK(has(open.error_output, "LS-C103"));
  CHECK_FALSE(has(everything(open), "xK9-canary"));
  std::filesystem::permissions(path, std::filesystem::perms{0666});
  require_code(lockstep({"status", "--config", path}), 3);
  saw_fault("H24",
            "REFUSE: exit 3 for a configuration that others can write; exit 2 for one with a "
            "password that others can read");
}

}  // namespace lockstep::test
