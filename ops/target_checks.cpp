// What the applying end looks at beside its work: whether the tables are still its own, and what a
// failure means.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "apply/refused_row.hpp"
#include "apply/target_tables.hpp"
#include "link/wire/control.hpp"
#include "ops/target_worker.hpp"
#include "switchover/left_tables.hpp"

namespace lockstep::ops {

namespace {

constexpr Milliseconds kTablesEvery{5'000};       // one query to the catalog
constexpr std::int64_t kIdleChangesMax = 50'000;  // at each look: batches wait for some 100 ms

constexpr char kTablesDiffer[] = "LS-T214", kInMigration[] = "LS-T260";
constexpr char kCheckViolation[] = "23514";  // a row without partition is that, too

Error no_partition(const Error& cause) {
  return Error({.code = "LS-T222",
                .exit = ExitCode::stopped,
                .what = "a row finds no partition on the target, or breaks a CHECK of its table",
                .why = cause.facts().why,
                .data = "safe: the batch was rolled back as a whole, changes wait in the source",
                .todo = "create the partition (or mend the row); lockstep tries again by itself",
                .foreign = cause.foreign(),
                .retry = Retry::same_session});
}

// Between hold and accept nothing stops.
Error in_migration(const Error& differing) {
  return Error({.code = kInMigration,
                .exit = ExitCode::precondition,
                .what = "the target's tables have changed, and lockstep ddl hold is on",
                .why = differing.facts().why,
                .data = "nothing more is applied until then; changes wait in the source",
                .todo = "after the migration: lockstep ddl accept SOURCE",
                .retry = Retry::new_session});
}

// The server's refusals that tables of another making explain.
bool may_be_the_tables(const Error& error) {
  constexpr std::array kCodes{"LS-T204", "LS-T210", "LS-T211", "LS-T255", "LS-T266"};
  return std::find(kCodes.begin(), kCodes.end(), error.code()) != kCodes.end();
}

}  // namespace

// What the source does not follow any more may be dropped here, too; and what an ORM made it may
// alter: whether the source has planned such a table anew, against what is there now, its welcome
// says. The ledger follows with the next batch.
std::vector<apply::LedgerTable> TargetWorker::settled_tables() const {
  std::vector<apply::LedgerTable> tables = tables_;
  std::erase_if(tables, [&](const apply::LedgerTable& table) {
    if (greeted_ && !plans_.empty() &&
        std::none_of(plans_.begin(), plans_.end(),
                     [&](const TablePlan& plan) { return plan.id == table.plan.id; }))
      return true;
    if (!table.plan.existing) return false;
    return !greeted_ || std::none_of(plans_.begin(), plans_.end(), [&](const TablePlan& plan) {
      return plan.id == table.plan.id && wire::encode_plan(plan) == wire::encode_plan(table.plan);
    });
  });
  return tables;
}

void TargetWorker::check_tables() {
  try {
    apply::check_target_tables(*connection_, options_.migration, options_.schema, settled_tables(),
                               silent_);
  } catch (const Error& error) {
    if (error.code() != kTablesDiffer || !is_held()) throw;
    throw in_migration(error);
  }
  checked_at_ = steady_now();
}

bool TargetWorker::is_held() {
  const auto guard = apply::look_at_guard(*connection_, options_.migration, options_.schema);
  return guard && guard->held;
}

void TargetWorker::check_tables_if_due() {
  if (!connection_->idle() || steady_now() - checked_at_ < kTablesEvery) return;
  // Somebody may have skipped rows meanwhile.
  if (applier_) {
    applier_->recount_quarantine();  // or the next batch would show the old counts
    show_quarantine(applier_->quarantined());
  }
  // Which tables have their keys is not known while they are built.
  if (ledger_.phase == apply::Phase::streaming)
    tables_ = apply::read_tables(*connection_, options_.migration);
  check_tables();
  keep_guard();
  switchover::forget_idle_changes(*connection_, options_.migration, kIdleChangesMax);
  show_dual_writes();
}

// A guard that cannot be is told and no reason to stop: verify finds what others write.
void TargetWorker::begin_guard() {
  try {
    apply::set_guard(*connection_, options_.migration, options_.schema, options_.guard);
  } catch (const Error& error) {
    if (error.foreign().empty() || !connection_->alive()) throw;
    connection_->abort();
    board_.schema_note(
        {"LS-T234", "",
         fmt::format("the guard on the target cannot be made: {}", error.facts().why)});
  }
  keep_guard();
}

void TargetWorker::keep_guard() {
  // Else a table that has left stays fenced behind a rollback.
  switchover::release_left_tables(*connection_, options_.migration, options_.schema);
  board_.guard(apply::keep_guard(*connection_, options_.migration, options_.schema));
}

// A server's answer says which statement failed; a person wants to know who did what.
Error TargetWorker::explained(const Error& refusal) {
  const bool personal = std::any_of(plans_.begin(), plans_.end(), apply::has_personal_data);
  const Error error = personal ? apply::without_values(refusal) : refusal;
  blocked_ = false;
  if (!connection_ || !connection_->alive()) return error;
  blocked_ = error.code().starts_with("LS-T");
  try {
    connection_->abort();
    if (error.foreign() == "55P03")
      return apply::locked_out(*connection_, options_.migration, options_.schema, error);
    if (error.code() == "LS-T256") verifier_.ask_for_all(*connection_);
    if (may_be_the_tables(error)) check_tables();
    if (error.foreign() == kCheckViolation && may_lack_a_partition()) return no_partition(error);
  } catch (const Error& found) {
    if (found.code() == kTablesDiffer || found.code() == kInMigration) return found;
  }
  return error;
}

bool TargetWorker::may_lack_a_partition() const {
  return std::any_of(tables_.begin(), tables_.end(), [](const apply::LedgerTable& table) {
    return table.plan.existing && table.plan.existing->partitioned;
  });
}

// Capture is asked with each hello until one is answered; a capture that does not know what this
// means, or that plans the column as it was, is not asked for ever.
Error TargetWorker::asked_for_text(const Error& error) {
  constexpr int kWishesMax = 3;
  const auto& place = error.facts().becomes_text;
  if (!place) return error;
  for (const TablePlan& plan : plans_)
    if (plan.id == place->table)
      if (const auto column = plan.shape.column_named(place->column))
        text_wish_ = {place->table, place->column, plan.types[*column]};
  if (++text_wishes_[*place] <= kWishesMax) return error;
  ErrorFacts facts = error.facts();
  facts.code = "LS-D401";
  facts.retry = Retry::never;
  facts.why += "; capture did not make it text";
  facts.todo = "change the value in the application and run lockstep again: it goes on from there";
  return Error(std::move(facts));
}

void TargetWorker::progressed() {
  if (!blocked_) return;
  blocked_ = false;
  board_.stop_awaiting();
}

}  // namespace lockstep::ops
