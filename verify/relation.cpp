#include "verify/relation.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdlib>

namespace lockstep::verify {

namespace {

constexpr std::string_view kWithin = "within ";

long double number_of(std::string_view text) {
  return std::strtold(std::string(text).c_str(), nullptr);
}

/// Digits without zeros at either end, and the power of ten behind them; nothing if it is not
/// finite.
struct Decimal {
  bool negative = false;
  std::string digits;
  long exponent = 0;
  bool operator==(const Decimal&) const = default;
};

std::optional<Decimal> decimal_of(std::string_view text) {
  Decimal decimal;
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
    decimal.negative = text.front() == '-';
    text.remove_prefix(1);
  }
  bool point = false;
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    if (text[at] == '.' && !point) {
      point = true;
    } else if (text[at] >= '0' && text[at] <= '9') {
      decimal.digits += text[at];
      if (point) --decimal.exponent;
    } else {
      break;
    }
  }
  if (decimal.digits.empty()) return std::nullopt;
  if (at < text.size()) {
    if (text[at] != 'e' && text[at] != 'E') return std::nullopt;
    ++at;
    if (at < text.size() && text[at] == '+') ++at;
    long power = 0;
    const auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), power);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    decimal.exponent += power;
  }
  decimal.digits.erase(0, decimal.digits.find_first_not_of('0'));
  while (!decimal.digits.empty() && decimal.digits.back() == '0') {
    decimal.digits.pop_back();
    ++decimal.exponent;
  }
  if (decimal.digits.empty()) return Decimal();
  return decimal;
}

bool same_cell(const Cell& a, const Cell& b) {
  if (a.kind != b.kind) return false;
  return a.kind == Cell::Kind::number ? same_number(a.text, b.text) : a.text == b.text;
}

bool at_most(const Cell& source, const Cell& target) {
  if (source.kind != target.kind || source.kind == Cell::Kind::null) return false;
  if (source.kind != Cell::Kind::number) return source.text <= target.text;
  return same_number(source.text, target.text) || number_of(source.text) <= number_of(target.text);
}

bool is_within(double percent, const Cell& source, const Cell& target) {
  if (source.kind != Cell::Kind::number || target.kind != Cell::Kind::number)
    return same_cell(source, target);
  if (same_number(source.text, target.text)) return true;
  const long double a = number_of(source.text), b = number_of(target.text);
  return std::fabs(a - b) * 100 <= static_cast<long double>(percent) * std::fabs(a);
}

bool holds(const Relation& relation, const Cell& source, const Cell& target) {
  switch (relation.kind) {
    case Relation::Kind::equal:
      return same_cell(source, target);
    case Relation::Kind::at_most:
      return at_most(source, target);
    case Relation::Kind::within:
      return is_within(relation.percent, source, target);
    case Relation::Kind::no_rows:
      return false;
  }
  return false;
}

std::string rows_text(std::size_t rows) {
  return fmt::format("{} row{}", rows, rows == 1 ? "" : "s");
}

}  // namespace

std::optional<Relation> parse_relation(std::string_view text) {
  if (text == "equal") return Relation{};
  if (text == "<=") return Relation{Relation::Kind::at_most, 0};
  if (text == "no-rows") return Relation{Relation::Kind::no_rows, 0};
  if (!text.starts_with(kWithin) || !text.ends_with('%')) return std::nullopt;
  text.remove_prefix(kWithin.size());
  text.remove_suffix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  double percent = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), percent);
  if (error != std::errc{} || end != text.data() + text.size() || !(percent >= 0) ||
      !std::isfinite(percent))
    return std::nullopt;
  return Relation{Relation::Kind::within, percent};
}

std::string to_string(const Relation& relation) {
  switch (relation.kind) {
    case Relation::Kind::equal:
      return "equal";
    case Relation::Kind::at_most:
      return "<=";
    case Relation::Kind::within:
      return fmt::format("within {}%", relation.percent);
    case Relation::Kind::no_rows:
      return "no-rows";
  }
  return "?";
}

bool same_number(std::string_view a, std::string_view b) {
  const auto left = decimal_of(a), right = decimal_of(b);
  return left && right ? *left == *right : a == b;
}

std::string broken(const Relation& relation, const Answer& source, const Answer& target) {
  if (relation.kind == Relation::Kind::no_rows)
    return source.rows.empty() && target.rows.empty()
               ? std::string()
               : fmt::format("no row is expected; the source has {}, the target {}",
                             rows_text(source.rows.size()), rows_text(target.rows.size()));
  if (source.rows.size() != target.rows.size())
    return fmt::format("the source answers {}, the target {}", rows_text(source.rows.size()),
                       rows_text(target.rows.size()));
  for (std::size_t row = 0; row < source.rows.size(); ++row) {
    const auto& left = source.rows[row];
    const auto& right = target.rows[row];
    if (left.size() != right.size())
      return fmt::format("the source answers {} columns, the target {}", left.size(), right.size());
    for (std::size_t i = 0; i < left.size(); ++i)
      if (!holds(relation, left[i], right[i]))
        return fmt::format("row {}, column {}: not {}", row + 1, i + 1, to_string(relation));
  }
  return {};
}

}  // namespace lockstep::verify
