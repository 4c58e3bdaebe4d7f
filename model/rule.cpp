#include "model/rule.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <utility>

#include "model/error.hpp"
#include "model/shape.hpp"

namespace lockstep {

namespace {

struct CastName {
  Cast cast;
  std::string_view name;
  ColumnType type;
};

constexpr std::array<CastName, 15> kCasts{{
    {Cast::text, "text", ColumnType::text},
    {Cast::bigint, "bigint", ColumnType::bigint},
    {Cast::double_precision, "double precision", ColumnType::double_precision},
    {Cast::numeric, "numeric", ColumnType::numeric},
    {Cast::boolean, "boolean", ColumnType::boolean},
    {Cast::date, "date", ColumnType::date},
    {Cast::timestamp, "timestamp", ColumnType::timestamp},
    {Cast::timestamptz, "timestamptz", ColumnType::timestamptz},
    {Cast::uuid, "uuid", ColumnType::uuid},
    {Cast::json, "json", ColumnType::json},
    {Cast::bytea, "bytea", ColumnType::bytea},
    {Cast::epoch_s, "epoch-s", ColumnType::timestamptz},
    {Cast::epoch_ms, "epoch-ms", ColumnType::timestamptz},
    {Cast::epoch_us, "epoch-us", ColumnType::timestamptz},
    {Cast::literal, "literal", ColumnType::text},
}};

constexpr ValueView kNegativeZero{.kind = ValueClass::real, .real = -0.0};

bool same(const std::optional<Value>& a, const std::optional<Value>& b) {
  return a.has_value() == b.has_value() && (!a || same_value(a->view(), b->view()));
}

}  // namespace

std::string_view to_string(Cast cast) {
  for (const CastName& known : kCasts)
    if (known.cast == cast) return known.name;
  return "none";
}

std::optional<Cast> parse_cast(std::string_view text) {
  for (const CastName& known : kCasts)
    if (known.name == text) return known.cast;
  return std::nullopt;
}

ColumnType type_of(Cast cast) {
  for (const CastName& known : kCasts)
    if (known.cast == cast) return known.type;
  broken_promise("a cast has a type", __FILE__, __LINE__);
}

bool ColumnRule::operator==(const ColumnRule& other) const {
  return rename == other.rename && cast == other.cast && nul == other.nul &&
         nul_replacement == other.nul_replacement && same(default_if_null, other.default_if_null);
}

bool AddedColumn::operator==(const AddedColumn& other) const {
  return name == other.name && type == other.type && same_value(value.view(), other.value.view());
}

std::string describe(const ColumnRule& rule) {
  std::vector<std::string> parts;
  if (!rule.rename.empty()) parts.push_back(fmt::format("\"rename\": \"{}\"", rule.rename));
  if (rule.cast != Cast::none)
    parts.push_back(fmt::format("\"type\": \"{}\"", to_string(rule.cast)));
  if (rule.default_if_null)
    parts.push_back(fmt::format("\"default_if_null\": {}", describe(rule.default_if_null->view())));
  if (rule.nul == Nul::strip) parts.emplace_back("\"nul\": \"strip\"");
  if (rule.nul == Nul::replace)
    parts.push_back(fmt::format("\"nul\": \"replace:{}\"", rule.nul_replacement));
  return fmt::format("{{{}}}", fmt::join(parts, ", "));
}

TableRules rules_of(const RuleSet& rules, const TableShape& shape) {
  TableRules found;
  if (const auto table = rules.tables.find(shape.name); table != rules.tables.end()) {
    found.rename = table->second.rename;
    found.added = table->second.added;
  }
  for (std::size_t i = 0; i < shape.columns.size(); ++i) {
    const auto rule = rules.columns.find(shape.name + "." + shape.columns[i].name);
    if (rule == rules.columns.end() || rule->second.empty()) continue;
    found.columns.resize(shape.columns.size());
    found.columns[i] = rule->second;
  }
  return found;
}

ValueView RuleReader::convert(std::size_t column, ValueView value) {
  const bool negative_zero = value.kind == ValueClass::real && same_value(value, kNegativeZero);
  if (negative_zero && std::find(key_.begin(), key_.end(), column) != key_.end()) value.real = 0.0;
  return apply_rule(rules_.columns[column], value, scratch_);
}

std::vector<std::string> changed_rules(const TableRules& before, const TableRules& now,
                                       const TableShape& shape) {
  std::vector<std::string> changed;
  const auto rule_in = [](const TableRules& rules, std::size_t column) {
    return column < rules.columns.size() ? rules.columns[column] : ColumnRule();
  };
  for (std::size_t i = 0; i < shape.columns.size(); ++i)
    if (rule_in(before, i) != rule_in(now, i))
      changed.push_back(fmt::format("the rule of {}.{} was {}, it would be {}", shape.name,
                                    shape.columns[i].name, describe(rule_in(before, i)),
                                    describe(rule_in(now, i))));
  if (before.rename != now.rename)
    changed.push_back(fmt::format("table {} is called {} on PostgreSQL, it would be {}", shape.name,
                                  before.rename.empty() ? shape.name : before.rename,
                                  now.rename.empty() ? shape.name : now.rename));
  if (before.added != now.added)
    changed.push_back(fmt::format("other columns would be added to {}", shape.name));
  return changed;
}

}  // namespace lockstep
