// How a column's values are told apart on PostgreSQL: by its key, by an index, not at all. Pure.
#pragma once

#include <cstddef>
#include <vector>

#include "model/promise.hpp"
#include "model/shape.hpp"

namespace lockstep::snapshot {

/// The columns that an index stores; of an expression all that it names, which is more than enough
/// (a function may be called as a column is), and all columns if its text is unreadable.
[[nodiscard]] std::vector<std::size_t> stored_columns(const Index& index, const TableShape& shape);

/// The strictest use that the key or an index of the source makes of the column.
[[nodiscard]] Distinction distinction_of(const TableShape& shape, std::size_t column);

}  // namespace lockstep::snapshot
