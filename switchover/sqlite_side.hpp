// SQLite's half of cutover and rollback: fence triggers, and one row that says who writes. Each
// function that changes something is one transaction, durable when it returns
// (synchronous=EXTRA), and does nothing but what the row still allows. Format in README.md.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "link/sqlite/database.hpp"
#include "model/position.hpp"
#include "model/shape.hpp"
#include "switchover/reverse_position.hpp"
#include "switchover/state.hpp"

namespace lockstep::switchover {

/// Before the first cutover there is no row: SQLite is the primary. On any connection.
[[nodiscard]] Side read_sqlite_side(sqlite::Database& database);
/// The reverse position that SQLite holds; nothing before the first handover.
[[nodiscard]] std::optional<ReversePosition> read_reverse_position(sqlite::Database& database);

/// It is the replica, and stands at this position: what it holds is what that round brought, by the
/// rowids that it had then where `plans` know rows by them. In the caller's read transaction; after
/// a rollback the application writes, and the position stays.
[[nodiscard]] bool follows_at(sqlite::Database& database, const ReversePosition& position,
                              const std::vector<TablePlan>& plans);

/// 0: the row and the fence triggers of every table, ours excepted, those included that are not
/// followed. Repeatable. Changes schema_version only where something was missing. Returns the names
/// of tables that cannot be fenced (virtual ones).
/// `was_open` is called, under the write lock and before anything is put back, if SQLite is the
/// replica and a trigger is missing, or the schema moved as reverse_schema.hpp says: its rows may
/// be others. It enters the comparison that is owed then; so behind it, and where one is owed
/// already for the state at schema_version `owed_at`, how the schema is now is recorded. Else it is
/// not, and whoever looks next finds it anew.
std::vector<std::string> install_fence(sqlite::Database& database, const std::string& migration,
                                       const std::function<void()>& was_open = {},
                                       std::int64_t owed_at = -1);

/// The write lock (L), held until it is dropped or fence() is called. Writers of the application
/// wait in their busy timeout meanwhile.
class WriteLock {
 public:
  /// Throws LS-X604 (exit 6) if others keep the lock for longer than `patience`.
  WriteLock(sqlite::Database& database, Milliseconds patience);
  /// F: fence < attempt -> attempt, closed. The lock goes with it. False: this attempt may not
  /// fence any more, the lock is still held. Missing fence triggers are put back first, and rowids
  /// and schema are recorded: PostgreSQL has to know them by now.
  /// `patience`: for readers in rollback-journal mode.
  [[nodiscard]] bool fence(std::int64_t attempt, const std::string& migration,
                           Milliseconds patience);

 private:
  sqlite::Database& database_;
  sqlite::Transaction transaction_;
};

/// H of a cutover: fenced by this attempt -> replica, which starts at `base`. False: nothing to do.
bool hand_over_sqlite(sqlite::Database& database, std::int64_t attempt,
                      const ReversePosition& base);
/// A2 of a cutover. False: it is the replica, or a newer attempt fenced it.
bool unfence_sqlite(sqlite::Database& database, std::int64_t attempt);

/// P of a rollback.
bool prepare_sqlite(sqlite::Database& database, std::int64_t attempt);
/// C of a rollback: pending, this attempt, at `position` -> primary; a new era begins. Returns its
/// first position; nothing if the row allows it no more, or the schema is another one than at
/// `schema_version`, for which fence_debt.hpp has found that nothing is owed. `sequences`: the
/// least numbers that AUTOINCREMENT tables go on from.
struct LeastSequence {
  std::string table;
  std::int64_t value = 0;
};
[[nodiscard]] std::optional<Position> commit_sqlite(sqlite::Database& database,
                                                    const std::string& migration,
                                                    std::int64_t attempt,
                                                    const ReversePosition& position,
                                                    const std::vector<LeastSequence>& sequences,
                                                    std::int64_t schema_version);
/// SQLite's write lock for C of a rollback, had before PostgreSQL is fenced: whoever holds it then
/// would keep both sides closed for as long as they like.
class RollbackCommit {
 public:
  /// Throws LS-X604 (exit 6) if others keep the lock for longer than `patience`.
  RollbackCommit(sqlite::Database& database, Milliseconds patience);
  /// As commit_sqlite(). The lock goes with it.
  [[nodiscard]] std::optional<Position> commit(const std::string& migration, std::int64_t attempt,
                                               const ReversePosition& position,
                                               const std::vector<LeastSequence>& sequences,
                                               std::int64_t schema_version);

 private:
  sqlite::Database& database_;
  sqlite::Transaction transaction_;
};

/// A1 of a rollback. True: the attempt is aborted, by this call or before.
bool abort_sqlite(sqlite::Database& database, std::int64_t attempt);

/// Refused writes so far, and what can be said of the newest; autocommitted ones only: the count of
/// others goes with their transaction.
struct RefusedWrites {
  std::int64_t writes = 0;
  std::string newest;  ///< time and table; empty: none
};
[[nodiscard]] RefusedWrites read_refused_writes(sqlite::Database& database);

}  // namespace lockstep::switchover
