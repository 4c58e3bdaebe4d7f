// Numbers that the databases give to new rows: whoever gains the writers must go on behind the last
// one that the other side gave, even if its row is gone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "link/postgres/connection.hpp"
#include "link/sqlite/database.hpp"
#include "link/sqlite/statement.hpp"
#include "model/shape.hpp"
#include "switchover/sqlite_side.hpp"

namespace lockstep::switchover {

/// A table whose rows PostgreSQL numbers by a sequence of its own (identity or serial).
struct Numbered {
  std::string table;           ///< as SQLite calls it
  std::string rowid;           ///< SQLite's SQL name of what is numbered
  std::string target, column;  ///< quoted, as PostgreSQL calls them
  std::string sequence;        ///< quoted
  bool autoincrement = false;  ///< SQLite never gives a number twice
};
[[nodiscard]] std::vector<Numbered> numbered_tables(postgres::Connection& connection,
                                                    const std::string& schema,
                                                    const std::vector<TablePlan>& plans);

/// How far SQLite has counted in a table.
struct Counted {
  std::optional<std::int64_t> largest{};   ///< key
  std::optional<std::int64_t> sequence{};  ///< sqlite_sequence
  bool operator==(const Counted&) const = default;
};

/// Reads that of every table, with statements that are made once: under the write lock each costs
/// microseconds. `database` and `tables` outlive it; the thread is the database's.
class SqliteCounts {
 public:
  SqliteCounts(sqlite::Database& database, const std::vector<Numbered>& tables);
  /// One for each of the tables, in their order.
  [[nodiscard]] std::vector<Counted> read();

 private:
  const std::vector<Numbered>& tables_;
  std::vector<sqlite::Statement> largest_;
  std::optional<sqlite::Statement> sequences_;  // nothing: no table of this database counts
};

/// Cutover: each sequence to the greatest of what it has, the largest key on either side and
/// sqlite_sequence; those left alone whose count `known` has, for which this was done. One round
/// trip; outside of a transaction's fate, so it is repeated rather than undone. How many were set.
std::size_t set_sequences(postgres::Connection& connection, const std::vector<Numbered>& tables,
                          const std::vector<Counted>& counted,
                          const std::vector<Counted>& known = {});

/// Rollback: what sqlite_sequence must not fall behind.
[[nodiscard]] std::vector<LeastSequence> least_sequences(postgres::Connection& connection,
                                                         const std::vector<Numbered>& tables);

}  // namespace lockstep::switchover
