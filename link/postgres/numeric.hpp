// SQLite's integers and reals as PostgreSQL's numeric, in its binary form, and back. Pure.
//
// A column of NUMERIC affinity stores a real that equals an integer as that integer, so the number
// alone says which class it had: whole and within 64 bits is an integer, all else a real.
#pragma once

#include <string>
#include <string_view>

#include "model/value.hpp"

namespace lockstep::postgres {

/// True if `value` comes back from numeric with its class and its bits: every integer, and every
/// real (infinities too) but NaN and those that SQLite makes integers, -0.0 among them.
[[nodiscard]] bool fits_numeric(const ValueView& value);

/// Appends the bytes of the value, without a length. An integer is written digit by digit, a real
/// as the shortest decimal that reads back as the same bits. `value` must fit.
void append_numeric(std::string& out, const ValueView& value);

/// The value that is written as this number, which may have zeros at its end (5.00 is 5). A number
/// that no value is written as (NaN, 0.10000000000000001) comes as a text, its digits: it equals
/// nothing that such a column holds in SQLite. Bytes that are no numeric come as a blob.
[[nodiscard]] Value decode_numeric(std::string_view bytes);

}  // namespace lockstep::postgres
