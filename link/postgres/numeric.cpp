#include "link/postgres/numeric.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>

#include "link/postgres/units.hpp"
#include "model/big_endian.hpp"
#include "model/error.hpp"

namespace lockstep::postgres {

namespace {

// A numeric is digits:u16 weight:i16 sign:u16 scale:u16, then the digits to base 10,000. The first
// digit counts 10,000^weight; scale is the number of decimals that are shown.
constexpr std::size_t kHeadBytes = 8;
constexpr int kBaseDigits = 4;
constexpr unsigned kBase = 10'000;
constexpr unsigned kPositive = 0x0000, kNegative = 0x4000;
constexpr unsigned kNaN = 0xc000, kInfinity = 0xd000, kMinusInfinity = 0xf000;

/// Decimal digits without zeros at either end, none for 0. The first counts 10^exponent.
struct Decimal {
  char digits[20] = {};
  std::size_t size = 0;
  int exponent = 0;
  bool negative = false;
};

Decimal decimal_of(std::int64_t number) {
  char text[24] = {};
  const char* const end = std::to_chars(text, text + sizeof text, number).ptr;
  Decimal decimal;
  decimal.negative = number < 0;
  for (const char* at = text + (number < 0 ? 1 : 0); at != end; ++at)
    decimal.digits[decimal.size++] = *at;
  decimal.exponent = static_cast<int>(decimal.size) - 1;
  while (decimal.size > 0 && decimal.digits[decimal.size - 1] == '0') --decimal.size;
  return decimal;
}

// The shortest that reads back as the same bits; such a one ends in no zero.
Decimal decimal_of(double number) {
  char text[32];
  const char* const end =
      std::to_chars(text, text + sizeof text, number, std::chars_format::scientific).ptr;
  const char* const e = std::find<const char*>(text, end, 'e');
  Decimal decimal;
  decimal.negative = number < 0;
  for (const char* at = text; at != e; ++at)
    if (*at >= '0' && *at <= '9') decimal.digits[decimal.size++] = *at;
  std::from_chars(e + (e[1] == '+' ? 2 : 1), end, decimal.exponent);
  return decimal;
}

void append_u16(std::string& out, unsigned number) {
  append_big_endian(out, static_cast<std::uint16_t>(number));
}

void append_head(std::string& out, std::size_t digits, int weight, unsigned sign, int scale) {
  append_u16(out, static_cast<unsigned>(digits));
  append_u16(out, static_cast<unsigned>(weight) & 0xffff);
  append_u16(out, sign);
  append_u16(out, static_cast<unsigned>(scale));
}

void append_decimal(std::string& out, const Decimal& decimal) {
  if (decimal.size == 0) {
    append_head(out, 0, 0, kPositive, 0);
    return;
  }
  const int exponent = decimal.exponent, size = static_cast<int>(decimal.size);
  const int weight = exponent >= 0 ? exponent / kBaseDigits : -((3 - exponent) / kBaseDigits);
  const int zeros = weight * kBaseDigits + 3 - exponent;  // before the first digit in its group
  const int groups = (zeros + size + 3) / kBaseDigits;
  append_head(out, static_cast<std::size_t>(groups), weight,
              decimal.negative ? kNegative : kPositive, std::max(0, size - 1 - exponent));
  for (int place = -zeros; place < groups * kBaseDigits - zeros; place += kBaseDigits) {
    unsigned group = 0;
    for (int i = place; i < place + kBaseDigits; ++i)
      group =
          group * 10 + (i >= 0 && i < size ? static_cast<unsigned>(decimal.digits[i] - '0') : 0U);
    append_u16(out, group);
  }
}

unsigned u16_at(std::string_view bytes, std::size_t at) {
  return load_big_endian<std::uint16_t>(bytes.data() + at);
}

Value number_value(std::int64_t integer) {
  return Value({.kind = ValueClass::integer, .integer = integer});
}
Value number_value(double real) {
  return Value({.kind = ValueClass::real, .real = real});
}
Value as_text(std::string_view text) {
  return Value({.kind = ValueClass::text, .bytes = text});
}

/// A finite numeric in full, without zeros in front and behind: -12.3, 0.05, 700, 0.
std::optional<std::string> plain_text(std::string_view bytes) {
  const auto weight = static_cast<std::int16_t>(u16_at(bytes, 2));
  std::string whole,
      fraction(weight < -1 ? static_cast<std::size_t>(-1 - weight) * kBaseDigits : 0, '0');
  const auto groups = static_cast<int>((bytes.size() - kHeadBytes) / 2);
  for (int i = 0; i < std::max(groups, weight + 1); ++i) {
    const unsigned group =
        i < groups ? u16_at(bytes, kHeadBytes + 2 * static_cast<std::size_t>(i)) : 0;
    if (group >= kBase) return std::nullopt;
    const std::string four = std::to_string(kBase + group).substr(1);
    (i <= weight ? whole : fraction) += four;
  }
  whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size()));
  fraction.erase(fraction.find_last_not_of('0') + 1);
  if (whole.empty() && fraction.empty()) return "0";
  std::string text = u16_at(bytes, 4) == kNegative ? "-" : "";
  text += whole.empty() ? "0" : whole;
  return fraction.empty() ? text : text + "." + fraction;
}

