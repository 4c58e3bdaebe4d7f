#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "link/postgres/dsn.hpp"
#include "link/sqlite/shape.hpp"
#include "ops/commands.hpp"
#include "ops/config_file.hpp"
#include "ops/names.hpp"

namespace lockstep::ops {

namespace {

using nlohmann::json;

std::string dumped(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

// What only the source can tell: whether the names in the file are names there.
std::vector<config::Problem> wrong_names(const config::Loaded& loaded) {
  const config::Settings& settings = loaded.settings;
  if (settings.source.empty() || !std::filesystem::exists(settings.source)) return {};
  sqlite::Database database = sqlite::Database::open(settings.source, sqlite::OpenMode::read_only);
  const std::vector<sqlite::TableName> tables = sqlite::list_tables(database);
  std::vector<config::Problem> problems;
  const auto look = [&](const std::string& key, std::size_t i, const std::string& glob) {
    if (std::any_of(tables.begin(), tables.end(), [&](const sqlite::TableName& table) {
          return matches_any(table.name, {glob});
        }))
      return;
    const std::string path = fmt::format("/tables/{}/{}", key, i);
    problems.push_back({path, loaded.lines.at(path),
                        fmt::format("no table of {} is called {}", settings.source, glob), ""});
  };
  for (std::size_t i = 0; i < settings.include.size(); ++i) look("include", i, settings.include[i]);
  for (std::size_t i = 0; i < settings.exclude.size(); ++i) look("exclude", i, settings.exclude[i]);
  for (std::size_t i = 0; i < settings.expect.size(); ++i)
    look("expect", i, settings.expect[i].table);
  std::stable_sort(problems.begin(), problems.end(),
                   [](const auto& a, const auto& b) { return a.line < b.line; });
  return problems;
}

class Shown {
 public:
  Shown(const config::Loaded& loaded, Screen& screen) : loaded_(loaded), screen_(screen) {}

  // `variable` goes before the file.
  void key(const std::string& name, const json& from_file, const json& standard,
           const char* variable = nullptr) {
    const char* set = variable != nullptr ? std::getenv(variable) : nullptr;
    std::string pointer = "/" + name;
    std::replace(pointer.begin(), pointer.end(), '.', '/');
    const auto line = loaded_.lines.find(pointer);
    json value = standard;
    std::string origin = "default";
    if (set != nullptr && *set != '\0') {
      value = postgres::redacted(set, {});
      origin = fmt::format("environment {}", variable);
    } else if (line != loaded_.lines.end()) {
      value = from_file;
      origin = fmt::format("line {}", line->second);
    }
    screen_.result(fmt::format("{:<24} {:<40} {}", name, dumped(value), origin));
    screen_.json(
        dumped({{"type", "setting"}, {"key", name}, {"value", value}, {"origin", origin}}));
  }

 private:
  const config::Loaded& loaded_;
  Screen& screen_;
};

json expected(const std::vector<config::ExpectedTable>& tables) {
  json list = json::array();
  for (const config::ExpectedTable& table : tables) {
    json one{{"table", table.table}};
    if (table.rows_min) one["rows_min"] = *table.rows_min;
    if (table.rows_max) one["rows_max"] = *table.rows_max;
    list.push_back(table.rows_min || table.rows_max ? one : json(table.table));
  }
  return list;
}

void show(const config::Loaded& loaded, Screen& screen) {
  const config::Settings& settings = loaded.settings;
  std::string target = settings.target;
  if (!target.empty()) {
    const postgres::Dsn dsn = postgres::parse_dsn(target);
    target = postgres::redacted(target, dsn);
  }
  Shown shown(loaded, screen);
  shown.key("source.sqlite", settings.source, nullptr, "LOCKSTEP_SOURCE");
  shown.key("target.dsn", target, nullptr, "LOCKSTEP_TARGET");
  shown.key("target.schema", settings.schema, "public");
  shown.key("target.guard", settings.guard, "reject");
  shown.key("tables.include", settings.include, json::array({"*"}));
  shown.key("tables.exclude", settings.exclude, json::array());
  shown.key("tables.expect", expected(settings.expect), json::array());
  json dual_write = json::object();
  for (const config::DualWriteSetting& table : settings.dual_write)
    dual_write[table.table] = table.policy;
  shown.key("tables.dual_write", dual_write, json::object());
  shown.key("snapshot.on_existing_row", settings.on_existing_row, "fail");
  shown.key("on_bad_value", settings.on_bad_value, "stop");
  shown.key("verify.continuous", settings.verify.continuous.value_or(true), true);
  shown.key("verify.every", settings.verify.every, "30min");
  shown.key("verify.rows_per_second", settings.verify.rows_per_second.value_or(0), nullptr);
  shown.key("verify.cpu_share", settings.verify.cpu_share.value_or(0), 0.05);
  shown.key("verify.pause_when_lag", settings.verify.pause_when_lag, "5s");
  for (const auto& [name, given] :
       {std::pair("cutover", &settings.cutover), std::pair("rollback", &settings.rollback)}) {
    const std::string head = std::string(name) + ".";
    shown.key(head + "max_pause", given->max_pause, "800ms");
    shown.key(head + "max_lag", given->max_lag, "500ms");
    shown.key(head + "verify_max_age", given->verify_max_age, "60min");
    json gates = json::array();
    for (const config::GateSetting& gate : given->gates) gates.push_back(gate.name);
    shown.key(head + "gates", gates, json::array());
  }
  shown.key("hooks_dir", settings.hooks_dir, nullptr);
  json columns = json::object();
  for (const config::ColumnSetting& column : settings.columns) {
    if (!column.on_bad_value.empty()) columns[column.column]["on_bad_value"] = column.on_bad_value;
    if (column.pii) columns[column.column]["pii"] = true;
  }
  shown.key("columns", columns, json::object());
  json validators = json::array(), waivers = json::array();
  for (const config::Validator& each : settings.validators)
    validators.push_back({{"name", each.name}, {"expect", each.expect}});
  for (const config::Waiver& each : settings.waivers)
    waivers.push_back({{"check", each.check},
                       {"table", each.table},
                       {"max_rows", each.rows_max},
                       {"reason", each.reason},
                       {"by", each.by},
                       {"until", each.until}});
  shown.key("verify.validators", validators, json::array());
  shown.key("waivers", waivers, json::array());
}

}  // namespace

ExitCode command_config(const ConfigRequest& request, Screen& screen) {
  if (request.what == ConfigRequest::What::schema) {
    screen.text(config::schema_text());
    screen.json(json::parse(config::schema_text()).dump());
    return ExitCode::done;
  }
  if (request.file.empty())
    throw Error({.code = "LS-C100",
                 .exit = ExitCode::usage,
                 .what = "FILE is missing",
                 .data = "nothing was touched",
                 .todo = "give the configuration file, or set LOCKSTEP_CONFIG"});
  const config::Loaded loaded = load_config(request.file, screen);
  if (request.what == ConfigRequest::What::show) {
    show(loaded, screen);
    return ExitCode::done;
  }
  if (!loaded.settings.target.empty())
    static_cast<void>(postgres::parse_dsn(loaded.settings.target));
  if (const auto problems = wrong_names(loaded); !problems.empty())
    config::throw_problems(request.file, problems);
  screen.result(fmt::format("valid     {}", request.file));
  screen.json(dumped({{"type", "config"}, {"file", request.file}, {"valid", true}}));
  return ExitCode::done;
}

}  // namespace lockstep::ops
