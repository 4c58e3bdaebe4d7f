// What a stale application's migration took out of SQLite after the cutover: nothing fences DDL.
#pragma once

#include <vector>

#include "link/sqlite/database.hpp"
#include "model/shape.hpp"
#include "switchover/going_back.hpp"

namespace lockstep::switchover {

/// Tables and columns of the plans that SQLite has no more; each blocks. Reads only.
[[nodiscard]] std::vector<CannotGoBack> lost_columns(sqlite::Database& database,
                                                     const std::vector<TablePlan>& plans);

}  // namespace lockstep::switchover
