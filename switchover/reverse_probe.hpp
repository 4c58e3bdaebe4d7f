// Proves the way back before a cutover, with real rows and without a trace: what a table's triggers
// will log on PostgreSQL, how its rows are read and spelled, and that SQLite takes them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "link/postgres/connection.hpp"
#include "link/sqlite/database.hpp"
#include "model/shape.hpp"

namespace lockstep::switchover {

struct ReverseProbe {
  std::int64_t tables = 0;              ///< that had a row to try
  std::int64_t rows = 0;                ///< that went all the way
  std::vector<std::string> problems{};  ///< a sentence each; empty: the way back works
};

/// A few rows of each table go into a table of ours in schema lockstep that is like it, with the
/// triggers of the way back on it; they are logged, read and decoded as a round does it, and
/// written into a table of ours in the SQLite file. Both are rolled back: nothing stays, and nobody
/// else ever sees it. On PostgreSQL each table is locked as readers lock it; SQLite's write lock is
/// held for some milliseconds for each twenty tables. `connection` is in no transaction. Throws
/// what ends a connection, and LS-S309 if SQLite's write lock is not free.
[[nodiscard]] ReverseProbe probe_reverse_path(postgres::Connection& connection,
                                              sqlite::Database& writing,
                                              const std::string& migration,
                                              const std::string& schema,
                                              const std::vector<TablePlan>& plans);

}  // namespace lockstep::switchover
