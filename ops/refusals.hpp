// What stands in the way of a migration before anything is touched: each throws a named Error, or
// returns.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apply/ledger.hpp"
#include "capture/install.hpp"
#include "link/postgres/connection.hpp"
#include "ops/assessment.hpp"
#include "ops/prepare.hpp"
#include "switchover/state.hpp"

namespace lockstep::ops {

/// LS-C106: the schema is the one that has lockstep's own tables.
void refuse_own_schema(const std::string& schema);
/// LS-R710: the schema belongs to another migration, whose tables this one would meet.
void refuse_other_migrations(postgres::Connection& connection, const std::string& migration,
                             const std::string& schema);
/// LS-R702: a migration goes on with other choices or rules than it was started with. No `rules`:
/// no configuration was given, those of the start stay.
void refuse_changed_choice(const std::vector<std::string>& tables,
                           const std::vector<std::string>& exclude, const std::string& schema,
                           const std::optional<RuleSet>& rules,
                           const capture::Installed& installed);
/// What refuse_changed_choice() would name; empty: nothing. Pure.
[[nodiscard]] std::vector<std::string> changed_choices(const std::vector<std::string>& tables,
                                                       const std::vector<std::string>& exclude,
                                                       const std::string& schema,
                                                       const std::optional<RuleSet>& rules,
                                                       const capture::Installed& installed);
/// LS-T206: tables, indexes and constraints share one namespace on PostgreSQL.
void refuse_taken_names(postgres::Connection& connection, const std::string& schema,
                        const std::vector<TablePlan>& plans);
/// LS-A100: tables that cannot be carried over exactly.
void refuse_uncarried(const Assessment& assessment);
/// LS-R716: the ledger follows another file, which is still there and belongs to the same
/// migration: one of the two is a copy. (A database that was moved is not there any more.)
void refuse_copy(const std::string& path, const capture::Installed& installed,
                 const apply::LedgerRow& ledger);
/// LS-R707, LS-R708, LS-R711, LS-X617 (a file from before a cutover): source and target do not
/// belong together. `postgres` is what the target's row says.
void check_together(const std::optional<capture::Installed>& installed,
                    const std::optional<apply::LedgerRow>& ledger, const std::string& path,
                    switchover::Role postgres);
/// The same for a source that has met a cutover, whose row says `sqlite`: LS-X673 if the target has
/// no ledger of it and the application writes to PostgreSQL.
void check_together_after_cutover(const capture::Installed& installed,
                                  const std::optional<apply::LedgerRow>& ledger,
                                  const std::string& path, switchover::Role sqlite);

/// LS-X676: `capture` of a source whose application does not write to SQLite (a cutover or rollback
/// began); LS-X626: it was completed. None: it is not installed.
void refuse_moved_source(sqlite::Database& source, const std::string& path,
                         const std::optional<capture::Installed>& installed);
/// LS-X677: `apply` into a target that the application writes to, or wrote to until a rollback that
/// is not over. `postgres` is what the target's row says.
void refuse_moved_target(switchover::Role postgres, const apply::LedgerRow& ledger,
                         const postgres::Dsn& target);

}  // namespace lockstep::ops
