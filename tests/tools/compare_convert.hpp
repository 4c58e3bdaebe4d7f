// What a value of the source has to be on the target by its column's rule.
#pragma once

#include <strings.h>

#include <array>
#include <cmath>
#include <cstring>

#include "tests/tools/compare_cells.hpp"
#include "tests/tools/compare_rules.hpp"

namespace compare {

inline std::optional<double> as_real(const std::string& text) {
  if (text.empty() || std::strchr("+-.0123456789", text.front()) == nullptr) return std::nullopt;
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  if (end != text.c_str() + text.size()) return std::nullopt;
  return number;
}

inline std::optional<std::string> bytes_of_hex(std::string_view hex) {
  std::string bytes;
  const auto nibble = [](char c) {
    const std::string_view digits = "0123456789abcdef";
    return digits.find(c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c);
  };
  for (; hex.size() >= 2; hex.remove_prefix(2)) {
    if (nibble(hex[0]) == std::string::npos || nibble(hex[1]) == std::string::npos)
      return std::nullopt;
    bytes += static_cast<char>(nibble(hex[0]) * 16 + nibble(hex[1]));
  }
  return hex.empty() ? std::optional(bytes) : std::nullopt;
}

/// A literal of SQL as the value that SQLite reads there; what is none stays as it is and is
/// marked.
inline SourceValue literal_value(const std::string& text) {
  using Class = SourceValue::Class;
  const auto between = [&](std::string_view head,
                           std::string_view tail) -> std::optional<std::string> {
    if (text.size() < head.size() + tail.size() || !text.starts_with(head) || !text.ends_with(tail))
      return std::nullopt;
    return text.substr(head.size(), text.size() - head.size() - tail.size());
  };
  if (const auto number = as_integer(text)) return {.kind = Class::integer, .integer = *number};
  if (const auto number = as_real(text); number && text.find_first_of(".e") != std::string::npos)
    return {.kind = Class::real, .real = *number};
  if (const auto hex = between("CAST(x'", "' AS TEXT)"))
    if (const auto bytes = bytes_of_hex(*hex)) return {.kind = Class::text, .bytes = *bytes};
  if (const auto hex = between("x'", "'"))
    if (const auto bytes = bytes_of_hex(*hex)) return {.kind = Class::blob, .bytes = *bytes};
  if (const auto quoted_text = between("'", "'")) {
    std::string bytes;
    for (std::size_t i = 0; i < quoted_text->size(); ++i) {
      bytes += (*quoted_text)[i];
      if ((*quoted_text)[i] == '\'') ++i;
    }
    return {.kind = Class::text, .bytes = bytes};
  }
  return {.kind = Class::text, .bytes = "(no literal) " + text};
}

/// The value as itself: numbers by value, text and blobs by bytes, each class by itself.
inline void set_exact(Cell& cell, const SourceValue& value) {
  using Class = SourceValue::Class;
  static constexpr Cell::Class kClasses[] = {Cell::Class::null, Cell::Class::number,
                                             Cell::Class::number, Cell::Class::text,
                                             Cell::Class::blob};
  cell = Cell{};
  cell.kind = cell.order = kClasses[static_cast<std::size_t>(value.kind)];
  cell.real = value.kind == Class::real;
  cell.value = value.real;
  cell.text = value.kind == Class::integer ? std::to_string(value.integer) : value.bytes;
}

/// For keys: differs where the values do; -0.0 is 0.0.
inline std::string value_text(const SourceValue& value) {
  using Class = SourceValue::Class;
  std::string text = value.bytes;
  if (value.kind == Class::integer) text = std::to_string(value.integer);
  if (value.kind == Class::real)
    text = std::to_string(std::bit_cast<std::uint64_t>(value.real == 0 ? 0.0 : value.real));
  return std::string(1, "nirtb"[static_cast<std::size_t>(value.kind)]) +
         std::to_string(text.size()) + ":" + text + " ";
}

/// Microseconds since 1970 of a day or instant in ISO's forms; without an offset it is UTC.
inline std::optional<std::int64_t> as_microseconds(const std::string& text) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, length = 0;
  if (std::sscanf(text.c_str(), "%4d-%2d-%2d%n", &year, &month, &day, &length) != 3 || length != 10)
    return std::nullopt;
  std::int64_t second = 0, fraction = 0, offset = 0;
  std::size_t at = 10;
  if (text.size() > at) {
    int used = 0;
    if ((text[at] != ' ' && text[at] != 'T' && text[at] != 't') ||
        std::sscanf(text.c_str() + at + 1, "%2d:%2d%n", &hour, &minute, &used) != 2)
      return std::nullopt;
    at += 1 + static_cast<std::size_t>(used);
    const auto digits = [&](std::size_t most) {
      std::int64_t number = 0;
      std::size_t count = 0;
      for (; count < most; ++count, ++at) {
        const bool digit = at < text.size() && text[at] >= '0' && text[at] <= '9';
        if (!digit && most == 2) break;
        if (!digit && count < most) {
          for (std::size_t rest = count; rest < most; ++rest) number *= 10;
          return number;
        }
        number = number * 10 + (text[at] - '0');
      }
      return number;
    };
    if (at < text.size() && text[at] == ':') ++at, second = digits(2);
    if (at < text.size() && text[at] == '.') ++at, fraction = digits(6);
    while (at < text.size() && text[at] == '0') ++at;
    if (at < text.size() && text[at] == ' ') ++at;
    if (at < text.size() && (text[at] == 'Z' || text[at] == 'z')) ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) {
      const std::int64_t sign = text[at++] == '-' ? -1 : 1;
      offset = digits(2) * 3600;
      if (at < text.size() && text[at] == ':') ++at;
      offset = sign * (offset + digits(2) * 60);
    }
    if (at != text.size()) return std::nullopt;
  }
  // Days from civil: Howard Hinnant's formula.
  const std::int64_t y = year - (month <= 2 ? 1 : 0), era = (y >= 0 ? y : y - 399) / 400;
  const std::int64_t of_era = y - era * 400;
  const std::int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const std::int64_t days =
      era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
  return ((days * 24 + hour) * 60 + minute) * 60'000'000 + (second - offset) * 1'000'000 + fraction;
}

