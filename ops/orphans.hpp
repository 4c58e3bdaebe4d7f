// Rows whose foreign key points at nothing.
#pragma once

#include <string>
#include <vector>

#include "link/sqlite/database.hpp"
#include "ops/findings.hpp"

namespace lockstep::ops {

/// LS-A110, one warning for each table that has orphans (at most 1,000 are counted, the first are
/// named), or that was not looked at: in rollback-journal mode a large table would have to be read
/// in one piece, and the application's writes would wait.
[[nodiscard]] std::vector<Finding> orphans_in(sqlite::Database& database,
                                              const Assessment& assessment);

}  // namespace lockstep::ops
