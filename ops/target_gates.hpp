// Gates of what the databases themselves have to be like before the writers move.
#pragma once

#include <vector>

#include "model/shape.hpp"
#include "ops/gates.hpp"
#include "switchover/coordinator.hpp"

namespace lockstep::ops {

/// `orphans`: rows of PostgreSQL that a foreign key of theirs forbids; it would not let them in
/// again. Counted for 10 s at most for each key.
[[nodiscard]] Gate orphans_gate(switchover::Coordinator& coordinator, bool accepted);

/// `foreign keys`: those that are NOT VALID, and those that wait and are not enforced. Open.
[[nodiscard]] Gate foreign_keys_gate(switchover::Coordinator& coordinator);

/// `sequences`: lockstep may set them, and there are numbers left behind the largest key.
[[nodiscard]] Gate sequences_gate(switchover::Coordinator& coordinator,
                                  const std::vector<TablePlan>& plans);

/// `durability`: the server keeps what it has acknowledged, also when the power goes.
[[nodiscard]] Gate durability_gate(switchover::Coordinator& coordinator, bool accepted);

/// `subscriptions`: logical replication that writes to followed tables. Before a cutover SQLite
/// would lack what it brings, and no guard sees it; behind a rollback it meets the fence, and is
/// only told. None if there is none.
[[nodiscard]] std::vector<Gate> subscriptions_gate(switchover::Coordinator& coordinator,
                                                   switchover::Direction direction);

/// `quick_check`: SQLite's file is whole. None if it is not looked at now.
[[nodiscard]] std::vector<Gate> file_gate(switchover::Coordinator& coordinator, LookIntoFile look);

}  // namespace lockstep::ops
