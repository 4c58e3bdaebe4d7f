// When to read, so that the application's writes do not suffer from it.
#pragma once

#include <cstdint>
#include <optional>

#include "link/sqlite/database.hpp"
#include "model/clock.hpp"

namespace lockstep::sqlite {

/// What the WAL holds, from its index in shared memory (sqlite.org/walformat.html, 2.1: mxFrame at
/// byte 16, nBackfill at byte 96).
struct WalState {
  std::uint32_t frames = 0;      ///< frames written since it was last restarted
  std::uint32_t backfilled = 0;  ///< of these, copied back into the database
};
/// Nothing outside WAL mode and before the connection's first read. Asks through SQLite's own
/// mapping: opening and closing -shm by other means would drop the process's locks.
[[nodiscard]] std::optional<WalState> wal_state(Database& database);

struct PaceLimits {
  Milliseconds slice_wal{200};    ///< one long reader took a writer from 70,000 to 821 commits/s
  Milliseconds slice_journal{1};  ///< rollback-journal mode: readers and writers exclude each other
  std::int64_t wal_bytes_max = 16 << 20;  ///< above: stay out until the WAL restarts ...
  Milliseconds wal_wait_max{1'000};       ///< ... or this long ...
  Milliseconds wal_still{20};  ///< ... or until nobody has written for this long: then waiting
                               ///< helps nobody
};

/// One per reading connection, one thread.
class Pace {
 public:
  Pace(Database& database, PaceLimits limits) : database_(database), limits_(limits) {}

  /// Call before a read transaction that may be long. Commits beyond 1,000 WAL pages sort all
  /// frames that are not copied back, and a WAL restarts only while nobody reads it: so above
  /// wal_bytes_max all our readers stay out for a moment.
  void let_writer_pass();

  /// How long a read transaction may last now.
  [[nodiscard]] Milliseconds slice();

  /// How often the WAL did not restart although we stayed out.
  [[nodiscard]] std::uint64_t in_vain() const { return in_vain_; }

 private:
  Database& database_;
  PaceLimits limits_;
  std::uint64_t in_vain_ = 0;
};

}  // namespace lockstep::sqlite
