#include "ops/findings.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "model/promise.hpp"
#include "model/spelling.hpp"
#include "ops/column_formats.hpp"
#include "ops/names.hpp"
#include "ops/progress.hpp"
#include "snapshot/distinction.hpp"
#include "snapshot/majority.hpp"
#include "snapshot/plan.hpp"

namespace lockstep::ops {

namespace {

constexpr ValueClass kClasses[] = {ValueClass::integer, ValueClass::real, ValueClass::text,
                                   ValueClass::blob};

std::uint64_t count_of(const ColumnCensus& census, ValueClass kind) {
  return census.count[static_cast<std::size_t>(kind)];
}

ColumnUse use_of(const TableShape& shape, std::size_t column) {
  return std::find(shape.key.begin(), shape.key.end(), column) != shape.key.end()
             ? ColumnUse::key
             : ColumnUse::plain;
}

// Leaving the table out always decides it.
Finding table_finding(Severity severity, std::string code, const std::string& table,
                      std::string what) {
  return {
      .severity = severity,
      .code = std::move(code),
      .table = table,
      .what = std::move(what),
      .decide_flag = fmt::format("--exclude {}", shell_word(table)),
      .decide_config = fmt::format(
          R"("tables": {{ "exclude": [{}] }})",
          nlohmann::json(table).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace))};
}

// The evidence decides on the code, never the text.
std::string column_code(const ColumnCensus& census) {
  const auto classes = std::count_if(std::begin(kClasses), std::end(kClasses),
                                     [&](ValueClass kind) { return count_of(census, kind) > 0; });
  if (classes > 1) return "LS-A101";
  if (census.nul_texts > 0) return "LS-A102";
  return census.invalid_texts > 0 ? "LS-A103" : "LS-A105";
}

std::vector<std::string> column_examples(const ColumnCensus& census) {
  std::vector<std::string> examples;
  for (const ValueClass kind : kClasses)
    if (count_of(census, kind) > 0)
      examples.push_back(census.example[static_cast<std::size_t>(kind)]);
  if (!census.bad_text_example.empty()) examples = {census.bad_text_example};
  return examples;
}

std::string dumped(const nlohmann::json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// The line that decides it: a type that carries each value for what it means, where there is one;
// else what changes no value: text alone is exact as bytes, everything is exact as literal. What
// changes values is named, and never proposed.
void propose_rule(const TableFacts& table, std::size_t column, Finding& finding) {
  const ColumnCensus& census = table.census.columns[column];
  const bool plain = use_of(table.shape, column) == ColumnUse::plain;
  const bool text_only = count_of(census, ValueClass::text) > 0 && finding.code != "LS-A101";
  std::string type = text_only && plain ? "bytea" : "literal";
  if (finding.code == "LS-A101" && may_be_converted(table.shape, column))
    if (const std::string meaning = meaning_of(table.shape.columns[column], census, table.integers);
        !meaning.empty())
      type = meaning;
  finding.decide_config = type_line(table.shape, column, type);
  if (finding.code == "LS-A102" && text_only && plain)
    finding.what += R"(; "nul": "strip" or "replace:X" would change them)";
}

// A problem of the data is a column's if deciding its type gives the same words.
Finding data_finding(const TableFacts& table, const std::string& problem) {
  Finding finding = table_finding(Severity::blocker, "LS-A105", table.shape.name, problem);
  for (std::size_t i = 0; i < table.shape.columns.size(); ++i) {
    std::string why;
    if (i < table.rules.columns.size() && table.rules.columns[i].cast != Cast::none) {
      if (table.census.columns[i].cast_misfits == 0 ||
          problem.find(table.census.columns[i].cast_misfit_example) == std::string::npos)
        continue;
      finding.code = "LS-A104";
      finding.column = table.shape.columns[i].name;
      finding.examples = {table.census.columns[i].cast_misfit_example};
      continue;
    }
    if (decide_type(table.shape.columns[i], table.census.columns[i], use_of(table.shape, i), why) ||
        why != problem)
      continue;
    finding.code = column_code(table.census.columns[i]);
    finding.column = table.shape.columns[i].name;
    finding.examples = column_examples(table.census.columns[i]);
    propose_rule(table, i, finding);
  }
  return finding;
}

// As much of a name as fits, never half a character, and a number that no other name has.
std::string shortened(const std::string& name, std::size_t number) {
  constexpr std::size_t kNameBytesMax = 63;
  const std::string tail = fmt::format("_{}", number);
  if (name.size() + tail.size() <= kNameBytesMax) return (name.empty() ? "column" : name) + tail;
  std::size_t bytes = kNameBytesMax - tail.size();
  while (bytes > 0 && (static_cast<unsigned char>(name[bytes]) & 0xc0) == 0x80) --bytes;
  return name.substr(0, bytes) + tail;
}

// Names that PostgreSQL cannot have get another one, which is told here and nowhere decided.
Finding name_finding(const TableFacts& table, const std::string& problem, std::size_t number) {
  const std::string& name = table.shape.name;
  Finding finding = table_finding(Severity::blocker, "LS-A106", name, problem);
  if (problem.starts_with("its name: "))
    finding.decide_config = fmt::format(R"("tables": {{ "rename": {{ {}: {} }} }})", dumped(name),
                                        dumped(shortened(name, number)));
  for (std::size_t i = 0; i < table.shape.columns.size(); ++i) {
    const std::string& column = table.shape.columns[i].name;
    if (!problem.starts_with(fmt::format("column \"{}\": ", column))) continue;
    finding.column = column;
    finding.decide_config =
        fmt::format(R"("columns": {{ {}: {{ "rename": {} }} }})", dumped(name + "." + column),
                    dumped(shortened(column, i + 1)));
  }
  return finding;
}

// Where its owner lets odd values wait in the quarantine.
std::optional<Proposal> majority_proposal(const TableFacts& table, std::size_t column) {
  if (column >= table.on_bad_value.size() || table.on_bad_value[column] == OnBadValue::stop)
    return std::nullopt;
  if (table.on_bad_value[column] == OnBadValue::text) {
    if (!snapshot::fits_text(table.shape, column, table.census)) return std::nullopt;
    return Proposal{"text", "its values are of several classes, and on_bad_value is text"};
  }
  const auto most = snapshot::majority_type(
      table.shape.columns[column], table.census.columns[column], use_of(table.shape, column));
  if (!most) return std::nullopt;
  return Proposal{
      std::string(to_string(most->type)),
      fmt::format("as most values; {} go to quarantine ({})", most->odd, most->example)};
}

std::string spellings_of(const ColumnSpelling& spelling, ColumnType type) {
  std::vector<std::string> names;
  for (unsigned i = 0; i < lockstep::spellings_of(type); ++i)
    if ((spelling.found >> i & 1) != 0) names.push_back(spelling_name(type, i));
  return names.empty() ? "" : fmt::format(", spelled {}", fmt::join(names, ", "));
}

// By what the values have in common.
std::string reason_of(const Column& column, const ColumnCensus& census, ColumnType type,
                      const Usable& usable) {
  std::string found;
  for (const ValueClass kind : kClasses)
    if (const std::uint64_t count = count_of(census, kind); count > 0)
      found += fmt::format("{}{} {}", found.empty() ? "" : ", ",
                           grouped(static_cast<std::int64_t>(count)), to_string(kind));
  const std::string declared =
      column.declared_type.empty() ? "nothing" : "\"" + column.declared_type + "\"";
  if (found.empty()) return fmt::format("no value yet; declared {}", declared);
  if (usable.type == type)
    return fmt::format("declared {}, and every value is one: {}{}", declared, found,
                       type == ColumnType::timestamp_ms
                           ? std::string(", milliseconds since 1970 (UTC)")
                           : spellings_of(usable.spelling, type));
  if (!usable.why_not.empty()) return fmt::format("every value: {}. Not {}", found, usable.why_not);
  if (type == ColumnType::numeric)
    return fmt::format("{}; declared {}: numeric holds both exactly", found, declared);
  return fmt::format("every value: {}", found);
}

// Once, however many tables have some.
Finding waiting_keys(const Assessment& assessment) {
  std::vector<std::string> tables;
  std::size_t keys = 0;
  for (const auto& [table, count] : assessment.waiting_keys) {
    tables.push_back(table);
    keys += count;
  }
  return {.severity = Severity::decision,
          .code = kWaitingKeys,
          .what = fmt::format(
              "PostgreSQL gets {} foreign key(s) at the end, when lockstep remove SOURCE TARGET "
              "makes them; or with the copy, if lockstep's role may keep their actions quiet "
              "(superuser, or GRANT SET ON PARAMETER session_replication_role TO it). Of: {}",
              keys, fmt::join(tables, ", "))};
}

}  // namespace

std::string_view to_string(Severity severity) {
  switch (severity) {
    case Severity::blocker:
      return "blocker";
    case Severity::decision:
      return "decision";
    case Severity::warning:
      return "warning";
  }
  return "warning";
}

std::string Finding::place() const {
  return column.empty() ? table : table + "." + column;
}

std::string finding_json(const Finding& finding) {
  const nlohmann::json object{{"type", "finding"},
                              {"severity", to_string(finding.severity)},
                              {"code", finding.code},
                              {"table", finding.table},
                              {"column", finding.column},
                              {"what", finding.what},
                              {"examples", finding.examples},
                              {"decide_flag", finding.decide_flag},
                              {"decide_config", finding.decide_config}};
  return object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::vector<Finding> findings_of(const TableFacts& table, std::size_t number) {
  std::vector<Finding> findings;
  const std::string& name = table.shape.name;
  for (const std::string& problem : table.shape_problems)
    findings.push_back(name_finding(table, problem, number));
  for (const std::string& problem : table.rule_problems)
    findings.push_back(table_finding(Severity::blocker, "LS-A107", name, problem));
  for (const std::string& problem : table.capture_problems)
    findings.push_back(table_finding(Severity::blocker, "LS-A108", name, problem));
  for (const std::string& problem : table.data_problems)
    findings.push_back(data_finding(table, problem));
  if (!table.carried) return findings;
  for (const std::string& what : table.left_out)
    findings.push_back(
        table_finding(Severity::decision, "LS-A111", name, std::string(kDataExact) + what));
  return findings;
}

std::vector<Finding> all_findings(const Assessment& assessment) {
  std::vector<Finding> findings;
  for (std::size_t i = 0; i < assessment.tables.size(); ++i)
    for (Finding& finding : findings_of(assessment.tables[i], i + 1))
      findings.push_back(std::move(finding));
  if (!assessment.waiting_keys.empty()) findings.push_back(waiting_keys(assessment));
  for (const TableWarning& warning : assessment.warnings)
    findings.push_back(table_finding(Severity::warning, warning.code, warning.table, warning.what));
  for (const std::string& skipped : assessment.skipped)
    findings.push_back({.code = "LS-A112", .what = skipped});
  std::stable_sort(findings.begin(), findings.end(), [](const Finding& a, const Finding& b) {
    return static_cast<int>(a.severity) < static_cast<int>(b.severity);
  });
  return findings;
}

std::string possible_type(const TableFacts& table, std::size_t column) {
  if (!table.carried || column < table.types_there.size() || column >= table.types.size())
    return {};
  if (column < table.rules.columns.size() && table.rules.columns[column].changes_values())
    return {};
  const ColumnType type = table.types[column];
  const Column& of = table.shape.columns[column];
  if (type != ColumnType::text && type != ColumnType::bigint) return {};
  // What a foreign key joins has one type on both sides.
  for (const ForeignKey& key : table.shape.references)
    if (std::find(key.columns.begin(), key.columns.end(), of.name) != key.columns.end()) return {};
  if (!may_be_converted(table.shape, column)) return {};
  const std::string meaning = meaning_of(of, table.census.columns[column], table.integers);
  const bool moments = meaning.starts_with("epoch") || meaning.starts_with("timestamp");
  // Of integers alone: words and JSON in TEXT columns are mostly meant as texts.
  const bool integers = type == ColumnType::bigint && (meaning == "boolean" || meaning == "json");
  return moments || integers || meaning == "date" ? meaning : "";
}

Proposal proposal_for(const TableFacts& table, std::size_t column) {
  const Column& shape = table.shape.columns[column];
  const ColumnCensus& census = table.census.columns[column];
  std::string why;
  const bool cast =
      column < table.rules.columns.size() && table.rules.columns[column].cast != Cast::none;
  const std::string rule = cast ? "by its rule " + describe(table.rules.columns[column]) : "";
  if (column < table.types_there.size()) {
    const std::string& there = table.types_there[column];
    if (there.empty()) return {"", "the table on the target has no column for it"};
    if (census.target_misfits > 0)
      return {"", fmt::format("{} on the target; {} value(s) do not fit: {}", there,
                              census.target_misfits, census.target_misfit_example)};
    return {there, cast ? rule + "; the column on the target has this type"
                        : std::string("the column on the target has this type")};
  }
  if (cast) return {std::string(to_string(type_of(table.rules.columns[column].cast))), rule};
  const auto of_class = decide_type(shape, census, use_of(table.shape, column), why);
  if (!of_class) return majority_proposal(table, column).value_or(Proposal{"", why});
  const Usable usable =
      usable_type(shape, census.promise, snapshot::distinction_of(table.shape, column));
  const ColumnType type =
      column < table.types.size() ? table.types[column] : usable.type.value_or(*of_class);
  const std::string name(to_string(type));
  if (const auto known = table.reasons.find(column); known != table.reasons.end())
    return {name, known->second};
  return {name, reason_of(shape, census, type, usable)};
}

}  // namespace lockstep::ops
