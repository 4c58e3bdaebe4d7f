// What of PostgreSQL cannot go back into SQLite, by column, with numbers and some keys.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/error.hpp"

namespace lockstep::switchover {

struct CannotGoBack {
  std::string table;
  std::string column;  ///< empty: of the row, or the table, as a whole
  std::string why;
  /// True: no round takes anything before it is mended. False: it stays on PostgreSQL, or stops the
  /// way back only with a value that comes later.
  bool blocks = true;
  std::optional<std::int64_t> rows{};  ///< nothing: it is about the column, whatever is in it
  std::vector<std::string> keys{};     ///< of the first rows, as people see them
  bool operator==(const CannotGoBack&) const = default;
};

/// "orders.extra", or the table alone.
[[nodiscard]] std::string place_of(const CannotGoBack& one);
/// "orders.extra: only PostgreSQL has it"
[[nodiscard]] std::string sentence(const CannotGoBack& one);
[[nodiscard]] std::vector<std::string> sentences(const std::vector<CannotGoBack>& all);
/// "orders.at: 3 rows, (1), (2), (3): why"; without rows like sentence().
[[nodiscard]] std::string counted(const CannotGoBack& one);

/// LS-X606 of one row: which it is, and each of its columns that cannot go back.
class RowRefused : public Error {
 public:
  struct Column {
    std::string name;  ///< empty: the row as a whole
    std::string why;
  };
  RowRefused(std::string table, std::string key, std::vector<Column> columns);
  [[nodiscard]] const std::string& table() const { return table_; }
  [[nodiscard]] const std::string& key() const { return key_; }
  [[nodiscard]] const std::vector<Column>& columns() const { return columns_; }

 private:
  std::string table_, key_;
  std::vector<Column> columns_;
};

/// Those of one round, counted: whoever mends rows on PostgreSQL wants to know of all of them.
/// Remembers no more than some columns and keys, whatever comes.
class RefusedRows {
 public:
  void add(const RowRefused& row);
  /// Nothing can be written into this table.
  void add(const std::string& table, const Error& error);
  [[nodiscard]] bool empty() const { return !first_.has_value(); }
  /// LS-X606 that names what was counted, and the first row.
  [[nodiscard]] Error error() const;
  [[nodiscard]] std::vector<CannotGoBack> by_column() const;

 private:
  CannotGoBack& entry(const std::string& table, const std::string& column, const std::string& why);

  std::map<std::pair<std::string, std::string>, CannotGoBack> columns_;
  CannotGoBack others_;  // of more columns than are remembered
  std::optional<Error> first_;
  std::int64_t rows_ = 0, tables_ = 0;
};

}  // namespace lockstep::switchover
