// Room for a row of large values, in one piece and at once: a string that grows by doubling has two
// copies of what it holds for a moment, and up to twice the memory afterwards.
#pragma once

#include <cstddef>
#include <string>

#include "link/sqlite/statement.hpp"
#include "model/shape.hpp"

namespace lockstep::sqlite {

/// Before the large value of `column` is appended to `out`: reserves what it and the columns behind
/// it take. Does nothing for a small value. Throws LS-D413 naming table, column and key for one
/// over kValueBytesMax. `row` has the columns of `plan` first.
void make_room(std::string& out, const TablePlan& plan, const Statement& row, int column,
               std::size_t value_bytes);

}  // namespace lockstep::sqlite
