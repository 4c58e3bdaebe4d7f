// Columns without values: what the rest of the database shows. Pure.
#pragma once

#include <cstddef>
#include <vector>

#include "model/shape.hpp"

namespace lockstep::snapshot {

/// Gives the columns without values (`undecided[i]` of `plans[i]`) the type that every column with
/// values and the same declared type has. Where these do not agree, or there are none, nothing
/// changes: a DATETIME may come to hold anything.
void settle_undecided(std::vector<TablePlan>& plans,
                      const std::vector<std::vector<std::size_t>>& undecided);

}  // namespace lockstep::snapshot
