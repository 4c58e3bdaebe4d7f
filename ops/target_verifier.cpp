#include "ops/target_verifier.hpp"

#include <fmt/format.h>
#include <fnmatch.h>
#include <pthread.h>

#include <algorithm>
#include <map>
#include <utility>

#include "verify/values.hpp"

namespace lockstep::ops {

using wire::Kind;

namespace {

constexpr std::size_t kShownPerTable = 5;
constexpr std::uint64_t kFoundKeptPerTable = 10'000;  // by key; all are counted

Error session_is_lost() {
  return Error({.code = "LS-V506",
                .exit = ExitCode::stopped,
                .what = "capture cannot be asked for the source's side now",
                .why = "its session is over",
                .data = "nothing is claimed of the range that was being compared",
                .todo = "nothing; the pass goes on with that range in the next session",
                .retry = Retry::new_session});
}

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

void TargetVerifier::session_began() {
  const std::lock_guard lock(mutex_);
  ++session_;
  session_open_ = true;
  requests_.clear();
  answers_.clear();
  came_.notify_all();
}

void TargetVerifier::session_lost() {
  const std::lock_guard lock(mutex_);
  session_open_ = false;
  came_.notify_all();
}

void TargetVerifier::look_for_pass(postgres::Connection& ledger) {
  constexpr Milliseconds kEvery{500};
  if (steady_now() < looked_at_ + kEvery) return;
  looked_at_ = steady_now();
  {
    const std::lock_guard lock(mutex_);
    if (busy_) return;
  }
  auto pass = verify::next_pass(ledger, target_.migration);
  if (!pass) return;
  const std::lock_guard lock(mutex_);
  wanted_ = std::move(pass);
  busy_ = true;
  came_.notify_all();
}

void TargetVerifier::open_view(const wire::Barrier& barrier) noexcept {
  Answer answer{barrier.barrier, Kind::barrier, {}, barrier.position, std::nullopt};
  try {
    postgres::Connection& view = view_of(barrier.barrier);
    view.exec("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY");
    const auto ledger = apply::read_ledger(view, target_.migration, apply::RowLock::none);
    if (!ledger || ledger->position != barrier.position)
      throw elsewhere(barrier.position, ledger && ledger->position ? to_string(*ledger->position)
                                                                   : std::string("nothing"));
  } catch (const Error& error) {
    answer.failure = error.facts();
  }
  const std::lock_guard lock(mutex_);
  answers_.push_back(std::move(answer));
  came_.notify_all();
}

void TargetVerifier::received(Kind kind, std::string body) {
  Answer answer{0, kind, std::move(body), {}, std::nullopt};
  if (kind == Kind::barrier_failed) {
    wire::BarrierFailed failed = wire::decode_barrier_failed(answer.body);
    answer.barrier = failed.barrier;
    answer.failure = std::move(failed.error);
  } else if (kind == Kind::digests) {
    answer.barrier = wire::decode_digests(answer.body).barrier;
  } else if (kind == Kind::block_rows) {
    answer.barrier = wire::decode_block_rows(answer.body).barrier;
  } else {
    answer.barrier = wire::decode_shown_rows(answer.body).barrier;
  }
  const std::lock_guard lock(mutex_);
  answers_.push_back(std::move(answer));
  came_.notify_all();
}

std::vector<TargetVerifier::Request> TargetVerifier::take_requests() {
  bell_.silence();
  const std::lock_guard lock(mutex_);
  std::vector<Request> requests(std::make_move_iterator(requests_.begin()),
                                std::make_move_iterator(requests_.end()));
  requests_.clear();
  return requests;
}

void TargetVerifier::request(Kind kind, std::string body) {
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back({kind, std::move(body)});
  }
  bell_.ring();
}

TargetVerifier::Answer TargetVerifier::await(std::uint64_t barrier, Kind kind) {
  std::unique_lock lock(mutex_);
  while (true) {
    if (stop_.stop_requested() || !session_open_ || session_ != session_used_)
      throw session_is_lost();
    const auto found = std::find_if(answers_.begin(), answers_.end(), [&](const Answer& answer) {
      return answer.barrier == barrier && (answer.kind == kind || answer.failure);
    });
    if (found != answers_.end()) {
      Answer answer = std::move(*found);
      answers_.erase(found);
      if (answer.failure) throw Error(*answer.failure);
      return answer;
    }
    came_.wait_for(lock, stop_, Milliseconds{1'000}, [] { return false; });
  }
}

void TargetVerifier::work(const std::stop_token& stop) {
  stop_ = stop;
  Backoff backoff(Milliseconds{50}, Milliseconds{5'000}, 1);
  while (!stop.stop_requested()) {
    verify::Pass pass;
    {
      std::unique_lock lock(mutex_);
      came_.wait(lock, stop, [&] { return wanted_ && session_open_; });
      if (stop.stop_requested()) return;
      pass = *wanted_;
      session_used_ = session_;
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
  make_records(pass);
  verify::move_pass(*ledger_, pass.id, verify::PassState::running, "");
  std::optional<Range> range = first_range(0);
  if (range) ask(*range, 0);
  while (range) {
    range->position = await(range->barrier, Kind::barrier).position;
    const wire::Digests digests = wire::decode_digests(await(range->barrier, Kind::digests).body);
    std::optional<Range> following = range_after(*range, digests);
    ahead_ = 0;
    if (following) ask(*following, range->barrier);
    compare(pass, *range, digests);
    range = std::move(following);
  }
  const bool equal =
      std::all_of(records_.begin(), records_.end(),
                  [](const verify::TableRecord& record) { return record.different() == 0; });
  verify::move_pass(*ledger_, pass.id,
                    equal ? verify::PassState::equal : verify::PassState::different, "");
}

std::optional<TargetVerifier::Range> TargetVerifier::first_range(std::size_t from_table) const {
  for (std::size_t table = from_table; table < records_.size(); ++table)
    if (!records_[table].done) return Range{0, table, records_[table].cursor, {}};
  return std::nullopt;
}

std::optional<TargetVerifier::Range> TargetVerifier::range_after(
    const Range& range, const wire::Digests& digests) const {
  const wire::DigestBlock& last = digests.blocks.back();
  if (!last.last) return first_range(range.table + 1);
  return Range{0, range.table, verify::parse_key_bytes(*last.last), {}};
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
  if (range.after) wanted.after = verify::key_bytes(*range.after);
  request(Kind::barrier_wanted, wire::encode_barrier_wanted(wanted));
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
  view.exec("ROLLBACK");
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
  record.done = !record.cursor;
  std::vector<verify::DifferenceRecord> found;
  if (!differing.empty()) {
    const std::uint64_t known = record.different();
    std::vector<verify::RowDifference> all = narrow(range, differing, rows);
    for (const verify::RowDifference& one : all)
      ++(one.kind == verify::Difference::missing ? record.missing
         : one.kind == verify::Difference::extra ? record.extra
                                                 : record.differ);
    const std::uint64_t room = kFoundKeptPerTable - std::min(kFoundKeptPerTable, known);
    if (all.size() > room) all.resize(room);
    found = show(range.table, all);
  }
  verify::write_record(*ledger_, pass.id, record, found);
  records_[range.table] = std::move(record);
}

std::vector<verify::RowDifference> TargetVerifier::narrow(const Range& range,
                                                          const std::vector<std::uint32_t>& blocks,
                                                          const verify::RangeRows& rows) {
  request(Kind::narrow, wire::encode_narrow({range.barrier, blocks}));
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
  request(Kind::barrier_wanted, wire::encode_barrier_wanted(barrier));
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
