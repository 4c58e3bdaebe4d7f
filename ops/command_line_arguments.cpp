#include "ops/command_line_arguments.hpp"

#include <fmt/format.h>

#include <cstdlib>

#include "ops/names.hpp"

namespace lockstep::ops {

void throw_usage(const std::string& what, const std::string& todo) {
  throw Error({.code = "LS-C100",
               .exit = ExitCode::usage,
               .what = what,
               .data = "nothing was touched",
               .todo = todo});
}

namespace {

std::string given(const std::string& positional, const std::string& flag, const char* variable,
                  const std::string& from_file, const char* what) {
  if (!positional.empty() && !flag.empty() && positional != flag)
    throw_usage(fmt::format("{} is given twice, and differs", what), "give it once");
  if (!positional.empty()) return positional;
  if (!flag.empty()) return flag;
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0' ? value : from_file;
}

}  // namespace

std::string source_or_nothing(const Arguments& arguments) {
  return given(arguments.source, arguments.source_flag, "LOCKSTEP_SOURCE",
               arguments.settings.source, "SOURCE");
}

Milliseconds duration_of(std::string_view flag, const std::string& text) {
  const auto duration = parse_duration(text);
  if (!duration)
    throw_usage(fmt::format("{} {} is not a duration", flag, text),
                "write 500ms, 60s, 10min or 2h");
  return *duration;
}

std::string source_of(const Arguments& arguments) {
  std::string source = source_or_nothing(arguments);
  if (source.empty())
    throw_usage("SOURCE is missing", "give the SQLite file, or set LOCKSTEP_SOURCE; see --help");
  return source;
}

std::string target_of(const Arguments& arguments) {
  return given(arguments.target, arguments.target_flag, "LOCKSTEP_TARGET",
               arguments.settings.target, "TARGET");
}

std::string needed_target_of(const Arguments& arguments) {
  std::string target = target_of(arguments);
  if (target.empty())
    throw_usage("TARGET is missing",
                "give the PostgreSQL database, or set LOCKSTEP_TARGET; see --help");
  return target;
}

std::string side_of(const Arguments& arguments) {
  if (!arguments.side.empty()) return arguments.side;
  for (const std::string& flag : {arguments.source_flag, arguments.target_flag})
    if (!flag.empty()) return flag;
  for (const char* variable : {"LOCKSTEP_SOURCE", "LOCKSTEP_TARGET"})
    if (const char* value = std::getenv(variable)) return value;
  for (const std::string& from_file : {arguments.settings.source, arguments.settings.target})
    if (!from_file.empty()) return from_file;
  throw_usage("SOURCE or TARGET is missing", "give one of them; see --help");
}

std::vector<std::string> chosen(const std::string& flag, const std::vector<std::string>& file) {
  return flag.empty() ? file : split_globs(flag);
}

BadValuePolicy on_bad_value_of(const Arguments& arguments) {
  BadValuePolicy policy;
  const auto choice = [](const std::string& word) {
    const auto known = parse_on_bad_value(word);
    if (!known)
      throw_usage(fmt::format("--on-bad-value {} is not known", word), "stop, quarantine or text");
    return *known;
  };
  const config::Settings& file = arguments.settings;
  const std::string& all =
      arguments.on_bad_value.empty() ? file.on_bad_value : arguments.on_bad_value;
  if (!all.empty()) policy.all = choice(all);
  for (const config::ColumnSetting& column : file.columns)
    if (!column.on_bad_value.empty())
      policy.columns.emplace(column.column, choice(column.on_bad_value));
  if (file.rules) {  // there is a file, and what it does not mark is not marked
    policy.personal.emplace();
    for (const config::ColumnSetting& column : file.columns)
      if (column.pii) policy.personal->insert(column.column);
  }
  return policy;
}

apply::GuardMode guard_of(const Arguments& arguments) {
  const std::string& word = arguments.guard.empty() ? arguments.settings.guard : arguments.guard;
  if (word.empty()) return apply::GuardMode::reject;
  const auto mode = apply::parse_guard_mode(word);
  if (!mode) throw_usage(fmt::format("--guard {} is not known", word), "reject, detect or off");
  return *mode;
}

std::optional<apply::DualChoice> dual_write_of(const Arguments& arguments) {
  if (!arguments.settings.rules) return std::nullopt;  // there is no file
  apply::DualChoice choice;
  for (const config::DualWriteSetting& table : arguments.settings.dual_write)
    choice.emplace(table.table,
                   apply::parse_dual_policy(table.policy).value_or(apply::DualPolicy::fail));
  return choice;
}

std::string schema_of(const Arguments& arguments) {
  return arguments.schema.empty() ? arguments.settings.schema : arguments.schema;
}

}  // namespace lockstep::ops
