#include "link/postgres/entry_check.hpp"

#include <fmt/format.h>

#include <utility>

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
  const Misfit misfit = misfit_of_carried(plan, column, value);
  if (misfit == Misfit::none && plan.existing) {
    const ExistingColumn& there = plan.existing->columns[column];
    if (value.kind == ValueClass::null && there.not_null) return Misfit::null_refused;
    if (!misfit_of_target(value, there.holds).empty()) return Misfit::not_in_target;
    // With a day or without one: as all of the column's.
    if (there.holds.kind == TargetKind::time && type == ColumnType::text &&
        parse_instant(value.bytes))
      return Misfit::other_spelling;
  }
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

std::string reason_of(const TablePlan& plan, std::size_t column, const ValueView& value,
                      Misfit misfit) {
  if (misfit == Misfit::not_in_target) {
    const ExistingColumn& there = plan.existing->columns[column];
    return fmt::format("{}: the column on the target is {}", misfit_of_target(value, there.holds),
                       there.type);
  }
  if (misfit == Misfit::not_converted)
    return fmt::format("it is {}, which the rule {} cannot convert", to_string(value.kind),
                       describe(plan.rules.columns[column]));
  if (misfit != Misfit::wrong_class) return std::string(to_string(misfit));
  return fmt::format("it is {}, the column was decided to be {}", to_string(value.kind),
                     to_string(plan.types[column]));
}

// Why a column whose owner chose text for values that do not fit cannot become it for this one.
std::string_view obstacle_to_text(const TablePlan& plan, std::size_t column,
                                  const ValueView& value) {
  if (plan.existing) return "the table was on the target before";
  if (plan.is_key(column)) return "it is in the key";
  if (plan.is_converted(column)) return "a rule converts its values";
  if (!plan.shape.columns[column].computed_as.empty()) return "PostgreSQL computes it";
  if (value.kind == ValueClass::blob) return "the value is a blob";
  std::string scratch;
  ColumnRule as_text;
  as_text.cast = Cast::text;
  if (misfit_of(apply_rule(as_text, value, scratch), ColumnType::text) != Misfit::none)
    return "the value is none that text can hold";
  return {};
}

[[noreturn]] void throw_becomes_text(const TablePlan& plan, const EntryView& entry,
                                     std::size_t column, const ValueView& value,
                                     const std::string& why) {
  const std::string& name = plan.shape.columns[column].name;
  throw Error({.code = "LS-D421",
               .exit = ExitCode::stopped,
               .what = fmt::format("{}.{} becomes text, by its on_bad_value: row {}, value {} does "
                                   "not fit",
                                   plan.name(), name, described_key(plan, entry), describe(value)),
               .why = why,
               .data = kSafe,
               .todo = "nothing; the table is read anew, with this column as text",
               .retry = Retry::new_session,
               .becomes_text = ColumnPlace{plan.id, name}});
}

[[noreturn]] void throw_misfit(const TablePlan& plan, const EntryView& entry, std::size_t column,
                               const ValueView& value, std::string why) {
  if (plan.on_bad_value_of(column) == OnBadValue::text) {
    const std::string_view obstacle = obstacle_to_text(plan, column, value);
    if (obstacle.empty()) throw_becomes_text(plan, entry, column, value, why);
    why += fmt::format("; its on_bad_value is text, but {}", obstacle);
  }
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
           "run it with --on-bad-value quarantine, which keeps such rows aside; or start over with "
           "--exclude for this table"});
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

std::optional<BadValue> check_entry(const TablePlan& plan, const EntryView& entry) {
  std::optional<BadValue> bad;
  const std::size_t count = entry.present ? plan.types.size() : plan.shape.key.size();
  ValueCursor values(entry.values);
  for (std::size_t i = 0; i < count; ++i) {
    const auto value = values.next();
    if (!value) throw_count(plan);
    const std::size_t column = entry.present ? i : plan.shape.key[i];
    if (const Misfit misfit = misfit_in(plan, column, *value); misfit != Misfit::none) {
      std::string reason = reason_of(plan, column, *value, misfit);
      if (plan.on_bad_value_of(column) != OnBadValue::quarantine)
        throw_misfit(plan, entry, column, *value, reason);
      if (!bad) bad = {column, std::move(reason)};
    }
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
  if (!bad) check_size(plan, entry);  // a row that waits is on no page
  return bad;
}

std::string why_unfit(const TablePlan& plan, std::size_t column, const ValueView& value) {
  const Misfit misfit = misfit_in(plan, column, value);
  return misfit == Misfit::none ? std::string() : reason_of(plan, column, value, misfit);
}

bool value_fits(const TablePlan& plan, std::size_t column, const ValueView& value) {
  return misfit_in(plan, column, value) == Misfit::none;
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
