// SQLite's integers and reals as PostgreSQL's numeric, in its binary form, and back. Pure.
//
// A column of NUMERIC affinity stores a real that equals an integer as that integer, so the number
// alone says which class it had: whole and within 64 bits is an integer, all else a real. In a
// column of REAL affinity every number is a real (is_numeric_of_reals).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "model/shape.hpp"
#include "model/value.hpp"

namespace lockstep::postgres {

/// True if `value` comes back from numeric with its class and its bits: every integer, and every
/// real (infinities too) but NaN and those that SQLite makes integers, -0.0 among them.
[[nodiscard]] bool fits_numeric(const ValueView& value);

/// The column is numeric in a table that was there, and of REAL affinity: SQLite has no integer in
/// it, so a whole number there is a real here, and nothing has to tell 5.0 from 5.
[[nodiscard]] bool is_numeric_of_reals(const TablePlan& plan, std::size_t column);

/// fits_numeric() for such a column: whole reals fit too, but -0.0, which has no sign
/// there.
[[nodiscard]] bool fits_numeric_of_reals(const ValueView& value);

/// Appends the bytes of the value, without a length. An integer, and a whole real within 64 bits,
/// is written digit by digit, another real as the shortest decimal that reads back as the same
/// bits. `value` must fit, at least among reals.
void append_numeric(std::string& out, const ValueView& value);

/// The value that is written as this number, which may have zeros at its end (5.00 is 5). A number
/// that no value is written as (NaN, 0.10000000000000001) comes as a text, its digits: it equals
/// nothing that such a column holds in SQLite. Bytes that are no numeric come as a blob.
[[nodiscard]] Value decode_numeric(std::string_view bytes);

/// What decode_numeric() gave, for a column that holds no integers: one that a real equals exactly
/// becomes that real, everything else stays.
void make_real(Value& value);

}  // namespace lockstep::postgres
