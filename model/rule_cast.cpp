// What each cast makes of each storage class.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include "model/rule.hpp"
#include "model/spelling.hpp"
#include "model/utf8.hpp"

namespace lockstep {

namespace {

__extension__ typedef __int128 Wide;

constexpr std::int64_t kMicrosecondsPerDay = 86'400'000'000;
constexpr std::int64_t kDays1970To2000 = 10'957;
constexpr double kTwo63 = 9223372036854775808.0;
constexpr std::size_t kExactDigits = 15;  // decimals that every double tells apart

ValueView integer_view(std::int64_t value) {
  return {.kind = ValueClass::integer, .integer = value};
}
ValueView real_view(double value) {
  return {.kind = ValueClass::real, .real = value};
}
ValueView text_view(std::string_view bytes) {
  return {.kind = ValueClass::text, .bytes = bytes};
}

bool is_text_of_postgres(std::string_view bytes) {
  const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
  const auto* const end = at + bytes.size();
  while (at != end) {
    if (*at == 0) return false;
    const std::size_t length =
        *at < 0x80 ? 1 : utf8_multibyte_length(at, static_cast<std::size_t>(end - at));
    if (length == 0) return false;
    at += length;
  }
  return true;
}

// Shortest decimal that reads back as the same bits, told from an integer by its point.
std::string decimal(double value, std::string_view infinity) {
  if (std::isinf(value)) return fmt::format("{}{}", value < 0 ? "-" : "", infinity);
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

template <class Number>
std::optional<Number> parsed(std::string_view text) {
  // from_chars takes "inf" and "nan" too.
  if (text.empty() ||
      std::isdigit(static_cast<unsigned char>(text.back() == '.' ? '0' : text.back())) == 0)
    return std::nullopt;
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<std::int64_t> whole(double value) {
  if (!(value >= -kTwo63 && value < kTwo63) || std::trunc(value) != value) return std::nullopt;
  return static_cast<std::int64_t>(value);
}

std::size_t digits_in(std::string_view text) {
  const std::string_view mantissa = text.substr(0, text.find_first_of("eE"));
  return static_cast<std::size_t>(
      std::count_if(mantissa.begin(), mantissa.end(), [](char c) { return c >= '0' && c <= '9'; }));
}

ValueView to_text(const ValueView& value, std::string& scratch) {
  switch (value.kind) {
    case ValueClass::integer:
      scratch = fmt::to_string(value.integer);
      return text_view(scratch);
    case ValueClass::real:
      scratch = decimal(value.real, "Infinity");
      return text_view(scratch);
    case ValueClass::blob:
      return is_text_of_postgres(value.bytes) ? text_view(value.bytes) : value;
    case ValueClass::text:
    case ValueClass::null:
      break;
  }
  return value;
}

ValueView to_bigint(const ValueView& value) {
  if (value.kind == ValueClass::real)
    if (const auto number = whole(value.real)) return integer_view(*number);
  if (value.kind == ValueClass::text)
    if (const auto number = parsed<std::int64_t>(value.bytes)) return integer_view(*number);
  return value;
}

ValueView to_double(const ValueView& value) {
  if (value.kind == ValueClass::integer) {
    const auto number = static_cast<double>(value.integer);
    if (whole(number) == value.integer) return real_view(number);
  }
  if (value.kind == ValueClass::text)
    if (const auto number = parsed<double>(value.bytes)) return real_view(*number);
  return value;
}

// As SQLite's NUMERIC affinity would store it: whole numbers within 64 bits are integers.
ValueView to_numeric(const ValueView& value) {
  ValueView number = value;
  if (value.kind == ValueClass::text) {
    if (const auto integer = parsed<std::int64_t>(value.bytes)) return integer_view(*integer);
    if (digits_in(value.bytes) > kExactDigits) return value;  // a double would round it
    number = to_double(value);
  }
  if (number.kind != ValueClass::real) return number;
  const auto integer = whole(number.real);
  return integer ? integer_view(*integer) : number;
}

ValueView to_boolean(const ValueView& value) {
  if (value.kind == ValueClass::real && (value.real == 0 || value.real == 1))  // NOLINT: exact
    return integer_view(static_cast<std::int64_t>(value.real));
  if (value.kind != ValueClass::text || value.bytes.size() > 5) return value;
  std::string word(value.bytes);
  for (char& c : word) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const std::string_view yes : {"t", "true", "y", "yes", "on", "1"})
    if (word == yes) return integer_view(1);
  for (const std::string_view no : {"f", "false", "n", "no", "off", "0"})
    if (word == no) return integer_view(0);
  return value;
}

// `days` since 2000-01-01, in the calendar that parse_day() reads.
std::optional<std::string> spelled_day(std::int64_t days) {
  constexpr std::int64_t kFirst = -730'119, kLast = 2'921'939;  // 0001-01-01, 9999-12-31
  if (days < kFirst || days > kLast) return std::nullopt;
  // Howard Hinnant's civil_from_days, with years that begin in March.
  const std::int64_t since_0 = days + 730'425;  // since 0000-03-01
  const std::int64_t era = (since_0 >= 0 ? since_0 : since_0 - 146'096) / 146'097;
  const std::int64_t of_era = since_0 - era * 146'097;
  const std::int64_t year_of_era =
      (of_era - of_era / 1'460 + of_era / 36'524 - of_era / 146'096) / 365;
  const std::int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t march_month = (5 * of_year + 2) / 153;
  const std::int64_t day = of_year - (153 * march_month + 2) / 5 + 1;
  const std::int64_t month = march_month < 10 ? march_month + 3 : march_month - 9;
  const std::int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  return fmt::format("{:04}-{:02}-{:02}", year, month, day);
}

/// Microseconds since 2000-01-01, as SQLAlchemy writes them: always six digits.
std::optional<std::string> spelled_instant(Wide microseconds, std::string_view zone) {
  Wide days = microseconds / kMicrosecondsPerDay;
  Wide rest = microseconds % kMicrosecondsPerDay;
  if (rest < 0) {
    rest += kMicrosecondsPerDay;
    --days;
  }
  if (days < -1'000'000 || days > 10'000'000) return std::nullopt;
  const auto day = spelled_day(static_cast<std::int64_t>(days));
  if (!day) return std::nullopt;
  const auto of_day = static_cast<std::int64_t>(rest);
  return fmt::format("{} {:02}:{:02}:{:02}.{:06}{}", *day, of_day / 3'600'000'000,
                     of_day / 60'000'000 % 60, of_day / 1'000'000 % 60, of_day % 1'000'000, zone);
}

// +HH:MM, +HHMM or +HH at the end, in microseconds; what is before it goes to `text`.
std::optional<std::int64_t> cut_offset(std::string_view& text) {
  const std::size_t sign = text.find_last_of("+-");
  if (sign == std::string_view::npos || sign < 16) return std::nullopt;
  std::string digits(text.substr(sign + 1));
  std::erase(digits, ':');
  if (digits.size() != 2 && digits.size() != 4) return std::nullopt;
  const auto number = parsed<int>(digits);
  if (!number) return std::nullopt;
  const int hours = digits.size() == 2 ? *number : *number / 100;
  const int minutes = digits.size() == 2 ? 0 : *number % 100;
  if (hours > 15 || minutes > 59) return std::nullopt;
  const std::int64_t offset = (hours * 60 + minutes) * std::int64_t{60'000'000};
  const bool west = text[sign] == '-';
  text = text.substr(0, sign);
  return west ? -offset : offset;
}

// A day is its midnight, a text without an offset is UTC.
std::optional<Wide> instant_of(std::string_view text) {
  if (const auto day = parse_day(text)) return Wide{*day} * kMicrosecondsPerDay;
  if (const auto instant = parse_instant(text)) return Wide{instant->microseconds};
  const auto offset = cut_offset(text);
  if (!offset) return std::nullopt;
  const auto local = parse_instant(text);
  if (!local || local->zone != Zone::none) return std::nullopt;
  return Wide{local->microseconds} - *offset;
}

ValueView spelled(std::optional<std::string> text, const ValueView& value, std::string& scratch) {
  if (!text) return value;
  scratch = *std::move(text);
  return text_view(scratch);
}

ValueView to_instant(const ValueView& value, std::string_view zone, std::string& scratch) {
  if (value.kind != ValueClass::text) return value;
  const auto instant = instant_of(value.bytes);
  return instant ? spelled(spelled_instant(*instant, zone), value, scratch) : value;
}

ValueView to_date(const ValueView& value, std::string& scratch) {
  if (value.kind != ValueClass::text || parse_day(value.bytes)) return value;
  const auto instant = parse_instant(value.bytes);
  if (!instant || instant->microseconds % kMicrosecondsPerDay != 0) return value;
  return spelled(std::string(value.bytes.substr(0, 10)), value, scratch);
}

ValueView from_epoch(const ValueView& value, std::int64_t unit_us, std::string& scratch) {
  constexpr double kMicrosecondsMax = 1e18;
  Wide since_1970 = 0;
  if (value.kind == ValueClass::integer) {
    since_1970 = Wide{value.integer} * unit_us;
  } else if (value.kind == ValueClass::real) {
    const double microseconds = value.real * static_cast<double>(unit_us);
    if (!(std::fabs(microseconds) < kMicrosecondsMax)) return value;
    since_1970 = std::llround(microseconds);
  } else {
    return to_instant(value, "+00:00", scratch);
  }
  const Wide since_2000 = since_1970 - Wide{kDays1970To2000} * kMicrosecondsPerDay;
  return spelled(spelled_instant(since_2000, "+00:00"), value, scratch);
}

std::string hex(std::string_view bytes) {
  std::string digits;
  digits.reserve(bytes.size() * 2);
  for (const char byte : bytes) {
    digits += "0123456789abcdef"[static_cast<unsigned char>(byte) >> 4];
    digits += "0123456789abcdef"[static_cast<unsigned char>(byte) & 15];
  }
  return digits;
}

std::string hex_literal(std::string_view bytes) {
  std::string literal = "x'";
  literal += hex(bytes);
  return literal += '\'';
}

ValueView to_uuid(const ValueView& value, std::string& scratch) {
  if (value.kind != ValueClass::blob || value.bytes.size() != 16) return value;
  scratch = hex(value.bytes);
  for (const std::size_t dash : {8U, 13U, 18U, 23U}) scratch.insert(dash, 1, '-');
  return text_view(scratch);
}

ValueView to_literal(const ValueView& value, std::string& scratch) {
  switch (value.kind) {
    case ValueClass::null:
      return value;
    case ValueClass::integer:
      scratch = fmt::to_string(value.integer);
      break;
    case ValueClass::real:
      scratch = decimal(value.real, "9e999");
      break;
    case ValueClass::blob:
      scratch = hex_literal(value.bytes);
      break;
    case ValueClass::text:
      if (!is_text_of_postgres(value.bytes)) {
        scratch = fmt::format("CAST({} AS TEXT)", hex_literal(value.bytes));
        break;
      }
      scratch = "'";
      for (const char c : value.bytes) scratch.append(c == '\'' ? 2 : 1, c);
      scratch += '\'';
  }
  return text_view(scratch);
}

ValueView cast_to(Cast cast, const ValueView& value, std::string& scratch) {
  switch (cast) {
    case Cast::none:
      return value;
    case Cast::text:
      return to_text(value, scratch);
    case Cast::bigint:
      return to_bigint(value);
    case Cast::double_precision:
      return to_double(value);
    case Cast::numeric:
      return to_numeric(value);
    case Cast::boolean:
      return to_boolean(value);
    case Cast::date:
      return to_date(value, scratch);
    case Cast::timestamp:
      return to_instant(value, "", scratch);
    case Cast::timestamptz:
      return to_instant(value, "+00:00", scratch);
    case Cast::uuid:
      return to_uuid(value, scratch);
    case Cast::json:
      return value.kind == ValueClass::integer ||
                     (value.kind == ValueClass::real && std::isfinite(value.real))
                 ? to_text(value, scratch)
                 : value;
    case Cast::bytea:
      return value.kind == ValueClass::text
                 ? ValueView{.kind = ValueClass::blob, .bytes = value.bytes}
                 : value;
    case Cast::epoch_s:
      return from_epoch(value, 1'000'000, scratch);
    case Cast::epoch_ms:
      return from_epoch(value, 1'000, scratch);
    case Cast::epoch_us:
      return from_epoch(value, 1, scratch);
    case Cast::literal:
      return to_literal(value, scratch);
  }
  return value;
}

}  // namespace

ValueView apply_rule(const ColumnRule& rule, const ValueView& value, std::string& scratch) {
  ValueView given = value;
  std::string mended;
  if (rule.nul != Nul::keep && value.kind == ValueClass::text &&
      value.bytes.find('\0') != std::string_view::npos) {
    for (const char c : value.bytes) {
      if (c != '\0')
        mended += c;
      else if (rule.nul == Nul::replace)
        mended += rule.nul_replacement;
    }
    given.bytes = mended.empty() ? std::string_view() : std::string_view(mended);
  }
  if (given.kind == ValueClass::null && rule.default_if_null) given = rule.default_if_null->view();
  const ValueView result = cast_to(rule.cast, given, scratch);
  if (mended.empty() || result.bytes.data() != mended.data()) return result;
  scratch = std::move(mended);
  ValueView kept = result;
  kept.bytes = scratch;
  return kept;
}

}  // namespace lockstep
