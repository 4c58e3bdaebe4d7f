#include "capture/prune.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "capture/triggers.hpp"
#include "link/sqlite/statement.hpp"

namespace lockstep::capture {

Prune::Prune(std::string database_path, PruneLimits limits)
    : path_(std::move(database_path)), limits_(limits), next_turn_(steady_now() + limits.every) {}

std::int64_t Prune::turn(const Position& acked) {
  std::int64_t limit = acked.seq - limits_.retained_changes;  // the first row that stays
  if (steady_now() < next_turn_ || limit - pruned_to_ < limits_.least_changes) return 0;
  next_turn_ = steady_now() + limits_.every;
  std::int64_t deleted = 0;
  try {
    sqlite::Database database =
        sqlite::Database::open(path_, sqlite::OpenMode::read_write, limits_.busy_patience);
    // Losing a prune to a power cut loses nothing, and so no sync happens while we hold the
    // application's write lock.
    database.exec("PRAGMA synchronous=NORMAL");
    sqlite::Statement ends(database,
                           fmt::format("SELECT min(seq), max(seq) FROM {}", kChangeTable));
    check(ends.step(), "min() returns a row");
    std::int64_t from = ends.integer(0);
    limit =
        std::min(limit, ends.integer(1));  // were the last row gone, its number would be used again
    ends.reset();
    while (from < limit) {
      const std::int64_t to = std::min(limit, from + limits_.slice_changes);
      sqlite::Transaction transaction(database, sqlite::Transaction::Mode::immediate);
      sqlite::Statement remove(database, fmt::format("DELETE FROM {} WHERE seq < ?", kChangeTable));
      remove.bind(1, to).run();
      deleted += database.changes();
      transaction.commit();
      from = to;
    }
    pruned_to_ = limit;
  } catch (const Error& error) {
    if (error.retry() == Retry::never) throw;
  }
  return deleted;
}

}  // namespace lockstep::capture
