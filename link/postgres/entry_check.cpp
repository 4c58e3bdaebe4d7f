#include "link/postgres/entry_check.hpp"

#include <fmt/format.h>

#include "link/postgres/encode.hpp"
#include "link/postgres/row_size.hpp"
#include "model/error.hpp"
#include "model/spelling.hpp"

namespace lockstep::postgres {

namespace {

constexpr char kSafe[] =
    "applied up to the batch before it; nothing is lost and nothing was converted";

Misfit misfit_in(const TablePlan& plan, std::size_t column, const ValueView& value) {
  const ColumnType type = plan.types[column];
  const Misfit misfit = misfit_of(value, type);
  if (misfit != Misfit::none || value.kind != ValueClass::text) return misfit;
  return admits(plan.spelling(column), type, value.bytes) ? Misfit::none : Misfit::other_spelling;
}

std::string described_key(const TablePlan& plan, const EntryView& entry) {
  std::string text;
  ValueCursor values(entry.values);
  const std::size_t count = entry.present ? plan.types.size() : plan.shape.key.size();
  for (std::size_t i = 0; i < count; ++i) {
    const auto value = values.next();
    if (!value) break;
    const std::size_t column = entry.present ? i : plan.shape.key[i];
    if (!plan.is_key(column)) continue;
    if (!text.empty()) text += ", ";
    text += fmt::format("{}={}", plan.shape.columns[column].name, describe(*value));
  }
  return text;
}

[[noreturn]] void throw_misfit(const TablePlan& plan, const EntryView& entry, std::size_t column,
                               const ValueView& value, Misfit misfit) {
  const std::string why = misfit == Misfit::wrong_class
                              ? fmt::format("it is {}, the column was decided to be {}",
                                            to_string(value.kind), to_string(plan.types[column]))
                              : std::string(to_string(misfit));
  throw Error(
      {.code = "LS-D401",
       .exit = ExitCode::stopped,
       .what =
           fmt::format("a value of {}.{} cannot be stored in PostgreSQL as it is: row {}, value {}",
                       plan.name(), plan.shape.columns[column].name, described_key(plan, entry),
                       describe(value)),
       .why = why,
       .data = kSafe,
       .todo =
           "change the value in the application and run lockstep again: it goes on from there; or "
           "start over with --exclude for this table"});
}

[[noreturn]] void throw_too_large(const TablePlan& plan, const EntryView& entry,
                                  const std::string& why) {
  throw Error({.code = "LS-D413",
               .exit = ExitCode::stopped,
               .what = fmt::format("a row of {} is too large for PostgreSQL: {}", plan.name(),
                                   described_key(plan, entry).substr(0, 200)),
               .why = why,
               .data = kSafe,
               .todo = "make it smaller in the application and run lockstep again: it goes on from "
                       "there; or start over with --exclude for this table"});
}

// PostgreSQL would refuse it as well, but without naming table and row.
void check_sizes(const TablePlan& plan, const EntryView& entry) {
  if (!entry.present) return;
  const std::size_t count = plan.types.size();
  RowSize row(count);
  std::uint64_t key_bytes = 0;
  ValueCursor values(entry.values);
  for (std::size_t i = 0; i < count; ++i) {
    const auto value = values.next();
    if (!value) return;
    row.add(*value, plan.types[i] == ColumnType::numeric);
    if (plan.is_key(i)) key_bytes += value->bytes.size() + 8;
  }
  if (count > kAlwaysFits && row.bytes() > kRowBytesMax)
    throw_too_large(plan, entry,
                    fmt::format("it has too many columns that are not NULL: up to {} bytes on a "
                                "page, which has {} for it",
                                row.bytes(), kRowBytesMax));
  if (key_bytes > kIndexedBytesMax)
    throw_too_large(plan, entry,
                    fmt::format("its key has {} bytes; PostgreSQL indexes at most "
                                "about {}",
                                key_bytes, kIndexedBytesMax));
}

[[noreturn]] void throw_count(const TablePlan& plan) {
  throw Error(
      {.code = "LS-W501",
       .exit = ExitCode::stopped,
       .what = fmt::format("a row of {} on the wire has another number of values than its table",
                           plan.name()),
       .why = "source and target do not agree on the table's shape",
       .data = kSafe,
       .todo = "report this"});
}

}  // namespace

void check_entry(const TablePlan& plan, const EntryView& entry) {
  const std::size_t count = entry.present ? plan.types.size() : plan.shape.key.size();
  ValueCursor values(entry.values);
  for (std::size_t i = 0; i < count; ++i) {
    const auto value = values.next();
    if (!value) throw_count(plan);
    const std::size_t column = entry.present ? i : plan.shape.key[i];
    if (const Misfit misfit = misfit_in(plan, column, *value); misfit != Misfit::none)
      throw_misfit(plan, entry, column, *value, misfit);
    if (value->kind == ValueClass::null && plan.is_key(column))
      throw Error({.code = "LS-D412",
                   .exit = ExitCode::stopped,
                   .what = fmt::format("a row of {} has NULL in its key column {}", plan.name(),
                                       plan.shape.columns[column].name),
                   .why = "SQLite allows that in a primary key, PostgreSQL does not",
                   .data = kSafe,
                   .todo = "give the row a key and run lockstep again"});
  }
  if (values.next() || values.malformed()) throw_count(plan);
  // Small rows of few columns, nearly all there are, fit.
  if (entry.values.size() > kIndexedBytesMax / 2 || count > kAlwaysFits) check_sizes(plan, entry);
}

bool key_fits(const TablePlan& plan, const EntryView& absent) {
  ValueCursor values(absent.values);
  for (const std::size_t column : plan.shape.key) {
    const auto value = values.next();
    if (!value) throw_count(plan);
    if (value->kind == ValueClass::null || misfit_in(plan, column, *value) != Misfit::none)
      return false;
  }
  return true;
}

}  // namespace lockstep::postgres
