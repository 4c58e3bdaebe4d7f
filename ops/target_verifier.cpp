#include "ops/target_verifier.hpp"

#include <fmt/format.h>
#include <fnmatch.h>
#include <pthread.h>

#include <algorithm>
#include <map>
#include <utility>

#include "apply/quarantine.hpp"
#include "link/wire/control.hpp"
#include "model/failpoint.hpp"
#include "verify/values.hpp"

namespace lockstep::ops {

using wire::Kind;

namespace {

constexpr std::size_t kShownPerTable = 5;
constexpr std::uint64_t kFoundKeptPerTable = 10'000;  // by key; all are counted

Error elsewhere(const Position& barrier, const std::string& target) {
  return Error(
      {.code = "LS-V505",
       .exit = ExitCode::bug,
       .what = "the target's read view is not at the barrier",
       .why = fmt::format("the barrier is {}, the ledger says {}", to_string(barrier), target),
       .data = "nothing was compared",
       .todo = "please report this",
       .retry = Retry::new_session});
}

bool selected(const std::vector<std::string>& globs, const std::string& table) {
  return globs.empty() || std::any_of(globs.begin(), globs.end(), [&](const std::string& glob) {
           return ::fnmatch(glob.c_str(), table.c_str(), 0) == 0;
         });
}

void widen(verify::TableRecord& record, const Position& position) {
  if (!record.oldest || position.seq < record.oldest->seq) record.oldest = position;
  if (!record.newest || position.seq > record.newest->seq) record.newest = position;
}

}  // namespace

TargetVerifier::TargetVerifier(VerifierTarget target)
    : target_(std::move(target)),
      next_barrier_(1),
      thread_([this](const std::stop_token& stop) { work(stop); }) {
  pthread_setname_np(thread_.native_handle(), "verify-1");
}

TargetVerifier::~TargetVerifier() {
  thread_.request_stop();
  for (auto& view : views_)
    if (view) view->cancel();
  came_.notify_all();
}

void TargetVerifier::tables(const std::vector<apply::LedgerTable>& tables) {
  const std::lock_guard lock(mutex_);
  plans_.clear();
  for (const apply::LedgerTable& table : tables) plans_.push_back(table.plan);
}

void TargetVerifier::look_for_pass(postgres::Connection& ledger) {
  constexpr Milliseconds kEvery{500};
  if (steady_now() < looked_at_ + kEvery) return;
  looked_at_ = steady_now();
  {
    const std::lock_guard lock(mutex_);
    if (busy_) return;
  }
  if (!std::exchange(records_made_, true)) verify::create_records(ledger);
  auto pass = verify::next_pass(ledger, target_.migration);
  if (!pass) return;
  const std::lock_guard lock(mutex_);
  wanted_ = std::move(pass);
  busy_ = true;
  came_.notify_all();
}

std::optional<verify::PassResult> TargetVerifier::take_result(postgres::Connection& ledger) {
  {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(news_, false)) return std::nullopt;
  }
  return verify::last_result(ledger, target_.migration);
}

void TargetVerifier::open_view(const wire::Barrier& barrier) noexcept {
  BarrierMail::Answer answer{barrier.barrier, Kind::barrier, {}, barrier.position, std::nullopt};
  try {
    postgres::Connection& view = view_of(barrier.barrier);
    view.exec("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY");
    const auto ledger = apply::read_ledger(view, target_.migration, apply::RowLock::none);
    if (!ledger || ledger->position != barrier.position)
      throw elsewhere(barrier.position, ledger && ledger->position ? to_string(*ledger->position)
                                                                   : std::string("nothing"));
    LOCKSTEP_FAILPOINT("verify.view_open");
  } catch (const Error& error) {
    answer.failure = error.facts();
  }
  mail_.answer(std::move(answer));
}

