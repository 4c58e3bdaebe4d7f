#include "ops/declared_follower.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>
#include <utility>

#include "apply/target_schema.hpp"
#include "capture/declared.hpp"
#include "capture/drift.hpp"
#include "capture/triggers.hpp"
#include "ops/existing_follower.hpp"

namespace lockstep::ops {

namespace {

// One statement changed CHECKs and nothing else. DROP COLUMN and ADD COLUMN are two; and a DEFAULT
// is the value of all rows that are older than their column.
bool left_rows_alone(sqlite::Database& database, const capture::Installed& installed,
                     const TablePlan& before, const TablePlan& now, const SchemaMoves& moves) {
  return installed.seen_in_place >= 0 && moves.schema_version == installed.seen_in_place + 1 &&
         !moves.watch.in_question().contains(before.name()) &&
         capture::defaults_otherwise(before.shape, now.shape).empty() &&
         capture::drift(database, {now}).empty();
}

// Those that were told when it was planned, and those that its translation has.
std::set<std::string> sentences_of(const TablePlan& plan) {
  const std::vector<std::string> translated = apply::left_out(plan);
  std::set<std::string> all(plan.left_out.begin(), plan.left_out.end());
  all.insert(translated.begin(), translated.end());
  return all;
}

}  // namespace

void tell_left_out(const TablePlan& before, const TablePlan& now, SchemaMoves& moves) {
  if (now.existing) return;
  const std::set<std::string> told = sentences_of(before);
  for (const std::string& sentence : sentences_of(now))
    if (!told.contains(sentence))
      moves.notes.push_back({"LS-S316", now.name(),
                             fmt::format("{}: PostgreSQL does not get: {}", now.name(), sentence)});
}

void follow_declarations(sqlite::Database& database, const capture::Installed& installed,
                         const TablePlan& plan, const TableShape& now, bool told,
                         SchemaMoves& moves) {
  TablePlan same = plan;
  const std::vector<std::string> said = plan.existing
                                            ? capture::defaults_otherwise(plan.shape, now)
                                            : capture::declared_otherwise(plan.shape, now);
  if (!said.empty()) same.shape = capture::with_declarations(std::move(same.shape), now);
  if (!plan.existing) {  // PostgreSQL's are made anew if they differ
    same.shape.references = now.references;
    same.shape.foreign_keys = now.foreign_keys;
    if (const auto problems = capture::capture_problems(same.shape); !problems.empty()) {
      moves.asks.push_back(
          {plan.name(), fmt::format("table {}: {}", plan.name(), fmt::join(problems, "; ")), true});
      return;
    }
  }
  const bool in_place = !said.empty() && left_rows_alone(database, installed, plan, same, moves);
  if (said.empty() && !told) moves.notes.push_back({"LS-S306", plan.name(), what_changed({})});
  if (!said.empty())
    moves.notes.push_back(
        {"LS-S316", plan.name(),
         fmt::format("{}; {}", fmt::join(said, "; "),
                     in_place ? "no row is read anew" : "the table is read anew")});
  tell_left_out(plan, same, moves);
  (in_place ? moves.step.in_place : moves.step.changed).push_back(std::move(same));
}

}  // namespace lockstep::ops