inline std::optional<bool> as_truth(const std::string& text) {
  static constexpr std::array<const char*, 12> kWords{"t", "true",  "y", "yes", "on",  "1",
                                                      "f", "false", "n", "no",  "off", "0"};
  for (std::size_t i = 0; i < kWords.size(); ++i)
    if (strcasecmp(text.c_str(), kWords[i]) == 0) return i < kWords.size() / 2;
  return std::nullopt;
}

inline void set_number(Cell& cell, std::int64_t number) {
  set_exact(cell, {.kind = SourceValue::Class::integer, .integer = number});
}

/// A number's text on the target: integers by their digits, reals by what they read back as.
inline void set_spelled(Cell& cell, const SourceValue& value) {
  set_exact(cell, value);
  cell.spelled_real = value.kind == SourceValue::Class::real;
  cell.real = false;
  cell.kind = cell.order = Cell::Class::text;
}

inline void convert_instant(const std::string& type, const SourceValue& value, Cell& cell) {
  using Class = SourceValue::Class;
  if (value.kind == Class::text) {
    if (const auto instant = as_microseconds(value.bytes)) return set_number(cell, *instant);
  } else if (type.starts_with("epoch-") && value.kind != Class::blob) {
    const std::int64_t unit = type == "epoch-s" ? 1'000'000 : type == "epoch-ms" ? 1'000 : 1;
    return set_number(cell, value.kind == Class::integer
                                ? value.integer * unit
                                : std::llroundl(static_cast<long double>(value.real) *
                                                static_cast<long double>(unit)));
  }
  set_exact(cell, value);
}

