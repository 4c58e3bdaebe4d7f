// One cell of either side, and when two of them are the same.
#pragma once

#include <algorithm>
#include <bit>
#include <charconv>
#include <compare>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace compare {

/// How a column is compared, by its type on the target.
enum class Kind : std::uint8_t {
  number,
  real,
  text,
  bytes,
  boolean,
  instant,
  uuid,
  milliseconds,
  microseconds,  ///< an instant or a day
  decimal,
  literal  ///< of SQL, as text
};

inline std::string identifier(std::string_view name) {
  std::string sql = "\"";
  for (const char c : name) sql.append(c == '"' ? 2 : 1, c);
  return sql + '"';
}

struct Column {
  std::string name;
  Kind kind = Kind::text;
  std::string sql{};  ///< how the source spells it, if not by its name
  bool text_affinity = false;
  bool real_affinity = false;  ///< it holds no integer
  bool reals = false;          ///< numeric on the target, and real_affinity
  int key = 0;                 ///< place in the primary key from 1; 0: not in it
  std::string target{};        ///< its name there, if that is another one

  [[nodiscard]] const std::string& target_name() const { return target.empty() ? name : target; }
  [[nodiscard]] std::string source_sql() const { return sql.empty() ? identifier(name) : sql; }
};

/// One cell of either side. `text` is what PostgreSQL would show, or the bytes themselves.
struct Cell {
  enum class Class : std::uint8_t { null, number, text, blob };
  Class kind = Class::null;
  Class order =
      Class::null;    ///< for sorting: a number in a text column sorts as text on both sides
  bool real = false;  ///< a number that is in `value`
  bool spelled_real = false;  ///< a text from which `value` reads back
  double value = 0;
  std::string text;  ///< of a real: its digits if the target's type is numeric, else nothing
};

using Row = std::vector<Cell>;

inline std::optional<std::int64_t> as_integer(std::string_view text) {
  std::int64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

/// One spelling for what a date type or uuid of the target takes for the same: a blank between day
/// and time, seconds, no empty digits of a fraction, UTC not written; small hex digits, no dashes.
inline void normalise(Kind kind, std::string& text) {
  if (kind == Kind::uuid) {
    std::erase(text, '-');
    for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'F' ? c + 32 : c);
  }
  if (kind != Kind::instant || text.size() < 16) return;
  if (text[10] == 'T') text[10] = ' ';
  if (text.ends_with('Z'))
    text.pop_back();
  else if (const auto zone = text.find('+');
           zone != std::string::npos && text.find_first_not_of("0:", zone + 1) == text.npos)
    text.erase(text[zone - 1] == ' ' ? zone - 1 : zone);
  if (text.size() == 16) text += ":00";
  const auto point = text.find('.');
  if (point == std::string::npos) return;
  text.erase(std::max(text.find_last_not_of('0') + 1, point));
  if (text.ends_with('.')) text.pop_back();
}

inline std::strong_ordering order_of_numbers(const Cell& a, const Cell& b) {
  if (!a.real && !b.real)
    if (const auto x = as_integer(a.text), y = as_integer(b.text); x && y) return *x <=> *y;
  const auto wide = [](const Cell& cell) {  // 64 bits of mantissa hold every int64
    return cell.real ? static_cast<long double>(cell.value)
                     : std::strtold(cell.text.c_str(), nullptr);
  };
  const long double x = wide(a);
  const long double y = wide(b);
  if (x != x || y != y) return (x != x) <=> (y != y);  // NaN is PostgreSQL's largest
  if (x < y) return std::strong_ordering::less;
  return x > y ? std::strong_ordering::greater : std::strong_ordering::equal;
}

/// The order in which both sides send their keys: NULL, numbers, text, blobs.
inline std::strong_ordering order_of(const Cell& a, const Cell& b) {
  if (a.order != b.order) return a.order <=> b.order;
  if (a.order == Cell::Class::null) return std::strong_ordering::equal;
  if (a.order == Cell::Class::number) return order_of_numbers(a, b);
  return a.text.compare(b.text) <=> 0;
}

inline std::strong_ordering order_of(const Row& a, const Row& b,
                                     const std::vector<std::size_t>& key) {
  for (const std::size_t column : key)
    if (const auto order = order_of(a[column], b[column]); order != 0) return order;
  return std::strong_ordering::equal;
}

/// Integers and text by text, blobs by bytes, reals by bits. A real column may hold an integer that
/// fits it exactly; what is whole and within 64 bits in a numeric one is an integer.
inline bool same(const Cell& source, const Cell& target) {
  if (source.kind != target.kind) return false;
  if (source.spelled_real)
    return target.text.find_first_of(".eEI") != std::string::npos &&
           std::bit_cast<std::uint64_t>(std::strtod(target.text.c_str(), nullptr)) ==
               std::bit_cast<std::uint64_t>(source.value);
  if (source.kind != Cell::Class::number) return source.text == target.text;
  if (!source.real && target.real && target.text.empty())
    return order_of_numbers(source, target) == 0;
  if (!source.real) return source.text == target.text;
  return target.real &&
         std::bit_cast<std::uint64_t>(source.value) == std::bit_cast<std::uint64_t>(target.value);
}

inline std::string shown(const Cell& cell) {
  if (cell.kind == Cell::Class::null) return "NULL";
  char number[64];
  if (cell.real) {
    std::snprintf(number, sizeof number, "%.17g", cell.value);
    return number;
  }
  if (cell.kind == Cell::Class::number) return cell.text;
  const bool blob = cell.kind == Cell::Class::blob;
  std::string result = blob ? "x'" : "'";
  for (const char c : cell.text.substr(0, 40)) {
    const auto byte = static_cast<unsigned char>(c);
    std::snprintf(number, sizeof number, blob ? "%02x" : "\\x%02x", static_cast<unsigned>(byte));
    if (blob || byte < 32)
      result += number;
    else
      result += c;
  }
  return result + (cell.text.size() > 40 ? "...'" : "'");
}

}  // namespace compare
