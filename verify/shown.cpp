// Values that differ, for people.
#include <fmt/format.h>

#include <algorithm>

#include "model/error.hpp"
#include "verify/values.hpp"

namespace lockstep::verify {

namespace {

bool is_long(const Value& value) {
  constexpr std::size_t kShownWhole = 30;
  return (value.kind == ValueClass::text || value.kind == ValueClass::blob) &&
         value.bytes.size() > kShownWhole;
}

// Counted from 1.
std::size_t first_difference(const std::string& a, const std::string& b) {
  const std::size_t shorter = std::min(a.size(), b.size());
  std::size_t same = 0;
  while (same < shorter && a[same] == b[same]) ++same;
  return same + 1;
}

}  // namespace

WrongConstants read_target_fields(std::vector<Value>& row,
                                  const std::vector<std::optional<std::string_view>>& fields,
                                  const TablePlan& plan) {
  check(fields.size() == row.size() + plan.rules.added.size(),
        "the server sends the columns that were asked for");
  for (std::size_t i = 0; i < row.size(); ++i) read_target(row[i], fields[i], plan, i);
  return {fields.begin() + static_cast<std::ptrdiff_t>(row.size()), fields.end()};
}

std::uint64_t target_hash(const std::vector<Value>& row, const WrongConstants& wrong,
                          std::string& scratch) {
  std::uint64_t hash = row_hash(row, scratch);
  for (const auto& each : wrong) {
    if (!each) continue;
    Value text;
    text.kind = ValueClass::text;
    text.bytes = *each;
    hash = (hash ^ value_hash(text)) + 1;
  }
  return hash;
}

std::string both_values(const TablePlan& plan, std::size_t column, const Value& sqlite,
                        const Value& postgres, const SideNames& names) {
  std::string text = fmt::format("{} is {} on {} and {} on {}", plan.shape.columns[column].name,
                                 shown_value(plan, column, sqlite.view()), names.sqlite,
                                 shown_value(plan, column, postgres.view()), names.postgres);
  if (!plan.is_personal(column) && sqlite.kind == postgres.kind && is_long(sqlite) &&
      is_long(postgres))
    text += fmt::format(" ({} and {} bytes, first difference at byte {})", sqlite.bytes.size(),
                        postgres.bytes.size(), first_difference(sqlite.bytes, postgres.bytes));
  return text;
}

std::vector<std::string> wrong_constants(const TablePlan& plan, const WrongConstants& wrong) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < wrong.size(); ++i)
    if (wrong[i])
      texts.push_back(fmt::format(
          "{} is {} on PostgreSQL, and {} by its rule (no repair: UPDATE it)",
          plan.rules.added[i].name, *wrong[i], describe(plan.rules.added[i].value.view())));
  return texts;
}

}  // namespace lockstep::verify
