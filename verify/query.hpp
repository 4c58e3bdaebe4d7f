// A SELECT of somebody else, answered by one side in a read view that is open there.
#pragma once

#include <string>
#include <vector>

#include "link/postgres/connection.hpp"
#include "link/sqlite/read_guard.hpp"
#include "model/clock.hpp"
#include "model/shape.hpp"
#include "verify/relation.hpp"

namespace lockstep::verify {

inline constexpr std::size_t kAnswerRowsMax = 1'000;
inline constexpr std::size_t kAnswerBytesMax = 1u << 20;

/// The tables whose rows the source may be asked for.
[[nodiscard]] std::vector<sqlite::ReadableTable> readable_tables(
    const std::vector<TablePlan>& tables);

/// One statement, SELECT or VALUES or WITH .. SELECT, whatever else is in the text. What goes wrong
/// (a statement that may not run, one that runs for too long, more rows than an answer may have) is
/// the answer's problem; only errors of the database itself are thrown. `guard` is on `source`.
[[nodiscard]] Answer ask_source(sqlite::Database& source, sqlite::ReadGuard& guard,
                                const std::string& sql);

/// Names on the target of tables with personal columns.
[[nodiscard]] std::vector<std::string> personal_tables(const std::vector<TablePlan>& tables);

/// The same, in the caller's READ ONLY transaction, which stays as it was; unqualified names are
/// those of `schema`. An answer is personal if the transaction has touched one of the `personal`
/// tables, through whatever view or function; where there are any, what goes wrong is told by its
/// SQLSTATE alone, for PostgreSQL's words may quote a value. Throws if the connection is lost.
[[nodiscard]] Answer ask_target(postgres::Connection& target, const std::string& schema,
                                const std::vector<std::string>& personal, const std::string& sql,
                                Milliseconds patience);

/// How long a query may keep a view of the source open while it is written: in WAL mode the log
/// grows meanwhile; with a rollback journal the application waits.
[[nodiscard]] Milliseconds live_patience(sqlite::Database& source);
inline constexpr Milliseconds kLiveTargetPatience{10'000};
inline constexpr Milliseconds kRestPatience{600'000};

/// For people: NULL, 204, 'text', x'00ff'.
[[nodiscard]] std::string describe(const Cell& cell);
[[nodiscard]] std::string masked(const Cell& cell);
/// 'a', 7 | 'b', 9, and how many rows more.
[[nodiscard]] std::string describe(const Answer& answer, bool personal);

}  // namespace lockstep::verify
