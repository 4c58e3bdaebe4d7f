#include "ops/replan.hpp"

#include <utility>

#include "capture/lookups.hpp"
#include "capture/triggers.hpp"
#include "link/sqlite/shape.hpp"
#include "model/bad_value.hpp"
#include "ops/frameworks.hpp"
#include "snapshot/census.hpp"
#include "snapshot/partners.hpp"

namespace lockstep::ops {

void settle_beside(sqlite::Database& database, snapshot::Planned& planned, const TablePlan* before,
                   const capture::Installed& installed) {
  TablePlan& plan = planned.plan;
  if (!planned.problems.empty()) return;
  std::vector<std::size_t> left;
  for (const std::size_t column : planned.undecided) {
    const Column& now = plan.shape.columns[column];
    const auto was = before != nullptr ? before->shape.column_named(now.name) : std::nullopt;
    if (!was || before->shape.columns[*was].declared_type != now.declared_type) {
      left.push_back(column);
      continue;
    }
    plan.types[column] = before->types[*was];
    plan.spellings[column] = before->spelling(*was);
  }
  snapshot::Elsewhere elsewhere(customs_of(frameworks_of(sqlite::list_tables(database))));
  elsewhere.add(plan, planned.undecided);
  for (const TablePlan& each : installed.tables) elsewhere.add(each, {});
  static_cast<void>(elsewhere.settle(plan, left));
  std::vector<TablePlan> plans;
  for (const TablePlan& each : installed.tables)
    if (each.id != plan.id) plans.push_back(each);
  plans.push_back(plan);
  snapshot::Valueless valueless;
  for (const std::size_t column : left) valueless.emplace(plans.size() - 1, column);
  static_cast<void>(snapshot::join_partners(plans, std::move(valueless), plans.size() - 1));
  plan = std::move(plans.back());
}

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
  settle_beside(database, planned, before, installed);
  planned.plan.personal = personal_for({}, shape, before);
  return planned;
}

}  // namespace lockstep::ops
