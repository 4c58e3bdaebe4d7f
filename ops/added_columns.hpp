// Tables that got columns by ALTER TABLE ADD COLUMN, and nothing else happened: they need not be
// read anew.
#pragma once

#include <cstdint>
#include <optional>

#include "capture/install.hpp"
#include "link/sqlite/database.hpp"
#include "model/shape.hpp"

namespace lockstep::ops {

/// SQLite counts each statement that alters the schema in schema_version. A rebuild that brings our
/// triggers back takes at least seven (create, drop, rename, four triggers): so where the number
/// went on by one for each column that came, and by six at most, no table was rebuilt and no
/// trigger was away. What was written meanwhile is logged. `before` is a version at which triggers
/// and shapes were seen to be in place; -1: not known.
[[nodiscard]] bool only_columns_came(std::int64_t before, std::int64_t now, std::size_t columns);

/// The plan of `before`'s table with its new columns, if PostgreSQL's ADD COLUMN gives every row
/// that was not written since the same value as SQLite's does: constant defaults, or none. Types
/// come from evidence: new columns are read, and nothing else of the table. Nothing: the table has
/// to be read anew.
[[nodiscard]] std::optional<TablePlan> widened_plan(sqlite::Database& database,
                                                    const TablePlan& before, const TableShape& now,
                                                    const capture::Installed& installed);

}  // namespace lockstep::ops
