#include "apply/applier.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "apply/batch_parameters.hpp"
#include "apply/existing.hpp"
#include "apply/ledger.hpp"
#include "apply/merge.hpp"
#include "apply/row_counts.hpp"
#include "link/postgres/entry_check.hpp"
#include "model/failpoint.hpp"

namespace lockstep::apply {

namespace {

using postgres::CommitOutcome;
using postgres::Pipeline;

constexpr char kMeddlingName[] = "lockstep_meddling";

}  // namespace

Applier::Applier(postgres::Connection& connection, const std::vector<TablePlan>& tables,
                 ApplierOptions options)
    : connection_(connection),
      options_(std::move(options)),
      small_(options_.schema, tables_),
      quarantine_(connection_, options_.migration) {
  for (const TablePlan& table : tables) tables_.emplace(table.id, table);
  // A session that ended may have left the connection, and on it statements and staging of the same
  // names, for tables of another shape. What is prepared here needs one plan for all values: left
  // to itself the server plans the look for meddling anew each time, which takes longer than the
  // look.
  connection_.exec("DEALLOCATE ALL; DISCARD TEMP; SET plan_cache_mode = force_generic_plan");
  find_tables();
}

Applier::~Applier() {
  staging_.reset();
  connection_.abort();
}

const TablePlan& Applier::plan(std::uint32_t table) const {
  const auto found = tables_.find(table);
  if (found != tables_.end()) return found->second;
  throw Error({.code = "LS-W505",
               .exit = ExitCode::stopped,
               .what = fmt::format("a change of table number {} came", table),
               .why = "the target's ledger has no such table",
               .data = "nothing of the batch was applied",
               .todo = "source and target belong to different migrations: check both paths"});
}

void Applier::find_tables() {
  std::vector<std::string> names;
  for (const auto& [id, plan] : tables_) names.push_back(plan.target_name());
  const std::vector<postgres::Relation> found =
      postgres::find_relations(connection_, options_.schema, names);
  std::size_t next = 0;
  for (const auto& [id, plan] : tables_) relations_[id] = found[next++];
}

// Of a small batch those that it has rows of.
std::vector<postgres::Relation> Applier::written() const {
  std::vector<postgres::Relation> relations;
  if (staging_)
    for (const auto& [id, relation] : relations_) relations.push_back(relation);
  else
    for (const std::uint32_t id : small_.tables()) relations.push_back(relations_.at(id));
  return relations;
}

std::vector<TablePlan> Applier::existing_plans() const {
  std::vector<TablePlan> plans;
  for (const auto& [id, plan] : tables_)
    if (plan.existing) plans.push_back(plan);
  return plans;
}

void Applier::begin(const wire::BatchBegin& batch) {
  staging_.reset();
  connection_.abort();
  batch_ = batch;
  slice_ = 0;
  reader_ = EntryReader();
  entries_ = 0;
  small_.clear();
  quarantine_.begin();
}

void Applier::entries(std::string_view fragment) {
  reader_.feed(fragment);
  while (const auto entry = reader_.next()) take(*entry);
}

void Applier::take(const EntryView& entry) {
  const TablePlan& table = plan(entry.table);
  ++entries_;
  if (options_.recent) options_.recent->touch(table, entry);
  if (entry.present || postgres::key_fits(table, entry)) {
    if (const auto bad = postgres::check_entry(table, entry)) return hold(table, entry, *bad);
    put(table, entry);
  }
  quarantine_.passes(table, entry);
}

// The target has no such row meanwhile. Where the key itself does not fit it never had one.
void Applier::hold(const TablePlan& table, const EntryView& entry, const postgres::BadValue& bad) {
  const EntryView absent{entry.table, false, quarantine_.hold(table, entry, bad)};
  if (postgres::key_fits(table, absent)) put(table, absent);
  if (!quarantine_.full()) return;
  if (!staging_) start_staging();
  staging_->close();
  quarantine_.write();
}

void Applier::put(const TablePlan& table, const EntryView& entry) {
  // What is there has to be looked at first: one way of doing that is enough.
  if (!staging_ && (find_dual(options_.dual, table.id) != nullptr ||
                    entry.values.size() > options_.limits.small_bytes_max))
    start_staging();
  if (staging_) {
    staging_->put(table, entry, slice_);
    return;
  }
  small_.put(entry, slice_);
  const ApplierLimits& limits = options_.limits;
  // Without keys each DELETE would read the whole table: a join with staging reads it once.
  if (!options_.keyed || small_.entries() > limits.small_entries_max ||
      small_.bytes() > limits.small_bytes_max)
    start_staging();
}

void Applier::start_staging() {
  connection_.exec("BEGIN");
  if (options_.silent) connection_.exec(kBeSilent);
  LOCKSTEP_FAILPOINT("apply.begun");
  staging_ = std::make_unique<Staging>(connection_, options_.schema,
                                       options_.limits.copy_lump_bytes, options_.dual);
  small_.each([&](const EntryView& entry, std::uint32_t slice) {
    staging_->put(plan(entry.table), entry, slice);
  });
  small_.clear();
}

void Applier::reset(const wire::BatchReset& reset) {
  const TablePlan& table = plan(reset.table);
  if (!staging_) start_staging();
  staging_->reset(table);
  quarantine_.reset(table);
}

Applied Applier::end(const wire::BatchEnd& batch) {
  end_ = batch;
  if (!reader_.at_boundary() || batch.entries != entries_)
    throw Error({.code = "LS-W501",
                 .exit = ExitCode::stopped,
                 .what = "a batch on the wire is not whole",
                 .why = fmt::format("{} entries came, {} were announced", entries_, batch.entries),
                 .data = "nothing of it was applied",
                 .todo = "nothing; the session starts again by itself",
                 .retry = Retry::new_session});
  // The batch that makes the copy consistent may be empty; it fills the tables all the same. Rows
  // that go into the quarantine or leave it are rare: one way of writing them is enough.
  const bool fills = options_.becomes_consistent && !existing_plans().empty();
  if ((plan_change_ || fills || quarantine_.touched()) && !staging_) start_staging();
  return staging_ ? finish_staging() : finish_small();
}

// As in a small batch the position moves first: the loser of two appliers is told so, and not by a
// conflict with rows that the winner has just written.
Applied Applier::finish_staging() {
  staging_->close();
  const std::string name = advance_name();
  Pipeline pipeline(connection_);
  if (!prepared_.contains(name)) pipeline.prepare(name, advance());
  run_advance(pipeline);
  const Pipeline::Outcome moved = pipeline.finish();
  if (!moved.error || moved.failed_statement > 0) prepared_.insert(name);
  if (moved.error) {
    connection_.abort();
    if (moved.error->foreign() == kAdvanceRefused) throw_position_moved(batch_);
    throw Error(*moved.error);
  }
  LOCKSTEP_FAILPOINT("apply.pos_set");
  // As late as can be: it keeps readers of these tables out until the commit.
  if (plan_change_) begin_change();
  bool fell_back = false;
  try {
    fell_back = staging_->merge(options_.keyed);
  } catch (const Error& error) {  // rows that are missing are no riddle where something is there
    if (error.code() == kOtherRows)
      postgres::check_unmeddled(connection_, options_.schema, written(), options_.silent);
    throw;
  }
  if (options_.becomes_consistent)
    fill_existing(connection_, options_.schema, existing_plans(), options_.silent);
  if (plan_change_) end_plan_change(connection_, options_.migration, *plan_change_, told_);
  quarantine_.finish(end_.to);
  LOCKSTEP_FAILPOINT("apply.rows_done");
  postgres::check_unmeddled(connection_, options_.schema, written(), options_.silent);
  const std::int64_t conflicts = staging_->conflicts();
  staging_.reset();
  return settle(connection_.commit(), fell_back, conflicts);
}

void Applier::begin_change() {
  told_ = begin_plan_change(connection_, *plan_change_);
  if (!options_.silent)
    for (const auto* plans : {&plan_change_->plans, &plan_change_->added})
      make_way_for_changed(connection_, options_.migration, options_.schema, *plans);
  find_tables();
}

void Applier::run_advance(Pipeline& pipeline) {
  Parameters parameters = advance_parameters(batch_, end_);
  pipeline.run(advance_name(), parameters.views());
}

// The position moves first: the row lock makes two appliers take turns, and the loser fails before
// it has done anything.
Pipeline::Outcome Applier::run_small(Writing writing) {
  std::map<std::string, std::string> statements = small_.statements(writing);
  statements.emplace(advance_name(), advance());
  statements.emplace(kMeddlingName, postgres::meddling_sql(options_.silent));
  std::erase_if(statements,
                [&](const auto& statement) { return prepared_.contains(statement.first); });
  Pipeline pipeline(connection_);
  for (const auto& [name, sql] : statements) pipeline.prepare(name, sql);
  pipeline.exec("BEGIN");
  if (options_.silent) pipeline.exec(kBeSilent);
  LOCKSTEP_FAILPOINT("apply.begun");
  run_advance(pipeline);
  LOCKSTEP_FAILPOINT("apply.pos_set");
  small_.run(pipeline, writing, statements.size() + (options_.silent ? 3 : 2));
  LOCKSTEP_FAILPOINT("apply.rows_done");
  const postgres::MeddlingParameters meddling(options_.schema, written());
  pipeline.run(kMeddlingName, meddling.views());
  pipeline.commit();
  Pipeline::Outcome outcome = pipeline.finish();
  if (outcome.error) outcome.error = placed(*outcome.error, outcome.failed_statement);
  std::size_t index = 0;
  for (const auto& [name, sql] : statements)
    if (!outcome.error || index++ < outcome.failed_statement) prepared_.insert(name);
  if (outcome.commit != CommitOutcome::committed) return outcome;
  std::int64_t written = 0;
  for (const std::size_t statement : small_.counted()) written += outcome.affected[statement];
  if (const auto rows = static_cast<std::int64_t>(small_.counted().size()); written != rows)
    throw other_rows_written("", rows, written, Kept::batch);
  return outcome;
}

// Behind the rows comes the look for meddling.
Error Applier::placed(const Error& error, std::size_t statement) const {
  if (statement == small_.behind() && error.foreign() == postgres::kMeddled)
    return postgres::meddled(error);
  return small_.placed(error, statement);
}

Applied Applier::finish_small() {
  if (slice_ > 0) small_.keep_latest();
  bool fell_back = false;
  Pipeline::Outcome outcome = run_small(Writing::in_place);
  if (outcome.error && outcome.error->foreign() == kUniqueViolation) {
    // Two rows of this batch exchanged a unique value: no order of upserts can do that.
    connection_.abort();
    // What was planned while a rule DO INSTEAD NOTHING stood there does nothing for ever, and locks
    // nothing: what the batch is judged by must have been planned in its own transaction.
    connection_.exec("DEALLOCATE ALL");
    prepared_.clear();
    fell_back = true;
    outcome = run_small(Writing::anew);
  }
  if (outcome.error && outcome.commit != CommitOutcome::in_doubt) {
    connection_.abort();
    if (outcome.error->foreign() == kAdvanceRefused) throw_position_moved(batch_);
    throw Error(*outcome.error);
  }
  return settle(outcome.commit, fell_back);
}

Applied Applier::settle(CommitOutcome outcome, bool fell_back, std::int64_t conflicts) {
  if (outcome == CommitOutcome::committed) {
    LOCKSTEP_FAILPOINT("apply.committed");
    plan_change_.reset();
    quarantine_.committed();
    return {end_.to,   static_cast<std::uint64_t>(end_.to.seq - batch_.from.seq),
            entries_,  fell_back,
            conflicts, std::exchange(told_, {})};
  }
  throw Error(
      {.code = "LS-T212",
       .exit = ExitCode::unreachable,
       .what = outcome == CommitOutcome::in_doubt
                   ? "the answer to a commit was lost: it may or may not be on the target"
                   : "the target refused a commit",
       .why = "the connection ended, or the server was stopped, while the commit was on its way",
       .data =
           "safe: rows and position are one transaction, and the ledger is read before going on",
       .todo = "nothing; lockstep connects again by itself",
       .retry = Retry::new_session});
}

}  // namespace lockstep::apply
