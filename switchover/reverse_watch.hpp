// Whether the log of the way back can be believed: who alters a table on PostgreSQL can change rows
// without any trigger of ours, or take the triggers away.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "link/postgres/connection.hpp"
#include "model/error.hpp"
#include "model/shape.hpp"

namespace lockstep::switchover {

/// A table whose entries in the catalog are not those that lockstep.ledger_tables.reverse_seen has.
struct MovedTable {
  std::uint32_t id = 0;
  std::string table;   ///< as SQLite names it
  std::string what;    ///< "its partitions, the triggers that log"
  bool there = false;  ///< false: PostgreSQL has no such table now
  std::string seen;    ///< its mark now
};

/// What differs between two marks of a table, for people; empty: nothing does. An empty mark is
/// that of a table that is not there (`now`), or was never seen (`then`). Pure.
[[nodiscard]] std::string what_moved(std::string_view then, std::string_view now);

/// The same without the triggers that log: before a cutover nobody needs them, and step 0 makes
/// them. Empty: no statement but writes, which the guard sees, can have changed its rows. Pure.
[[nodiscard]] std::string what_was_altered(std::string_view then, std::string_view now);

/// The mark of each of `plans` that is there, by its id. One statement, as its snapshot shows it.
[[nodiscard]] std::map<std::uint32_t, std::string> table_marks(postgres::Connection& connection,
                                                               const std::string& migration,
                                                               const std::string& schema,
                                                               const std::vector<TablePlan>& plans);

/// Those of `plans` that moved: another table of the name, columns, partitions, or our triggers or
/// their function, by who changed these rows of the catalog last: what was undone again is seen as
/// well. One statement, as its snapshot shows it. Tables that were never seen are left out unless
/// `unseen`.
[[nodiscard]] std::vector<MovedTable> moved_tables(postgres::Connection& connection,
                                                   const std::string& migration,
                                                   const std::string& schema,
                                                   const std::vector<const TablePlan*>& plans,
                                                   bool unseen);

/// LS-X663 for these; none: nothing is wrong.
[[nodiscard]] Error tables_moved(const std::vector<MovedTable>& moved);
/// Throws LS-X663 if any table moved, or was never seen.
void require_nothing_moved(postgres::Connection& connection, const std::string& migration,
                           const std::string& schema, const std::vector<TablePlan>& plans);

/// Before anybody but lockstep writes there: how the tables are now is how they should be. After
/// install_reverse_log(). Throws LS-X614 if a trigger is missing already. Outside a transaction.
void remember_tables(postgres::Connection& connection, const std::string& migration,
                     const std::string& schema, const std::vector<TablePlan>& plans);

/// Puts the triggers of tables that moved right, the fence as well, and logs every row of these
/// again, in the transaction that remembers how they are now: the next round reads them anew, and
/// until it has, the log is not empty. Returns what moved. Throws LS-X613 for a table that is not
/// there, LS-X614, LS-X616 or LS-T213 if triggers cannot be made now: call it again. Outside a
/// transaction.
[[nodiscard]] std::vector<MovedTable> follow_moved_tables(postgres::Connection& connection,
                                                          const std::string& migration,
                                                          const std::string& schema,
                                                          const std::vector<TablePlan>& plans);

}  // namespace lockstep::switchover
