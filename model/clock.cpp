#include "model/clock.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

namespace lockstep {

SteadyTime steady_now() {
  return std::chrono::steady_clock::now();
}

std::int64_t wall_now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string rfc3339(std::int64_t wall_us) {
  const std::time_t seconds = static_cast<std::time_t>(wall_us / 1'000'000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

Milliseconds Deadline::left() const {
  // Up: who waits for nothing until it has passed would spin for the last millisecond.
  const auto left = std::chrono::ceil<Milliseconds>(at_ - steady_now());
  return std::max(left, Milliseconds{0});
}

Backoff::Backoff(Milliseconds first, Milliseconds max, std::uint64_t seed)
    : first_(first), max_(max), step_(first), state_(seed | 1) {}

Milliseconds Backoff::next() {
  // xorshift64: any generator will do, the spread only keeps two processes from knocking in step.
  state_ ^= state_ << 13;
  state_ ^= state_ >> 7;
  state_ ^= state_ << 17;
  const auto half = static_cast<std::uint64_t>(step_.count()) / 2;
  const Milliseconds wait{static_cast<std::int64_t>(half + state_ % (half + 1))};
  step_ = std::min(step_ * 2, max_);
  return wait;
}

}  // namespace lockstep
