#include "link/sqlite/row_bytes.hpp"

namespace lockstep::sqlite {

void make_room(std::string& out, const Statement& row, int column, std::size_t value_bytes) {
  constexpr std::size_t kLarge = 256u << 10;
  constexpr std::size_t kPerValue = 16;  // what a value takes beside its bytes
  if (value_bytes < kLarge || out.capacity() - out.size() > value_bytes + kLarge) return;
  std::size_t bytes = value_bytes + kPerValue;
  for (int behind = column + 1; behind < row.columns(); ++behind)
    bytes += row.value(behind).bytes.size() + kPerValue;
  out.reserve(out.size() + bytes);
}

}  // namespace lockstep::sqlite
