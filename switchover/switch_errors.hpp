// Why a switch does not go on. Each throws an Error; what it means for the application is in its
// text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/clock.hpp"
#include "switchover/coordinator.hpp"
#include "switchover/state.hpp"

namespace lockstep::switchover {

/// LS-X607 (exit 8).
[[noreturn]] void throw_superseded(Direction direction, std::int64_t attempt);

/// LS-X604 (exit 6): `step` took too long. `writers`: the side that keeps them.
[[noreturn]] void throw_over_budget(std::string_view step, Milliseconds max_pause,
                                    const std::string& why, std::string_view writers);

/// The same: PostgreSQL does not come to SQLite's last change.
[[noreturn]] void throw_behind(Milliseconds max_pause);

/// LS-X668 (exit 6): the lockstep that runs has not followed SQLite's schema in time.
[[noreturn]] void throw_schema_behind(const std::string& path, Milliseconds waited);

/// LS-X668 (exit 3): it changed when all had been looked at.
[[noreturn]] void throw_schema_moved(const std::string& path);

/// LS-X668 (exit 3): something may have been missed behind the gates.
[[noreturn]] void throw_comparison_owed(const std::string& path);

/// LS-X672 (exit 3): these tables of PostgreSQL have no fence, and the writers are held already.
[[noreturn]] void throw_unfenced(const std::vector<std::string>& tables);

/// LS-X617 (exit 7), see at_odds().
[[noreturn]] void throw_at_odds(const Sides& sides, const SwitchPlace& place);

}  // namespace lockstep::switchover
