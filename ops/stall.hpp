// Silence has a name: when a part of a running lockstep has not reported for long. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "model/clock.hpp"

namespace lockstep::ops {

inline constexpr Milliseconds kStalledAfter{30'000};

/// What a published status says of its parts; microseconds since 1970.
struct Reports {
  std::int64_t updated_us = 0;  ///< the status itself: the main thread
  std::int64_t source_us = 0;   ///< 0: that worker is not in this process, or has not begun
  std::int64_t target_us = 0;
  std::string phase;
  std::string applied;  ///< position, or "nothing"
};

struct Stall {
  std::int64_t since_us = 0;
  std::string what;  ///< who is silent, and what was last seen of it
};

/// Nothing while everybody reported within `bound`. An apply that builds keys is silent by nature:
/// the status names the table.
[[nodiscard]] std::optional<Stall> stalled(const Reports& reports, std::int64_t now_us,
                                           Milliseconds bound);

}  // namespace lockstep::ops
