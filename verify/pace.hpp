// How fast a pass may go, so that who works beside it does not feel it. Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "model/clock.hpp"

namespace lockstep::verify {

struct PaceLimits {
  std::uint64_t rows_per_second = 0;  ///< 0: no limit
  /// Of the time, so also of one core: 0.1 rests nine times as long as a range took. 1: never
  /// rests.
  double busy_share = 1;
  Milliseconds lag_max{
      0};  ///< rests for as long as changes are later than that; 0: whatever the lag

  [[nodiscard]] bool any() const {
    return rows_per_second > 0 || busy_share < 1 || lag_max > Milliseconds{0};
  }
  bool operator==(const PaceLimits&) const = default;
};

/// How long to rest after a range of so many rows that took `busy` on both sides together.
[[nodiscard]] Milliseconds rest_after(const PaceLimits& limits, std::uint64_t rows,
                                      Milliseconds busy);

/// True: changes come too late for a pass to go on. `lag_ms`: nothing if none came yet.
[[nodiscard]] bool is_too_late(const PaceLimits& limits, std::optional<double> lag_ms);

/// How many rows the next range may have, so that rests come often; 0: as many as the time allows.
[[nodiscard]] std::uint32_t rows_at_once(const PaceLimits& limits);

}  // namespace lockstep::verify
