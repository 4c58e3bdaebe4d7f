#include "ops/added_columns.hpp"

#include <utility>

#include "apply/defaults.hpp"
#include "capture/defaults.hpp"
#include "link/postgres/encode.hpp"
#include "link/sqlite/default_value.hpp"
#include "model/bad_value.hpp"
#include "model/shape_change.hpp"
#include "ops/frameworks.hpp"
#include "ops/replan.hpp"
#include "snapshot/census.hpp"
#include "snapshot/plan.hpp"

namespace lockstep::ops {

namespace {

// The key, which a scan goes by, and the columns from `first` on.
TableShape part_of(const TableShape& shape, std::size_t first) {
  TableShape part = shape;
  part.columns.clear();
  part.indexes.clear();
  part.key.clear();
  part.rowid_alias.reset();
  for (const std::size_t column : shape.key) {
    if (shape.rowid_alias == column) part.rowid_alias = part.columns.size();
    part.key.push_back(part.columns.size());
    part.columns.push_back(shape.columns[column]);
  }
  part.columns.insert(part.columns.end(),
                      shape.columns.begin() + static_cast<std::ptrdiff_t>(first),
                      shape.columns.end());
  return part;
}

bool has_fixed_default(const TablePlan& plan, std::size_t column) {
  const Column& of = plan.shape.columns[column];
  if (of.generated != Generated::no || !capture::constant_default(of.default_sql)) return false;
  const auto value = sqlite::value_by_default(of);
  if (!value) return false;
  if (value->view().kind == ValueClass::null) return true;
  return postgres::misfit_of(value->view(), plan.types[column]) == postgres::Misfit::none &&
         !apply::translate_default(plan, column).sql.empty();
}

// If PostgreSQL's ADD COLUMN gives every row that was not written since the same value as SQLite's
// does: constant defaults, or none. New columns are read, and nothing else of the table.
std::optional<TablePlan> widened_plan(sqlite::Database& database, const TablePlan& before,
                                      const TableShape& now, const capture::Installed& installed) {
  const std::size_t had = before.shape.columns.size();
  const bool has_rules =
      !before.rules.columns.empty() || (installed.choice && !installed.choice->rules.empty());
  if (before.existing || has_rules) return std::nullopt;
  const TableShape part = part_of(now, had);
  const TableCensus census = snapshot::take_census(
      database, part, {}, [](std::uint64_t) {}, {}, {}, integers_in(database));
  snapshot::Planned planned =
      snapshot::plan_table(before.id, part, census, before.sequence, {},
                           choices_for({}, part, &before, installed.on_bad_value));
  if (!planned.problems.empty()) return std::nullopt;
  settle_beside(database, planned, &before, installed);
  TablePlan plan = before;
  plan.shape = now;
  plan.spellings.resize(had);
  plan.on_bad_value.resize(had, OnBadValue::stop);
  for (std::size_t i = part.key.size(); i < part.columns.size(); ++i) {
    plan.types.push_back(planned.plan.types[i]);
    plan.spellings.push_back(planned.plan.spelling(i));
    plan.on_bad_value.push_back(planned.plan.on_bad_value_of(i));
  }
  for (std::size_t i = had; i < now.columns.size(); ++i)
    if (!has_fixed_default(plan, i)) return std::nullopt;
  return plan;
}

// Of a table whose columns are there in the plan already: an index costs the census, no copy.
std::optional<TablePlan> with_indexes(sqlite::Database& database, const TablePlan& before,
                                      TablePlan with_columns, const TableShape& now,
                                      const capture::Installed& installed) {
  with_columns.shape = now;
  if (before.existing) return with_columns;
  snapshot::Planned planned = plan_as_it_is(database, now, before.id, &before, installed);
  if (!planned.problems.empty()) return std::nullopt;
  TablePlan anew = in_force(with_columns, std::move(planned.plan));
  with_columns.carried_indexes = std::move(anew.carried_indexes);
  with_columns.left_out = std::move(anew.left_out);
  // Keys that were deleted are spelled as before: what was found stays.
  with_columns.spellings.resize(anew.spellings.size());
  for (std::size_t i = 0; i < anew.spellings.size(); ++i)
    with_columns.spellings[i].bound = with_columns.spellings[i].bound && anew.spellings[i].bound;
  return with_columns;
}

}  // namespace

bool nothing_else_happened(std::int64_t before, std::int64_t now, std::size_t statements) {
  constexpr std::size_t kFewerThanARebuild = 6;
  return before >= 0 && statements > 0 && statements <= kFewerThanARebuild &&
         now - before == static_cast<std::int64_t>(statements);
}

std::optional<TablePlan> plan_in_place(sqlite::Database& database, const TablePlan& before,
                                       const TableShape& now, const capture::Installed& installed) {
  const std::size_t appended = now.columns.size() - before.shape.columns.size();
  const auto wider =
      appended > 0 ? widened_plan(database, before, now, installed) : std::optional(before);
  if (!wider || statements_between(before.shape, now) == appended) return wider;
  return with_indexes(database, before, *wider, now, installed);
}

}  // namespace lockstep::ops
