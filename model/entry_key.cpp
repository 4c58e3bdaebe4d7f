#include "model/entry_key.hpp"

#include <cmath>

namespace lockstep {

std::vector<ValueView> key_of(const TablePlan& plan, const EntryView& entry) {
  std::vector<ValueView> values;
  ValueCursor cursor(entry.values);
  while (const auto value = cursor.next()) values.push_back(*value);
  std::vector<ValueView> key;
  for (std::size_t i = 0; i < plan.shape.key.size(); ++i) {
    const std::size_t at = entry.present ? plan.shape.key[i] : i;
    if (at >= values.size()) break;
    ValueView value = values[at];
    if (value.kind == ValueClass::real && std::abs(value.real) <= 0) value.real = 0;
    key.push_back(value);
  }
  return key;
}

}  // namespace lockstep
