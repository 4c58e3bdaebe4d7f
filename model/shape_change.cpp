#include "model/shape_change.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

namespace lockstep {

namespace {

std::vector<std::string> key_names(const TableShape& shape) {
  std::vector<std::string> names;
  for (const std::size_t column : shape.key) names.push_back(shape.columns[column].name);
  return names;
}

std::string alias_name(const TableShape& shape) {
  return shape.rowid_alias ? shape.columns[*shape.rowid_alias].name : std::string();
}

}  // namespace

ShapeChange shape_change(const TableShape& before, const TableShape& now) {
  ShapeChange change;
  const bool computed_alike =
      std::all_of(before.columns.begin(), before.columns.end(), [&](const Column& column) {
        const auto still = now.column_named(column.name);
        return still && now.columns[*still].computed_as == column.computed_as;
      });
  if (fingerprint(before) == fingerprint(now) && computed_alike) return change;
  change.same = false;
  for (const Column& column : before.columns) {
    const auto still = now.column_named(column.name);
    if (!still)
      change.dropped.push_back(column.name);
    else if (now.columns[*still].affinity != column.affinity)
      change.altered.push_back(fmt::format("column {} was {}, it is {} now", column.name,
                                           column.declared_type,
                                           now.columns[*still].declared_type));
  }
  for (const Column& column : now.columns)
    if (!before.column_named(column.name)) change.added.push_back(column.name);
  if (key_names(before) != key_names(now))
    change.altered.push_back(fmt::format("its key was ({}), it is ({}) now",
                                         fmt::join(key_names(before), ", "),
                                         fmt::join(key_names(now), ", ")));
  else if (alias_name(before) != alias_name(now))
    change.altered.emplace_back("its INTEGER PRIMARY KEY became another kind of key, or was none");
  return change;
}

bool only_appended(const TableShape& before, const TableShape& now) {
  if (now.columns.size() <= before.columns.size() || now.keyed_by_rowid) return false;
  TableShape rest = now;
  rest.columns.resize(before.columns.size());
  return fingerprint(rest) == fingerprint(before) && shape_change(before, now).can_be_followed();
}

TablePlan carry_decisions(const TablePlan& before, TablePlan now) {
  now.id = before.id;
  for (std::size_t i = 0; i < now.shape.columns.size(); ++i)
    if (const auto was = before.shape.column_named(now.shape.columns[i].name))
      now.types[i] = before.types[*was];
  return now;
}

bool is_rebuild_in_progress(const std::string& table) {
  return table.starts_with("_alembic_tmp_") || table.starts_with("new__");
}

}  // namespace lockstep
