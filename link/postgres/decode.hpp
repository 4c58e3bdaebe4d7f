// PostgreSQL's binary fields as the values that SQLite held, or would hold: the way back of encode.
// Pure.
//
// Shares nothing with verify/values, which judges it; numeric's way back is theirs in common.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/shape.hpp"
#include "model/value.hpp"

namespace lockstep::postgres {

/// SQL of `value`, an expression of the type that the column has on PostgreSQL, as decode() reads
/// it in binary format: of a table that was there in the type that its values came in.
[[nodiscard]] std::string carried_value(const TablePlan& plan, std::size_t column,
                                        const std::string& value);

/// The same of the column itself: `alias`."name".
[[nodiscard]] std::string carried_column(const TablePlan& plan, std::size_t column,
                                         std::string_view alias);

/// The value that the application finds in SQLite for this field (nothing: NULL): the storage class
/// and spelling of the plan, rules inverted. Of the spellings that the census found, the shortest
/// that holds the value; where none was found, "YYYY-MM-DD HH:MM:SS[.ffffff]", with +00:00 for
/// timestamptz. Empty if `out` is that value, else why there is none: SQLite or the plan cannot
/// hold it. The text lives for ever.
[[nodiscard]] std::string_view decode(Value& out, const std::optional<std::string_view>& field,
                                      const TablePlan& plan, std::size_t column);

/// True if what SQLite holds is carried over as just this field: then it stays as it is, whatever
/// decode() would make of it. For types that keep less than SQLite's text says, and for rules.
[[nodiscard]] bool still_means(const ValueView& present,
                               const std::optional<std::string_view>& field, const TablePlan& plan,
                               std::size_t column);

/// True if a column of that affinity keeps the value as it is: SQLite converts texts that look like
/// numbers, integers in REAL columns, reals that equal an integer.
[[nodiscard]] bool kept_by(Affinity affinity, const ValueView& value);

/// A column whose values cannot be taken back if they change on PostgreSQL.
struct OneWayColumn {
  std::string table, column, why;
};
/// Rules that lose something, what SQLite computes, what only PostgreSQL has. Values that did not
/// change stay all the same.
[[nodiscard]] std::vector<OneWayColumn> cannot_go_back(const TablePlan& plan);

}  // namespace lockstep::postgres
