// Tables that stay behind because somebody said so while others were followed.
#pragma once

#include <string>
#include <vector>

#include "link/sqlite/database.hpp"

namespace lockstep::capture {

/// By name, in the order in which they were accepted. The source has lockstep's tables.
[[nodiscard]] std::vector<std::string> accepted_left_out(sqlite::Database& database);

/// Adds to these, in a transaction of its own. They are not followed later either.
void accept_left_out(sqlite::Database& database, const std::vector<std::string>& tables);

}  // namespace lockstep::capture
