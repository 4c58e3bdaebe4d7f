#include "ops/replan.hpp"

#include <algorithm>
#include <utility>

#include "capture/lookups.hpp"
#include "capture/triggers.hpp"
#include "link/sqlite/shape.hpp"
#include "link/sqlite/sql_text.hpp"
#include "model/bad_value.hpp"
#include "snapshot/census.hpp"

namespace lockstep::ops {

namespace {

// A constraint that an older version made under a name of its own is not made anew for its name.
void keep_names(const TablePlan& before, TablePlan& plan) {
  for (const sqlite::KeyText& key : sqlite::read_keys(before.shape.sql)) {
    const auto& carried = before.carried_indexes;
    if (std::find(carried.begin(), carried.end(), key.name) == carried.end())
      std::erase(plan.carried_indexes, key.name);
  }
}

}  // namespace

snapshot::Planned plan_as_it_is(sqlite::Database& database, const TableShape& shape,
                                std::uint32_t id, const TablePlan* before,
                                const capture::Installed& installed) {
  const TableRules rules = with_fallbacks(
      installed.choice ? rules_of(installed.choice->rules, shape) : TableRules(), shape, before);
  snapshot::Planned planned;
  planned.problems = snapshot::shape_problems(shape, rules);
  for (std::string& problem : snapshot::rule_problems(shape, rules))
    planned.problems.push_back(std::move(problem));
  std::vector<std::string> capture = capture::capture_problems(shape);
  if (capture.empty()) capture = capture::lookup_problems(database, shape);
  planned.problems.insert(planned.problems.end(), capture.begin(), capture.end());
  if (!planned.problems.empty()) return planned;
  const TableCensus census = snapshot::take_census(
      database, shape, {}, [](std::uint64_t) {}, rules);
  planned = snapshot::plan_table(id, shape, census, sqlite::read_sequence(database, shape.name),
                                 rules, choices_for({}, shape, before, installed.on_bad_value));
  planned.plan.personal = personal_for({}, shape, before);
  if (before != nullptr) keep_names(*before, planned.plan);
  return planned;
}

}  // namespace lockstep::ops
