// Tables that got columns by ALTER TABLE ADD COLUMN, or other indexes, and nothing else happened:
// they need not be read anew.
#pragma once

#include <cstdint>
#include <optional>

#include "capture/install.hpp"
#include "link/sqlite/database.hpp"
#include "model/shape.hpp"

namespace lockstep::ops {

/// SQLite counts each statement that alters the schema in schema_version. A rebuild that brings our
/// triggers back takes at least seven (create, drop, rename, four triggers): so where the number
/// went on by one for each column and index that came or went (`statements`), and by six at most,
/// no table was rebuilt and no trigger was away. What was written meanwhile is logged. `before` is
/// a version at which triggers and shapes were seen to be in place; -1: not known.
[[nodiscard]] bool nothing_else_happened(std::int64_t before, std::int64_t now,
                                         std::size_t statements);

/// The plan of `before`'s table with the columns and indexes that statements_between() counts.
/// Nothing: the table has to be read anew, for rows that were not written since would not get the
/// same values of new columns. Types come from evidence: new columns are read; for a new index the
/// table is, for the longest entry, but it is not sent.
[[nodiscard]] std::optional<TablePlan> plan_in_place(sqlite::Database& database,
                                                     const TablePlan& before, const TableShape& now,
                                                     const capture::Installed& installed);

}  // namespace lockstep::ops
