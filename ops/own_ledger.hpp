// Whether a target's ledger is of this very source: two migrations may have one name.
#pragma once

#include <optional>
#include <string>

#include "apply/ledger.hpp"
#include "capture/install.hpp"
#include "link/postgres/connection.hpp"
#include "link/sqlite/database.hpp"
#include "switchover/state.hpp"

namespace lockstep::ops {

/// TARGET as it was given, else as the install wrote it down, without its password. Throws LS-C100
/// where `capture` installed it, which knew none.
[[nodiscard]] const std::string& given_or_recorded(const std::string& given,
                                                   const capture::Installed& installed);

/// Who has the writers, and at which eras both sides are; empty: none yet.
struct Eras {
  switchover::Role sqlite = switchover::Role::primary, postgres = switchover::Role::replica;
  std::string source, ledger;                  ///< of SQLite's changes
  std::string sqlite_reverse, ledger_reverse;  ///< of PostgreSQL's, after a cutover
};

/// Why these are not two sides of one migration; empty: they are. In the middle of a switch eras
/// may differ. Pure.
[[nodiscard]] std::string at_odds(const Eras& eras);

/// LS-V531 (exit 8) if the target has a ledger of this migration's name that is of another source.
void require_own(postgres::Connection& target, const capture::Installed& installed);
void require_own(const apply::LedgerRow& ledger, const capture::Installed& installed,
                 const postgres::Dsn& target);

/// What PostgreSQL's row says of a migration; replica if it met no cutover.
[[nodiscard]] switchover::Role postgres_role(postgres::Connection& target,
                                             const std::string& migration);

/// The ledger's source is this very file, by whatever path.
[[nodiscard]] bool is_same_file(const std::string& path, const apply::LedgerRow& ledger);
/// The file that the ledger follows is there, and has this migration's triggers.
[[nodiscard]] bool is_followed_file_there(const apply::LedgerRow& ledger);

/// True once there was a cutover: the application may have written to columns that rules add.
[[nodiscard]] bool was_cut_over(postgres::Connection& target, const std::string& migration);

/// Takes the added columns out of a plan where rows may rightly have other values than the rule's:
/// after a cutover, and where rows were there before the copy, which an update leaves as they were.
void forget_constants(TablePlan& plan, bool cut_over);

/// The migration's ledger on the target. LS-R712 if the target knows none, LS-V531 if it is that of
/// another source, or of another era of this one; LS-X617 (exit 7) if no cutover or rollback
/// explains what the two sides say of the writers. Only reads.
[[nodiscard]] apply::LedgerRow own_ledger(sqlite::Database& source, postgres::Connection& target,
                                          const capture::Installed& installed);

}  // namespace lockstep::ops
