// The applying end and tables that the application writes on both sides.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "apply/merge.hpp"
#include "ops/target_worker.hpp"

namespace lockstep::ops {

namespace {

// With the pauses between sessions some seconds: so long an application may be between its two
// writes of a row.
constexpr int kConflictTries = 8;

bool is_conflict(const Error& error) {
  return error.code() == "LS-X650" || error.code() == "LS-X651";
}

[[noreturn]] void throw_not_dual(const std::vector<std::string>& why) {
  throw Error({.code = "LS-X652",
               .exit = ExitCode::precondition,
               .what = "tables.dual_write names what cannot be written on both sides",
               .why = fmt::format("{}", fmt::join(why, "; ")),
               .data = "nothing was changed; the guard stays as it was",
               .todo = "correct tables.dual_write in the configuration, then run again"});
}

}  // namespace

// Of the configuration alone: that a table went away later is no reason to stop.
void TargetWorker::check_dual_choice() const {
  if (session_ || !options_.dual_write) return;
  std::vector<std::string> why;
  for (const auto& choice : *options_.dual_write) {
    const std::string& name = choice.first;
    const auto table = std::find_if(tables_.begin(), tables_.end(),
                                    [&](const auto& each) { return each.plan.name() == name; });
    const std::string reason =
        table == tables_.end() ? "no such table is followed" : apply::why_not_dual(table->plan);
    if (!reason.empty()) why.push_back(fmt::format("{}: {}", name, reason));
  }
  if (!why.empty()) throw_not_dual(why);
}

void TargetWorker::settle_dual_writes() {
  apply::DualSettled settled = apply::settle_dual_writes(
      *connection_, options_.migration, options_.schema, tables_, options_.dual_write);
  dual_ = std::move(settled.tables);
  for (std::string& sentence : settled.told) board_.dual_note(std::move(sentence));
  show_to_verifier();
  board_.dual_writes(dual_);
}

// What is kept of its rows is of columns that would be others.
void TargetWorker::refuse_dual_change(const apply::PlanChange& change) const {
  std::map<std::uint32_t, std::string> before;
  for (const apply::LedgerTable& table : tables_)
    if (apply::find_dual(dual_, table.plan.id) != nullptr)
      before.emplace(table.plan.id, apply::dual_columns(table.plan));
  std::vector<std::string> names;
  for (const TablePlan& plan : change.plans)
    if (const auto was = before.find(plan.id);
        was != before.end() && was->second != apply::dual_columns(plan))
      names.push_back(plan.name());
  if (names.empty()) return;
  throw Error(
      {.code = "LS-X653",
       .exit = ExitCode::stopped,
       .what = fmt::format("the schema of {} changed while the application writes it on "
                           "both sides",
                           fmt::join(names, ", ")),
       .why = "what tells a conflict from a change that is on its way is of the old columns",
       .data = "nothing was changed on the target; changes wait in the source",
       .todo = "take the table out of tables.dual_write and run until it is caught up, "
               "then put it back and run again"});
}

void TargetWorker::show_dual_writes() {
  if (dual_.empty()) return;
  board_.dual_writes(apply::read_dual_tables(*connection_, options_.migration));
}

// The application may be between its two writes; a session later it is not.
Error TargetWorker::tried_enough(const Error& error) {
  if (!is_conflict(error) || ++conflicts_met_ < kConflictTries) return error;
  ErrorFacts facts = error.facts();
  facts.retry = Retry::never;
  return Error(std::move(facts));
}

}  // namespace lockstep::ops
