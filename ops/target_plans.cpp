// The applying end follows the plans of the source: what it learns of them, and when they change.
#include <utility>

#include "apply/hooks.hpp"
#include "apply/plan_change.hpp"
#include "ops/target_worker.hpp"

namespace lockstep::ops {

using apply::Phase;

// While the copy is not consistent yet its tables may change at any time: the batch that makes it
// so reads what changed anew. Afterwards they change in the transaction of the batch that does.
void TargetWorker::meet_plans(std::vector<TablePlan> plans) {
  plans_ = std::move(plans);
  if (ledger_.phase != Phase::snapshot && ledger_.phase != Phase::catchup) return;
  const apply::PlanChange change = apply::plan_change(options_.schema, tables_, plans_, false);
  if (change.empty()) return;
  apply::change_plans(*connection_, options_.migration, change);
  tables_ = apply::read_tables(*connection_, options_.migration);
  show_tables();
}

void TargetWorker::make_applier() {
  const bool keyed = ledger_.phase == Phase::streaming;
  apply::PlanChange change;
  if (keyed) change = apply::plan_change(options_.schema, tables_, plans_, true);
  plans_change_ = !change.empty();
  applier_ = std::make_unique<apply::Applier>(
      *connection_, plans_change_ ? plans_ : apply::plans_of(tables_),
      apply::ApplierOptions{options_.migration, options_.schema, keyed, !keyed, options_.applier,
                            silent_});
  if (plans_change_) applier_->change_plans_with_next_batch(std::move(change));
  show_quarantine(applier_->quarantined());
}

void TargetWorker::run_after_snapshot() {
  apply::run_hooks(*connection_, options_.migration, options_.schema, "after_snapshot",
                   options_.after_snapshot);
}

void TargetWorker::show_quarantine(const apply::QuarantineCounts& counts) {
  board_.quarantine(counts.held, counts.skipped);
}

void TargetWorker::show_tables() {
  std::vector<TableProgress> progress;
  for (const apply::LedgerTable& table : tables_)
    progress.push_back(
        {table.plan.id, table.plan.name(), table.rows, 0, table.copied, table.indexed});
  board_.tables(std::move(progress));
  verifier_.tables(tables_);
}

}  // namespace lockstep::ops
