// Texts that denote a day, an instant, a UUID or JSON: what they mean, and how they are spelled.
// Strict: what is not listed here is only text. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "model/shape.hpp"

namespace lockstep {

[[nodiscard]] constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

enum class Zone : std::uint8_t {
  none = 0,
  z = 1,
  zero = 2,
  short_zero = 3
};  ///< "", Z, +00:00, +00

/// Days since 2000-01-01 of YYYY-MM-DD, 0001-01-01 to 9999-12-31. Each day has one spelling.
[[nodiscard]] std::optional<std::int32_t> parse_day(std::string_view text);

struct Instant {
  std::int64_t microseconds = 0;  ///< since 2000-01-01 00:00:00, in the zone that is not written
  Zone zone = Zone::none;
  std::uint8_t spelling = 0;    ///< 0 to 63
  bool empty_fraction = false;  ///< it is written, and 0
};

/// YYYY-MM-DD, a blank or T, HH:MM[:SS[.f to .ffffff]], then nothing, Z, +00:00 or +00; or, as
/// Sequelize has it, "YYYY-MM-DD HH:MM:SS.fff +00:00". Neither 24:00 nor a second 60 nor other
/// offsets: PostgreSQL would change them.
[[nodiscard]] std::optional<Instant> parse_instant(std::string_view text);

/// What follows the day in that spelling: " 12:34:56.5+00:00". Nothing if it has no place for all
/// of the digits. `of_day` are microseconds since midnight.
[[nodiscard]] std::optional<std::string> spell_clock(std::int64_t of_day, unsigned spelling);
/// The same separator and zone, and six digits of a second.
[[nodiscard]] unsigned with_six_digits(unsigned spelling);

/// Microseconds since 2000-01-01 of milliseconds since 1970; nothing outside of the years 1 to
/// 9999.
[[nodiscard]] std::optional<std::int64_t> instant_of_milliseconds(std::int64_t milliseconds);

struct Uuid {
  std::array<char, 16> bytes{};
  std::uint8_t spelling = 0;  ///< 0 to 3
};

/// 32 hex digits, all lower or all upper case, with four dashes in their places or without any.
[[nodiscard]] std::optional<Uuid> parse_uuid(std::string_view text);

/// True for one JSON value (RFC 8259) that PostgreSQL's json takes and gives back as it is. `text`
/// is valid UTF-8. At most 500 levels deep.
[[nodiscard]] bool is_json(std::string_view text);

/// How many spellings a type has, the longest set that Spellings holds.
[[nodiscard]] unsigned spellings_of(ColumnType type);

/// "YYYY-MM-DD HH:MM:SS.ffffff+00:00", "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx": as the ledger has
/// it.
[[nodiscard]] std::string spelling_name(ColumnType type, unsigned spelling);
[[nodiscard]] std::optional<unsigned> parse_spelling(ColumnType type, std::string_view name);

/// Where a type tells two spellings apart no longer, no two texts that ColumnSpelling admits may
/// mean the same.
[[nodiscard]] bool admits(const ColumnSpelling& column, ColumnType type, std::string_view text);

}  // namespace lockstep
