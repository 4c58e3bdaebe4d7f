// Days, instants and UUIDs of PostgreSQL in the spellings of model/spelling, for decode. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "model/shape.hpp"

namespace lockstep::postgres {

/// Appends YYYY-MM-DD. `days` since 2000-01-01; false outside of the years 1 to 9999.
[[nodiscard]] bool append_day(std::string& out, std::int64_t days);

/// `microseconds` since 2000-01-01 in the shortest of the spellings found that holds them; where
/// none does, with the separator and zone of the first, and six digits. False outside of the years
/// 1 to 9999.
[[nodiscard]] bool spell_instant(std::string& out, std::int64_t microseconds, ColumnType type,
                                 const ColumnSpelling& spelling);

/// 16 bytes, in the first of the spellings found, or with dashes and lower case.
void spell_uuid(std::string& out, std::string_view bytes, const ColumnSpelling& spelling);

/// True if SQLite's NUMERIC affinity makes a number of the text: [blanks][sign]digits[.digits]
/// [exponent][blanks], with a digit before or behind the point.
[[nodiscard]] bool looks_like_number(std::string_view text);

}  // namespace lockstep::postgres
