#include "ops/stall.hpp"

#include <fmt/format.h>

namespace lockstep::ops {

std::optional<Stall> stalled(const Reports& reports, std::int64_t now_us, Milliseconds bound) {
  const auto silent = [&](std::int64_t seen_us) {
    return seen_us > 0 && now_us - seen_us > std::chrono::microseconds(bound).count();
  };
  const auto tell = [&](std::int64_t seen_us, const char* who) {
    return Stall{seen_us, fmt::format("{} has not reported since; last seen: {}, applied {}", who,
                                      reports.phase, reports.applied)};
  };
  if (silent(reports.updated_us)) return tell(reports.updated_us, "the process (stopped?)");
  if (silent(reports.target_us) && reports.phase != "indexing")
    return tell(reports.target_us, "apply");
  if (silent(reports.source_us)) return tell(reports.source_us, "capture");
  return std::nullopt;
}

}  // namespace lockstep::ops
