// Reads a table in key order, a slice at a time: each slice is one short read transaction.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "link/sqlite/database.hpp"
#include "link/sqlite/statement.hpp"
#include "model/shape.hpp"

namespace lockstep::snapshot {

struct SliceLimits {
  Milliseconds time_max{200};  ///< one long reader took a writer from 70,000 to 821 commits/s
  Milliseconds time_max_journal{
      1};  ///< rollback-journal mode: readers and writers exclude each other
  std::size_t bytes_max =
      2u << 20;  ///< what the visitor says it took in; bounds the memory of a slice
  std::int64_t wal_bytes_max = 16 << 20;  ///< above: stay out until the WAL restarts ...
  Milliseconds wal_wait_max{1'000};       ///< ... or this long
};

/// The SELECT for the rows that follow a cursor. Rowid tables go by rowid (as last column if no
/// column is the rowid), others by their key with bounds column by column: row-value bounds lose
/// rows where NULLs are. Pure.
struct ScanQuery {
  std::string first;                        ///< from the start of the table
  std::string onward;                       ///< after the cursor: one parameter per cursor column
  std::vector<std::size_t> cursor_columns;  ///< result columns that make the cursor
};
/// `rowid_until` ends the scan behind that rowid; for tables that go by rowid only.
[[nodiscard]] ScanQuery scan_query(const TableShape& shape,
                                   std::optional<std::int64_t> rowid_until = std::nullopt);

/// The SQL name of the rowid; empty if the table does not go by rowid. Pure.
[[nodiscard]] std::string rowid_of(const TableShape& shape);

/// One table's scan. One thread; the Database is read-only.
class Scan {
 public:
  /// `after` is a cursor that an earlier scan of the same shape returned; nothing: from the start.
  Scan(sqlite::Database& database, const TableShape& shape, std::optional<std::vector<Value>> after,
       SliceLimits limits, std::optional<std::int64_t> rowid_until = std::nullopt);

  /// Called per row with the row's columns in shape order; returns how many bytes it took in.
  using Visit = std::function<std::size_t(const sqlite::Statement&)>;

  /// Reads one slice. False: the table ends here.
  [[nodiscard]] bool slice(const Visit& visit);

  /// Key of the last row visited; nothing before the first.
  [[nodiscard]] const std::optional<std::vector<Value>>& cursor() const { return cursor_; }
  [[nodiscard]] std::uint64_t rows() const { return rows_; }

 private:
  void let_writer_pass();
  void remember_cursor(const sqlite::Statement& statement);

  sqlite::Database& database_;
  ScanQuery query_;
  SliceLimits limits_;
  std::optional<std::vector<Value>> cursor_;
  std::uint64_t rows_ = 0;
  bool wal_;
};

}  // namespace lockstep::snapshot
