#include "ops/declared_follower.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "apply/target_schema.hpp"
#include "capture/declared.hpp"
#include "capture/drift.hpp"
#include "capture/triggers.hpp"
#include "ops/existing_follower.hpp"

namespace lockstep::ops {

namespace {

// What was written since the last look was logged. Without a last look nobody knows.
bool nothing_was_missed(sqlite::Database& database, const capture::Installed& installed,
                        const TablePlan& plan) {
  const auto seen = installed.incarnations.find(plan.id);
  return seen != installed.incarnations.end() &&
         seen->second == capture::incarnation(database, plan) &&
         capture::drift(database, {plan}).empty();
}

}  // namespace

void tell_left_out(const TablePlan& before, const TablePlan& now, SchemaMoves& moves) {
  if (now.existing) return;
  const std::vector<std::string> already = apply::left_out(before);
  for (const std::string& sentence : apply::left_out(now))
    if (std::find(already.begin(), already.end(), sentence) == already.end())
      moves.notes.push_back({"LS-S316", now.name(),
                             fmt::format("{}: PostgreSQL does not get: {}", now.name(), sentence)});
}

void follow_declarations(sqlite::Database& database, const capture::Installed& installed,
                         const TablePlan& plan, const TableShape& now, bool told,
                         SchemaMoves& moves) {
  TablePlan same = plan;
  std::vector<std::string> said;
  if (!plan.existing) {  // PostgreSQL's are made anew if they differ
    same.shape.references = now.references;
    same.shape.foreign_keys = now.foreign_keys;
    said = capture::declared_otherwise(plan.shape, now);
    if (!said.empty()) same.shape = capture::with_declarations(std::move(same.shape), now);
    if (const auto problems = capture::capture_problems(same.shape); !problems.empty()) {
      moves.asks.push_back(
          {plan.name(), fmt::format("table {}: {}", plan.name(), fmt::join(problems, "; ")), true});
      return;
    }
  }
  const bool in_place = !said.empty() && nothing_was_missed(database, installed, same);
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
