// The plan of a table as it is now, while lockstep follows.
#pragma once

#include <cstdint>

#include "capture/install.hpp"
#include "link/sqlite/database.hpp"
#include "snapshot/plan.hpp"

namespace lockstep::ops {

/// By the rules and choices of the migration. Reads every value of the table, unless its shape
/// alone cannot be carried (`problems`). `before` is the plan in force, or nullptr.
[[nodiscard]] snapshot::Planned plan_as_it_is(sqlite::Database& database, const TableShape& shape,
                                              std::uint32_t id, const TablePlan* before,
                                              const capture::Installed& installed);

/// Gives columns without values their types: those of `before`, or what is known from the tables
/// that are followed (snapshot/undecided).
void settle_beside(sqlite::Database& database, snapshot::Planned& planned, const TablePlan* before,
                   const capture::Installed& installed);

}  // namespace lockstep::ops
