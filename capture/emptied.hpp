// DROP COLUMN and ADD COLUMN of a table's last column, word by word, leave two steps of
// schema_version and no other trace in the schema. The rows tell: whoever was not written since has
// the column's DEFAULT in it then, one and the same value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "link/sqlite/database.hpp"
#include "model/shape.hpp"
#include "model/value.hpp"

namespace lockstep::capture {

/// How often each value is among the rows that were read.
class ValueCounts {
 public:
  void add(const ValueView& value);
  [[nodiscard]] std::int64_t rows() const { return rows_; }
  /// Whatever value one takes, more rows than `rows` have another one.
  [[nodiscard]] bool differ_in_more_than(std::int64_t rows) const { return rows_ - most_ > rows; }

 private:
  std::map<std::uint64_t, std::int64_t> counts_;  // by hash: a collision only makes it say less
  std::int64_t rows_ = 0, most_ = 0;
};

/// The last column with values of its own, if SQLite lets it go and come again while there are
/// rows: any column that does so ends as the last. Nothing: no column of this table can. Pure.
[[nodiscard]] std::optional<std::size_t> column_that_may_come_again(const TableShape& shape);

/// Tables of which a column may have gone and come again.
struct Emptied {
  std::set<std::string> all;
  std::set<std::string> large;  ///< of these: more rows than were read
};

/// Reads some rows of each of `tables`, at both ends, in a read transaction each: mostly a few more
/// than were changed behind change `since`, at most some thousand. A table is cleared of it if more
/// of them differ in that column than were changed. `since`: the schema was as before then.
[[nodiscard]] Emptied possibly_emptied(sqlite::Database& database,
                                       const std::vector<TablePlan>& tables, std::int64_t since);

}  // namespace lockstep::capture
