// Generated columns that PostgreSQL computes as SQLite does. What is decided once stands in the
// plan (Column::computed_as): nothing writes such a column then. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "model/shape.hpp"

namespace lockstep::apply {

/// Sets Column::computed_as of those that can be computed exactly. Returns a sentence for each
/// generated column that stays a plain one which holds its values, with the reason. For a plan that
/// is new, and whose types are final: a column that is plain on the target cannot become one.
[[nodiscard]] std::vector<std::string> decide_computed(TablePlan& plan);

/// The expression behind GENERATED ALWAYS AS; empty: the column is a plain one. Throws LS-R703 if
/// the plan says that it is computed and this lockstep cannot translate it.
[[nodiscard]] std::string computed_sql(const TablePlan& plan, std::size_t column);

}  // namespace lockstep::apply
