// The applying end follows the plans of the source: what it learns of them, and when they change.
#include <fmt/format.h>

#include <set>
#include <utility>

#include "apply/existing.hpp"
#include "apply/foreign_key_ledger.hpp"
#include "apply/hooks.hpp"
#include "apply/plan_change.hpp"
#include "model/failpoint.hpp"
#include "ops/target_worker.hpp"

namespace lockstep::ops {

using apply::Phase;

// While the copy is not consistent yet its tables may change at any time: the batch that makes it
// so reads what changed anew. Afterwards they change in the transaction of the batch that does.
void TargetWorker::meet_plans(std::vector<TablePlan> plans) {
  plans_ = std::move(plans);
  show_to_verifier();
  if (ledger_.phase != Phase::snapshot && ledger_.phase != Phase::catchup) return;
  const apply::PlanChange change = apply::plan_change(options_.schema, tables_, plans_, false);
  if (change.empty()) return;
  apply::change_plans(*connection_, options_.migration, options_.schema, change, silent_);
  tables_ = apply::read_tables(*connection_, options_.migration);
  show_tables();
  keep_guard();
}

void TargetWorker::make_applier() {
  const bool keyed = ledger_.phase == Phase::streaming;
  apply::PlanChange change;
  if (keyed) change = apply::plan_change(options_.schema, tables_, plans_, true);
  refuse_dual_change(change);
  plans_change_ = !change.empty();
  std::vector<TablePlan> plans = plans_change_ ? plans_ : apply::plans_of(tables_);
  apply::read_labels_anew(*connection_, plans);
  applier_ = std::make_unique<apply::Applier>(
      *connection_, std::move(plans),
      apply::ApplierOptions{options_.migration, options_.schema, keyed, !keyed, options_.applier,
                            silent_, &recent_, dual_});
  if (plans_change_) applier_->change_plans_with_next_batch(std::move(change));
  show_quarantine(applier_->quarantined());
}

void TargetWorker::run_after_snapshot() {
  const auto keep = [&](std::optional<postgres::Connection> session) {
    const std::lock_guard lock(connection_mutex_);
    hook_ = std::move(session);
  };
  const auto open = [&]() -> postgres::Connection& {
    keep(std::nullopt);  // before the next: roles may have few
    postgres::Connection session = postgres::Connection::open(connection_->dsn(), "hook");
    session.exec(fmt::format("SET lock_timeout = {}", kLockPatience.count()));
    keep(std::move(session));
    return *hook_;
  };
  try {
    apply::run_hooks(*connection_, options_.migration, options_.schema, "after_snapshot",
                     options_.after_snapshot, open);
  } catch (...) {
    keep(std::nullopt);
    throw;
  }
  keep(std::nullopt);
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
  show_to_verifier();
}

// Marks of personal data and choices for bad values count from the start that made them: the ledger
// has them with the next batch.
void TargetWorker::show_to_verifier() {
  std::vector<apply::LedgerTable> tables = tables_;
  for (apply::LedgerTable& table : tables)
    for (const TablePlan& plan : plans_)
      if (plan.id == table.plan.id &&
          plan.shape.columns.size() == table.plan.shape.columns.size()) {
        table.plan.personal = plan.personal;
        table.plan.on_bad_value = plan.on_bad_value;
      }
  std::set<std::uint32_t> dual;
  for (const apply::DualTable& table : dual_) dual.insert(table.id);
  verifier_.tables(tables, std::move(dual));
}

void TargetWorker::build_keys(const std::stop_token& stop) {
  board_.phase("indexing", true);
  connection_->exec("SET lock_timeout = 0");  // its two sessions wait for each other
  key_builder_.build(*connection_, tables_, stop);
  if (!stop.stop_requested()) {
    LOCKSTEP_FAILPOINT("snap.keys_made");
    apply::enter_foreign_keys(*connection_, options_.migration, own_foreign_keys());
    LOCKSTEP_FAILPOINT("snap.references_entered");
    make_foreign_keys();
    LOCKSTEP_FAILPOINT("snap.references_made");
  }
  connection_->exec(fmt::format("SET lock_timeout = {}", kLockPatience.count()));
  if (stop.stop_requested()) return;
  run_after_snapshot();  // who waits until it is caught up waits for these, too
  apply::move_phase(*connection_, options_.migration, Phase::indexing, Phase::streaming, true);
  ledger_.phase = Phase::streaming;
  board_.phase("streaming", true);
}

std::vector<apply::ForeignKeySql> TargetWorker::own_foreign_keys() const {
  return apply::own_foreign_keys(options_.schema, apply::plans_of(tables_));
}

// Those that wait: at the end of the copy, after a change of the schema, and once our role has been
// given what it takes.
void TargetWorker::make_foreign_keys() {
  if (!silent_) return;
  for (std::string& sentence :
       apply::make_foreign_keys(*connection_, options_.migration, own_foreign_keys()))
    board_.schema_note({"LS-T232", "", std::move(sentence)});
}

// Our role may have lost what keeps them quiet. Only after the copy there can be any.
void TargetWorker::put_foreign_keys_aside() {
  if (silent_ || (ledger_.phase != Phase::indexing && ledger_.phase != Phase::streaming)) return;
  const std::size_t aside = apply::set_foreign_keys_aside(*connection_, options_.migration,
                                                          options_.schema, own_foreign_keys());
  if (aside > 0)
    board_.schema_note({"LS-T232", "",
                        fmt::format("{} foreign keys are set aside: our role may not set "
                                    "session_replication_role any more; lockstep remove SOURCE "
                                    "TARGET puts them back",
                                    aside)});
}

}  // namespace lockstep::ops
