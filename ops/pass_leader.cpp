#include "ops/pass_leader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "apply/quarantine.hpp"
#include "link/wire/control.hpp"
#include "model/failpoint.hpp"
#include "ops/names.hpp"
#include "ops/verified_text.hpp"
#include "ops/verify_request.hpp"
#include "switchover/reverse_watch.hpp"
#include "verify/held_rows.hpp"
#include "verify/shown_key.hpp"

namespace lockstep::ops {

using wire::Kind;

namespace {

constexpr std::uint64_t kFoundKeptPerTable = 10'000;  // by key; all are counted

void widen(verify::TableRecord& record, const Position& position) {
  if (!record.oldest || position.seq < record.oldest->seq) record.oldest = position;
  if (!record.newest || position.seq > record.newest->seq) record.newest = position;
}

}  // namespace

bool is_of_one_table(const Error& error) {
  constexpr std::array kCodes{"LS-V508", "LS-V509", "LS-V537", "LS-T204",
                              "LS-T211", "LS-T266", "LS-S329"};
  return error.retry() == Retry::never &&
         std::find(kCodes.begin(), kCodes.end(), error.code()) != kCodes.end();
}

PassLeader::PassLeader(LeaderParts parts, verify::Pass pass, std::vector<TablePlan> plans,
                       const verify::PaceLimits& pace, std::stop_token stop)
    : parts_(std::move(parts)),
      pass_(std::move(pass)),
      plans_(std::move(plans)),
      pace_(pace),
      stop_(std::move(stop)) {}

bool PassLeader::run() {
  verify::forget_old_passes(ledger(), parts_.target.migration);
  verify::take_over(ledger(), pass_.id, parts_.target.history.flow);
  require_tables(pass_.request.tables, plans_);
  make_records();
  verify::move_pass(ledger(), pass_.id, verify::PassState::running, "");
  LOCKSTEP_FAILPOINT("verify.taken_up");
  if (pass_.request.since ? !compare_touched() : !compare_tables()) return false;
  LOCKSTEP_FAILPOINT("verify.judged");
  end_pass();
  return true;
}

void PassLeader::make_records() {
  std::map<std::uint32_t, verify::TableRecord> known;
  for (verify::TableRecord& record : verify::read_records(ledger(), pass_.id))
    known.emplace(record.id, std::move(record));
  const auto marks =
      switchover::table_marks(ledger(), parts_.target.migration, parts_.target.schema, plans_);
  records_.clear();
  for (const TablePlan& plan : plans_) {
    const auto& globs = pass_.request.tables;
    if (!globs.empty() && !matches_any(plan.name(), globs)) continue;
    verify::TableRecord record;
    record.id = plan.id;
    record.name = plan.name();
    if (const auto mark = marks.find(plan.id); mark != marks.end()) record.seen = mark->second;
    if (const auto found = known.find(plan.id); found != known.end()) record = found->second;
    records_.push_back(std::move(record));
  }
  std::sort(records_.begin(), records_.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
}

void PassLeader::end_pass() {
  const auto problem = std::find_if(records_.begin(), records_.end(),
                                    [](const auto& record) { return !record.problem.empty(); });
  const bool equal = std::all_of(records_.begin(), records_.end(),
                                 [](const auto& record) { return record.different() == 0; });
  verify::move_pass(ledger(), pass_.id,
                    !equal                      ? verify::PassState::different
                    : problem == records_.end() ? verify::PassState::equal
                                                : verify::PassState::failed,
                    problem == records_.end() ? "" : problem->problem);
}

const TablePlan& PassLeader::plan_of(std::size_t table) const {
  return *std::find_if(plans_.begin(), plans_.end(),
                       [&](const TablePlan& plan) { return plan.id == records_[table].id; });
}

bool PassLeader::compare_tables() {
  std::optional<Range> range = first_range(0);
  if (range) ask(*range, 0);
  while (range) {
    parts_.between_ranges(ahead_);
    try {
      const SteadyTime begun = begun_ = steady_now();
      at_ = range->table;
      range->position = await(range->barrier, Kind::barrier).position;
      const wire::Digests digests = wire::decode_digests(await(range->barrier, Kind::digests).body);
      if (is_numbered_anew(*range)) {
        begin_anew(range->table);
        range = first_range(range->table);
        ask(*range, 0);
        continue;
      }
      std::optional<Range> following = range_after(*range, digests);
      const bool last = !following || following->table != range->table;
      ahead_ = 0;
      // A pass that rests holds no read view meanwhile.
      if (following && !pace_.any()) ask(*following, range->barrier);
      compare(*range, digests, last);
      std::uint64_t rows = 0;
      for (const wire::DigestBlock& block : digests.blocks) rows += block.rows;
      if (following && pace_.any()) {
        if (!rest_after(rows, begun)) return false;
        ask(*following, 0);
      }
      range = std::move(following);
    } catch (const Error& error) {
      if (!is_of_one_table(error)) throw;
      drop_ahead(range->barrier);
      give_up(range->table, error);
      range = first_range(range->table + 1);
      if (range) ask(*range, ahead_);
    }
  }
  return true;
}

bool PassLeader::rest_after(std::uint64_t rows, SteadyTime begun) {
  parts_.rest(verify::rest_after(pace_, rows,
                                 std::chrono::duration_cast<Milliseconds>(steady_now() - begun)));
  return !stop_.stop_requested() && !parts_.give_way();
}

void PassLeader::drop_ahead(std::uint64_t compared) {
  if (ahead_ == 0 || ahead_ == compared) return;
  const std::uint64_t barrier = std::exchange(ahead_, 0);
  try {
    static_cast<void>(await(barrier, Kind::barrier));
    static_cast<void>(await(barrier, Kind::digests));
  } catch (const Error& error) {
    if (!is_of_one_table(error)) throw;
  }
}

void PassLeader::give_up(std::size_t table, const Error& error) {
  parts_.connections.views.end_all();
  verify::TableRecord record = records_[table];
  record.problem = error.what();
  record.done = true;
  keep(std::move(record), {}, table);
}

void PassLeader::keep(verify::TableRecord record,
                      const std::vector<verify::DifferenceRecord>& found, std::size_t table,
                      const std::optional<verify::RangeRecord>& range) {
  LOCKSTEP_FAILPOINT("verify.compared");
  verify::write_record(ledger(), pass_.id, record, found, range);
  LOCKSTEP_FAILPOINT("verify.recorded");
  records_[table] = std::move(record);
  show_state(table);
}

void PassLeader::show_state(std::size_t table) {
  const verify::TableRecord& record = records_[table];
  Verifying verifying;
  verifying.pass = pass_.id;
  verifying.table = record.name;
  verifying.tables = static_cast<std::int64_t>(records_.size());
  for (const verify::TableRecord& each : records_) {
    verifying.tables_done += each.done ? 1 : 0;
    verifying.rows += static_cast<std::int64_t>(each.source_rows);
  }
  parts_.board.verifying(std::move(verifying));
  if (proves_no_table()) return;
  TableVerified state;
  state.state = record.problem.empty() && record.different() == 0 && !record.done
                    ? "running"
                    : verified_state(record.problem, record.different());
  state.rows = static_cast<std::int64_t>(record.source_rows);
  state.different = static_cast<std::int64_t>(record.different());
  state.problem = record.problem;
  state.at_us = wall_now_us();
  if (record.newest) state.position = to_string(*record.newest);
  state.converged = static_cast<std::int64_t>(record.converged);
  if (record.converged_at) state.converged_at = to_string(*record.converged_at);
  parts_.board.table_verified(record.id, std::move(state));
}

void PassLeader::show_failure(const Error& error) {
  if (at_ >= records_.size() || proves_no_table()) return;
  TableVerified state;
  state.state = "error";
  state.problem = error.what();
  state.at_us = wall_now_us();
  parts_.board.table_verified(records_[at_].id, std::move(state));
}

std::uint64_t PassLeader::new_barrier(std::uint64_t other) {
  if (other != 0 && parts_.next_barrier % kVerifierViews == other % kVerifierViews)
    ++parts_.next_barrier;
  return parts_.next_barrier++;
}

void PassLeader::ask(Range& range, std::uint64_t beside) {
  remember_numbers(range);
  range.barrier = ahead_ = new_barrier(beside);
  wire::BarrierWanted wanted;
  wanted.barrier = range.barrier;
  wanted.table = records_[range.table].id;
  wanted.shape = verify::compared_shape(plan_of(range.table));
  wanted.rows_max = range.rows_max;
  if (range.source_after) wanted.after = verify::key_bytes(*range.source_after);
  parts_.mail.request(Kind::barrier_wanted, wire::encode_barrier_wanted(wanted));
}

std::vector<verify::Block> PassLeader::blocks_of(const wire::Digests& digests) {
  std::vector<verify::Block> blocks;
  for (const wire::DigestBlock& block : digests.blocks)
    blocks.push_back(
        {block.last ? std::optional(verify::parse_key_bytes(*block.last)) : std::nullopt,
         block.rows, block.digest});
  return blocks;
}

void PassLeader::compare(const Range& range, const wire::Digests& digests, bool last) {
  const std::vector<verify::Block> blocks = blocks_of(digests);
  const verify::RangeRows rows = verify::read_target_range(
      view_of(range.barrier), parts_.target.schema, plan_of(range.table), range.after, blocks);
  verify::TableRecord record = records_[range.table];
  record.cursor = blocks.back().last;
  record.source_cursor.reset();
  if (digests.resume) record.source_cursor = verify::parse_key_bytes(*digests.resume);
  record.done = last;
  // In the source's order a key that does not fit has its place, too.
  const std::optional<verify::Key> until = record.source_cursor;
  judge(range, blocks, rows, std::move(record), [&](const verify::Key& own, const verify::Key&) {
    return (!range.source_after || verify::key_order(own, *range.source_after) > 0) &&
           (!until || verify::key_order(own, *until) <= 0);
  });
}

void PassLeader::judge(const Range& range, const std::vector<verify::Block>& blocks,
                       const verify::RangeRows& rows, verify::TableRecord record,
                       const Within& within) {
  struct {
    std::uint64_t rows = 0, digest = 0;
  } source, target{rows.rows(), 0};
  std::vector<std::uint32_t> differing;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    source.rows += blocks[i].rows;
    source.digest += blocks[i].digest;
    target.digest += rows.digest_of(i);
    if (blocks[i].digest != rows.digest_of(i) || blocks[i].rows != rows.rows_of(i))
      differing.push_back(static_cast<std::uint32_t>(i));
  }
  if (goes_back()) std::swap(source, target);
  record.source_rows += source.rows;
  record.source_digest += source.digest;
  record.target_rows += target.rows;
  record.target_digest += target.digest;
  ++record.barriers;
  widen(record, range.position);
  std::vector<verify::RowDifference> all;
  if (!differing.empty()) all = narrow(range, differing, rows);
  std::set<std::string> keys;
  if (parts_.dual.contains(record.id))
    for (const verify::RowDifference& one : all) keys.insert(one.key);
  count_quarantined(range, within, all, record);
  view_of(range.barrier).exec("ROLLBACK");
  if (!keys.empty() && !all.empty()) look_again(range.table, keys, all, record);
  std::vector<verify::DifferenceRecord> found;
  const std::uint64_t different = all.size();
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
  record.ms += std::chrono::duration_cast<Milliseconds>(steady_now() - begun_).count();
  // Keys that were written since a position are no range.
  std::optional<verify::RangeRecord> compared;
  if (!pass_.request.since || record.whole)
    compared = {range.after, record.cursor, source.rows, different, range.position};
  keep(std::move(record), found, range.table, compared);
}

void PassLeader::count_quarantined(const Range& range, const Within& within,
                                   std::vector<verify::RowDifference>& found,
                                   verify::TableRecord& record) {
  const TablePlan& plan = plan_of(range.table);
  std::vector<verify::Key> held;
  for (const std::string& text :
       apply::read_quarantined_keys(view_of(range.barrier), parts_.target.migration, plan.id)) {
    const verify::Key own = wire::decode_key(text);
    if (verify::Key key = verify::carried_key(plan, own); within(own, key))
      held.push_back(std::move(key));
  }
  record.quarantined += verify::take_held(
      found, held, goes_back() ? verify::Difference::extra : verify::Difference::missing);
}

std::vector<verify::RowDifference> PassLeader::narrow(const Range& range,
                                                      const std::vector<std::uint32_t>& blocks,
                                                      const verify::RangeRows& rows) {
  parts_.mail.request(Kind::narrow, wire::encode_narrow({range.barrier, blocks}));
  std::vector<verify::RowDifference> found;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const wire::BlockRows source =
        wire::decode_block_rows(await(range.barrier, Kind::block_rows).body);
    std::vector<verify::KeptRow> there;
    for (const wire::HashedRow& row : source.rows) there.push_back({row.key, row.hash});
    const std::vector<verify::KeptRow> here = rows.rows_in(source.block);
    for (verify::RowDifference& one :
         goes_back() ? verify::differences(here, there) : verify::differences(there, here))
      found.push_back(std::move(one));
  }
  return found;
}

}  // namespace lockstep::ops
