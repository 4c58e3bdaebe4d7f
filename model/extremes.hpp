// The least and the greatest number of a column, and its longest text. Pure.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "model/value.hpp"

namespace lockstep {

struct Extremes {
  std::optional<std::int64_t> integer_min, integer_max;
  std::optional<double> real_min, real_max;  ///< infinities included
  std::uint64_t text_bytes_max = 0;

  void see(const ValueView& value) {
    switch (value.kind) {
      case ValueClass::integer:
        integer_min = std::min(integer_min.value_or(value.integer), value.integer);
        integer_max = std::max(integer_max.value_or(value.integer), value.integer);
        break;
      case ValueClass::real:
        real_min = std::min(real_min.value_or(value.real), value.real);
        real_max = std::max(real_max.value_or(value.real), value.real);
        break;
      case ValueClass::text:
        text_bytes_max = std::max<std::uint64_t>(text_bytes_max, value.bytes.size());
        break;
      case ValueClass::null:
      case ValueClass::blob:
        break;
    }
  }

  void add(const Extremes& other) {
    if (other.integer_min) {
      see({.kind = ValueClass::integer, .integer = *other.integer_min});
      see({.kind = ValueClass::integer, .integer = *other.integer_max});
    }
    if (other.real_min) {
      see({.kind = ValueClass::real, .real = *other.real_min});
      see({.kind = ValueClass::real, .real = *other.real_max});
    }
    text_bytes_max = std::max(text_bytes_max, other.text_bytes_max);
  }
};

}  // namespace lockstep
