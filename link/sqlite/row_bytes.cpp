#include "link/sqlite/row_bytes.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "model/error.hpp"
#include "model/row_stream.hpp"

namespace lockstep::sqlite {

namespace {

[[noreturn]] void throw_too_large_value(const TablePlan& plan, const Statement& row, int column,
                                        std::size_t bytes) {
  const TableShape& shape = plan.shape;
  std::vector<std::string> key;
  for (const std::size_t part : shape.key)
    key.push_back(fmt::format("{}={}", shape.columns[part].name,
                              plan.is_personal(part)
                                  ? "(marked as personal data)"
                                  : describe(row.value(static_cast<int>(part)))));
  throw Error(
      {.code = "LS-D413",
       .exit = ExitCode::stopped,
       .what = fmt::format("{}.{} has a value of {} bytes, too large to be carried: {}", shape.name,
                           shape.columns[static_cast<std::size_t>(column)].name, bytes,
                           fmt::join(key, ", ")),
       .why = fmt::format("the limit is {} bytes: memory has to stay bounded", kValueBytesMax),
       .data = "applied up to the batch before it; nothing is lost and nothing was cut",
       .todo = "make it smaller in the application and run lockstep again: it goes on from there; "
               "or start over with --exclude for this table"});
}

}  // namespace

void make_room(std::string& out, const TablePlan& plan, const Statement& row, int column,
               std::size_t value_bytes) {
  constexpr std::size_t kLarge = 256u << 10;
  constexpr std::size_t kPerValue = 16;  // what a value takes beside its bytes
  if (value_bytes > kValueBytesMax) throw_too_large_value(plan, row, column, value_bytes);
  if (value_bytes < kLarge || out.capacity() - out.size() > value_bytes + kLarge) return;
  std::size_t bytes = value_bytes + kPerValue;
  for (int behind = column + 1; behind < row.columns(); ++behind)
    bytes += row.value(behind).bytes.size() + kPerValue;
  out.reserve(out.size() + bytes);
}

}  // namespace lockstep::sqlite
