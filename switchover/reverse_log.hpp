// PostgreSQL's side of the way back: triggers that log the key of every row that is written there.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "link/postgres/connection.hpp"
#include "model/shape.hpp"
#include "switchover/going_back.hpp"

namespace lockstep::switchover {

/// Makes lockstep.changes, and for each table a function and the triggers _lockstep_log and
/// _lockstep_log_truncate, which fire always (session_replication_role too), but not for sessions
/// with lockstep.applier = on, such as ours. Each table in a transaction of its own; what is as it
/// should be is not touched. Throws LS-X614 if a table is locked or our role may not (TRIGGER on
/// it): call it again. Outside a transaction; the ledger is there.
void install_reverse_log(postgres::Connection& connection, const std::string& migration,
                         const std::string& schema, const std::vector<TablePlan>& plans);

/// SQL of lockstep.changes, and of function and triggers of a table that is no partition, as
/// install_reverse_log() makes them; without a semicolon at the end.
[[nodiscard]] std::string reverse_log_table_sql();
[[nodiscard]] std::string reverse_log_sql(const std::string& migration, const std::string& schema,
                                          const TablePlan& plan);

/// Tables and partitions whose triggers our role may not make, a sentence each.
[[nodiscard]] std::vector<std::string> cannot_log(postgres::Connection& connection,
                                                  const std::string& migration,
                                                  const std::string& schema,
                                                  const std::vector<TablePlan>& plans);

/// Names of tables whose triggers (those of partitions too) are missing, disabled, or not as
/// install_reverse_log() makes them: what is written there may not be logged.
[[nodiscard]] std::vector<std::string> reverse_log_missing(postgres::Connection& connection,
                                                           const std::string& migration,
                                                           const std::string& schema,
                                                           const std::vector<TablePlan>& plans);

/// Takes all of it out again, wherever it is: triggers, functions, what was logged, and the log
/// itself with its last migration. Before the ledger goes. Throws LS-X614 if a table stays locked.
void remove_reverse_log(postgres::Connection& connection, const std::string& migration,
                        const std::string& schema);

/// True if something is logged. One statement, for a loop that asks every few milliseconds; false
/// if there is no log.
[[nodiscard]] bool reverse_log_has_changes(postgres::Connection& connection,
                                           const std::string& migration);

/// How many rows it has; 0 if there is no log.
[[nodiscard]] std::int64_t count_logged(postgres::Connection& connection,
                                        const std::string& migration);

/// Columns that cannot go back: those that came, went or changed on PostgreSQL (they block), and
/// those of which the plan says that values may not, or stay there.
[[nodiscard]] std::vector<CannotGoBack> cannot_go_back(postgres::Connection& connection,
                                                       const std::string& schema,
                                                       const std::vector<TablePlan>& plans);

}  // namespace lockstep::switchover
