// Numbers that the databases give to new rows: whoever gains the writers must go on behind the last
// one that the other side gave, even if its row is gone.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "link/postgres/connection.hpp"
#include "link/sqlite/database.hpp"
#include "model/shape.hpp"
#include "switchover/sqlite_side.hpp"

namespace lockstep::switchover {

/// A table whose rows PostgreSQL numbers by a sequence of its own (identity or serial).
struct Numbered {
  std::string table;           ///< as SQLite calls it
  std::string target, column;  ///< quoted, as PostgreSQL calls them
  std::string sequence;        ///< quoted
  bool autoincrement = false;  ///< SQLite never gives a number twice
};
[[nodiscard]] std::vector<Numbered> numbered_tables(postgres::Connection& connection,
                                                    const std::string& schema,
                                                    const std::vector<TablePlan>& plans);

/// sqlite_sequence, by table.
[[nodiscard]] std::map<std::string, std::int64_t> read_sqlite_sequences(sqlite::Database& database);

/// Cutover: each sequence to the greatest of what it has, the largest key and sqlite_sequence. One
/// round trip; outside of a transaction's fate, so it is repeated rather than undone.
void set_sequences(postgres::Connection& connection, const std::vector<Numbered>& tables,
                   const std::map<std::string, std::int64_t>& sqlite_sequences);

/// Rollback: what sqlite_sequence must not fall behind.
[[nodiscard]] std::vector<LeastSequence> least_sequences(postgres::Connection& connection,
                                                         const std::vector<Numbered>& tables);

}  // namespace lockstep::switchover
