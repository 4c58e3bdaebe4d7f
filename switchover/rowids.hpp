// Tables without a key are known by their rowids on both sides, and these hold only until somebody
// says VACUUM, which closes them up, or puts a copy in the file's place that was made from a dump.
#pragma once

#include <string>
#include <vector>

#include "link/sqlite/database.hpp"
#include "model/shape.hpp"

namespace lockstep::switchover {

/// The rowids that SQLite has now are those that PostgreSQL knows. In the caller's transaction,
/// with which it is kept or forgotten.
void record_rowids(sqlite::Database& database);

/// Names of those of `plans` that are known by rowid, if these may be others than PostgreSQL's:
/// since they were recorded SQLite's schema_version has moved, or the file is another one. What was
/// never recorded (an older lockstep led the cutover) counts as moved. Cheap; reads only.
[[nodiscard]] std::vector<std::string> renumbered_tables(sqlite::Database& database,
                                                         const std::vector<TablePlan>& plans);

}  // namespace lockstep::switchover
