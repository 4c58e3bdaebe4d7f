// What one configuration file says. Empty members: it does not say.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lockstep::config {

/// A table that has to be there before anything starts, with so many rows.
struct ExpectedTable {
  std::string table;
  std::optional<std::int64_t> rows_min;
  std::optional<std::int64_t> rows_max;
};

/// What is said of one column.
struct ColumnSetting {
  std::string column;        ///< "table.column"
  std::string on_bad_value;  ///< "stop", "quarantine"
};

struct Settings {
  std::string source;  ///< as people write a path; relative to the file's folder
  std::string target;  ///< as people write a DSN
  std::string schema;
  std::vector<std::string> include;  ///< globs
  std::vector<std::string> exclude;  ///< globs
  std::vector<ExpectedTable> expect;
  std::string on_bad_value;  ///< of every column that `columns` does not name
  std::vector<ColumnSetting> columns;
};

}  // namespace lockstep::config
