#include "ops/verify_schema.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "link/sqlite/shape.hpp"
#include "link/sqlite/sql_text.hpp"
#include "model/shape_change.hpp"
#include "ops/names.hpp"
#include "ops/schema_follower.hpp"

namespace lockstep::ops {

namespace {

std::string what_differs(const ShapeChange& change) {
  std::vector<std::string> parts;
  if (!change.added.empty())
    parts.push_back(fmt::format("column {} is on the source only", fmt::join(change.added, ", ")));
  if (!change.dropped.empty())
    parts.push_back(fmt::format("column {} was dropped or renamed on the source",
                                fmt::join(change.dropped, ", ")));
  for (const std::string& each : change.altered) parts.push_back(each);
  return fmt::format("{}", fmt::join(parts, "; "));
}

}  // namespace

std::vector<std::string> left_out(sqlite::Database& source, const capture::Installed& installed) {
  std::vector<std::string> names;
  for (const sqlite::TableName& table : sqlite::list_tables(source))
    if (table.kind != sqlite::TableKind::shadow &&
        std::none_of(installed.tables.begin(), installed.tables.end(), [&](const TablePlan& plan) {
          return sqlite::same_name(plan.name(), table.name);
        }))
      names.push_back(table.name);
  return names;
}

SchemaNow look_at_schema_now(sqlite::Database& source, const capture::Installed& installed,
                             const std::vector<std::string>& globs) {
  SchemaNow now;
  const auto found = [&](const std::string& table, std::string what) {
    if (globs.empty() || matches_any(table, globs))
      now.findings.push_back(
          {"LS-V533", CheckCategory::schema, CheckSeverity::critical, table, std::move(what), 0});
  };
  std::set<std::string> altered;
  for (const capture::Drift& each : capture::drift(source, installed.tables))
    if (each.altered) altered.insert(each.table);
  std::set<std::string> there;
  for (const sqlite::TableName& table : sqlite::list_tables(source)) there.insert(table.name);
  for (const TablePlan& plan : installed.tables) {
    if (!altered.contains(plan.name())) continue;
    if (!there.contains(plan.name())) {
      found(plan.name(), "the table is gone from the source (dropped or renamed)");
      now.not_comparable.insert(plan.name());
      continue;
    }
    const ShapeChange change = shape_change(plan.shape, present_shape(source, plan.shape));
    if (change.can_be_followed() && change.added.empty()) continue;  // indexes, say
    found(plan.name(), what_differs(change));
    if (!change.can_be_followed()) now.not_comparable.insert(plan.name());
  }
  for (const std::string& table : unfollowed_tables(source, installed))
    found(table, "the table is new on the source, and the target does not have it");
  return now;
}

}  // namespace lockstep::ops
