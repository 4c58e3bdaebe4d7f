// What to do when the source's disk runs low while changes gather in our table. Pure.
#pragma once

#include <cstdint>

namespace lockstep::capture {

inline constexpr std::int64_t kMiB = std::int64_t{1} << 20;
/// In the change table, for keys of one or two columns; long keys take more.
inline constexpr std::int64_t kBytesPerChange = 48;

struct RoomLimits {
  std::int64_t warn_free = 2'048 * kMiB;  ///< bytes that are free on the source's disk
  /// What is left must also do for giving up itself: dropping a table writes to the journal.
  std::int64_t give_up_free = 512 * kMiB;
  std::int64_t ours_min = 64 * kMiB;  ///< of changes that wait: giving up less would help nobody
  /// On a disk with less left than changes wait: below that, it is others who have filled it.
  std::int64_t ours_least = kMiB / 16;
};

enum class Room {
  fine,
  warn,
  give_up,  ///< the application comes first (I8): take triggers and change table out
};

/// `our_bytes`: of changes that the target does not have yet, so that nothing may prune them. On a
/// disk too small for these limits it is given up once they are as much as what is left.
[[nodiscard]] constexpr Room judge_room(std::int64_t free_bytes, std::int64_t our_bytes,
                                        const RoomLimits& limits) {
  if (free_bytes >= limits.warn_free) return Room::fine;
  const bool ours_matters =
      our_bytes >= limits.ours_min || (our_bytes >= free_bytes && our_bytes >= limits.ours_least);
  if (!ours_matters) return Room::fine;
  return free_bytes < limits.give_up_free ? Room::give_up : Room::warn;
}

}  // namespace lockstep::capture
