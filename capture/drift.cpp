#include "capture/drift.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string_view>

#include "capture/declared.hpp"
#include "capture/lookups.hpp"
#include "capture/triggers.hpp"
#include "link/sqlite/own_objects.hpp"
#include "link/sqlite/shape.hpp"
#include "link/sqlite/sql_text.hpp"
#include "link/sqlite/statement.hpp"
#include "model/shape_change.hpp"

namespace lockstep::capture {

using sqlite::Database;
using sqlite::Statement;

namespace {

bool is_there(Database& database, const TablePlan& plan) {
  Statement exists(database, "SELECT 1 FROM main.sqlite_master WHERE type = 'table' AND name = ?");
  exists.bind(1, std::string_view(plan.name()));
  return exists.step();
}

}  // namespace

std::vector<Drift> drift(Database& database, const std::vector<TablePlan>& tables) {
  std::vector<Drift> found;
  Statement trigger(
      database,
      "SELECT sql FROM main.sqlite_master WHERE type = 'trigger' AND name = ? AND tbl_name = ?");
  const std::vector<HidingTrigger> hiding = newer_hiding_triggers(database);
  const std::vector<ForeignObject> on_ours = objects_on_ours(database);
  for (const TablePlan& plan : tables) {
    if (!is_there(database, plan)) {
      found.push_back({plan.name(), fmt::format("table {} is gone", plan.name()), true});
      continue;
    }
    const TableShape now = sqlite::read_shape(database, plan.name(), &plan.shape);
    const auto say = [&](const std::vector<std::string>& sentences, bool altered) {
      for (const std::string& sentence : sentences)
        found.push_back({plan.name(), fmt::format("table {}: {}", plan.name(), sentence), altered});
    };
    if (fingerprint(now) != fingerprint(plan.shape)) {
      found.push_back({plan.name(), fmt::format("table {} was altered", plan.name()), true});
    } else {
      say(stored_otherwise(plan.shape, now), true);
      say(computed_otherwise(plan.shape, now), true);
      // The CHECKs of what an ORM made there are its own to alter.
      say(plan.existing ? defaults_otherwise(plan.shape, now) : declared_otherwise(plan.shape, now),
          false);
    }
    for (const Trigger& expected : triggers_for(plan.id, plan.shape)) {
      trigger.reset();
      trigger.bind(1, std::string_view(expected.name)).bind(2, std::string_view(plan.name()));
      if (!trigger.step())
        found.push_back({plan.name(),
                         fmt::format("trigger {} of table {} is gone", expected.name, plan.name()),
                         false});
      else if (trigger.text(0) != expected.sql)
        found.push_back(
            {plan.name(),
             fmt::format("trigger {} of table {} was changed", expected.name, plan.name()), false});
    }
    for (const HidingTrigger& each : hiding)
      if (sqlite::same_name(each.table, plan.name()))
        found.push_back({plan.name(), hides(each), false});
    for (const ForeignObject& each : on_ours) found.push_back({plan.name(), may_eat(each), false});
  }
  return found;
}

std::vector<Drift> in_question(const SchemaWatch& watch, const std::vector<TablePlan>& tables) {
  std::vector<Drift> found;
  for (const TablePlan& plan : tables)
    if (watch.in_question().contains(plan.name()))
      found.push_back({plan.name(),
                       fmt::format("rows of table {} were rewritten without a trigger, or may have "
                                   "been",
                                   plan.name()),
                       false});
  return found;
}

void look_and_weigh(Database& database, const std::vector<TablePlan>& tables, SchemaWatch& watch) {
  {
    const sqlite::Transaction view(database, sqlite::Transaction::Mode::deferred);
    watch.look(database);
  }
  if (watch.unseen_since())
    watch.weighed(possibly_emptied(database, tables, *watch.unseen_since()));
}

void throw_drift(const std::vector<Drift>& found, Retry retry) {
  std::vector<std::string> sentences, blocked;
  bool altered = false;
  for (const Drift& each : found) {
    sentences.push_back(each.what);
    if (blocked.empty() || blocked.back() != each.table) blocked.push_back(each.table);
    altered = altered || each.altered;
  }
  throw Error({.code = "LS-S306",
               .exit = ExitCode::stopped,
               .what = fmt::format("blocked: the source's schema changed under {}",
                                   fmt::join(blocked, ", ")),
               .why = fmt::format("{}", fmt::join(sentences, "; ")),
               .data = "changes of these tables since then may not have been captured; the target "
                       "is stale, not wrong: nothing of it was applied",
               .todo = altered ? "lockstep remove SOURCE TARGET, drop the copied tables, then run "
                                 "again: a new copy is needed"
                               : "lockstep run SOURCE TARGET again: it puts the triggers back and "
                                 "reads these tables anew, without a gap for readers",
               .retry = retry});
}

void throw_unseen() {
  throw Error({.code = "LS-S306",
               .exit = ExitCode::stopped,
               .what = "something came and went in the source's schema",
               .why = "its schema_version moved further than what is there now explains",
               .data = "both sides are compared; tables that may have lost values are read anew",
               .todo = "nothing; lockstep goes on",
               .retry = Retry::new_session});
}

}  // namespace lockstep::capture
