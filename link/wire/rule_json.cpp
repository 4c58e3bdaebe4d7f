// Rules of columns and tables as JSON: exact in both directions.
#include <utility>

#include "link/wire/control.hpp"
#include "link/wire/json.hpp"

namespace lockstep::wire {

namespace {

Json rule_to_json(const ColumnRule& rule) {
  Json json = Json::object();
  if (!rule.rename.empty()) json["rename"] = exact_text(rule.rename);
  if (rule.cast != Cast::none) json["type"] = std::string(to_string(rule.cast));
  if (rule.nul == Nul::strip) json["nul"] = exact_text("");
  if (rule.nul == Nul::replace) json["nul"] = exact_text(rule.nul_replacement);
  if (rule.default_if_null) json["default_if_null"] = key_to_json({*rule.default_if_null});
  return json;
}

Value one_value(const JsonReader& from, const char* member) {
  std::vector<Value> values = key_from_json(from.body_of(), from.member(member).json());
  if (values.size() != 1) throw_unfit(from.body_of(), "a rule has one value");
  return std::move(values.front());
}

ColumnRule rule_from_json(const JsonReader& from) {
  ColumnRule rule;
  if (from.has("rename")) rule.rename = from.exact_text("rename");
  if (from.has("type")) {
    const auto cast = parse_cast(from.string("type"));
    if (!cast) throw_unfit(from.body_of(), "a rule's \"type\" is none that is known");
    rule.cast = *cast;
  }
  if (from.has("nul")) {
    rule.nul_replacement = from.exact_text("nul");
    rule.nul = rule.nul_replacement.empty() ? Nul::strip : Nul::replace;
  }
  if (from.has("default_if_null")) rule.default_if_null = one_value(from, "default_if_null");
  return rule;
}

Json added_to_json(const std::vector<AddedColumn>& added) {
  Json json = Json::array();
  for (const AddedColumn& column : added)
    json.push_back({{"name", exact_text(column.name)},
                    {"type", std::string(to_string(column.type))},
                    {"value", key_to_json({column.value})}});
  return json;
}

std::vector<AddedColumn> added_from_json(const JsonReader& from) {
  std::vector<AddedColumn> added;
  for (const Json& json : from.array()) {
    const JsonReader column(from.body_of(), json);
    const auto type = parse_column_type(column.string("type"));
    if (!type) throw_unfit(from.body_of(), "an added column's \"type\" is none that is known");
    added.push_back({column.exact_text("name"), *type, one_value(column, "value")});
  }
  return added;
}

}  // namespace

Json rules_to_json(const TableRules& rules) {
  Json json = Json::object();
  if (!rules.rename.empty()) json["rename"] = exact_text(rules.rename);
  if (!rules.added.empty()) json["added"] = added_to_json(rules.added);
  Json columns = Json::array();
  for (std::size_t i = 0; i < rules.columns.size(); ++i)
    if (!rules.columns[i].empty())
      columns.push_back({{"column", i}, {"rule", rule_to_json(rules.columns[i])}});
  if (!columns.empty()) json["columns"] = std::move(columns);
  return json;
}

TableRules rules_from_json(const JsonReader& from, std::size_t columns) {
  TableRules rules;
  if (from.has("rename")) rules.rename = from.exact_text("rename");
  if (from.has("added")) rules.added = added_from_json(from.member("added"));
  if (!from.has("columns")) return rules;
  for (const Json& json : from.member("columns").array()) {
    const JsonReader one(from.body_of(), json);
    const std::uint64_t number = one.count("column");
    if (number >= columns) throw_unfit(from.body_of(), "a rule's column number is out of range");
    rules.columns.resize(columns);
    rules.columns[number] = rule_from_json(one.member("rule"));
  }
  return rules;
}

std::string encode_rules(const RuleSet& rules) {
  Json columns = Json::array(), tables = Json::array();
  for (const auto& [name, rule] : rules.columns)
    columns.push_back({{"name", exact_text(name)}, {"rule", rule_to_json(rule)}});
  for (const auto& [name, rule] : rules.tables)
    tables.push_back(
        {{"name", exact_text(name)}, {"rule", rules_to_json({rule.rename, {}, rule.added})}});
  return dump_json({{"columns", std::move(columns)}, {"tables", std::move(tables)}});
}

RuleSet decode_rules(std::string_view text) {
  constexpr std::string_view kBodyOf = "rules";
  const Json json = parse_json(kBodyOf, text);
  const JsonReader from(kBodyOf, json);
  RuleSet rules;
  for (const Json& each : from.member("columns").array()) {
    const JsonReader one(kBodyOf, each);
    rules.columns.emplace(one.exact_text("name"), rule_from_json(one.member("rule")));
  }
  for (const Json& each : from.member("tables").array()) {
    const JsonReader one(kBodyOf, each);
    TableRules table = rules_from_json(one.member("rule"), 0);
    rules.tables.emplace(one.exact_text("name"),
                         TableRule{std::move(table.rename), std::move(table.added)});
  }
  return rules;
}

}  // namespace lockstep::wire
