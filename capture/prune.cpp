#include "capture/prune.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "capture/triggers.hpp"
#include "link/sqlite/statement.hpp"
#include "model/failpoint.hpp"

namespace lockstep::capture {

Prune::Prune(std::string database_path, PruneLimits limits)
    : path_(std::move(database_path)), limits_(limits), next_turn_(steady_now() + limits.every) {}

bool Prune::is_due(const Position& acked) const {
  return database_ || (steady_now() >= next_turn_ &&
                       acked.seq - limits_.retained_changes - pruned_to_ >= limits_.least_changes);
}

std::int64_t Prune::turn(const Position& acked) {
  if (!is_due(acked)) return 0;
  if (!database_) {
    next_turn_ = steady_now() + limits_.every;
    limit_ = acked.seq - limits_.retained_changes;
  }
  try {
    return slice();
  } catch (const Error& error) {
    if (error.retry() == Retry::never) throw;
    return 0;
  }
}

std::int64_t Prune::slice() {
  if (!database_) {
    database_.emplace(
        sqlite::Database::open(path_, sqlite::OpenMode::read_write, limits_.busy_patience));
    // Losing a prune to a power cut loses nothing, and so no sync happens while we hold the
    // application's write lock.
    database_->exec("PRAGMA synchronous=NORMAL");
    sqlite::Statement ends(*database_,
                           fmt::format("SELECT min(seq), max(seq) FROM {}", kChangeTable));
    check(ends.step(), "min() returns a row");
    pruned_to_ = ends.integer(0);
    // Were the last row gone, its number would be used again.
    limit_ = std::min(limit_, ends.integer(1));
    remove_ = std::make_unique<sqlite::Statement>(
        *database_, fmt::format("DELETE FROM {} WHERE seq < ?", kChangeTable));
  }
  const std::int64_t to = std::min(limit_, pruned_to_ + limits_.slice_changes);
  LOCKSTEP_FAILPOINT("cap.prune_begun");
  remove_->reset();
  remove_->bind(1, to).run();  // a transaction of its own
  const std::int64_t deleted = database_->changes();
  pruned_to_ = to;
  LOCKSTEP_FAILPOINT("cap.pruned");
  if (pruned_to_ < limit_) return deleted;
  remove_.reset();
  database_.reset();
  return deleted;
}

}  // namespace lockstep::capture
