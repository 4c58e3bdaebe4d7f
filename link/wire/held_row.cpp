#include "link/wire/held_row.hpp"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "link/wire/control.hpp"
#include "model/entry_key.hpp"
#include "model/error.hpp"

namespace lockstep::wire {

namespace {

ValueView value_at(const EntryView& entry, std::size_t column) {
  ValueCursor cursor(entry.values);
  for (std::size_t i = 0; i < column; ++i) static_cast<void>(cursor.next());
  const auto value = cursor.next();
  check(value.has_value(), "an entry that was checked is whole");
  return *value;
}

}  // namespace

HeldRow held_row(const TablePlan& plan, const EntryView& entry, std::size_t column,
                 std::string reason) {
  ValueView value = value_at(entry, column);
  HeldRow row{.table = plan.id,
              .table_name = plan.name(),
              .key = encode_key_of(plan, entry),
              .column = plan.shape.columns[column].name,
              .code = "LS-D401",
              .reason = std::move(reason)};
  const bool long_kind = value.kind == ValueClass::text || value.kind == ValueClass::blob;
  row.bytes = long_kind ? value.bytes.size() : sizeof value.integer;
  if (long_kind && value.bytes.size() > kHeldValueBytesMax) {
    value.bytes = value.bytes.substr(0, kHeldValueBytesMax);
    row.reason += fmt::format("; of its {} bytes the first {} are kept here, the source has all",
                              row.bytes, kHeldValueBytesMax);
  }
  row.value = encode_value(Value(value));
  return row;
}

std::string encode_key_of(const TablePlan& plan, const EntryView& entry) {
  std::vector<Value> key;
  for (const ValueView& value : key_of(plan, entry)) key.emplace_back(value);
  return encode_key(key);
}

}  // namespace lockstep::wire
