// The gates as cutover and rollback go through them: shown, waited for, and looked at once more
// when somebody took his time.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "ops/commands.hpp"
#include "ops/gates.hpp"
#include "switchover/coordinator.hpp"

namespace lockstep::ops {

/// The side that gets the writers, for people.
[[nodiscard]] const char* goes_to(switchover::Direction direction);

struct GatesSeen {
  std::vector<Gate> gates;
  std::int64_t first_pass = 0;  ///< of verify that counted when they were looked at (apply/owed)
};
/// All of them, printed; with --when-ready once they are open. Nothing: a signal came meanwhile.
[[nodiscard]] std::optional<GatesSeen> show_gates(switchover::Coordinator& coordinator,
                                                  const SwitchRequest& request, Screen& screen,
                                                  Signals& signals);
/// Throws LS-X668 if a comparison is owed that was not when they were looked at.
void require_nothing_owed_since(switchover::Coordinator& coordinator, const GatesSeen& seen);

/// LS-X603 (exit 3) with each gate that is shut.
[[noreturn]] void throw_shut(const std::vector<Gate>& gates, switchover::Direction direction);

/// LS-X666 for each gate that a flag waives.
void tell_what_is_given_up(const std::vector<Gate>& gates, switchover::Direction direction,
                           Screen& screen);

/// Behind a question to a person, or a program of theirs: LS-X603 for what was shut meanwhile.
void require_still_open(switchover::Coordinator& coordinator, const SwitchRequest& request,
                        Screen& screen);

}  // namespace lockstep::ops
