#include "verify/pace.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace lockstep::verify {

namespace {

constexpr std::uint64_t kRangesPerSecond = 4;
constexpr double kRestMsMax = 60'000;  // a range is short; more would be an outlier's doing

}  // namespace

Milliseconds rest_after(const PaceLimits& limits, std::uint64_t rows, Milliseconds busy) {
  const auto busy_ms = static_cast<double>(std::max<std::int64_t>(busy.count(), 0));
  double rest = 0;
  if (limits.busy_share < 1)
    rest = busy_ms * (1 - limits.busy_share) / std::max(limits.busy_share, 0.001);
  if (limits.rows_per_second > 0)
    rest = std::max(
        rest,
        static_cast<double>(rows) * 1'000 / static_cast<double>(limits.rows_per_second) - busy_ms);
  return Milliseconds(std::llround(std::min(rest, kRestMsMax)));
}

bool is_too_late(const PaceLimits& limits, std::optional<double> lag_ms) {
  return limits.lag_max > Milliseconds{0} && lag_ms &&
         *lag_ms > static_cast<double>(limits.lag_max.count());
}

std::uint32_t rows_at_once(const PaceLimits& limits) {
  if (limits.rows_per_second == 0) return 0;
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(
      limits.rows_per_second / kRangesPerSecond, 1, std::numeric_limits<std::uint32_t>::max()));
}

}  // namespace lockstep::verify
