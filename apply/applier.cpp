#include "apply/applier.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "apply/existing.hpp"
#include "apply/ledger.hpp"
#include "apply/merge.hpp"
#include "link/postgres/encode.hpp"
#include "link/postgres/entry_check.hpp"
#include "model/failpoint.hpp"

namespace lockstep::apply {

namespace {

using postgres::BinaryParameter;
using postgres::CommitOutcome;
using postgres::Pipeline;

constexpr char kUniqueViolation[] = "23505";

// The bytes of several parameters in one buffer; views are made when the buffer no longer moves.
class Parameters {
 public:
  void add(const ValueView& value, ColumnType type) {
    if (value.kind == ValueClass::null) {
      ends_.push_back(kNull);
      return;
    }
    postgres::append_raw(bytes_, value, type);
    ends_.push_back(bytes_.size());
  }
  void add_raw(std::string_view bytes) {
    bytes_.append(bytes);
    ends_.push_back(bytes_.size());
  }
  void add(std::int64_t number) {
    put_u64(bytes_, static_cast<std::uint64_t>(number));
    ends_.push_back(bytes_.size());
  }
  /// Differs where any value does.
  [[nodiscard]] std::string joined() const {
    std::string text = bytes_;
    for (const std::size_t end : ends_) put_u64(text, end);
    return text;
  }
  [[nodiscard]] const std::vector<BinaryParameter>& views() {
    views_.clear();
    std::size_t at = 0;
    for (const std::size_t end : ends_) {
      if (end == kNull) {
        views_.emplace_back(std::nullopt);
        continue;
      }
      views_.emplace_back(std::string_view(bytes_).substr(at, end - at));
      at = end;
    }
    return views_;
  }

