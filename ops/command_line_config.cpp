#include "ops/command_line_config.hpp"

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "ops/command_line_arguments.hpp"
#include "ops/config_file.hpp"

namespace lockstep::ops {

namespace {

std::string config_file(const std::string& flag) {
  if (!flag.empty()) return flag;
  const char* variable = std::getenv("LOCKSTEP_CONFIG");
  return variable != nullptr ? variable : "";
}

}  // namespace

config::Settings settings_for(const std::string& config_flag, Screen& screen) {
  const std::string file = config_file(config_flag);
  return file.empty() ? config::Settings() : load_config(file, screen).settings;
}

apply::Hooks hooks_of(const config::Settings& settings) {
  const auto texts = [](const std::vector<config::HookEntry>& entries) {
    std::vector<std::string> all;
    for (const config::HookEntry& entry : entries) all.push_back(entry.sql);
    return all;
  };
  return {texts(settings.after_schema), texts(settings.after_snapshot)};
}

ContinuousPasses continuous_of(const config::Settings& settings) {
  const config::VerifySetting& given = settings.verify;
  ContinuousPasses passes;
  passes.on = given.continuous.value_or(passes.on);
  if (!given.every.empty()) passes.every = duration_of("verify.every", given.every);
  passes.first = std::min(passes.first, passes.every);
  if (given.rows_per_second)
    passes.pace.rows_per_second = static_cast<std::uint64_t>(*given.rows_per_second);
  passes.pace.busy_share = given.cpu_share.value_or(passes.pace.busy_share);
  if (!given.pause_when_lag.empty())
    passes.pace.lag_max = duration_of("verify.pause_when_lag", given.pause_when_lag);
  return passes;
}

void add_config_flag(CLI::App& command, std::string& file) {
  command
      .add_option("--config", file,
                  "JSON file with SOURCE, TARGET and tables; flags and environment go before it")
      ->type_name("FILE");
}

void add_guard_flag(CLI::App& command, std::string& guard) {
  command
      .add_option("--guard", guard,
                  "what others write to the copied tables: reject (default), detect (it passes, "
                  "and is counted), off")
      ->type_name("WHAT");
}

void add_config(CLI::App& app, bool& json, std::function<ExitCode(Screen&)>& chosen) {
  CLI::App* config = app.add_subcommand("config", "check and show a configuration file");
  config->require_subcommand(1);
  const auto request = std::make_shared<ConfigRequest>();
  const auto add = [&](const char* name, const char* help, ConfigRequest::What what) {
    CLI::App* command = config->add_subcommand(name, help);
    if (what != ConfigRequest::What::schema)
      command->add_option("FILE", request->file, "default: LOCKSTEP_CONFIG")->type_name("");
    command->add_flag("--json", json, "JSON on stdout");
    command->callback([request, what, &chosen] {
      request->what = what;
      request->file = config_file(request->file);
      chosen = [request](Screen& screen) { return command_config(*request, screen); };
    });
  };
  add("validate", "every mistake at once, each with its path and line; exit 2 if there are any",
      ConfigRequest::What::validate);
  add("show", "each setting with where it comes from; secrets are masked",
      ConfigRequest::What::show);
  add("schema", "print the JSON Schema, for editors", ConfigRequest::What::schema);
}

// Nothing that was typed is ignored: what does not go together is refused.
void add_check_flags(CLI::App& verify, VerifyRequest& request) {
  CLI::Option* repair = verify.get_option("--repair");
  CLI::Option* sample =
      verify
          .add_option(
              "--sample", request.sample,
              "about N rows of each table, at random places and the newest: quick, no proof")
          ->type_name("N")
          ->check([](const std::string& text) {
            const bool good = !text.empty() && text.size() < 19 &&
                              text.find_first_not_of("0123456789") == std::string::npos &&
                              text.find_first_not_of('0') != std::string::npos;
            return good ? std::string() : text + " is no number of rows";
          });
  CLI::Option* continuous =
      verify
          .add_flag("--continuous", request.continuous,
                    "pass after pass, at the pace of lockstep's configuration, until one finds a "
                    "difference")
          ->excludes(repair);
  CLI::Option* counts =
      verify.add_flag("--counts", request.counts, "only how many rows each table has: quick")
          ->excludes(repair)
          ->excludes(sample)
          ->excludes(continuous);
  verify
      .add_flag("--checks", request.checks,
                "also NULLs, smallest and largest of each column, keys, foreign keys, indexes, "
                "sequences")
      ->excludes(counts)
      ->excludes(continuous);
  verify
      .add_option("--since", request.since,
                  "only rows that were written since this position, as status prints it")
      ->type_name("POSITION")
      ->excludes(counts)
      ->excludes(sample)
      ->excludes(continuous);
  verify.add_option("--html", request.html, "write the result as one HTML page, too")
      ->type_name("FILE")
      ->excludes(continuous);
  verify.add_option("--junit", request.junit, "write the result as JUnit XML, for CI, too")
      ->type_name("FILE")
      ->excludes(continuous);
}

void add_assess_flags(CLI::App& assess, AssessRequest& request) {
  assess.add_option("--html", request.html, "write the result as one HTML page, too")
      ->type_name("FILE");
  assess
      .add_option("--sample", request.choice.sample,
                  "read only about the first N rows of each table: quick, proves nothing")
      ->type_name("N");
  assess.add_flag("--columns", request.columns, "the columns of every table");
}

}  // namespace lockstep::ops
