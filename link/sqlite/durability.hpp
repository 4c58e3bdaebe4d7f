// Makes what a read transaction sees survive a power loss, before it is shipped.
#pragma once

#include <cstdint>
#include <string>

#include "link/sqlite/database.hpp"
#include "model/clock.hpp"

namespace lockstep::sqlite {

/// With synchronous=NORMAL (the usual advice for WAL) SQLite does not sync at commit: after a power
/// loss the target would be ahead of the source. Call make_durable() inside a read transaction that
/// has read something:
///  - WAL mode: xSync on the WAL (SQLITE_FCNTL_JOURNAL_POINTER), and whenever the WAL's salts
///  changed since the
///    last call (a restart: what it held went into the database file) also xSync on the database
///    (FILE_POINTER);
///  - rollback-journal modes: xSync on the database, fsync of a left-over `-journal` file (PERSIST,
///  TRUNCATE)
///    and fsync of the directory, so that no hot journal can come back.
/// It never opens the database file by other means: closing any descriptor of it drops the
/// process's locks. At most one sync per 2 ms (back to back they took a writer from 111,000 to
/// 17,000 tx/s): waits if needed. One per connection, one thread at a time.
class Durability {
 public:
  explicit Durability(Database& database);

  /// Throws Error LS-S320 if the state cannot be made durable (no WAL file handle though in WAL
  /// mode, EIO ...): then nothing read in this transaction may be shipped.
  void make_durable();

  /// Files and directories synced so far.
  [[nodiscard]] std::uint64_t syncs() const { return syncs_; }

 private:
  void sync_wal();
  void sync_journal();
  void sync_database();

  Database& database_;
  std::string path_;  // as SQLite resolved it
  std::uint64_t wal_salts_ = 0;
  bool salts_known_ = false;
  SteadyTime last_sync_{};
  std::uint64_t syncs_ = 0;
};

/// Bytes of the -wal file beside the database; 0 if there is none. (stat only; never opens it.)
[[nodiscard]] std::int64_t wal_bytes(const std::string& database_path);

}  // namespace lockstep::sqlite
