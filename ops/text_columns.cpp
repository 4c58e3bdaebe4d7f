#include "ops/text_columns.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "apply/computed.hpp"
#include "apply/target_schema.hpp"
#include "capture/take_over.hpp"
#include "link/sqlite/shape.hpp"
#include "model/shape_change.hpp"
#include "ops/replan.hpp"

namespace lockstep::ops {

namespace {

using sqlite::Database;
using sqlite::OpenMode;

constexpr int kTakeOverTries = 20;  // against an application that alters its schema meanwhile

[[noreturn]] void refuse_text(const TablePlan& plan, std::size_t column, const std::string& why) {
  throw Error({.code = "LS-D422",
               .exit = ExitCode::stopped,
               .what = fmt::format("{}.{} got a value that does not fit {}, and it cannot become "
                                   "text as its on_bad_value says",
                                   plan.name(), plan.shape.columns[column].name,
                                   to_string(plan.types[column])),
               .why = why,
               .data = "applied up to the batch before it; nothing is lost and nothing was "
                       "converted",
               .todo =
                   "change the values in the application and run lockstep again: it goes on "
                   "from there; or run it with \"on_bad_value\": \"quarantine\" for the column"});
}

[[noreturn]] void throw_schema_moves(const std::string& why) {
  throw Error({.code = "LS-S306",
               .exit = ExitCode::stopped,
               .what = "the source's schema is another one than what is followed",
               .why = why,
               .data = "nothing was changed; changes go on being logged",
               .todo = "nothing; lockstep follows it first",
               .retry = Retry::new_session});
}

// Those of the new plan that PostgreSQL computed till now and still can; a plain column stays one.
void keep_computed(const TablePlan& before, TablePlan& plan) {
  static_cast<void>(apply::decide_computed(plan));
  for (Column& column : plan.shape.columns) {
    const auto was = before.shape.column_named(column.name);
    if (!was || before.shape.columns[*was].computed_as.empty()) column.computed_as.clear();
  }
}

snapshot::Planned planned_as(Database& reading, const TableShape& now, const TablePlan& before,
                             std::size_t column, const capture::Installed& installed) {
  snapshot::Planned planned = plan_as_it_is(reading, now, before.id, &before, installed);
  if (!planned.problems.empty())
    refuse_text(before, column, fmt::format("{}", fmt::join(planned.problems, "; ")));
  return planned;
}

const TablePlan* plan_of(const capture::Installed& installed, std::uint32_t table) {
  const auto found = std::find_if(installed.tables.begin(), installed.tables.end(),
                                  [&](const TablePlan& plan) { return plan.id == table; });
  return found == installed.tables.end() ? nullptr : &*found;
}

// As it would have been planned from the start. Where what is there now asks for nothing new (the
// value is mended, or of the same class: 2 in a boolean column), its owner's word decides.
TablePlan plan_with_text(Database& reading, const TablePlan& before, std::size_t column,
                         const capture::Installed& installed) {
  const TableShape now = sqlite::read_shape(reading, before.name(), &before.shape);
  if (fingerprint(now) != fingerprint(before.shape) || !stored_otherwise(before.shape, now).empty())
    throw_schema_moves(fmt::format("table {} was altered", before.name()));
  snapshot::Planned planned = planned_as(reading, now, before, column, installed);
  if (planned.plan.types[column] == ColumnType::bytea)
    refuse_text(before, column, "what it holds are blobs");
  if (planned.plan.types[column] != ColumnType::text ||
      (before.types[column] == ColumnType::text && !planned.plan.became_text(column))) {
    TablePlan wished = before;
    wished.rules.columns.resize(now.columns.size());
    wished.rules.columns[column].cast = Cast::text;
    planned = planned_as(reading, now, wished, column, installed);
  }
  const ColumnSpelling none{};
  TablePlan plan = carry_decisions(before, std::move(planned.plan));
  plan.types[column] = ColumnType::text;
  plan.spellings.resize(plan.types.size());
  plan.spellings[column] = none;
  keep_computed(before, plan);
  for (std::string& sentence : apply::left_out(plan)) plan.left_out.push_back(std::move(sentence));
  return plan;
}

bool contains(const std::vector<std::string>& all, const std::string& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

std::vector<Note> notes_of(const TablePlan& before, const TablePlan& now, std::size_t column) {
  std::vector<Note> notes{
      {"LS-D421", now.name(),
       fmt::format("column {} of {} becomes text, by its \"on_bad_value\": it was {}, and a value "
                   "came that does not fit; the table is read anew",
                   now.shape.columns[column].name, now.name(), to_string(before.types[column]))}};
  const auto say = [&](const std::string& what) {
    notes.push_back({"LS-D421", now.name(),
                     fmt::format("{}: PostgreSQL no longer gets: {}", now.name(), what)});
  };
  for (const std::string& index : before.carried_indexes)
    if (!contains(now.carried_indexes, index)) say("index " + index);
  for (const Column& was : before.shape.columns) {
    const auto still = now.shape.column_named(was.name);
    if (still && !was.computed_as.empty() && now.shape.columns[*still].computed_as.empty())
      say(fmt::format("GENERATED AS ({}) of {}; its values are carried", was.computed_as,
                      was.name));
  }
  const std::vector<std::string> already = apply::left_out(before);
  for (const std::string& sentence : apply::left_out(now))
    if (!contains(already, sentence)) say(sentence);
  return notes;
}

}  // namespace

bool is_wanted(const capture::Installed& installed, const wire::TextWish& wish) {
  const TablePlan* const plan = plan_of(installed, wish.table);
  const auto column = plan == nullptr ? std::nullopt : plan->shape.column_named(wish.column);
  return column && plan->types[*column] == wish.type && !plan->became_text(*column);
}

std::vector<Note> turn_into_text(const std::string& path, capture::Installed& installed,
                                 const wire::TextWish& wish) {
  for (int attempt = 0; attempt < kTakeOverTries; ++attempt) {
    if (!is_wanted(installed, wish)) return {};
    const TablePlan before = *plan_of(installed, wish.table);
    const std::size_t column = before.shape.column_named(wish.column).value();
    if (before.existing) refuse_text(before, column, "the table was on the target before");
    if (before.is_key(column)) refuse_text(before, column, "it is in the key");
    if (before.is_converted(column)) refuse_text(before, column, "a rule converts its values");
    Database reading = Database::open(path, OpenMode::read_only);
    const std::int64_t schema_version = reading.pragma_int("schema_version");
    capture::SchemaStep step;
    step.changed.push_back(plan_with_text(reading, before, column, installed));
    Database writing = Database::open(path, OpenMode::read_write);
    if (!capture::take_over(writing, schema_version, step, installed.schema_watch)) continue;
    const TablePlan& plan = step.changed.front();
    for (TablePlan& each : installed.tables)
      if (each.id == plan.id) each = plan;
    return notes_of(before, plan, column);
  }
  throw_schema_moves(
      fmt::format("{} times in a row it was another one by the end", kTakeOverTries));
}

}  // namespace lockstep::ops
