#include "ops/replan.hpp"

#include <algorithm>
#include <utility>

#include "apply/existing.hpp"
#include "capture/lookups.hpp"
#include "capture/triggers.hpp"
#include "link/sqlite/shape.hpp"
#include "link/sqlite/sql_text.hpp"
#include "model/bad_value.hpp"
#include "model/shape_change.hpp"
#include "ops/frameworks.hpp"
#include "ops/there_only.hpp"
#include "snapshot/census.hpp"
#include "snapshot/distinction.hpp"
#include "snapshot/existing.hpp"
#include "snapshot/partners.hpp"

namespace lockstep::ops {

namespace {

TableRules rules_now(const capture::Installed& installed, const TableShape& shape,
                     const TablePlan* before) {
  return with_fallbacks(installed.choice ? rules_of(installed.choice->rules, shape) : TableRules(),
                        shape, before);
}

// What no value has to be read for.
std::vector<std::string> problems_of(sqlite::Database& database, const TableShape& shape,
                                     const TableRules& rules) {
  std::vector<std::string> problems = snapshot::shape_problems(shape, rules);
  for (std::string& problem : snapshot::rule_problems(shape, rules))
    problems.push_back(std::move(problem));
  std::vector<std::string> capture = capture::capture_problems(shape);
  if (capture.empty()) capture = capture::lookup_problems(database, shape);
  problems.insert(problems.end(), capture.begin(), capture.end());
  return problems;
}

// What the columns of this table and the others tell of one without values.
snapshot::Elsewhere elsewhere_in(sqlite::Database& database, const snapshot::Planned& planned,
                                 const capture::Installed& installed) {
  snapshot::Elsewhere elsewhere(customs_of(frameworks_of(sqlite::list_tables(database))));
  elsewhere.add(planned.plan, planned.undecided);
  for (const TablePlan& each : installed.tables) elsewhere.add(each, {});
  return elsewhere;
}

// A constraint that an older version made under a name of its own is not made anew for its name.
void keep_names(const TablePlan& before, TablePlan& plan) {
  for (const sqlite::KeyText& key : sqlite::read_keys(before.shape.sql)) {
    const auto& carried = before.carried_indexes;
    if (std::find(carried.begin(), carried.end(), key.name) == carried.end())
      std::erase(plan.carried_indexes, key.name);
  }
}

// Nothing is spelled yet: a column that is unique from now on is bound to the ways that were found,
// if no two of them can be one value.
ColumnSpelling spelling_without_values(const Column& column, const TablePlan& before,
                                       std::size_t was, Distinction distinction) {
  const ColumnSpelling spelling = before.spelling(was);
  if (spelling.found == 0) return spelling;
  const Usable usable = usable_type(column, {.kept = 1, .spellings = spelling.found}, distinction);
  return usable.type == before.types[was] ? usable.spelling : spelling;
}

}  // namespace

TargetView view_of(std::shared_ptr<postgres::Connection> connection, const std::string& schema) {
  TargetView view{apply::read_catalog(*connection, schema), apply::may_be_silent(*connection)};
  view.has_rows = [connection = std::move(connection), schema](const std::string& table) {
    return apply::has_rows(*connection, schema, table);
  };
  return view;
}

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
    plan.spellings[column] =
        spelling_without_values(now, *before, *was, snapshot::distinction_of(plan.shape, column));
  }
  static_cast<void>(elsewhere_in(database, planned, installed).settle(plan, left));
  std::vector<TablePlan> plans;
  for (const TablePlan& each : installed.tables)
    if (each.id != plan.id) plans.push_back(each);
  plans.push_back(plan);
  snapshot::Valueless valueless;
  for (const std::size_t column : left) valueless.emplace(plans.size() - 1, column);
  static_cast<void>(snapshot::join_partners(plans, std::move(valueless), plans.size() - 1));
  plan = std::move(plans.back());
}

TablePlan in_force(const TablePlan& before, TablePlan now) {
  TablePlan plan = carry_decisions(before, std::move(now));
  for (std::size_t i = 0; i < plan.spellings.size(); ++i)
    if (snapshot::distinction_of(plan.shape, i) < Distinction::unique)
      plan.spellings[i].bound = false;
  return plan;
}

snapshot::Planned plan_as_it_is(sqlite::Database& database, const TableShape& shape,
                                std::uint32_t id, const TablePlan* before,
                                const capture::Installed& installed) {
  const TableRules rules = rules_now(installed, shape, before);
  snapshot::Planned planned;
  planned.problems = problems_of(database, shape, rules);
  if (!planned.problems.empty()) return planned;
  const TableCensus census = snapshot::take_census(
      database, shape, {}, [](std::uint64_t) {}, rules, {}, integers_in(database));
  planned = snapshot::plan_table(id, shape, census, sqlite::read_sequence(database, shape.name),
                                 rules, choices_for({}, shape, before, installed.on_bad_value));
  settle_beside(database, planned, before, installed);
  planned.plan.personal = personal_for({}, shape, before);
  if (before != nullptr) keep_names(*before, planned.plan);
  return planned;
}

snapshot::Planned plan_into_existing(sqlite::Database& database, const TableShape& shape,
                                     std::uint32_t id, const TablePlan* before,
                                     const capture::Installed& installed, const CatalogTable& there,
                                     bool silent) {
  const TableRules rules = rules_now(installed, shape, before);
  snapshot::Planned planned;
  planned.problems = problems_of(database, shape, rules);
  if (!planned.problems.empty()) return planned;
  const TableCensus census = snapshot::take_census(
      database, shape, {}, [](std::uint64_t) {}, rules, snapshot::target_types(shape, there, rules),
      integers_in(database));
  planned = snapshot::plan_existing(id, shape, census, sqlite::read_sequence(database, shape.name),
                                    there, silent, rules);
  if (planned.problems.empty())
    static_cast<void>(
        elsewhere_in(database, planned, installed).settle(planned.plan, planned.undecided));
  planned.plan.on_bad_value = choices_for({}, shape, before, installed.on_bad_value);
  planned.plan.personal = personal_for({}, shape, before);
  if (planned.problems.empty()) hold_rows_against(database, planned, there, census.rows);
  if (before != nullptr && before->existing)
    planned.plan.existing->replaces_rows = before->existing->replaces_rows;
  return planned;
}

}  // namespace lockstep::ops
