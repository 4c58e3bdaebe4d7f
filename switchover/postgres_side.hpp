// PostgreSQL's half of cutover and rollback: the fence of the tables, and one row that says who
// writes. Each function that changes something is one transaction, durable when it returns (with
// synchronous standbys: applied there), and does nothing but what the rows still allow. A COMMIT
// whose answer is lost throws LS-T212 with Retry::new_session: read again, and it is known. Tables
// in apply/README.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "link/postgres/connection.hpp"
#include "model/position.hpp"
#include "model/shape.hpp"
#include "switchover/reverse_position.hpp"
#include "switchover/state.hpp"

namespace lockstep::switchover {

struct PostgresState {
  Side side{.role = Role::replica};
  std::optional<Position> applied;         ///< forward
  std::optional<ReversePosition> reverse;  ///< of the newest handover and the rounds since
};
/// One round trip. Throws LS-R712 if the ledger has no such migration. A ledger of before 0.3 needs
/// apply::ensure_switch_ledger() first.
[[nodiscard]] PostgresState read_postgres_side(postgres::Connection& connection,
                                               const std::string& migration);

/// 0: the row, the fence's function, and its trigger on every followed table and partition.
/// Repeatable, and cheap where all is there. Throws LS-T213 if a table stays locked by others, and
/// what the server says if our role may not.
void install_fence(postgres::Connection& connection, const std::string& migration,
                   const std::string& schema);
/// The trigger alone, where the function is there: on tables and partitions that were made since,
/// beside a coordinator that may do the same. Throws like install_fence(), sooner.
void fence_new_tables(postgres::Connection& connection, const std::string& migration,
                      const std::string& schema);
/// Tables that are without it, or whose trigger somebody disabled.
[[nodiscard]] std::vector<std::string> unfenced(postgres::Connection& connection,
                                                const std::string& migration,
                                                const std::string& schema);
/// Repeatable; takes the trigger off every table that has it.
void remove_fence(postgres::Connection& connection, const std::string& schema);

/// P of a cutover.
bool prepare_postgres(postgres::Connection& connection, const std::string& migration,
                      std::int64_t attempt);
/// A1 of a cutover. True: the attempt is aborted, by this call or before.
bool abort_postgres(postgres::Connection& connection, const std::string& migration,
                    std::int64_t attempt);

/// All writers that passed the fence have ended, and new ones wait: until fence() or the end of
/// this object. The connection is in a transaction meanwhile.
class WritersHeld {
 public:
  /// Throws LS-X604 (exit 6) if a transaction that has written does not end within `patience`, and
  /// names it.
  WritersHeld(postgres::Connection& connection, std::string migration, Milliseconds patience);
  ~WritersHeld();
  WritersHeld(const WritersHeld&) = delete;
  WritersHeld& operator=(const WritersHeld&) = delete;

  /// From here on nobody alters a table that lockstep follows, nor attaches a partition to one; who
  /// is at it is waited for. Throws
  /// LS-X604 if that takes too long.
  void keep_tables(const std::string& schema, const std::vector<TablePlan>& plans);
  /// The reverse position, and that nothing is logged behind it.
  [[nodiscard]] std::optional<ReversePosition> drained();
  /// F of a rollback. False: this attempt may not fence any more.
  [[nodiscard]] bool fence(std::int64_t attempt);

 private:
  postgres::Connection& connection_;
  std::string migration_;
  bool held_ = true;
};

/// H of a rollback: fenced by this attempt -> replica, which follows from where it was when it
/// gained the writers, for SQLite has logged nothing since; but in the era that began with C.
bool hand_over_postgres(postgres::Connection& connection, const std::string& migration,
                        std::int64_t attempt, const Era& era);
/// A2 of a rollback. Throws LS-T213 if PostgreSQL is open and others keep the rows locked.
bool unfence_postgres(postgres::Connection& connection, const std::string& migration,
                      std::int64_t attempt);

/// Changes with what the ledger says of the tables: which they are, and their plans.
[[nodiscard]] std::string tables_mark(postgres::Connection& connection,
                                      const std::string& migration);

/// Waits until `barrier`, behind which there is nothing, is applied; false when `patience` is over.
/// P was done before.
[[nodiscard]] bool wait_until_applied(postgres::Connection& connection,
                                      const std::string& migration, const Position& barrier,
                                      Milliseconds patience);
/// The same for a position that writers may be past already, or apply.
[[nodiscard]] bool wait_until_near(postgres::Connection& connection, const std::string& migration,
                                   const Position& position, Milliseconds patience);

}  // namespace lockstep::switchover
