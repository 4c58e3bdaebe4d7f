// What SQLite itself makes of a column's DEFAULT.
#pragma once

#include <optional>

#include "model/shape.hpp"
#include "model/value.hpp"

namespace lockstep::sqlite {

/// The value that rows have which are older than the column, if rows that are inserted later get
/// the same one by default. SQLite has two ways for it: `ADD COLUMN c DEFAULT 1e3` makes 1000 of
/// the older rows and 1000.0 of the later. Asked of a database in memory. Nothing also if the
/// column cannot be added with ALTER TABLE.
[[nodiscard]] std::optional<Value> value_by_default(const Column& column);

/// What a row gets that is inserted without naming the column; expressions (CURRENT_TIMESTAMP) give
/// what they give now. Asked of a database in memory. Nothing if that does not know a function, or
/// the declaration cannot stand in a table of its own.
[[nodiscard]] std::optional<Value> value_on_insert(const Column& column);

}  // namespace lockstep::sqlite