 private:
  static constexpr std::size_t kNull = static_cast<std::size_t>(-1);
  std::string bytes_;
  std::vector<std::size_t> ends_;
  std::vector<BinaryParameter> views_;
};

std::string_view era_bytes(const Era& era) {
  return {reinterpret_cast<const char*>(era.bytes.data()), era.bytes.size()};
}

Parameters advance_parameters(const wire::BatchBegin& batch, const wire::BatchEnd& end) {
  Parameters parameters;
  parameters.add_raw(era_bytes(end.to.era));
  parameters.add(end.to.seq);
  parameters.add(end.to.identity);
  parameters.add(end.to.seq - batch.from.seq);
  parameters.add(end.wall_us);
  parameters.add_raw(era_bytes(batch.from.era));
  parameters.add(batch.from.seq);
  parameters.add(batch.from.identity);
  return parameters;
}

[[noreturn]] void throw_position_moved(const wire::BatchBegin& batch) {
  throw Error(
      {.code = "LS-R705",
       .exit = ExitCode::busy,
       .what = "the target is not where this batch starts",
       .why = fmt::format("the ledger no longer says {}: another applier is at work, or this batch "
                          "came twice",
                          to_string(batch.from)),
       .data = "the batch was refused as a whole (compare-and-set)",
       .todo = "nothing; lockstep reads the ledger and goes on from there",
       .retry = Retry::new_session});
}

}  // namespace

Applier::Applier(postgres::Connection& connection, const std::vector<TablePlan>& tables,
                 ApplierOptions options)
    : connection_(connection),
      options_(std::move(options)),
      quarantine_(connection_, options_.migration) {
  for (const TablePlan& table : tables) tables_.emplace(table.id, table);
  // A session that ended may have left the connection, and on it statements and staging of the same
  // names, for tables of another shape.
  connection_.exec("DEALLOCATE ALL; DISCARD TEMP");
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
  bytes_.clear();
  stored_.clear();
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
  stored_.push_back({entry.table, entry.present, slice_, bytes_.size(), entry.values.size()});
  bytes_.append(entry.values);
  const ApplierLimits& limits = options_.limits;
  // Without keys each DELETE would read the whole table: a join with staging reads it once.
  if (!options_.keyed || stored_.size() > limits.small_entries_max ||
      bytes_.size() > limits.small_bytes_max)
    start_staging();
}

void Applier::start_staging() {
  connection_.exec("BEGIN");
  if (options_.silent) connection_.exec(kBeSilent);
  LOCKSTEP_FAILPOINT("apply.begun");
  staging_ = std::make_unique<Staging>(connection_, options_.schema,
                                       options_.limits.copy_lump_bytes, options_.dual);
  for (const StoredEntry& stored : stored_)
    staging_->put(plan(stored.table),
                  {stored.table, stored.present,
                   std::string_view(bytes_).substr(stored.offset, stored.length)},
                  stored.slice);
  stored_.clear();
  bytes_.clear();
}

void Applier::reset(const wire::BatchReset& reset) {
  const TablePlan& table = plan(reset.table);
  if (!staging_) start_staging();
  staging_->reset(table);
  quarantine_.reset(table);
}

// Of the entries of one key only the last counts: in a small batch that is found here.
void Applier::keep_latest() {
  std::set<std::string> seen;
  std::vector<StoredEntry> latest;
  for (auto entry = stored_.rbegin(); entry != stored_.rend(); ++entry) {
    const TablePlan& table = plan(entry->table);
    std::vector<ValueView> values;
    ValueCursor cursor(std::string_view(bytes_).substr(entry->offset, entry->length));
    while (const auto value = cursor.next()) values.push_back(*value);
    Parameters key;
    for (std::size_t i = 0; i < table.shape.key.size(); ++i) {
      const std::size_t column = table.shape.key[i];
      ValueView value = entry->present ? values[column] : values[i];
      if (value.kind == ValueClass::real && std::abs(value.real) <= 0)
        value.real = 0;  // -0.0 is the same key for PostgreSQL
      key.add(value, table.types[column]);
    }
    if (seen.insert(fmt::format("{}:{}", entry->table, key.joined())).second)
      latest.push_back(*entry);
  }
  stored_.assign(latest.rbegin(), latest.rend());
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
  const bool fell_back = staging_->merge(options_.keyed);
  if (options_.becomes_consistent)
    fill_existing(connection_, options_.schema, existing_plans(), options_.silent);
  if (plan_change_) end_plan_change(connection_, options_.migration, *plan_change_);
  quarantine_.finish(end_.to);
  LOCKSTEP_FAILPOINT("apply.rows_done");
  const std::int64_t conflicts = staging_->conflicts();
  staging_.reset();
  return settle(connection_.commit(), fell_back, conflicts);
}

void Applier::begin_change() {
  told_ = begin_plan_change(connection_, *plan_change_);
  if (options_.silent) return;
  for (const auto* plans : {&plan_change_->plans, &plan_change_->added})
    make_way_for_changed(connection_, options_.migration, options_.schema, *plans);
}

void Applier::run_advance(Pipeline& pipeline) {
  Parameters parameters = advance_parameters(batch_, end_);
  pipeline.run(advance_name(), parameters.views());
}

std::map<std::string, std::string> Applier::statements_for(bool delete_and_insert) const {
  std::map<std::string, std::string> statements{{advance_name(), advance()}};
  for (const StoredEntry& entry : stored_) {
    const TablePlan& table = plan(entry.table);
    const bool replaced = delete_and_insert || !is_upserted(table);
    if (replaced || !entry.present)
      statements.emplace(fmt::format("lockstep_d{}", table.id),
                         delete_row_sql(options_.schema, table));
    if (replaced && entry.present)
      statements.emplace(fmt::format("lockstep_i{}", table.id),
                         insert_row_sql(options_.schema, table));
    if (!replaced && entry.present)
      statements.emplace(fmt::format("lockstep_u{}", table.id),
                         upsert_row_sql(options_.schema, table));
  }
  std::erase_if(statements,
                [&](const auto& statement) { return prepared_.contains(statement.first); });
  return statements;
}

void Applier::run_entry(Pipeline& pipeline, const StoredEntry& entry, char verb, bool key_only) {
  const TablePlan& table = plan(entry.table);
  ValueCursor values(std::string_view(bytes_).substr(entry.offset, entry.length));
  Parameters parameters;
  if (entry.present && key_only) {
    std::vector<ValueView> row;
    while (const auto value = values.next()) row.push_back(*value);
    for (const std::size_t column : table.shape.key)
      parameters.add(row[column], table.types[column]);
  } else if (entry.present) {
    for (std::size_t i = 0; i < table.types.size(); ++i) {
      const auto value = values.next();
      if (table.shape.columns[i].computed_as.empty()) parameters.add(*value, table.types[i]);
    }
  } else {
    for (const std::size_t column : table.shape.key)
      parameters.add(*values.next(), table.types[column]);
  }
  pipeline.run(fmt::format("lockstep_{}{}", verb, table.id), parameters.views());
}

// The position moves first: the row lock makes two appliers take turns, and the loser fails before
// it has done anything.
Pipeline::Outcome Applier::run_small(bool delete_and_insert) {
  const std::map<std::string, std::string> statements = statements_for(delete_and_insert);
  const auto replaced = [&](const StoredEntry& entry) {
    return delete_and_insert || !is_upserted(plan(entry.table));
  };
  Pipeline pipeline(connection_);
  for (const auto& [name, sql] : statements) pipeline.prepare(name, sql);
  pipeline.exec("BEGIN");
  if (options_.silent) pipeline.exec(kBeSilent);
  LOCKSTEP_FAILPOINT("apply.begun");
  run_advance(pipeline);
  LOCKSTEP_FAILPOINT("apply.pos_set");
  for (const StoredEntry& entry : stored_)
    if (replaced(entry) || !entry.present) run_entry(pipeline, entry, 'd', true);
  LOCKSTEP_FAILPOINT("apply.half_rows");
  for (const StoredEntry& entry : stored_)
    if (entry.present) run_entry(pipeline, entry, replaced(entry) ? 'i' : 'u', false);
  LOCKSTEP_FAILPOINT("apply.rows_done");
  pipeline.commit();
  Pipeline::Outcome outcome = pipeline.finish();
  std::size_t index = 0;
  for (const auto& [name, sql] : statements)
    if (!outcome.error || index++ < outcome.failed_statement) prepared_.insert(name);
  return outcome;
}

Applied Applier::finish_small() {
  if (slice_ > 0) keep_latest();
  bool fell_back = false;
  Pipeline::Outcome outcome = run_small(false);
  if (outcome.error && outcome.error->foreign() == kUniqueViolation) {
    // Two rows of this batch exchanged a unique value: no order of upserts can do that.
    connection_.abort();
    fell_back = true;
    outcome = run_small(true);
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
