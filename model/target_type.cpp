#include "model/target_type.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "model/spelling.hpp"

namespace lockstep {

namespace {

constexpr int kFractionDigitsMax = 6;

struct Named {
  std::string_view name;
  TargetType type;
};
constexpr std::array kTypes{
    Named{"bigint", {TargetKind::integer, 64}},
    Named{"integer", {TargetKind::integer, 32}},
    Named{"smallint", {TargetKind::integer, 16}},
    Named{"double precision", {TargetKind::double_precision}},
    Named{"real", {TargetKind::real}},
    Named{"numeric", {TargetKind::numeric}},
    Named{"text", {TargetKind::text}},
    Named{"character varying", {TargetKind::text}},
    Named{"bytea", {TargetKind::bytea}},
    Named{"boolean", {TargetKind::boolean}},
    Named{"date", {TargetKind::date}},
    Named{"timestamp without time zone", {TargetKind::timestamp, kFractionDigitsMax}},
    Named{"timestamp with time zone", {TargetKind::timestamptz, kFractionDigitsMax}},
    Named{"time without time zone", {TargetKind::time, kFractionDigitsMax}},
    Named{"uuid", {TargetKind::uuid}},
    Named{"json", {TargetKind::json}},
    Named{"jsonb", {TargetKind::jsonb}},
    Named{"inet", {TargetKind::inet}},
    Named{"interval", {TargetKind::interval, kFractionDigitsMax}}};

/// "(10,2)" into its numbers; a negative scale of numeric is a number too.
bool parse_limits(std::string_view inside, TargetType& type) {
  const auto number = [](std::string_view text, int& to) {
    const auto read = std::from_chars(text.data(), text.data() + text.size(), to);
    return read.ec == std::errc{} && read.ptr == text.data() + text.size();
  };
  const std::size_t comma = inside.find(',');
  if (comma == std::string_view::npos) return number(inside, type.limit);
  return number(inside.substr(0, comma), type.limit) &&
         number(inside.substr(comma + 1), type.scale);
}

std::size_t characters_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::string_view integer_misfit(std::int64_t number, int bits) {
  if (bits == 64) return {};
  const std::int64_t most = (std::int64_t{1} << (bits - 1)) - 1;
  return number >= -most - 1 && number <= most ? "" : "it is outside of the type's range";
}

/// The digits of the shortest decimal that reads back as the same number: of all of them, and of
/// those behind the point.
std::string_view numeric_misfit(const ValueView& value, const TargetType& type) {
  if (type.limit == 0) return {};
  std::array<char, 400> buffer{};
  std::to_chars_result written{};
  if (value.kind == ValueClass::integer) {
    written = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value.integer);
  } else {
    if (!std::isfinite(value.real)) return "it is infinite, and the type has a limit";
    written = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value.real,
                            std::chars_format::fixed);
  }
  if (written.ec != std::errc{}) return "it has more digits than the type";
  std::string_view digits(buffer.data(), static_cast<std::size_t>(written.ptr - buffer.data()));
  if (digits.starts_with('-')) digits.remove_prefix(1);
  std::string_view fraction;
  if (const std::size_t point = digits.find('.'); point != std::string_view::npos) {
    fraction = digits.substr(point + 1);
    digits = digits.substr(0, point);
    while (fraction.ends_with('0')) fraction.remove_suffix(1);
  }
  while (digits.starts_with('0')) digits.remove_prefix(1);
  // Zeros right behind the point count against numeric(3,5), which wants two of them.
  const std::size_t zeros = std::min(fraction.find_first_not_of('0'), fraction.size());
  const int whole = digits.empty() ? -static_cast<int>(zeros) : static_cast<int>(digits.size());
  if (static_cast<int>(fraction.size()) > std::max(type.scale, 0))
    return "it has more digits behind the point than the type";
  if (!(digits.empty() && fraction.empty()) && whole > type.limit - type.scale)
    return "it has more digits before the point than the type";
  if (type.scale < 0) return "the type rounds whole numbers";
  return {};
}

std::string_view text_misfit(std::string_view text, const TargetType& type) {
  const std::size_t characters = type.limit == 0 ? 0 : characters_of(text);
  const auto limit = static_cast<std::size_t>(type.limit);
  if (type.kind == TargetKind::text)
    return characters <= limit ? "" : "it has more characters than the type";
  if (characters != limit) return "it is shorter or longer than the type, which pads with blanks";
  return text.ends_with(' ') ? "it ends with a blank, which the type does not keep" : "";
}

/// The written fraction's digits that are not zeros at its end, of a text whose fraction begins
/// behind its last '.'.
int fraction_digits(std::string_view text) {
  const std::size_t point = text.rfind('.');
  if (point == std::string_view::npos) return 0;
  int digits = 0;
  for (std::size_t i = point + 1; i < text.size() && is_digit(text[i]); ++i)
    if (text[i] != '0') digits = static_cast<int>(i - point);
  return digits;
}

