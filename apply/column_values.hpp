// A value of a column in the statements that merge rows: on its way into the table, and beside the
// one that is there.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "model/shape.hpp"

namespace lockstep::apply {

/// `value`, an SQL expression, as it goes into a column that was there. The server converts by
/// itself and exactly; only some texts need to be told what they are. Microseconds become days and
/// a time of day, as Django writes them there.
[[nodiscard]] std::string assigned(const TablePlan& plan, std::size_t column, std::string value);

/// The column's type on the target.
[[nodiscard]] std::string type_of(const TablePlan& plan, std::size_t column);

/// The column of `row` (an alias; `t` is the table) as the target has it, in the same bytes
/// wherever it comes from: zeros at the end of a numeric say nothing, PostgreSQL takes 0.0 and -0.0
/// for one key, and a day is 24 hours.
[[nodiscard]] std::string comparable(const TablePlan& plan, std::size_t column,
                                     std::string_view row);

}  // namespace lockstep::apply
