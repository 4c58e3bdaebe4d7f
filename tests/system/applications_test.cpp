// The schemas of well-known applications, in the DDL style of their ORMs (tests/data/apps): each is
// copied and followed without any configuration, and equal in the end, or refused by name. The
// page tests/applications.md is what this program saw.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "tests/system/world.hpp"

namespace lockstep::test {
namespace {

constexpr char kMarker[] = "-- following\n";

struct Application {
  std::string name, app, orm, remark, refused;
  std::vector<std::pair<std::string, std::string>>
      types;                    ///< "table.column", as PostgreSQL says it
  std::string made, following;  ///< SQL before the copy, and while it is followed
  std::size_t tables = 0;
};

/// `text` without `start`; nothing if it does not start so.
std::optional<std::string> after(const std::string& start, const std::string& text) {
  if (text.rfind(start, 0) != 0) return std::nullopt;
  return text.substr(start.size());
}

Application parse(const std::filesystem::path& path) {
  Application found;
  found.name = path.stem();
  const std::string text = contents(path);
  const std::size_t marker = text.find(kMarker);
  found.made = text.substr(0, marker);
  if (marker != std::string::npos) found.following = text.substr(marker);
  std::istringstream lines{found.made};
  for (std::string line; std::getline(lines, line);) {
    if (const auto app = after("-- app: ", line)) found.app = *app;
    if (const auto orm = after("-- orm: ", line)) found.orm = *orm;
    if (const auto remark = after("-- remark: ", line)) found.remark = *remark;
    if (const auto refused = after("-- result: refused ", line)) found.refused = *refused;
    if (const auto expected = after("-- expect: ", line)) {
      const std::size_t blank = expected->find(' ');
      found.types.emplace_back(expected->substr(0, blank), expected->substr(blank + 1));
    }
    if (after("CREATE TABLE ", line)) ++found.tables;
  }
  return found;
}

std::vector<Application> applications() {
  std::vector<Application> found;
  for (const auto& entry :
       std::filesystem::directory_iterator(LOCKSTEP_SOURCE_DIR "/tests/data/apps"))
    found.push_back(parse(entry.path()));
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return found;
}

PostgresServer& server() {
  static PostgresServer one{{"fsync=off"}};
  return one;
}

std::string type_on_target(const std::string& database, const std::string& column) {
  const std::size_t dot = column.find('.');
  const auto rows = server().query(
      fmt::format("SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = "
                  "'public.\"{}\"'::regclass AND attname = '{}'",
                  column.substr(0, dot), column.substr(dot + 1)),
      database);
  return rows.empty() ? "no such column" : rows[0][0].value_or("NULL");
}

/// Of each column, as assess says it before anything is done.
std::map<std::string, std::string> announced(const std::string& file, const std::string& dsn) {
  const Outcome outcome = lockstep({"assess", file, dsn, "--json"});
  require_code(outcome, 0);
  std::map<std::string, std::string> types;
  const nlohmann::json page = nlohmann::json::parse(outcome.output);
  for (const auto& table : page["tables"])
    for (const auto& column : table["columns"])
      types[table["name"].get<std::string>() + "." + column["name"].get<std::string>()] =
          column["type"].get<std::string>();
  REQUIRE_FALSE(types.empty());
  return types;
}

/// It is copied, written to as the application writes, followed, and equal.
void follow(const Application& app, const std::string& file, const std::string& dsn) {
  const std::map<std::string, std::string> promised = announced(file, dsn);
  const auto following = start_lockstep({"run", file, dsn});
  require_caught_up(*following, file);
  sqlite(file, app.following);
  require_caught_up(*following, file);
  following->signal(SIGTERM);
  CHECK(following->wait_or_throw(20s) == ExitStatus{.code = 143});
  INFO(following->output() << following->error_output());
  require_equal(file, dsn);
  require_code(lockstep({"verify", file, dsn}), 0);
  CHECK(server().query("SELECT changes > 0 FROM lockstep.ledger", app.name)[0][0] == "t");
  for (const auto& [column, type] : app.types) {
    INFO(column);
    CHECK(type_on_target(app.name, column) == type);
  }
  for (const auto& [column, type] : promised) {
    INFO(column << " as assess said");
    CHECK(type_on_target(app.name, column) == type);
  }
}

void refuse(const Application& app, const std::string& file, const std::string& dsn) {
  const Outcome outcome = lockstep({"run", file, dsn, "--until", "caught-up"});
  require_code(outcome, 3);
  CHECK_THAT(everything(outcome), Catch::Contains(app.refused));
  CHECK(sqlite(file, "SELECT count(*) FROM sqlite_master WHERE name GLOB '_lockstep*'")[0] == "0");
}

std::string page(const std::vector<Application>& all) {
  const auto equal =
      std::count_if(all.begin(), all.end(), [](const auto& app) { return app.refused.empty(); });
  std::string text = fmt::format(
      "# Applications\n\nWritten by `tests/system/applications_test.cpp`, which runs each of them: "
      "do not edit. The core tables of well-known\napplications, in the DDL style and the value "
      "formats of their ORM ([data/apps](data/apps), our own text), go through\n`lockstep run` "
      "without any configuration; the application writes while it is followed; then an independent "
      "program compares\nevery value. {} of {} end equal, the others are refused by name.\n\n"
      "| application | ORM | tables | result | remarks |\n|---|---|---|---|---|\n",
      equal, all.size());
  for (const auto& app : all) {
    std::string types;
    for (const auto& [column, type] : app.types)
      types += fmt::format("{}`{}` {}", types.empty() ? "" : ", ", column, type);
    text += fmt::format("| {} | {} | {} | {} | {}{}{} |\n", app.app, app.orm, app.tables,
                        app.refused.empty() ? "equal" : "refused: " + app.refused, app.remark,
                        app.remark.empty() || types.empty() ? "" : ". ", types);
  }
  return text;
}

}  // namespace

TEST_CASE("the databases of well-known applications are carried without any configuration",
          "[system]") {
  for (const Application& app : applications()) DYNAMIC_SECTION(app.app) {
      const TempDir folder;
      const std::string file = folder.file(app.name + ".db");
      sqlite(file, "PRAGMA journal_mode = WAL");
      sqlite(file, app.made);
      const std::string dsn = server().create_database(app.name);
      if (app.refused.empty())
        follow(app, file, dsn);
      else
        refuse(app, file, dsn);
    }
}

TEST_CASE("the page of the applications is what the test sees", "[system]") {
  const auto all = applications();
  CHECK(all.size() >= 20);
  CHECK(std::count_if(all.begin(), all.end(),
                      [](const auto& app) { return app.refused.empty(); }) >= 18);
  const std::string written = std::string(TEST_BUILD_DIR) + "/applications.md";
  std::ofstream(written) << page(all);
  INFO("cp " << written << " " LOCKSTEP_SOURCE_DIR "/tests/applications.md");
  CHECK(contents(LOCKSTEP_SOURCE_DIR "/tests/applications.md") == page(all));
}

}  // namespace lockstep::test
