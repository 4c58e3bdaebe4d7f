// The configuration file as a user meets it.
#include <algorithm>
#include <filesystem>
#include <set>
#include <sstream>

#include "tests/support/fault.hpp"
#include "tests/system/assessment.hpp"

namespace lockstep::test {

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

TEST_CASE("config show says the defaults that the schema says", "[system]") {
  const TempDir folder;
  const Outcome shown = lockstep({"config", "show", config_of(folder, {{"version", 1}}), "--json"});
  require_code(shown, 0);
  const json schema = json::parse(contents(LOCKSTEP_SOURCE_DIR "/config/lockstep.schema.json"));
  std::istringstream lines{shown.output};
  int compared = 0;
  for (std::string line; std::getline(lines, line);) {
    const json setting = json::parse(line);
    std::istringstream names{setting["key"].get<std::string>()};
    const json* at = &schema;
    for (std::string name; std::getline(names, name, '.');) at = &at->at("properties").at(name);
    if (!at->contains("default")) continue;
    INFO(setting.dump());
    CHECK(setting["value"] == at->at("default"));
    ++compared;
  }
  CHECK(compared > 10);
}

}  // namespace lockstep::test