/// HH:MM[:SS[.f to .ffffff]]: the part of an instant behind its day; or all of it, on the day that
/// Rails gives to times.
bool is_time(std::string_view text) {
  constexpr std::string_view kRailsDay = "2000-01-01";
  if (text.starts_with(kRailsDay)) {
    const auto instant = parse_instant(text);
    return instant && instant->zone == Zone::none;
  }
  if (text.find_first_not_of("0123456789:.") != std::string_view::npos) return false;
  return parse_instant("2000-01-01 " + std::string(text)).has_value();
}

/// As the server spells it: in lower case, without leading zeros, the longest row of zeros as "::",
/// and no prefix length if it is of one address.
bool is_inet(std::string_view text) {
  const int family = text.find(':') == std::string_view::npos ? AF_INET : AF_INET6;
  const int bits = family == AF_INET ? 32 : 128;
  const std::size_t slash = text.find('/');
  const std::string address(text.substr(0, slash));
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  std::array<char, INET6_ADDRSTRLEN> spelled{};
  if (inet_pton(family, address.c_str(), bytes.data()) != 1) return false;
  if (inet_ntop(family, bytes.data(), spelled.data(), spelled.size()) == nullptr) return false;
  if (address != spelled.data()) return false;
  if (slash == std::string_view::npos) return true;
  const std::string_view length = text.substr(slash + 1);
  int prefix = 0;
  const auto read = std::from_chars(length.data(), length.data() + length.size(), prefix);
  return read.ec == std::errc{} && prefix >= 0 && prefix < bits && length == std::to_string(prefix);
}

/// The number in JSON whose first digit is at `at`, which is behind it then: numeric, which jsonb
/// has for it, has 131,072 digits before the point and 16,383 behind it. Not beyond e+999 or e-999.
bool fits_numeric(std::string_view text, std::size_t& at) {
  constexpr std::ptrdiff_t kWholeMax = 131'072, kFractionMax = 16'383;
  const auto skip = [&](std::string_view those) {
    const std::size_t from = at;
    at = std::min(text.find_first_not_of(those, at), text.size());
    return static_cast<std::ptrdiff_t>(at - from);
  };
  constexpr std::string_view kDigits = "0123456789";
  const std::ptrdiff_t whole = skip(kDigits);
  std::ptrdiff_t fraction = 0;
  int exponent = 0;
  if (at < text.size() && text[at] == '.') fraction = skip(".0123456789") - 1;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    const std::size_t written = at;
    if (skip("+-0123456789") > 4) return false;
    const std::size_t sign = written < text.size() && text[written] == '+' ? 1 : 0;
    std::from_chars(text.data() + written + sign, text.data() + at, exponent);
  }
  return whole + exponent <= kWholeMax && fraction - exponent <= kFractionMax;
}

/// What json takes and jsonb does not: U+0000, half a surrogate pair, numbers beyond numeric.
bool fits_jsonb(std::string_view text) {
  const auto unit = [&](std::size_t at) {
    return at + 6 <= text.size() && text[at] == '\\' && text[at + 1] == 'u'
               ? static_cast<int>(
                     std::strtol(std::string(text.substr(at + 2, 4)).c_str(), nullptr, 16))
               : -1;
  };
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') in_string = !in_string;
    if (!in_string) {
      if (!is_digit(text[i])) continue;
      if (!fits_numeric(text, i)) return false;
      --i;  // the loop goes on behind the number
      continue;
    }
    if (text[i] != '\\') continue;
    const int code = unit(i);
    if (code == 0 || (code >= 0xdc00 && code < 0xe000)) return false;
    if (code >= 0xd800 && code < 0xdc00) {
      const int low = unit(i + 6);
      if (low < 0xdc00 || low >= 0xe000) return false;
      i += 6;
    }
    i += code < 0 ? 1 : 5;
  }
  return text.size() < (std::size_t{1} << 28);  // jsonb's own limit on strings
}

