// The gate `compared`: what is proven of the equality of both sides before the writers move.
#pragma once

#include <vector>

#include "model/shape.hpp"
#include "ops/gates.hpp"
#include "switchover/coordinator.hpp"

namespace lockstep::ops {

/// Before a cutover: each table was equal when it was compared last, since the writers came to
/// SQLite or, for those without a word since, while they were on PostgreSQL.
[[nodiscard]] Gate compared_gate(switchover::Coordinator& coordinator, const GateLimits& limits);

/// Before a rollback: each table was equal when it was compared last since the cutover; for one
/// that nobody has written to since, what was proven before it counts.
[[nodiscard]] Gate compared_back_gate(switchover::Coordinator& coordinator,
                                      const std::vector<TablePlan>& plans,
                                      const GateLimits& limits);

}  // namespace lockstep::ops
