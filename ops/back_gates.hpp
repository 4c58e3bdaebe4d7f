// Gates of the way back.
#pragma once

#include <vector>

#include "model/shape.hpp"
#include "ops/gates.hpp"
#include "switchover/coordinator.hpp"

namespace lockstep::ops {

/// `triggers`: what was written past the log is read anew; `fence`: SQLite took no write meanwhile,
/// or both sides were compared since; `columns`: those that only one side has now;
/// `left out`: tables that were made on PostgreSQL since and have rows.
[[nodiscard]] std::vector<Gate> back_gates(switchover::Coordinator& coordinator,
                                           const std::vector<TablePlan>& plans,
                                           const GateLimits& limits);

/// Before a cutover: columns that nobody will compare behind it. Open; none: there are none.
[[nodiscard]] std::vector<Gate> not_compared_gate(const std::vector<TablePlan>& plans);

}  // namespace lockstep::ops
