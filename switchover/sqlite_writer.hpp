// Rows as PostgreSQL has them into one SQLite table, in the caller's transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "link/sqlite/database.hpp"
#include "link/sqlite/statement.hpp"
#include "model/shape.hpp"
#include "switchover/going_back.hpp"

namespace lockstep::switchover {

/// One column of a row in PostgreSQL's binary format; nothing: NULL.
using Field = std::optional<std::string_view>;
using Fields = std::span<const Field>;

/// One thread. The Database has become_replica_writer() behind it and outlives this; so does the
/// plan. Every value goes through postgres::decode(): what SQLite cannot hold throws RowRefused
/// with table, key, columns and reasons, as does a row that SQLite refuses: it was not written,
/// others may follow, and the caller rolls back in the end.
class SqliteWriter {
 public:
  SqliteWriter(sqlite::Database& database, const TablePlan& plan);

  /// What a pass over the touched rows does. Rows that exchange unique values cannot be written one
  /// by one: then all touched ones go first and come back with the rowids they had.
  enum class Pass { upsert, take_out, put_back };
  void begin(Pass pass);

  /// A touched key: `key` are the fields of the key columns in key order, `row` those of all
  /// columns or empty if PostgreSQL has no such row. Throws LS-S329 with SQLite's code if a unique
  /// value is taken (sqlite::is_unique_conflict).
  void touched(Fields key, Fields row);

  /// All rows of the table come now, in any order (it was truncated): those that do not, go. Rows
  /// that PostgreSQL cannot hold wait in quarantine: nobody took them away there, and they stay.
  /// `rows_aside`: some of this table do, whatever is chosen for bad values by now.
  void begin_whole(bool rows_aside);
  void end_whole();

  [[nodiscard]] std::int64_t written() const {
    return written_;
  }  ///< rows inserted, updated, deleted

 private:
  void prepare();
  void remember_rowids();
  void go_but_seen();
  [[nodiscard]] bool was_never_there(const sqlite::Statement& row);
  void take_out();
  void upsert(Fields row);
  void put_back(Fields row);
  void insert(const std::optional<std::int64_t>& rowid);
  [[nodiscard]] bool find();
  [[nodiscard]] bool keep_what_means_the_same(Fields row);
  struct BadKey {
    std::size_t column = 0;
    std::string_view why;
  };
  [[nodiscard]] std::optional<BadKey> decode_key(Fields key);
  void decode_row(Fields row);
  [[nodiscard]] std::string key_bytes() const;
  [[nodiscard]] std::string shown_key() const;
  [[noreturn]] void refuse(std::vector<RowRefused::Column> columns);
  [[nodiscard]] RowRefused::Column named(std::size_t column, std::string_view why) const;
  void run(sqlite::Statement& statement);

  sqlite::Database& database_;
  const TablePlan& plan_;
  std::vector<std::size_t> stored_;  ///< columns that are written; not what SQLite computes
  std::vector<std::size_t> chosen_;  ///< those whose values may be such that a row has to wait
  std::vector<std::size_t> aside_;   ///< the same, by what waits as well; between the whole's ends
  bool hidden_rowid_ = false;        ///< a rowid that is no column
  std::optional<sqlite::Statement> find_, insert_, update_, delete_, remember_, recall_, seen_;
  Pass pass_ = Pass::upsert;
  bool whole_ = false;
  std::vector<Value> key_;  ///< in key order
  std::vector<Value> row_;  ///< one per column of the plan
  std::optional<std::int64_t> next_rowid_;
  std::int64_t written_ = 0;
};

}  // namespace lockstep::switchover
