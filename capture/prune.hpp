// Deletes changes that the target has confirmed durable: seldom, in short transactions, never the
// last row.
#pragma once

#include <cstdint>
#include <string>

#include "link/sqlite/database.hpp"
#include "model/clock.hpp"
#include "model/position.hpp"

namespace lockstep::capture {

struct PruneLimits {
  Milliseconds every{30'000};  ///< a write of ours between an application's deferred read and its
                               ///< write costs it a SQLITE_BUSY_SNAPSHOT, so they are rare
  std::int64_t retained_changes =
      1'000;  ///< kept behind the acked position, to prove older positions after a failover
  std::int64_t slice_changes = 5'000;  ///< per transaction: about a millisecond of write lock
  std::int64_t least_changes = 5'000;  ///< below that, waiting costs less than writing
  Milliseconds busy_patience{20};      ///< the application comes first: try again at the next turn
};

/// One thread. Opens its connection for each turn, so that nothing of ours stands in the way
/// between turns.
class Prune {
 public:
  Prune(std::string database_path, PruneLimits limits);

  /// Deletes what lies before `acked` minus the retention, if it is time. Returns how many rows
  /// went.
  std::int64_t turn(const Position& acked);

 private:
  std::string path_;
  PruneLimits limits_;
  SteadyTime next_turn_;
  std::int64_t pruned_to_ = 0;
};

}  // namespace lockstep::capture
