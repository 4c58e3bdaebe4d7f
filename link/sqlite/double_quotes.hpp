// "text" in SQL that the application wrote: SQLite takes what names no column for a string.
#pragma once

#include "link/sqlite/database.hpp"

namespace lockstep::sqlite {

/// While it lives the connection prepares statements as the application's does by default. Without
/// it a name in quotes is a name (Database::open): a column that is gone is an error, not its name
/// as a string in every row. What stands in the schema (CHECKs, indexes, generated columns) is read
/// with such strings either way. `database` outlives it.
class DoubleQuotedStrings {
 public:
  explicit DoubleQuotedStrings(Database& database);
  ~DoubleQuotedStrings();
  DoubleQuotedStrings(const DoubleQuotedStrings&) = delete;
  DoubleQuotedStrings& operator=(const DoubleQuotedStrings&) = delete;

 private:
  Database& database_;
};

}  // namespace lockstep::sqlite
