// Which types lockstep assess proposes, and which line of a configuration makes others.
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

}  // namespace

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

TEST_CASE("notes say what a column holds, and call no time of day a timestamp", "[system]") {
  const TempDir folder;
  const std::string file = folder.file("notes.db");
  sqlite(file,
         "CREATE TABLE l(id INTEGER PRIMARY KEY, b tinyint(1), opens time(6), j JSON);"
         "INSERT INTO l VALUES (1, 0, '2000-01-01 09:30:00', 5), (2, 1, NULL, 7)");
  const Outcome page = lockstep({"assess", file});
  require_code(page, 0);
  CHECK_THAT(page.output, Catch::Contains(R"(l.b: 2 integer: "columns": { "l.b")") &&
                              Catch::Contains(R"(l.j: 2 integer: "columns": { "l.j")") &&
                              !Catch::Contains("l.opens"));
  const json columns = named(assess({file}, 0)["tables"], "l")["columns"];
  CHECK(named(columns, "opens")["possible_type"].is_null());
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

}  // namespace lockstep::test
