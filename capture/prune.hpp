// Deletes changes that the target has confirmed durable: seldom, in short transactions, never the
// last row.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "link/sqlite/database.hpp"
#include "link/sqlite/statement.hpp"
#include "model/clock.hpp"
#include "model/position.hpp"

namespace lockstep::capture {

struct PruneLimits {
  Milliseconds every{30'000};  ///< a write of ours between an application's deferred read and its
                               ///< write costs it a SQLITE_BUSY_SNAPSHOT, so they are rare
  std::int64_t retained_changes =
      1'000;  ///< kept behind the acked position, to prove older positions after a failover
  std::int64_t slice_changes =
      200;  ///< per transaction: some tenths of a millisecond of write lock
  std::int64_t least_changes = 5'000;       ///< below that, waiting costs less than writing
  std::int64_t urgent_changes = 1'000'000;  ///< some tens of MiB
  Milliseconds busy_patience{0};  ///< the application comes first: try again at the next turn
};

/// A transaction of the application that has read and then wants to write does not wait for a lock
/// of ours: it gets SQLITE_BUSY at once, whatever its timeout. So slices are small and come right
/// behind a commit of the application, where the next write is as far away as it can be, or when
/// nobody writes. One thread. Its connection is open only while there is something to delete.
class Prune {
 public:
  Prune(std::string database_path, PruneLimits limits);

  /// It is time, and there is something worth it; or a turn is under way.
  [[nodiscard]] bool is_due(const Position& acked) const;

  /// If it is due: deletes a slice of what lies before `acked` minus the retention. Returns how
  /// many rows went. The caller picks the moment.
  std::int64_t turn(const Position& acked);

  /// So much has gathered that it is pruned although the application writes without a pause.
  [[nodiscard]] bool is_urgent(const Position& acked) const {
    return acked.seq - pruned_to_ > limits_.urgent_changes;
  }

 private:
  std::string path_;
  PruneLimits limits_;
  std::int64_t slice();

  SteadyTime next_turn_;
  std::optional<sqlite::Database> database_;  // while a turn is under way
  std::unique_ptr<sqlite::Statement> remove_;
  std::int64_t limit_ = 0;  // of it: the first row that stays
  std::int64_t pruned_to_ = 0;
};

}  // namespace lockstep::capture
