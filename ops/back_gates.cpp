#include "ops/back_gates.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "capture/install.hpp"
#include "ops/going_back.hpp"
#include "ops/left_out.hpp"
#include "ops/names.hpp"
#include "switchover/fence_debt.hpp"
#include "switchover/lost_columns.hpp"
#include "switchover/made_since.hpp"
#include "switchover/reverse_log.hpp"
#include "switchover/reverse_schema.hpp"
#include "switchover/reverse_watch.hpp"
#include "verify/back_plan.hpp"

namespace lockstep::ops {

namespace {

using switchover::Coordinator;

std::vector<const TablePlan*> pointers_to(const std::vector<TablePlan>& plans) {
  std::vector<const TablePlan*> all;
  for (const TablePlan& plan : plans) all.push_back(&plan);
  return all;
}

// What was written without a trigger, or in a table that is another now, is not in the log.
Gate triggers_gate(Coordinator& coordinator, const std::vector<TablePlan>& plans) {
  std::vector<std::string> moved;
  for (const switchover::MovedTable& each :
       switchover::moved_tables(coordinator.postgres(), coordinator.place().migration,
                                coordinator.place().schema, pointers_to(plans), true))
    moved.push_back(fmt::format("{}: {}", each.table, each.what));
  return {
      "triggers", moved.empty(),
      moved.empty() ? "each write is logged" : fmt::format("altered: {}", fmt::join(moved, "; ")),
      "as at the cutover",
      "nothing, lockstep run reads these tables anew; if it stays: lockstep status SOURCE"};
}

Gate fence_gate(Coordinator& coordinator) {
  const std::string& migration = coordinator.place().migration;
  const auto open = switchover::unfenced(coordinator.sqlite(), migration);
  const auto moved = switchover::schema_now(coordinator.sqlite()).in_question;
  const bool owed = switchover::owes_comparison(coordinator.postgres(), migration);
  std::string found = "whole";
  if (!open.empty())
    found = fmt::format("not on {}", fmt::join(open, ", "));
  else if (!moved.empty())
    found = fmt::format("SQLite's schema was changed: {}", fmt::join(moved, "; "));
  else if (owed)
    found = "whole again; SQLite's schema was changed, and nothing was compared since";
  return {"fence", open.empty() && moved.empty() && !owed, std::move(found), "SQLite took no write",
          "lockstep verify SOURCE TARGET; what only SQLite has it names"};
}

std::vector<switchover::CannotGoBack> columns_that_stay(Coordinator& coordinator,
                                                        const std::vector<TablePlan>& plans) {
  std::vector<switchover::CannotGoBack> all =
      switchover::cannot_go_back(coordinator.postgres(), coordinator.place().schema, plans);
  for (switchover::CannotGoBack& lost : switchover::lost_columns(coordinator.sqlite(), plans))
    all.push_back(std::move(lost));
  return all;
}

// What SQLite has no table for.
Gate left_out_back_gate(Coordinator& coordinator, const GateLimits& limits) {
  const auto installed = capture::require_installed(coordinator.sqlite());
  std::vector<std::string> shut, chosen, empty;
  for (const switchover::MadeSince& each : switchover::made_since(
           coordinator.postgres(), coordinator.place().migration, coordinator.place().schema)) {
    const bool by_choice = installed.choice && matches_any(each.table, installed.choice->exclude);
    (each.empty ? empty : by_choice ? chosen : shut).push_back(each.table);
  }
  std::string found = shut.empty()
                          ? "none"
                          : fmt::format("made on PostgreSQL since the cutover, with rows: {}",
                                        fmt::join(shut, ", "));
  if (!chosen.empty()) found += "; not moved, by choice: " + listed(chosen);
  if (!empty.empty()) found += "; without rows: " + listed(empty);
  return {"left out",
          shut.empty(),
          std::move(found),
          "no table with rows but by choice",
          "put these rows where SQLite has them, or drop the tables; --accept-left-out goes back "
          "without them",
          !shut.empty() && limits.accept_left_out};
}

}  // namespace

std::vector<Gate> back_gates(Coordinator& coordinator, const std::vector<TablePlan>& plans,
                             const GateLimits& limits) {
  return {triggers_gate(coordinator, plans), fence_gate(coordinator),
          columns_gate(columns_that_stay(coordinator, plans)),
          left_out_back_gate(coordinator, limits)};
}

std::vector<Gate> not_compared_gate(const std::vector<TablePlan>& plans) {
  std::vector<std::string> columns;
  for (const TablePlan& plan : plans)
    for (const std::string& column : verify::not_comparable_back(plan))
      columns.push_back(fmt::format("{}.{}", plan.name(), column));
  if (columns.empty()) return {};
  return {{"computed", true,
           fmt::format("{} generated column(s) that PostgreSQL does not compute: {}; after the "
                       "cutover they are what the application writes there, and are not compared",
                       columns.size(), fmt::join(columns, ", ")),
           "", ""}};
}

}  // namespace lockstep::ops
