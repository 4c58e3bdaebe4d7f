#include "config/rules.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "config/line_index.hpp"
#include "model/shape.hpp"

namespace lockstep::config {

namespace {

using nlohmann::json;

class RuleReader {
 public:
  RuleReader(const std::map<std::string, int>& lines, std::vector<Problem>& problems)
      : lines_(lines), problems_(problems) {}

  ColumnRule column(const std::string& path, const json& given) {
    ColumnRule rule;
    rule.rename = given.value("rename", "");
    if (given.contains("type"))
      rule.cast = parse_cast(given["type"].get<std::string>()).value_or(Cast::none);
    if (given.contains("nul")) nul(path, given["nul"].get<std::string>(), rule);
    if (given.contains("default_if_null"))
      rule.default_if_null =
          constant(pointer_to(path, "default_if_null"), given["default_if_null"]);
    return rule;
  }

  AddedColumn added(const std::string& path, const std::string& name, const json& given) {
    Value value = constant(path, given);
    const ColumnType type = given.is_boolean()                  ? ColumnType::boolean
                            : value.kind == ValueClass::integer ? ColumnType::bigint
                            : value.kind == ValueClass::real    ? ColumnType::double_precision
                                                                : ColumnType::text;
    return {name, type, std::move(value)};
  }

 private:
  void problem(const std::string& path, std::string what, std::string todo) {
    const auto line = lines_.find(path);
    problems_.push_back(
        {path, line == lines_.end() ? 0 : line->second, std::move(what), std::move(todo)});
  }

  void nul(const std::string& path, const std::string& given, ColumnRule& rule) {
    constexpr std::string_view kReplace = "replace:";
    if (given == "strip") {
      rule.nul = Nul::strip;
    } else if (given == "bytea") {
      if (rule.cast != Cast::none && rule.cast != Cast::bytea)
        problem(pointer_to(path, "nul"), "bytea, and another type", "keep one of the two");
      rule.cast = Cast::bytea;
    } else {
      rule.nul = Nul::replace;
      rule.nul_replacement = given.substr(kReplace.size());
      if (rule.nul_replacement.find('\0') != std::string::npos)
        problem(pointer_to(path, "nul"), "NUL would be replaced by NUL", "");
    }
  }

  Value constant(const std::string& path, const json& given) {
    Value value;
    if (given.is_string()) {
      value.kind = ValueClass::text;
      value.bytes = given.get<std::string>();
      if (value.bytes.find('\0') != std::string::npos)
        problem(path, "PostgreSQL's text cannot hold NUL", "");
    } else if (given.is_number_float()) {
      value.kind = ValueClass::real;
      value.real = given.get<double>();
    } else {
      value.kind = ValueClass::integer;
      value.integer = given.is_boolean() ? (given.get<bool>() ? 1 : 0) : given.get<std::int64_t>();
      if (given.is_number_unsigned() && given.get<std::uint64_t>() > INT64_MAX)
        problem(path, "an integer has at most 64 bits", "");
    }
    return value;
  }

  const std::map<std::string, int>& lines_;
  std::vector<Problem>& problems_;
};

}  // namespace

RuleSet read_rules(const json& document, const std::map<std::string, int>& lines,
                   std::vector<Problem>& problems) {
  RuleSet rules;
  RuleReader reader(lines, problems);
  const json none = json::object();
  const json columns = document.value("columns", none);
  for (const auto& [name, given] : columns.items()) {
    ColumnRule rule = reader.column(pointer_to("/columns", name), given);
    if (!rule.empty()) rules.columns.emplace(name, std::move(rule));
  }
  const json tables = document.value("tables", none);
  const json renames = tables.value("rename", none), additions = tables.value("add", none);
  for (const auto& [name, renamed] : renames.items())
    rules.tables[name].rename = renamed.get<std::string>();
  for (const auto& [name, added] : additions.items())
    for (const auto& [column, given] : added.items())
      rules.tables[name].added.push_back(
          reader.added(pointer_to(pointer_to("/tables/add", name), column), column, given));
  return rules;
}

}  // namespace lockstep::config
