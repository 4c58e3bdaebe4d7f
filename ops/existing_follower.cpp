#include "ops/existing_follower.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "link/sqlite/shape.hpp"

namespace lockstep::ops {

namespace {

void ask(SchemaMoves& moves, const std::string& table, const std::string& what) {
  moves.asks.push_back({table, fmt::format("table {}: {}", table, what), true});
}

std::vector<std::string> column_names(const TableShape& shape) {
  std::vector<std::string> names;
  for (const Column& column : shape.columns) names.push_back(column.name);
  return names;
}

// The plan in force, where nobody can say what the target is like now.
void follow_unseen(const TablePlan& before, const TableShape& now, const ShapeChange& change,
                   SchemaMoves& moves) {
  if (column_names(now) != column_names(before.shape))
    return ask(moves, before.name(),
               "its columns changed, and the table on the target was not made by lockstep: migrate "
               "it there too, then lockstep run plans it anew");
  TablePlan same = before;
  same.shape = now;
  for (Column& column : same.shape.columns)
    column.computed_as =
        before.shape.columns[before.shape.column_named(column.name).value()].computed_as;
  moves.step.changed.push_back(std::move(same));
  moves.notes.push_back({"LS-S316", before.name(), what_changed(change)});
}

void note_warnings(const snapshot::Planned& planned, const std::string& table, SchemaMoves& moves) {
  for (const snapshot::Warning& warning : planned.warnings)
    moves.notes.push_back({warning.code, table, warning.what});
}

std::string not_there(const snapshot::Planned& planned) {
  return fmt::format(
      "the table on the target was not made by lockstep, and does not hold it as it is now: {}; "
      "migrate it there too, then lockstep run",
      fmt::join(planned.problems, "; "));
}

}  // namespace

const TargetView& TargetNow::view() {
  if (!view_) view_ = look_ ? look_() : TargetView();
  return *view_;
}

const CatalogTable* TargetNow::table(const std::string& name) {
  const auto found = view().tables.find(name);
  return found == view().tables.end() ? nullptr : &found->second;
}

void follow_existing(sqlite::Database& database, const capture::Installed& installed,
                     const TablePlan& before, const TableShape& now, const ShapeChange& change,
                     TargetNow& target, SchemaMoves& moves) {
  if (!target.can_look()) return follow_unseen(before, now, change, moves);
  const CatalogTable* there = target.table(before.target_name());
  if (there == nullptr)
    return ask(moves, before.name(), "it changed, and the target has no such table any more");
  snapshot::Planned planned =
      plan_into_existing(database, now, before.id, &before, installed, *there, target.silent());
  if (!planned.problems.empty()) return ask(moves, before.name(), not_there(planned));
  moves.notes.push_back({"LS-S316", before.name(), what_changed(change)});
  note_warnings(planned, before.name(), moves);
  moves.step.changed.push_back(std::move(planned.plan));
}

bool is_altered_there(const TablePlan& plan, TargetNow& target) {
  if (!plan.existing || !target.can_look()) return false;
  const CatalogTable* there = target.table(plan.target_name());
  if (there == nullptr) return false;
  const auto find = [&](const std::string& name) {
    return std::find_if(there->columns.begin(), there->columns.end(),
                        [&](const auto& column) { return column.name == name; });
  };
  for (std::size_t i = 0; i < plan.shape.columns.size(); ++i) {
    const ExistingColumn& planned = plan.existing->columns[i];
    const auto now = find(plan.target_column(i));
    if (now == there->columns.end() || now->type != planned.type ||
        now->not_null != planned.not_null)
      return true;
  }
  const std::vector<std::string>& extra = plan.existing->extra;
  const auto stranger = [&](const CatalogTable::CatalogColumn& column) {
    const auto& added = plan.rules.added;
    bool known = std::find(extra.begin(), extra.end(), column.name) != extra.end() ||
                 std::any_of(added.begin(), added.end(),
                             [&](const AddedColumn& each) { return each.name == column.name; });
    for (std::size_t i = 0; i < plan.shape.columns.size() && !known; ++i)
      known = plan.target_column(i) == column.name;
    return !known;
  };
  return there->key != plan.existing->key ||
         std::any_of(there->columns.begin(), there->columns.end(), stranger);
}

std::set<std::string> follow_altered_there(sqlite::Database& database,
                                           const capture::Installed& installed,
                                           const std::set<std::string>& drifted, TargetNow& target,
                                           SchemaMoves& moves) {
  std::set<std::string> names;
  ShapeChange change;
  change.same = false;
  for (const TablePlan& plan : installed.tables) {
    if (drifted.contains(plan.name()) || !is_altered_there(plan, target)) continue;
    follow_existing(database, installed, plan,
                    sqlite::read_shape(database, plan.name(), &plan.shape), change, target, moves);
    names.insert(plan.name());
  }
  return names;
}

bool follow_into_existing(sqlite::Database& database, const capture::Installed& installed,
                          const TableShape& shape, std::uint32_t id, bool accepted,
                          TargetNow& target, SchemaMoves& moves) {
  const TableRules rules =
      installed.choice ? rules_of(installed.choice->rules, shape) : TableRules();
  const CatalogTable* there = target.table(rules.rename.empty() ? shape.name : rules.rename);
  if (there == nullptr) return false;
  snapshot::Planned planned =
      plan_into_existing(database, shape, id, nullptr, installed, *there, target.silent());
  if (!planned.problems.empty()) {
    ask(moves, shape.name, not_there(planned));
  } else if (const bool filled = target.has_rows(there->name); filled && !accepted) {
    ask(moves, shape.name,
        "it is new, and the table of its name on the target has rows: empty that one, or lockstep "
        "ddl accept, and they give way to the source's");
  } else {
    moves.notes.push_back(
        {"LS-S316", shape.name,
         fmt::format("{} is a new table; it is followed into the one that is on the target{}",
                     shape.name, filled ? ", whose rows give way to the source's" : "")});
    note_warnings(planned, shape.name, moves);
    moves.step.added.push_back(std::move(planned.plan));
  }
  return true;
}

std::string name_taken_there(const capture::Installed& installed, const capture::SchemaStep& step,
                             const TableShape& shape) {
  TablePlan named;
  named.shape = shape;
  if (installed.choice) named.rules = rules_of(installed.choice->rules, shape);
  const auto has_it = [&](const TablePlan& plan) {
    const auto& dropped = step.dropped;
    return plan.target_name() == named.target_name() &&
           std::find(dropped.begin(), dropped.end(), plan.id) == dropped.end();
  };
  for (const auto* plans : {&installed.tables, &step.added})
    if (const auto other = std::find_if(plans->begin(), plans->end(), has_it);
        other != plans->end())
      return fmt::format(
          "on PostgreSQL {} is the name of table {}, which is followed; rename it in SQLite",
          named.target_name(), other->name());
  return {};
}

std::string what_changed(const ShapeChange& change) {
  std::vector<std::string> parts;
  if (!change.added.empty())
    parts.push_back(fmt::format("column {} was added", fmt::join(change.added, ", ")));
  if (!change.dropped.empty())
    parts.push_back(
        fmt::format("column {} was dropped or renamed", fmt::join(change.dropped, ", ")));
  parts.insert(parts.end(), change.otherwise.begin(), change.otherwise.end());
  if (change.same) parts.emplace_back("its triggers were lost and are back");
  if (parts.empty()) parts.emplace_back("indexes or columns were declared otherwise");
  return fmt::format("{}; the table is read anew", fmt::join(parts, ", "));
}

}  // namespace lockstep::ops
