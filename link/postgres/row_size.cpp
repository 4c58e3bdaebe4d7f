#include "link/postgres/row_size.hpp"

#include <algorithm>

namespace lockstep::postgres {

void RowSize::add(const ValueView& value, bool numeric) {
  constexpr std::uint64_t kInlineMax = 24;  // smaller ones TOAST leaves in place
  constexpr std::uint64_t kNumericMax = 15;
  switch (value.kind) {
    case ValueClass::null:
      return;
    case ValueClass::integer:
    case ValueClass::real:
      bytes_ = numeric ? bytes_ + kNumericMax : (bytes_ + 7) / 8 * 8 + 8;
      return;
    case ValueClass::text:
    case ValueClass::blob:
      bytes_ += std::min<std::uint64_t>(value.bytes.size() + 1, kInlineMax);
  }
}

}  // namespace lockstep::postgres
