// Types that do not follow from a column's own values: those of columns without any, and of columns
// that a foreign key joins.
#pragma once

#include <cstddef>
#include <vector>

#include "ops/assessment.hpp"
#include "snapshot/undecided.hpp"

namespace lockstep::ops {

/// Decides them in the plans (`undecided[i]` are the columns of plan i without values), tells the
/// facts of each table its final types, and warns (LS-A118) of a DEFAULT that gives what its
/// column's type cannot hold.
void settle_types(Assessment& assessment, const std::vector<std::vector<std::size_t>>& undecided,
                  snapshot::Customs customs);

}  // namespace lockstep::ops
