#include "ops/schema_follower.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "capture/declared.hpp"
#include "capture/drift.hpp"
#include "capture/lookups.hpp"
#include "capture/triggers.hpp"
#include "link/sqlite/own_objects.hpp"
#include "link/sqlite/shape.hpp"
#include "link/sqlite/sql_text.hpp"
#include "model/shape_change.hpp"
#include "ops/added_columns.hpp"
#include "ops/declared_follower.hpp"
#include "ops/existing_follower.hpp"
#include "ops/left_out.hpp"
#include "ops/replan.hpp"
#include "snapshot/plan.hpp"

namespace lockstep::ops {

namespace {

using sqlite::Database;
using sqlite::OpenMode;

constexpr int kTries = 20;  // against an application that alters its schema all the while
constexpr Milliseconds kStands{1'000};

// True if it is that and no more that happened to the triggers.
bool tell_of_hiding(Database& database, const TablePlan& plan, SchemaMoves& moves) {
  bool told = false;
  for (const capture::HidingTrigger& each : capture::newer_hiding_triggers(database)) {
    if (!sqlite::same_name(each.table, plan.name())) continue;
    told = true;
    moves.notes.push_back(
        {"LS-S304", plan.name(),
         capture::hides(each) + "; lockstep's are the newest again, and the table is read anew"});
  }
  return told;
}

void look_at_table(Database& database, const capture::Installed& installed, const TablePlan& plan,
                   bool accepted, TargetNow& target, SchemaMoves& moves) {
  const auto asks = [&](const std::string& what) {
    moves.asks.push_back({plan.name(), fmt::format("table {}: {}", plan.name(), what), true});
  };
  const TableShape now = sqlite::read_shape(database, plan.name(), &plan.shape);
  ShapeChange change = shape_change(plan.shape, present_shape(database, plan.shape));
  change.same = change.same && capture::computed_otherwise(plan.shape, now).empty();
  if (change.same) {
    const bool told =
        tell_of_hiding(database, plan, moves) || !capture::objects_on_ours(database).empty();
    if (accepted && is_altered_there(plan, target)) {
      ShapeChange other;
      other.same = false;
      return follow_existing(database, installed, plan, now, other, target, moves);
    }
    return follow_declarations(database, installed, plan, now, told, moves);
  }
  if (!change.altered.empty()) return asks(fmt::format("{}", fmt::join(change.altered, "; ")));
  if (!change.can_be_followed() && !accepted)
    return asks(fmt::format("column {} was dropped or renamed", fmt::join(change.dropped, ", ")));
  if (plan.existing) return follow_existing(database, installed, plan, now, change, target, moves);
  snapshot::Planned planned = plan_as_it_is(database, now, plan.id, &plan, installed);
  if (!planned.problems.empty()) return asks(fmt::format("{}", fmt::join(planned.problems, "; ")));
  moves.step.changed.push_back(in_force(plan, std::move(planned.plan)));
  moves.notes.push_back({"LS-S316", plan.name(), what_changed(change)});
  for (const auto& otherwise :
       {capture::computed_otherwise(plan.shape, now), capture::declared_otherwise(plan.shape, now)})
    for (const std::string& sentence : otherwise)
      moves.notes.push_back({"LS-S316", plan.name(), sentence});
  tell_left_out(plan, moves.step.changed.back(), moves);
}

std::string what_came(const ShapeChange& change) {
  return change.added.empty() ? std::string("its indexes changed; no row is read anew")
                              : fmt::format("column {} was added; no row is read anew",
                                            fmt::join(change.added, ", "));
}

bool is_missing_a_trigger(Database& database, const TablePlan& plan) {
  const std::vector<capture::Drift> found = capture::drift(database, {plan});
  return std::any_of(found.begin(), found.end(),
                     [](const capture::Drift& each) { return !each.altered; });
}

// True: nothing else happened to the schema than that columns or indexes came, or indexes went, and
// `step` has them.
bool look_for_changes_in_place(Database& database, const capture::Installed& installed,
                               const std::set<std::string>& drifted, SchemaMoves& moves) {
  std::vector<std::pair<const TablePlan*, TableShape>> present;
  std::size_t statements = 0;
  for (const TablePlan& plan : installed.tables) {
    if (!drifted.contains(plan.name())) continue;
    if (moves.watch.in_question().contains(plan.name())) return false;
    TableShape now = present_shape(database, plan.shape);
    const auto between = statements_between(plan.shape, now);
    if (!between) return false;
    statements += *between;
    TablePlan altered = plan;
    altered.shape = now;
    if (is_missing_a_trigger(database, plan) && is_missing_a_trigger(database, altered))
      return false;
    present.emplace_back(&plan, std::move(now));
  }
  if (!nothing_else_happened(installed.seen_in_place, moves.schema_version, statements))
    return false;
  std::vector<TablePlan> plans;
  for (const auto& [plan, now] : present) {
    auto in_place = plan_in_place(database, *plan, now, installed);
    if (!in_place) return false;
    plans.push_back(std::move(*in_place));
  }
  for (std::size_t i = 0; i < plans.size(); ++i) {
    const auto& [plan, now] = present[i];
    moves.notes.push_back({"LS-S316", plan->name(), what_came(shape_change(plan->shape, now))});
    tell_left_out(*plan, plans[i], moves);
  }
  moves.step.in_place = std::move(plans);
  return true;
}

void look_at_followed(Database& database, const capture::Installed& installed, bool accepted,
                      TargetNow& target, SchemaMoves& moves) {
  std::set<std::string> drifted, there;
  for (const capture::Drift& each : capture::drift(database, installed.tables))
    drifted.insert(each.table);
  std::set<std::string> planned_anew;
  if (accepted) planned_anew = follow_altered_there(database, installed, drifted, target, moves);
  for (const TablePlan& plan : installed.tables) {
    if (drifted.contains(plan.name()) || planned_anew.contains(plan.name()) ||
        !moves.watch.in_question().contains(plan.name()))
      continue;
    moves.step.changed.push_back(plan);
    if (moves.watch.lost_track()) continue;  // which was said of all
    moves.notes.push_back(
        {"LS-S306", plan.name(),
         "it was made anew with its triggers, or its rows were, or may have been, "
         "rewritten without one; the table is read anew"});
  }
  if (drifted.empty()) return;
  for (const sqlite::TableName& table : sqlite::list_tables(database)) there.insert(table.name);
  if (std::includes(there.begin(), there.end(), drifted.begin(), drifted.end()) &&
      look_for_changes_in_place(database, installed, drifted, moves))
    return;
  for (const TablePlan& plan : installed.tables) {
    if (!drifted.contains(plan.name())) continue;
    if (there.contains(plan.name())) {
      look_at_table(database, installed, plan, accepted, target, moves);
    } else if (accepted) {
      moves.step.dropped.push_back(plan.id);
      moves.notes.push_back({"LS-S316", plan.name(),
                             "the table is gone; it stays on the target as it was, and is no "
                             "longer followed"});
    } else {
      moves.asks.push_back(
          {plan.name(), fmt::format("table {} was dropped or renamed", plan.name()), true});
    }
  }
}

void look_at_new(Database& database, const capture::Installed& installed, bool accepted,
                 TargetNow& target, SchemaMoves& moves) {
  std::uint32_t id = capture::next_table_id(database);
  const auto refuse = [&](const std::string& name, const std::string& why) {
    moves.notes.push_back(
        {"LS-S315", name, fmt::format("{} is a new table and is not followed: {}", name, why)});
  };
  for (const std::string& name : unfollowed_tables(database, installed)) {
    if (sqlite::is_named_like_ours(name)) {
      refuse(name,
             "names that begin with _lockstep_ are kept for what lockstep makes; under another "
             "name it is followed");
      continue;
    }
    const TableShape shape = sqlite::read_shape(database, name);
    if (const std::string taken = name_taken_there(installed, moves.step, shape); !taken.empty()) {
      refuse(name, taken);
      continue;
    }
    if (follow_into_existing(database, installed, shape, id, accepted, target, moves)) {
      ++id;
      continue;
    }
    snapshot::Planned planned = plan_as_it_is(database, shape, id, nullptr, installed);
    if (const auto other = sqlite::by_rowid(shape); other && !planned.problems.empty())
      planned = plan_as_it_is(database, *other, id, nullptr, installed);
    if (!planned.problems.empty()) {
      refuse(name, fmt::format("{}", fmt::join(planned.problems, "; ")));
      continue;
    }
    moves.notes.push_back(
        {"LS-S316", name, fmt::format("{} is a new table; it is followed", name)});
    for (const snapshot::Warning& warning : planned.warnings)
      moves.notes.push_back({warning.code, name, warning.what});
    tell_left_out({}, planned.plan, moves);
    moves.step.added.push_back(std::move(planned.plan));
    ++id;
  }
}

[[noreturn]] void throw_asks(const std::vector<capture::Drift>& asks) {
  std::vector<std::string> tables, sentences;
  for (const capture::Drift& each : asks) {
    tables.push_back(each.table);
    sentences.push_back(each.what);
  }
  throw Error(
      {.code = "LS-S306",
       .exit = ExitCode::stopped,
       .what =
           fmt::format("blocked: the source's schema changed under {}", fmt::join(tables, ", ")),
       .why = fmt::format("{}", fmt::join(sentences, "; ")),
       .data = "the application goes on and its changes go on being logged; the target is stale, "
               "not wrong: it stays at the last state before",
       .todo = "lockstep ddl status SOURCE shows what it means; lockstep ddl accept SOURCE follows "
               "dropped columns and tables (on the target the column goes too, a table stays), "
               "then run again; else lockstep remove SOURCE TARGET, drop the copied tables, run "
               "again"});
}

[[noreturn]] void throw_never_rests() {
  throw Error({.code = "LS-S306",
               .exit = ExitCode::stopped,
               .what = "the source's schema changes faster than it can be looked at",
               .why = fmt::format("{} times in a row it was another one by the end", kTries),
               .data = "nothing was changed; changes go on being logged",
               .todo = "nothing; lockstep tries again by itself",
               .retry = Retry::new_session});
}

capture::SchemaHold hold_of(const std::string& path) {
  Database database = Database::open(path, OpenMode::read_only);
  return capture::schema_hold(database);
}

void set_hold(const std::string& path, capture::SchemaHold hold) {
  Database database = Database::open(path, OpenMode::read_write);
  capture::set_schema_hold(database, hold);
}

std::int64_t schema_version(const std::string& path) {
  return Database::open(path, OpenMode::read_only).pragma_int("schema_version");
}

// A rebuild without a transaction around it: for a moment the table is not there.
bool moves_on(const std::string& path, std::int64_t version) {
  const Deadline deadline(kStands);
  while (!deadline.passed()) {
    if (schema_version(path) != version) return true;
    std::this_thread::sleep_for(Milliseconds{10});
  }
  return false;
}

void keep_logging(const std::string& path, const std::vector<capture::Drift>& found,
                  capture::Installed& installed) {
  Database writing = Database::open(path, OpenMode::read_write);
  for (const capture::Drift& each : found)
    for (const TablePlan& plan : installed.tables)
      if (plan.name() == each.table) capture::keep_logging(writing, plan, installed.schema_watch);
}

// In the middle of a migration: no state of it is looked at, but what is written is logged where it
// can be. Tables that come back without triggers are marked, so nothing is lost.
void wait_for_the_end(const std::string& path, capture::Installed& installed) {
  std::vector<capture::Drift> found;
  std::size_t unknown = 0;
  std::int64_t version = 0;
  {
    Database reading = Database::open(path, OpenMode::read_only);
    capture::look_and_weigh(reading, installed.tables, installed.schema_watch);
    found = capture::drift(reading, installed.tables);
    for (capture::Drift& each : capture::in_question(installed.schema_watch, installed.tables))
      found.push_back(std::move(each));
    unknown = unfollowed_tables(reading, installed).size();
    version = installed.schema_watch.last().version;
  }
  if (found.empty() && unknown == 0) return;
  // An ORM that reads and then writes would find the lock taken in front of it: not while it works.
  if (!moves_on(path, version)) keep_logging(path, found, installed);
  throw Error({.code = "LS-S317",
               .exit = ExitCode::precondition,
               .what = "the source's schema has changed, and lockstep ddl hold is on",
               .why = found.empty() ? "there are new tables" : found.front().what,
               .data = "the application goes on and its changes go on being logged; the target "
                       "stays at the last state before",
               .todo = "after the migration: lockstep ddl accept SOURCE",
               .retry = Retry::new_session});
}

void put_in_place(const SchemaMoves& moves, Database& reading, capture::Installed& installed) {
  const auto now = capture::read_installed(reading);
  check(now.has_value(), "what was just taken over is installed");
  if (!moves.step.empty()) installed.tables = now->tables;
}

// Nothing if the schema moved in between: a table may have gone after its name was read.
std::optional<SchemaMoves> moves_of(const std::string& path, const capture::Installed& installed,
                                    bool new_tables, bool accepted, const LookAtTarget& look) {
  const std::int64_t before = schema_version(path);
  try {
    return look_at_schema(path, installed, new_tables, accepted, look);
  } catch (const Error&) {
    if (schema_version(path) == before) throw;
    return std::nullopt;
  }
}

std::vector<Note> follow_freely(const std::string& path, capture::Installed& installed,
                                bool new_tables, bool accepted, const LookAtTarget& look) {
  for (int attempt = 0; attempt < kTries; ++attempt) {
    const auto looked = moves_of(path, installed, new_tables, accepted, look);
    if (!looked) continue;
    const SchemaMoves& moves = *looked;
    installed.schema_watch = moves.watch;
    if (moves.step.empty() && moves.asks.empty()) return moves.notes;
    // The copy that a rebuild makes of a table is a new table, and gone soon.
    const bool fresh = !moves.step.added.empty() && !accepted;
    if ((fresh || !moves.asks.empty()) && moves_on(path, moves.schema_version)) continue;
    if (!moves.step.empty()) {
      Database writing = Database::open(path, OpenMode::read_write);
      if (!capture::take_over(writing, moves.schema_version, moves.step, installed.schema_watch))
        continue;
    }
    if (!moves.asks.empty()) keep_logging(path, moves.asks, installed);
    Database reading = Database::open(path, OpenMode::read_only);
    put_in_place(moves, reading, installed);
    installed.schema_watch.said_so();
    if (!moves.asks.empty()) throw_asks(moves.asks);
    return moves.notes;
  }
  throw_never_rests();
}

}  // namespace

std::vector<std::string> unfollowed_tables(Database& database,
                                           const capture::Installed& installed) {
  if (!installed.choice) return {};
  std::vector<std::string> names = left_out_of(database, installed).not_followed;
  std::erase_if(names, is_rebuild_in_progress);
  return names;
}

TableShape present_shape(Database& database, const TableShape& before) {
  TableShape now = sqlite::read_shape(database, before.name, &before);
  // A plan made of it has plain columns, which hold any values.
  for (Column& column : now.columns)
    if (const auto was = before.column_named(column.name);
        was && !before.columns[*was].computed_as.empty())
      column.computed_as = sqlite::generated_expression(now.sql, column.name);
  return now;
}

SchemaMoves look_at_schema(const std::string& path, const capture::Installed& installed,
                           bool new_tables, bool accepted, const LookAtTarget& look) {
  Database reading = Database::open(path, OpenMode::read_only);
  SchemaMoves moves;
  moves.watch = installed.schema_watch;
  capture::look_and_weigh(reading, installed.tables, moves.watch);
  moves.schema_version = moves.watch.last().version;
  if (moves.watch.lost_track())
    moves.notes.push_back(
        {"LS-S335", "",
         "the source's schema moved further than what is there now explains while no lockstep "
         "ran: something came and went unseen; all tables are read anew"});
  for (const capture::ForeignObject& each : capture::objects_on_ours(reading))
    moves.notes.push_back(
        {"LS-S345", "", capture::may_eat(each) + "; it is dropped, and all tables are read anew"});
  TargetNow target(look);
  look_at_followed(reading, installed, accepted, target, moves);
  if (new_tables) look_at_new(reading, installed, accepted, target, moves);
  return moves;
}

std::vector<Note> follow_schema(const std::string& path, capture::Installed& installed,
                                bool new_tables, bool accepted, const LookAtTarget& look) {
  const capture::SchemaHold hold = hold_of(path);
  if (hold == capture::SchemaHold::held && !accepted) {
    wait_for_the_end(path, installed);
    return {};
  }
  std::vector<Note> notes = follow_freely(path, installed, new_tables,
                                          accepted || hold == capture::SchemaHold::accepted, look);
  if (hold != capture::SchemaHold::none) set_hold(path, capture::SchemaHold::none);
  return notes;
}

}  // namespace lockstep::ops
