#include "ops/rule_checks.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <string>

namespace lockstep::ops {

namespace {

// Names may have dots, so a place can be read in several ways.
std::size_t columns_called(const std::string& place, const Assessment& assessment) {
  std::size_t count = 0;
  for (const TableFacts& table : assessment.tables)
    for (const Column& column : table.shape.columns)
      if (place == table.shape.name + "." + column.name) ++count;
  return count;
}

bool is_read(const std::string& table, const Assessment& assessment) {
  return std::any_of(assessment.tables.begin(), assessment.tables.end(),
                     [&](const TableFacts& read) { return read.shape.name == table; });
}

// The table is there, but this run leaves it out.
bool is_left_out(const std::string& place, const std::vector<sqlite::TableName>& all,
                 const Assessment& assessment) {
  return std::any_of(all.begin(), all.end(), [&](const sqlite::TableName& table) {
    return (place == table.name || place.starts_with(table.name + ".")) &&
           !is_read(table.name, assessment);
  });
}

void look_for_names(const RuleSet& rules, const std::vector<sqlite::TableName>& all,
                    const Assessment& assessment, std::vector<std::string>& mistakes) {
  for (const auto& [place, rule] : rules.columns) {
    const std::size_t found = columns_called(place, assessment);
    if (found == 1 || (found == 0 && is_left_out(place, all, assessment))) continue;
    mistakes.push_back(found == 0 ? fmt::format("no column is called {}", place)
                                  : fmt::format("{} can be read as two columns", place));
  }
  for (const auto& [table, rule] : rules.tables)
    if (!is_read(table, assessment) && !is_left_out(table, all, assessment))
      mistakes.push_back(fmt::format("no table is called {}", table));
}

// Tables and indexes share one namespace on PostgreSQL, as they do in SQLite until one is renamed.
void look_for_collisions(const Assessment& assessment, std::vector<std::string>& mistakes) {
  std::map<std::string, std::string> taken;
  const auto take = [&](const std::string& name, const std::string& whose) {
    const auto [other, is_new] = taken.emplace(name, whose);
    if (!is_new)
      mistakes.push_back(
          fmt::format("{} and {} would both be called {}", other->second, whose, name));
  };
  for (const TablePlan& plan : assessment.plans) take(plan.target_name(), "table " + plan.name());
  for (const TablePlan& plan : assessment.plans)
    for (const Index& index : plan.shape.indexes)
      if (index.origin == IndexOrigin::created &&
          std::count(plan.carried_indexes.begin(), plan.carried_indexes.end(), index.name) > 0)
        take(index.name, "index " + index.name);
}

}  // namespace

void check_rules(const TableChoice& choice, const std::vector<sqlite::TableName>& all,
                 const Assessment& assessment) {
  if (choice.rules.empty()) return;
  std::vector<std::string> mistakes;
  look_for_names(choice.rules, all, assessment, mistakes);
  look_for_collisions(assessment, mistakes);
  if (mistakes.empty()) return;
  throw Error({.code = "LS-A107",
               .exit = ExitCode::precondition,
               .what = "rules of the configuration do not fit this database",
               .why = fmt::format("{}", fmt::join(mistakes, "; ")),
               .data = "nothing was touched",
               .todo = "rules are by \"table.column\", names exactly as SQLite stored them: "
                       "correct them"});
}

}  // namespace lockstep::ops