template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number number{};
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

/// True if `text`, from plain_text(), is the decimal that `real` is written as.
bool is_written_as(std::string_view text, double real) {
  std::string written;
  append_decimal(written, decimal_of(real));
  return plain_text(written) == text;
}

}  // namespace

bool fits_numeric(const ValueView& value) {
  if (value.kind == ValueClass::integer) return true;
  if (value.kind != ValueClass::real || std::isnan(value.real)) return false;
  return std::abs(value.real) >= kTwoTo63 || value.real != std::trunc(value.real);
}

// Asked for each value: what most columns are not comes first.
bool is_numeric_of_reals(const TablePlan& plan, std::size_t column) {
  if (!plan.existing || plan.types[column] != ColumnType::numeric) return false;
  const auto& rules = plan.rules.columns;
  const bool cast = column < rules.size() && rules[column].cast != Cast::none;
  return !cast && plan.shape.columns[column].affinity == Affinity::real;
}

bool fits_numeric_of_reals(const ValueView& value) {
  if (fits_numeric(value)) return true;
  return value.kind == ValueClass::real && !std::isnan(value.real) &&
         (value.real != 0 || !std::signbit(value.real));
}

void append_numeric(std::string& out, const ValueView& value) {
  check(fits_numeric_of_reals(value), "a number is encoded only if it comes back");
  if (value.kind == ValueClass::integer)
    append_decimal(out, decimal_of(value.integer));
  else if (!fits_numeric(value))
    append_decimal(out, decimal_of(static_cast<std::int64_t>(value.real)));
  else if (std::isinf(value.real))
    append_head(out, 0, 0, value.real > 0 ? kInfinity : kMinusInfinity, 0);
  else
    append_decimal(out, decimal_of(value.real));
}

Value decode_numeric(std::string_view bytes) {
  const Value malformed({.kind = ValueClass::blob, .bytes = bytes});
  if (bytes.size() < kHeadBytes || bytes.size() != kHeadBytes + 2 * u16_at(bytes, 0))
    return malformed;
  const double endless = std::numeric_limits<double>::infinity();
  const unsigned sign = u16_at(bytes, 4);
  if (sign == kNaN) return as_text("NaN");
  if (sign == kInfinity) return number_value(endless);
  if (sign == kMinusInfinity) return number_value(-endless);
  const auto text = plain_text(bytes);
  if (!text || (sign != kPositive && sign != kNegative)) return malformed;
  if (const auto integer = number_of<std::int64_t>(*text)) return number_value(*integer);
  const auto real = number_of<double>(*text);
  return real && is_written_as(*text, *real) ? number_value(*real) : as_text(*text);
}

void make_real(Value& value) {
  if (value.kind != ValueClass::integer) return;
  const auto real = static_cast<double>(value.integer);
  if (real < kTwoTo63 && static_cast<std::int64_t>(real) == value.integer)
    value = number_value(real);
}

}  // namespace lockstep::postgres
