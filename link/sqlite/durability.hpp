// Makes what a read transaction sees survive a power loss, before it is shipped.
#pragma once

#include <cstdint>
#include <string>

#include "link/sqlite/database.hpp"
#include "model/clock.hpp"

namespace lockstep::sqlite {

/// With synchronous=NORMAL (the usual advice for WAL) SQLite does not sync at commit: after a power
/// loss the target would be ahead of the source. Call in_view() inside a read transaction that has
/// read something, after_view() when it has ended and before anything of it is shipped; several
/// transactions may share one after_view():
///  - WAL mode, in_view(): xSync on the WAL (SQLITE_FCNTL_JOURNAL_POINTER), and whenever the WAL's
///    salts changed since the last call (a restart: what it held went into the database file) also
///    xSync on the database (FILE_POINTER). The read lock keeps the WAL from being restarted.
///  - rollback-journal modes, after_view(): xSync on the database, fsync of a left-over `-journal`
///    file (PERSIST, TRUNCATE) and fsync of the directory, so that no hot journal can come back. A
///    commit's pages and the end of its journal were written before it could be read, so a later
///    sync covers them, and a writer that is at work meanwhile has synced its own journal first.
///    Inside the transaction it would keep every writer waiting for the disk.
/// It never opens the database file by other means: closing any descriptor of it drops the
/// process's locks. At most one sync per 1.5 ms in WAL mode (back to back they took a writer from
/// 111,000 to 17,000 tx/s), per 10 ms otherwise: waits if needed. One per connection, one thread at
/// a time.
class Durability {
 public:
  explicit Durability(Database& database);

  /// Both throw Error LS-S320 if the state cannot be made durable (no WAL file handle though in WAL
  /// mode, EIO ...): then nothing read in these transactions may be shipped.
  void in_view();
  void after_view();
  /// Before the read transaction: waits until a sync may come, so that in_view() need not. Waiting
  /// inside of it made a writer's p99 five times as long (0.15 to 0.8 ms at 1,000 tx/s), and what
  /// was read older by that time.
  void await_turn();
  /// False: what was read is durable already (WAL mode), and the view may stay open.
  [[nodiscard]] bool needs_after_view() const { return journal_views_; }

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
  bool journal_views_ = false;  // since the last after_view()
  SteadyTime last_sync_{};
  std::uint64_t syncs_ = 0;
};

/// Bytes of the -wal file beside the database; 0 if there is none. (stat only; never opens it.)
[[nodiscard]] std::int64_t wal_bytes(const std::string& database_path);

}  // namespace lockstep::sqlite