inline void convert_number(const std::string& type, const SourceValue& value, Cell& cell) {
  using Class = SourceValue::Class;
  set_exact(cell, value);
  std::optional<double> real;
  if (value.kind == Class::real) real = value.real;
  if (value.kind == Class::text) {
    if (const auto number = as_integer(value.bytes)) return set_number(cell, *number);
    real = as_real(value.bytes);
  }
  if (!real) return;
  const bool whole = std::trunc(*real) == *real && std::fabs(*real) < 9.2e18;
  if (type != "double precision" && whole)
    return set_number(cell, static_cast<std::int64_t>(*real));
  set_exact(cell, {.kind = Class::real, .real = *real});
}

/// What `value`, which is not NULL, has to be on the target. A value that its rule cannot convert
/// stays as it is, and is no value of the target's.
inline void convert(const std::string& type, const SourceValue& value, Cell& cell) {
  using Class = SourceValue::Class;
  set_exact(cell, value);
  if (type == "text" || type == "json") {
    if (value.kind == Class::integer || value.kind == Class::real) set_spelled(cell, value);
    if (value.kind == Class::blob && type == "text") cell.kind = cell.order = Cell::Class::text;
  } else if (type == "bytea") {
    if (value.kind == Class::text) cell.kind = cell.order = Cell::Class::blob;
  } else if (type == "boolean") {
    std::optional<bool> truth;
    if (value.kind == Class::text) truth = as_truth(value.bytes);
    if (value.kind == Class::integer && (value.integer == 0 || value.integer == 1))
      truth = value.integer == 1;
    if (value.kind == Class::real && (value.real == 0 || value.real == 1)) truth = value.real == 1;
    if (truth) set_number(cell, *truth ? 1 : 0);
  } else if (type == "date") {
    const auto instant = value.kind == Class::text ? as_microseconds(value.bytes) : std::nullopt;
    if (instant && *instant % 86'400'000'000 == 0) set_number(cell, *instant);
  } else if (type == "timestamp" || type == "timestamptz" || type.starts_with("epoch-")) {
    convert_instant(type, value, cell);
  } else if (type == "uuid") {
    if (value.kind == Class::blob) {
      cell.kind = cell.order = Cell::Class::text;
      cell.text.clear();
      for (const char c : value.bytes) {
        std::array<char, 3> hex{};
        std::snprintf(hex.data(), hex.size(), "%02x",
                      static_cast<unsigned>(static_cast<unsigned char>(c)));
        cell.text += hex.data();
      }
    }
    normalise(Kind::uuid, cell.text);
  } else if (type == "bigint" || type == "double precision" || type == "numeric") {
    convert_number(type, value, cell);
  }
}

/// How a column with a rule of this type is compared; nothing: by what it is on the target.
inline std::optional<Kind> kind_of_rule(const std::string& type) {
  if (type == "literal") return Kind::literal;
  if (type == "date" || type == "timestamp" || type == "timestamptz" || type.starts_with("epoch-"))
    return Kind::microseconds;
  if (type == "numeric") return Kind::decimal;
  return std::nullopt;
}

inline void apply_rule(const ColumnRule& rule, SourceValue value, bool in_key, Kind kind,
                       Cell& cell) {
  using Class = SourceValue::Class;
  if (rule.nul && value.kind == Class::text)
    for (std::size_t at = 0; (at = value.bytes.find('\0', at)) != std::string::npos;
         at += rule.nul->size())
      value.bytes.replace(at, 1, *rule.nul);
  if (rule.otherwise && value.kind == Class::null) value = *rule.otherwise;
  if (value.kind == Class::real && value.real == 0 && in_key) value.real = 0;  // one key with -0.0
  if (value.kind == Class::null)
    set_exact(cell, value);
  else
    convert(rule.type, value, cell);
  if (cell.kind == Cell::Class::text && rule.type.empty()) normalise(kind, cell.text);
}

}  // namespace compare
