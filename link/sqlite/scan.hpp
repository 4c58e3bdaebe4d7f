// Reads a table in key order, a slice at a time: each slice is one short read transaction.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "link/sqlite/database.hpp"
#include "link/sqlite/pace.hpp"
#include "link/sqlite/statement.hpp"
#include "model/shape.hpp"

namespace lockstep::sqlite {

struct SliceLimits {
  PaceLimits pace{};
  std::size_t bytes_max =
      2u << 20;  ///< what the visitor says it took in; bounds the memory of a slice
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

struct RowidEnds {
  std::int64_t first = 0, last = 0;
};
/// Nothing if the table is empty or does not go by rowid.
[[nodiscard]] std::optional<RowidEnds> rowid_ends(Database& database, const TableShape& shape);

/// One table's scan. One thread; the Database is read-only.
class Scan {
 public:
  /// `after` is a cursor that an earlier scan of the same shape returned; nothing: from the start.
  Scan(Database& database, const TableShape& shape, std::optional<std::vector<Value>> after,
       SliceLimits limits, std::optional<std::int64_t> rowid_until = std::nullopt);

  /// Called per row with the row's columns in shape order; returns how many bytes it took in.
  using Visit = std::function<std::size_t(const Statement&)>;

  /// Reads one slice in a read transaction of its own, at whose end `in_view` is called. False: the
  /// table ends here.
  [[nodiscard]] bool slice(const Visit& visit, const std::function<void()>& in_view = {});

  /// The same inside the caller's read transaction, until `deadline` or `bytes_max` bytes taken in.
  [[nodiscard]] bool read(const Visit& visit, const Deadline& deadline, std::size_t bytes_max);

  /// Key of the last row visited; nothing before the first.
  [[nodiscard]] const std::optional<std::vector<Value>>& cursor() const { return cursor_; }
  [[nodiscard]] std::uint64_t rows() const { return rows_; }

 private:
  void remember_cursor(const Statement& statement);

  Database& database_;
  ScanQuery query_;
  SliceLimits limits_;
  std::optional<std::vector<Value>> cursor_;
  std::uint64_t rows_ = 0;
  Pace pace_;
};

}  // namespace lockstep::sqlite
