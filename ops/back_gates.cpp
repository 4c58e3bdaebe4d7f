#include "ops/back_gates.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "ops/going_back.hpp"
#include "switchover/fence_debt.hpp"
#include "switchover/fence_sql.hpp"
#include "switchover/reverse_log.hpp"
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
  const bool owed = switchover::owes_comparison(coordinator.postgres(), migration);
  std::string found = "whole";
  if (!open.empty())
    found = fmt::format("not on {}", fmt::join(open, ", "));
  else if (owed)
    found = "whole again; SQLite's schema was changed, and nothing was compared since";
  return {"fence", open.empty() && !owed, std::move(found), "SQLite took no write",
          "lockstep verify SOURCE TARGET; what only SQLite has it names"};
}

}  // namespace

std::vector<Gate> back_gates(Coordinator& coordinator, const std::vector<TablePlan>& plans) {
  return {triggers_gate(coordinator, plans), fence_gate(coordinator),
          columns_gate(switchover::cannot_go_back(coordinator.postgres(),
                                                  coordinator.place().schema, plans))};
}

// A prepared transaction has no process; the lock on its own number says which one it is.
Gate long_writers_gate(Coordinator& coordinator, Milliseconds max_pause) {
  constexpr std::int64_t kShare = 10;  // so much of the budget may go by before they end
  const auto patience = max_pause.count() / kShare;
  const postgres::Result rows = coordinator.postgres().exec(fmt::format(
      "SELECT CASE WHEN w.gid IS NOT NULL THEN 'prepared ' || quote_literal(w.gid) ELSE "
      "coalesce('pid ' || w.pid, 'a prepared transaction') || coalesce(' (' || "
      "nullif(w.application_name, '') || ')', '') || coalesce(', ' || w.state, '') END || "
      "coalesce(', for ' || extract(epoch FROM clock_timestamp() - w.since)::numeric(12, 1) || ' "
      "s', ''), CASE WHEN w.gid IS NOT NULL THEN 'ROLLBACK PREPARED ' || quote_literal(w.gid) ELSE "
      "coalesce('SELECT pg_terminate_backend(' || w.pid || ')', 'SELECT * FROM "
      "pg_prepared_xacts') END FROM (SELECT l.pid, p.gid, a.application_name, a.state, "
      "coalesce(a.xact_start, p.prepared) AS since FROM pg_locks AS l LEFT JOIN pg_stat_activity "
      "AS a ON a.pid = l.pid LEFT JOIN pg_locks AS x ON l.pid IS NULL AND x.pid IS NULL AND "
      "x.virtualtransaction = l.virtualtransaction AND x.locktype = 'transactionid' LEFT JOIN "
      "pg_prepared_xacts AS p ON p.transaction = x.transactionid WHERE l.locktype = 'advisory' AND "
      "l.granted AND l.objsubid = 1 AND (l.classid::bigint << 32 | l.objid::bigint) = {}) AS w "
      "WHERE w.since < clock_timestamp() - interval '1 ms' * {} OR w.since IS NULL AND w.pid IS "
      "NULL ORDER BY w.since",
      switchover::fence_lock(coordinator.place().migration), patience));
  constexpr int kNamedMax = 3;
  std::string found, todo;
  for (int row = 0; row < std::min(rows.rows(), kNamedMax); ++row) {
    found += fmt::format("; {}", rows.value(row, 0));
    todo += fmt::format("{}{}", todo.empty() ? "end them: " : "; ", rows.value(row, 1));
  }
  return {"long transactions", rows.rows() == 0,
          fmt::format("{} that have written{}", rows.rows(), found),
          fmt::format("none older than {} ms", patience), std::move(todo)};
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
