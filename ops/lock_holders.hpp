// The gate `long transactions`: who on PostgreSQL would keep a switch waiting, and what ends it.
#pragma once

#include "model/clock.hpp"
#include "ops/gates.hpp"
#include "switchover/coordinator.hpp"

namespace lockstep::ops {

/// Before a rollback: transactions that have written and are older than a tenth of the pause.
[[nodiscard]] Gate long_writers_gate(switchover::Coordinator& coordinator, Milliseconds max_pause);

/// Before a cutover: who has held locks for a second that the fence's triggers or the last changes
/// would wait for.
[[nodiscard]] Gate lock_holders_gate(switchover::Coordinator& coordinator);

}  // namespace lockstep::ops
