// The text of the fences on both sides. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lockstep::switchover {

/// What every refused write says first, on both sides: applications may look for it.
inline constexpr std::string_view kFencedPrefix = "LOCKSTEP-FENCED:";

inline constexpr char kSwitchTable[] = "_lockstep_switch";
inline constexpr char kRefusedTable[] = "_lockstep_refused";

/// CREATE TABLE of both, and the row of each: SQLite is the primary. Nothing where they are there.
[[nodiscard]] std::vector<std::string> sqlite_switch_sql();

struct FenceTrigger {
  std::string name, sql;
};
/// BEFORE INSERT, UPDATE and DELETE. They count the write and refuse it with RAISE(FAIL): under
/// ABORT the count would be undone with it, and nothing of the statement was done before, for they
/// are made last and so fire first.
[[nodiscard]] std::vector<FenceTrigger> sqlite_fence_triggers(std::string_view table,
                                                              std::string_view migration);

/// PostgreSQL: lockstep.fence_<hash of the schema>, which each statement that writes calls first.
/// It takes a shared advisory lock until the end of its transaction, and reads the role behind it:
/// so the fence, which takes the lock alone, waits for all who passed, and nobody passes on an old
/// snapshot (SQLSTATE 40001 above READ COMMITTED if the role was changed since).
[[nodiscard]] std::string fence_function(std::string_view schema);
[[nodiscard]] std::string postgres_fence_function_sql(std::string_view migration,
                                                      std::string_view schema);
inline constexpr char kFenceTrigger[] = "_lockstep_fence";
/// For what a subscription brings: its workers fire no trigger of statements but for TRUNCATE.
inline constexpr char kFenceRowTrigger[] = "_lockstep_fence_row";
/// BEFORE INSERT, UPDATE, DELETE and TRUNCATE of each statement, made ALWAYS; with `rows` (of a
/// table, whose partitions get theirs from it) also AFTER each row, which fires as REPLICA only:
/// ordinary sessions do not call it, and a BEFORE one would take COPY its speed.
[[nodiscard]] std::string postgres_fence_trigger_sql(std::string_view schema,
                                                     std::string_view relation_schema,
                                                     std::string_view relation, bool rows);
/// pg_advisory_xact_lock's number of a migration, as SQL.
[[nodiscard]] std::string fence_lock(std::string_view migration);
/// Whoever makes what a switch needs holds this one meanwhile (switchover/turn).
[[nodiscard]] std::string install_lock(std::string_view migration);
/// A session that leads a cutover or rollback holds this one: a hint that somebody is at it.
[[nodiscard]] std::string coordinator_lock(std::string_view migration);

}  // namespace lockstep::switchover