void TargetVerifier::work(const std::stop_token& stop) {
  stop_ = stop;
  Backoff backoff(Milliseconds{50}, Milliseconds{5'000}, 1);
  while (!stop.stop_requested()) {
    verify::Pass pass;
    {
      std::unique_lock lock(mutex_);
      if (!came_.wait(lock, stop, [&] { return wanted_.has_value(); })) return;
      pass = *wanted_;
    }
    const auto session = mail_.wait_for_session(stop);
    if (!session) return;
    session_ = *session;
    {
      const std::lock_guard lock(mutex_);
      pass_plans_ = plans_;
    }
    bool over = true;
    try {
      run_pass(pass);
    } catch (const Error& error) {
      over = error.retry() == Retry::never;
      for (auto& view : views_)
        if (view) view->abort();
      if (over && ledger_) {
        try {
          verify::move_pass(*ledger_, pass.id, verify::PassState::failed, error.what());
        } catch (const Error&) {  // it is found again as one that is running
        }
      }
    }
    std::unique_lock lock(mutex_);
    if (over) {
      wanted_.reset();
      busy_ = false;
      news_ = true;
      backoff.reset();
    } else {
      came_.wait_for(lock, stop, backoff.next(), [] { return false; });
    }
  }
}

void TargetVerifier::open_connections() {
  const auto fresh = [&](std::optional<postgres::Connection>& connection) {
    if (connection && connection->alive()) return connection->abort();
    postgres::Connection opened = postgres::Connection::open(target_.dsn, "verify");
    const std::lock_guard lock(mutex_);
    connection.reset();
    connection.emplace(std::move(opened));
  };
  fresh(ledger_);
  for (auto& view : views_) fresh(view);
}

void TargetVerifier::make_records(const verify::Pass& pass) {
  std::map<std::uint32_t, verify::TableRecord> known;
  for (verify::TableRecord& record : verify::read_records(*ledger_, pass.id))
    known.emplace(record.id, std::move(record));
  records_.clear();
  for (const TablePlan& plan : pass_plans_) {
    if (!selected(pass.tables, plan.name())) continue;
    verify::TableRecord record;
    record.id = plan.id;
    record.name = plan.name();
    if (const auto found = known.find(plan.id); found != known.end()) record = found->second;
    records_.push_back(std::move(record));
  }
  std::sort(records_.begin(), records_.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
}

const TablePlan& TargetVerifier::plan_of(std::size_t table) const {
  return *std::find_if(pass_plans_.begin(), pass_plans_.end(),
                       [&](const TablePlan& plan) { return plan.id == records_[table].id; });
}

void TargetVerifier::run_pass(const verify::Pass& pass) {
  open_connections();
  verify::forget_old_passes(*ledger_, target_.migration);
  make_records(pass);
  verify::move_pass(*ledger_, pass.id, verify::PassState::running, "");
  LOCKSTEP_FAILPOINT("verify.taken_up");
  compare_tables(pass);
  LOCKSTEP_FAILPOINT("verify.judged");
  const auto problem = std::find_if(records_.begin(), records_.end(),
                                    [](const auto& record) { return !record.problem.empty(); });
  const bool equal = std::all_of(records_.begin(), records_.end(),
                                 [](const auto& record) { return record.different() == 0; });
  verify::move_pass(*ledger_, pass.id,
                    !equal                      ? verify::PassState::different
                    : problem == records_.end() ? verify::PassState::equal
                                                : verify::PassState::failed,
                    problem == records_.end() ? "" : problem->problem);
}

void TargetVerifier::compare_tables(const verify::Pass& pass) {
  std::optional<Range> range = first_range(0);
  if (range) ask(*range, 0);
  while (range) {
    try {
      range->position = await(range->barrier, Kind::barrier).position;
      const wire::Digests digests = wire::decode_digests(await(range->barrier, Kind::digests).body);
      std::optional<Range> following = range_after(*range, digests);
      ahead_ = 0;
      if (following) ask(*following, range->barrier);
      compare(pass, *range, digests);
      range = std::move(following);
    } catch (const Error& error) {
      if (error.code() != "LS-V508") throw;
      give_up(pass, range->table, error);
      range = first_range(range->table + 1);
      if (range) ask(*range, ahead_);
    }
  }
}

void TargetVerifier::give_up(const verify::Pass& pass, std::size_t table, const Error& error) {
  for (auto& view : views_) view->abort();
  verify::TableRecord record = records_[table];
  record.problem = error.what();
  record.done = true;
  verify::write_record(*ledger_, pass.id, record, {});
  records_[table] = std::move(record);
}

std::optional<TargetVerifier::Range> TargetVerifier::first_range(std::size_t from_table) const {
  for (std::size_t table = from_table; table < records_.size(); ++table)
    if (!records_[table].done)
      return Range{0, table, records_[table].cursor, records_[table].source_cursor, {}};
  return std::nullopt;
}

std::optional<TargetVerifier::Range> TargetVerifier::range_after(
    const Range& range, const wire::Digests& digests) const {
  const wire::DigestBlock& last = digests.blocks.back();
  if (!last.last) return first_range(range.table + 1);
  return Range{0,
               range.table,
               verify::parse_key_bytes(*last.last),
               verify::parse_key_bytes(*digests.resume),
               {}};
}

std::uint64_t TargetVerifier::new_barrier(std::uint64_t other) {
  if (other != 0 && next_barrier_ % kViews == other % kViews) ++next_barrier_;
  return next_barrier_++;
}

void TargetVerifier::ask(Range& range, std::uint64_t beside) {
  range.barrier = ahead_ = new_barrier(beside);
  wire::BarrierWanted wanted;
  wanted.barrier = range.barrier;
  wanted.table = records_[range.table].id;
  wanted.shape = fingerprint(plan_of(range.table).shape);
  if (range.source_after) wanted.after = verify::key_bytes(*range.source_after);
  mail_.request(Kind::barrier_wanted, wire::encode_barrier_wanted(wanted));
}

void TargetVerifier::compare(const verify::Pass& pass, const Range& range,
                             const wire::Digests& digests) {
  std::vector<verify::Block> blocks;
  for (const wire::DigestBlock& block : digests.blocks)
    blocks.push_back(
        {block.last ? std::optional(verify::parse_key_bytes(*block.last)) : std::nullopt,
         block.rows, block.digest});
  postgres::Connection& view = view_of(range.barrier);
  const verify::RangeRows rows =
      verify::read_target_range(view, target_.schema, plan_of(range.table), range.after, blocks);
  verify::TableRecord record = records_[range.table];
  std::vector<std::uint32_t> differing;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    record.source_rows += blocks[i].rows;
    record.source_digest += blocks[i].digest;
    record.target_digest += rows.digest_of(i);
    if (blocks[i].digest != rows.digest_of(i) || blocks[i].rows != rows.rows_of(i))
      differing.push_back(static_cast<std::uint32_t>(i));
  }
  record.target_rows += rows.rows();
  ++record.barriers;
  widen(record, range.position);
  record.cursor = blocks.back().last;
  record.source_cursor.reset();
  if (digests.resume) record.source_cursor = verify::parse_key_bytes(*digests.resume);
  record.done = !record.cursor;
  std::vector<verify::RowDifference> all;
  if (!differing.empty()) all = narrow(range, differing, rows);
  count_quarantined(range, record.cursor, all, record);
  view.exec("ROLLBACK");
  std::vector<verify::DifferenceRecord> found;
  if (!all.empty()) {
    const std::uint64_t known = record.different();
    for (const verify::RowDifference& one : all)
      ++(one.kind == verify::Difference::missing ? record.missing
         : one.kind == verify::Difference::extra ? record.extra
                                                 : record.differ);
    const std::uint64_t room = kFoundKeptPerTable - std::min(kFoundKeptPerTable, known);
    if (all.size() > room) all.resize(room);
    found = show(range.table, all);
  }
  LOCKSTEP_FAILPOINT("verify.compared");
  verify::write_record(*ledger_, pass.id, record, found);
  LOCKSTEP_FAILPOINT("verify.recorded");
  records_[range.table] = std::move(record);
}

void TargetVerifier::count_quarantined(const Range& range, const std::optional<verify::Key>& until,
                                       std::vector<verify::RowDifference>& found,
                                       verify::TableRecord& record) {
  const TablePlan& plan = plan_of(range.table);
  for (const std::string& text :
       apply::read_quarantined_keys(view_of(range.barrier), target_.migration, plan.id)) {
    const verify::Key key = verify::carried_key(plan, wire::decode_key(text));
    if (range.after && verify::key_order(key, *range.after) <= 0) continue;
    if (until && verify::key_order(key, *until) > 0) continue;
    const std::string bytes = verify::key_bytes(key);
    const auto row =
        std::find_if(found.begin(), found.end(), [&](const auto& one) { return one.key == bytes; });
    if (row != found.end() && row->kind == verify::Difference::missing) {
      ++record.quarantined;
      found.erase(row);
    } else if (row == found.end()) {
      // The quarantine knows a row that the source does not have.
      found.push_back({verify::Difference::differ, bytes});
    }
  }
}

std::vector<verify::RowDifference> TargetVerifier::narrow(const Range& range,
                                                          const std::vector<std::uint32_t>& blocks,
                                                          const verify::RangeRows& rows) {
  mail_.request(Kind::narrow, wire::encode_narrow({range.barrier, blocks}));
  std::vector<verify::RowDifference> found;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const wire::BlockRows source =
        wire::decode_block_rows(await(range.barrier, Kind::block_rows).body);
    std::vector<verify::KeptRow> there;
    for (const wire::HashedRow& row : source.rows) there.push_back({row.key, row.hash});
    for (verify::RowDifference& one : verify::differences(there, rows.rows_in(source.block)))
      found.push_back(std::move(one));
  }
  return found;
}

// At a barrier of its own: the views at which they were found are closed.
std::vector<verify::DifferenceRecord> TargetVerifier::show(
    std::size_t table, const std::vector<verify::RowDifference>& found) {
  std::vector<verify::DifferenceRecord> records;
  for (const verify::RowDifference& one : found)
    records.push_back({records_[table].id, one.kind, one.key, ""});
  const std::uint64_t known = records_[table].different();
  const std::size_t wanted = known >= kShownPerTable ? 0 : kShownPerTable - known;
  if (wanted == 0 || found.empty()) return records;
  wire::BarrierWanted barrier;
  barrier.barrier = new_barrier(ahead_);
  barrier.table = records_[table].id;
  barrier.shape = fingerprint(plan_of(table).shape);
  for (std::size_t i = 0; i < std::min(wanted, found.size()); ++i)
    barrier.keys.push_back(found[i].key);
  mail_.request(Kind::barrier_wanted, wire::encode_barrier_wanted(barrier));
  static_cast<void>(await(barrier.barrier, Kind::barrier));
  const wire::ShownRows rows =
      wire::decode_shown_rows(await(barrier.barrier, Kind::shown_rows).body);
  postgres::Connection& view = view_of(barrier.barrier);
  for (std::size_t i = 0; i < std::min(rows.rows.size(), barrier.keys.size()); ++i)
    records[i].shown = shown(table, found[i], rows.rows[i], view);
  view.exec("ROLLBACK");
  return records;
}

std::string TargetVerifier::shown(std::size_t table, const verify::RowDifference& difference,
                                  const wire::ShownRow& source, postgres::Connection& view) const {
  const TablePlan& plan = plan_of(table);
  const verify::Key key = verify::parse_key_bytes(difference.key);
  const std::string name = verify::describe_key(plan.shape, key);
  const auto target = verify::read_target_row(view, target_.schema, plan, key);
  if (!source.there && !target) return name + ": in quarantine, but not on the source";
  if (source.there && !target) return name + ": on the source only";
  if (!source.there && target) return name + ": on the target only";
  if (source.there && target)
    for (std::size_t i = 0; i < std::min(target->size(), source.values.size()); ++i)
      if (verify::value_hash((*target)[i]) != source.values[i].hash)
        return fmt::format("{}: {} is {} on the source and {} on the target", name,
                           plan.shape.columns[i].name, source.values[i].text,
                           describe((*target)[i].view()));
  return fmt::format("{}: {} when it was compared; written since, and equal now", name,
                     to_string(difference.kind));
}

}  // namespace lockstep::ops
