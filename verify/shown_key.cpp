#include "verify/shown_key.hpp"

#include <cmath>
#include <utility>

#include "link/postgres/entry_check.hpp"
#include "model/spelling.hpp"
#include "verify/values.hpp"

namespace lockstep::verify {

namespace {

constexpr char kMark = '\0';  // no text of PostgreSQL's has it

bool is_marked(const Value& value) {
  return value.kind == ValueClass::text && value.bytes.starts_with(kMark);
}

// The digits of a text into the places of a spelling's name; zeros where there are not enough.
std::string filled_in(std::string name, std::string_view text) {
  constexpr std::string_view kPlaces = "xXYMDHSf", kDigits = "0123456789abcdef";
  std::size_t at = 0;
  for (char& c : name) {
    if (kPlaces.find(c) == std::string_view::npos) continue;
    while (at < text.size() && kDigits.find(text[at]) == std::string_view::npos) ++at;
    const char digit = at < text.size() ? text[at++] : '0';
    c = c == 'X' && digit >= 'a' ? static_cast<char>(digit - 'a' + 'A') : digit;
  }
  return name;
}

}  // namespace

void mark(Value& value) {
  value.bytes.insert(value.bytes.begin(), kMark);
}

Key carried_key(const TablePlan& plan, Key key) {
  for (std::size_t i = 0; i < key.size() && i < plan.shape.key.size(); ++i)
    respell(key[i], plan, plan.shape.key[i]);
  return key;
}

bool target_may_have(const TablePlan& plan, const Key& shown) {
  for (std::size_t i = 0; i < shown.size(); ++i) {
    const std::size_t column = plan.shape.key[i];
    const Value& value = shown[i];
    if (value.kind == ValueClass::null) return false;
    // What is respelled is no longer as the column admits it.
    const bool fits = is_respelled(plan, column)
                          ? value.kind == ValueClass::text && !is_marked(value) &&
                                !value.bytes.starts_with(kNoDate)
                          : postgres::value_fits(plan, column, value.view());
    if (!fits) return false;
  }
  return true;
}

Value unmarked(const TablePlan& plan, std::size_t column, Value shown) {
  if (is_marked(shown) && is_respelled(plan, column)) shown.bytes.erase(0, 1);
  return shown;
}

std::optional<Value> spelled_for_source(const TablePlan& plan, std::size_t column,
                                        const Value& shown) {
  const ColumnType type = plan.types[column];
  const ColumnSpelling spelling = plan.spelling(column);
  if (is_marked(shown) && is_respelled(plan, column)) return unmarked(plan, column, shown);
  if (shown.kind != ValueClass::text || admits(spelling, type, shown.bytes)) return shown;
  for (unsigned each = 0; each < spellings_of(type); ++each) {
    if ((spelling.found >> each & 1) == 0) continue;
    Value found = shown;
    found.bytes = filled_in(spelling_name(type, each), shown.bytes);
    Value back = found;
    respell(back, plan, column);
    if (back.bytes == shown.bytes && admits(spelling, type, found.bytes)) return found;
  }
  return std::nullopt;
}

Key with_one_zero(Key key) {
  for (Value& value : key)
    if (value.kind == ValueClass::real && std::abs(value.real) <= 0) value.real = 0;
  return key;
}

std::string held_key_bytes(const Key& key) {
  return key_bytes(with_one_zero(key));
}

}  // namespace lockstep::verify
