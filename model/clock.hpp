// Time enters here and nowhere else. No decision about data depends on it: only patience and
// displays do.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace lockstep {

using Milliseconds = std::chrono::milliseconds;
using SteadyTime = std::chrono::steady_clock::time_point;

[[nodiscard]] SteadyTime steady_now();
/// Microseconds since 1970-01-01 UTC, for displays and lag.
[[nodiscard]] std::int64_t wall_now_us();
/// RFC 3339 in UTC with seconds: 2026-11-20T18:04:11Z.
[[nodiscard]] std::string rfc3339(std::int64_t wall_us);

/// A moment after which waiting ends.
class Deadline {
 public:
  explicit Deadline(Milliseconds patience) : at_(steady_now() + patience) {}
  [[nodiscard]] bool passed() const { return steady_now() >= at_; }
  [[nodiscard]] Milliseconds left() const;  ///< never negative

 private:
  SteadyTime at_;
};

/// Exponential back-off with full jitter: next() is between half and all of the current step, which
/// doubles up to `max`. `seed` makes it repeatable in tests.
class Backoff {
 public:
  Backoff(Milliseconds first, Milliseconds max, std::uint64_t seed);
  [[nodiscard]] Milliseconds next();
  void reset() { step_ = first_; }

 private:
  Milliseconds first_, max_, step_;
  std::uint64_t state_;
};

}  // namespace lockstep
