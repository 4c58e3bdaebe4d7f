// Values of every kind, and how a message was refused: for tests of what the wire carries.
#pragma once

#include <algorithm>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "model/error.hpp"
#include "model/value.hpp"

namespace lockstep::wire {

using std::string_literals::operator""s;

inline Value null() {
  return Value(ValueView{});
}
inline Value integer(std::int64_t value) {
  return Value({ValueClass::integer, value, 0, {}});
}
inline Value real(double value) {
  return Value({ValueClass::real, 0, value, {}});
}
inline Value text(std::string_view bytes) {
  return Value({ValueClass::text, 0, 0, bytes});
}
inline Value blob(std::string_view bytes) {
  return Value({ValueClass::blob, 0, 0, bytes});
}

inline bool same_key(const std::vector<Value>& a, const std::vector<Value>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Value& x, const Value& y) { return same_value(x.view(), y.view()); });
}

inline std::vector<Value> every_kind_of_value() {
  using Int = std::numeric_limits<std::int64_t>;
  using Real = std::numeric_limits<double>;
  return {null(),
          integer(0),
          integer(-1),
          integer(Int::min()),
          integer(Int::max()),
          real(0.0),
          real(-0.0),
          real(0.1),
          real(Real::infinity()),
          real(-Real::infinity()),
          real(Real::denorm_min()),
          real(Real::quiet_NaN()),
          text(""),
          text("plain"),
          text("quotes \" ' \\ and \n newline"),
          text("gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\x98"),
          text("NUL\0inside"s),
          text("not \xff UTF-8 \xc3"),
          text("\xed\xa0\x80 surrogate"),
          text("\xc0\xaf overlong"),
          text("{\"hex\":\"00\"}"),
          blob(""),
          blob("\0\x01\xfe\xff"s),
          blob("text in a blob")};
}

/// LS-W504 and its text, or nothing.
inline std::string refusal_of(const std::function<void()>& action) {
  try {
    action();
    return {};
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace lockstep::wire