std::string_view meaning_misfit(std::string_view text, const TargetType& type) {
  switch (type.kind) {
    case TargetKind::date:
      return parse_day(text) ? "" : "it is no date YYYY-MM-DD";
    case TargetKind::timestamp:
    case TargetKind::timestamptz:
      if (!parse_instant(text))
        return "it is no YYYY-MM-DD HH:MM:SS[.ffffff] with no offset, Z or +00:00";
      return fraction_digits(text) <= type.limit ? ""
                                                 : "its fraction has more digits than the type";
    case TargetKind::time:
      if (!is_time(text)) return "it is no time HH:MM:SS[.ffffff]";
      return fraction_digits(text) <= type.limit ? ""
                                                 : "its fraction has more digits than the type";
    case TargetKind::interval: {
      const auto instant = parse_instant(text);
      if (!instant || instant->zone != Zone::none)
        return "it is no YYYY-MM-DD HH:MM:SS[.ffffff], from 1970-01-01 on, as SQLAlchemy has "
               "intervals";
      return fraction_digits(text) <= type.limit ? ""
                                                 : "its fraction has more digits than the type";
    }
    case TargetKind::uuid:
      return parse_uuid(text) ? "" : "it is no UUID of one case";
    case TargetKind::json:
      return is_json(text) ? "" : "it is not JSON";
    case TargetKind::jsonb:
      return is_json(text) && fits_jsonb(text) ? "" : "it is no JSON that jsonb takes";
    case TargetKind::text:
    case TargetKind::character:
      return text_misfit(text, type);
    case TargetKind::enumeration:
      return std::find(type.labels.begin(), type.labels.end(), text) != type.labels.end()
                 ? ""
                 : "it is none of the type's labels";
    case TargetKind::inet:
      return is_inet(text) ? "" : "it is no address as PostgreSQL spells it";
    case TargetKind::integer:
    case TargetKind::double_precision:
    case TargetKind::real:
    case TargetKind::numeric:
    case TargetKind::bytea:
    case TargetKind::boolean:
      break;
  }
  return "it is text";
}

/// Milliseconds since 1970, as Prisma and JavaScript count them.
std::string_view milliseconds_misfit(std::int64_t number, int fraction_digits) {
  if (!instant_of_milliseconds(number)) return "it is an integer, of a year outside of 1 to 9999";
  const std::array<int, 4> powers{1'000, 100, 10, 1};
  const auto digits = static_cast<std::size_t>(std::clamp(fraction_digits, 0, 3));
  return number % powers[digits] == 0 ? ""
                                      : "it is an integer with more milliseconds than the type";
}

std::string_view number_misfit(const ValueView& value, const TargetType& type) {
  const bool whole = value.kind == ValueClass::integer;
  switch (type.kind) {
    case TargetKind::integer:
      return whole ? integer_misfit(value.integer, type.limit) : "it is a real";
    case TargetKind::boolean:
      return whole && (value.integer == 0 || value.integer == 1) ? "" : "it is neither 0 nor 1";
    case TargetKind::double_precision:
      return whole ? "it is an integer" : "";
    case TargetKind::real:
      if (whole) return "it is an integer";
      return std::isinf(value.real) ||
                     (std::abs(value.real) <= std::numeric_limits<float>::max() &&
                      static_cast<double>(static_cast<float>(value.real)) == value.real)
                 ? ""
                 : "it is not the same as a number of four bytes";
    case TargetKind::numeric:
      return numeric_misfit(value, type);
    case TargetKind::timestamp:
    case TargetKind::timestamptz:
      return whole ? milliseconds_misfit(value.integer, type.limit) : "it is a real";
    case TargetKind::interval:
      if (whole && type.limit < kFractionDigitsMax) return "the type keeps no microseconds";
      return whole ? "" : "it is a real";
    case TargetKind::text:
    case TargetKind::character:
    case TargetKind::bytea:
    case TargetKind::date:
    case TargetKind::time:
    case TargetKind::enumeration:
    case TargetKind::inet:
    case TargetKind::uuid:
    case TargetKind::json:
    case TargetKind::jsonb:
      break;
  }
  return whole ? "it is an integer" : "it is a real";
}

}  // namespace

std::optional<TargetType> parse_target_type(std::string_view text) {
  std::string name(text);
  std::string inside;
  const std::size_t open = name.find('(');
  if (open != std::string::npos) {
    const std::size_t close = name.find(')', open);
    if (close == std::string::npos) return std::nullopt;
    inside = name.substr(open + 1, close - open - 1);
    name.erase(open, close - open + 1);
  }
  if (name == "character" && !inside.empty()) {
    TargetType type{TargetKind::character};
    return parse_limits(inside, type) ? std::optional(type) : std::nullopt;
  }
  for (const auto& [known, type] : kTypes) {
    if (known != name) continue;
    TargetType found = type;
    if (!inside.empty() && !parse_limits(inside, found)) return std::nullopt;
    return found;
  }
  return std::nullopt;
}

bool needs_cast(TargetKind kind) {
  return kind == TargetKind::time || kind == TargetKind::enumeration || kind == TargetKind::inet ||
         kind == TargetKind::interval;
}

std::string_view misfit_of_target(const ValueView& value, const TargetType& type) {
  switch (value.kind) {
    case ValueClass::integer:
    case ValueClass::real:
      return number_misfit(value, type);
    case ValueClass::text:
      return meaning_misfit(value.bytes, type);
    case ValueClass::blob:
      return type.kind == TargetKind::bytea ? "" : "it is a blob";
    case ValueClass::null:
      break;
  }
  return {};
}

}  // namespace lockstep
