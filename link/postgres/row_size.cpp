#include "link/postgres/row_size.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "model/error.hpp"

namespace lockstep::postgres {

namespace {

[[noreturn]] void throw_too_large(const TablePlan& plan, const std::string& key,
                                  const std::string& why) {
  throw Error(
      {.code = "LS-D413",
       .exit = ExitCode::stopped,
       .what = fmt::format("a row of {} is too large for PostgreSQL: {}", plan.name(), key),
       .why = why,
       .data = "applied up to the batch before it; nothing is lost and nothing was cut",
       .todo = "make it smaller in the application and run lockstep again: it goes on from there; "
               "or start over with --exclude for this table"});
}

}  // namespace

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

void check_size(const TablePlan& plan, const EntryView& entry) {
  const std::size_t count = plan.types.size();
  // Small rows of few columns, nearly all there are, fit.
  if (!entry.present || (entry.values.size() < kIndexedBytesMax / 2 && count <= kAlwaysFits))
    return;
  RowSize row(count);
  std::uint64_t key_bytes = 0;
  std::string key;
  ValueCursor values(entry.values);
  for (std::size_t i = 0; i < count; ++i) {
    const auto value = values.next();
    if (!value) return;
    row.add(*value, plan.types[i] == ColumnType::numeric);
    if (!plan.is_key(i)) continue;
    key_bytes += value->bytes.size() + 8;
    key += fmt::format("{}{}={}", key.empty() ? "" : ", ", plan.shape.columns[i].name,
                       describe(*value));
  }
  if (count > kAlwaysFits && row.bytes() > kRowBytesMax)
    throw_too_large(plan, key,
                    fmt::format("it has too many columns that are not NULL: up to {} bytes on a "
                                "page, which has {} for it",
                                row.bytes(), kRowBytesMax));
  if (key_bytes > kIndexedBytesMax)
    throw_too_large(plan, key,
                    fmt::format("its key has {} bytes; PostgreSQL indexes at most about "
                                "{}",
                                key_bytes, kIndexedBytesMax));
}

}  // namespace lockstep::postgres
