// SQLite's expressions as PostgreSQL's, where both mean the same for every row that the table's
// types can hold. What is not known to mean the same is never guessed. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/shape.hpp"

namespace lockstep::apply {

struct Translation {
  std::string sql{};                   ///< empty: not translated
  std::string why{};                   ///< then: the reason, a few words
  std::vector<std::size_t> columns{};  ///< that it names
};

/// A condition, of CHECK or of a partial index: true, false and NULL exactly as in SQLite.
[[nodiscard]] Translation translate_condition(const TablePlan& plan, std::string_view sql);

/// A term of an index: equal exactly where SQLite's is equal under `collation`. Immutable.
[[nodiscard]] Translation translate_term(const TablePlan& plan, std::string_view sql,
                                         const std::string& collation);

/// The same for a column.
[[nodiscard]] Translation column_term(const TablePlan& plan, std::size_t column,
                                      const std::string& collation);

}  // namespace lockstep::apply
