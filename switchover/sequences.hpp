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

/// A column that PostgreSQL numbers by a sequence: identity, serial, or a DEFAULT that draws from
/// one, whoever owns it.
struct Numbered {
  std::string table;           ///< as SQLite calls it
  std::string name;            ///< of the column, as PostgreSQL calls it
  std::string last;            ///< SQL for SQLite's largest number; empty: it has no index for that
  std::string target, column;  ///< quoted, as PostgreSQL calls them
  std::string sequence;        ///< quoted
  std::string oid;        ///< of the sequence: found also where our role may not use its schema
  bool is_rowid = false;  ///< SQLite numbers it too
  bool autoincrement = false;  ///< SQLite never gives a number twice
  bool indexed = false;        ///< PostgreSQL finds its largest number without reading the table
  /// Why nobody can tell from the column where the sequence has to be; empty: it can be set.
  std::string obstacle;
  /// Only reading the table finds the largest number: nobody may wait for that.
  [[nodiscard]] bool is_slow() const { return last.empty() && !indexed; }
};
/// Those that can be set; two for a column with two sequences. Reads catalogs only.
[[nodiscard]] std::vector<Numbered> numbered_tables(postgres::Connection& connection,
                                                    const std::string& schema,
                                                    const std::vector<TablePlan>& plans);
/// Those with an obstacle. `sequence` and `oid` are empty where the DEFAULT names it as a text.
[[nodiscard]] std::vector<Numbered> unset_sequences(postgres::Connection& connection,
                                                    const std::string& schema,
                                                    const std::vector<TablePlan>& plans);

/// How far SQLite has counted in a column.
struct Counted {
  std::optional<std::int64_t> largest{};   ///< number in a row
  std::optional<std::int64_t> sequence{};  ///< sqlite_sequence
  bool operator==(const Counted&) const = default;
};

/// Reads that of every column that SQLite has an index for, with statements that are made once:
/// under the write lock each costs microseconds. `database` and `tables` outlive it; the thread is
/// the database's.
class SqliteCounts {
 public:
  SqliteCounts(sqlite::Database& database, const std::vector<Numbered>& tables);
  /// One for each of the tables, in their order.
  [[nodiscard]] std::vector<Counted> read();

 private:
  const std::vector<Numbered>& tables_;
  std::vector<std::optional<sqlite::Statement>> largest_;
  std::optional<sqlite::Statement> sequences_;  // nothing: no table of this database counts
};

/// Cutover, before the lock: each sequence to the greatest of what it has, the largest number on
/// either side and sqlite_sequence. One round trip; outside of a transaction's fate, so it is
/// repeated rather than undone. How many were set.
std::size_t set_sequences(postgres::Connection& connection, const std::vector<Numbered>& tables,
                          const std::vector<Counted>& counted);
/// The same under the lock, when PostgreSQL has the last change: those left alone whose count
/// `known` has, for which it was done, and the slow ones, which are for set_slow_sequences().
std::size_t set_sequences(postgres::Connection& connection, const std::vector<Numbered>& tables,
                          const std::vector<Counted>& counted, const std::vector<Counted>& known);
/// The slow ones once more, when the writers have moved: no unique index begins with their column,
/// so until then a number may be given twice, and nothing fails.
std::size_t set_slow_sequences(postgres::Connection& connection,
                               const std::vector<Numbered>& tables);

/// Rollback: what sqlite_sequence must not fall behind.
[[nodiscard]] std::vector<LeastSequence> least_sequences(postgres::Connection& connection,
                                                         const std::vector<Numbered>& tables);

}  // namespace lockstep::switchover
