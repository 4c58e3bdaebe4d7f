// Whether the rules of a configuration are about this database.
#pragma once

#include <vector>

#include "link/sqlite/shape.hpp"
#include "ops/assessment.hpp"

namespace lockstep::ops {

/// LS-A107: a rule names no column, or two, or two tables would have one name on PostgreSQL. Rules
/// for tables that are left out are no mistake. `all` tables of the source.
void check_rules(const TableChoice& choice, const std::vector<sqlite::TableName>& all,
                 const Assessment& assessment);

}  // namespace lockstep::ops
