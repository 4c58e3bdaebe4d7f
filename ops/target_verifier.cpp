#include "ops/target_verifier.hpp"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <utility>

#include "apply/owed.hpp"
#include "link/postgres/shared_snapshot.hpp"
#include "link/wire/control.hpp"
#include "model/failpoint.hpp"
#include "ops/own_ledger.hpp"
#include "ops/verified_text.hpp"
#include "verify/query_record.hpp"
#include "verify/range_sql.hpp"

namespace lockstep::ops {

using wire::Kind;

namespace {

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

TableVerified state_of(const verify::TableResult& result) {
  TableVerified state;
  state.state = verified_state(result.problem, static_cast<std::uint64_t>(result.different));
  state.rows = result.rows;
  state.different = result.different;
  state.problem = result.problem;
  state.at_us = result.compared_us;
  if (result.newest) state.position = to_string(*result.newest);
  state.converged = result.converged;
  if (result.converged_at) state.converged_at = to_string(*result.converged_at);
  return state;
}

}  // namespace

TargetVerifier::TargetVerifier(VerifierTarget target, ContinuousPasses continuous,
                               const apply::RecentKeys& recent, Board& board)
    : target_(std::move(target)),
      continuous_(continuous),
      recent_(recent),
      board_(board),
      next_barrier_(1),
      thread_([this](const std::stop_token& stop) { work(stop); }) {
  pthread_setname_np(thread_.native_handle(), "verify-1");
}

TargetVerifier::~TargetVerifier() {
  thread_.request_stop();
  connections_.views.cancel();
  came_.notify_all();
}

void TargetVerifier::tables(const std::vector<apply::LedgerTable>& tables,
                            std::set<std::uint32_t> dual) {
  const std::lock_guard lock(mutex_);
  dual_ = std::move(dual);
  plans_.clear();
  for (const apply::LedgerTable& table : tables) plans_.push_back(table.plan);
}

void TargetVerifier::look_for_pass(postgres::Connection& ledger) {
  constexpr Milliseconds kEvery{500};
  if (steady_now() < looked_at_ + kEvery) return;
  looked_at_ = steady_now();
  if (!records_made_) {
    verify::create_records(ledger);
    verify::create_query_records(ledger);
    show_results(ledger);
    records_made_ = true;  // only now: the server may be gone in the middle
  }
  static_cast<void>(apply::settle_owed(ledger, target_.migration));
  look_for_queries(ledger);
  {
    const std::lock_guard lock(mutex_);
    if (busy_ && (urgent_ || !wanted_->request.continuous)) return;
  }
  auto pass = verify::next_pass(ledger, target_.migration);
  const std::lock_guard lock(mutex_);
  if (!pass) return ask_if_due(ledger);
  if (busy_) {
    urgent_ = !pass->request.continuous;
  } else {
    wanted_ = std::move(pass);
    busy_ = true;
  }
  came_.notify_all();
}

// Under mutex_. The request is found at the next look.
void TargetVerifier::ask_if_due(postgres::Connection& ledger) {
  if (!continuous_.on || busy_ || (next_ && steady_now() < *next_)) return;
  if (next_)
    static_cast<void>(verify::request_pass(ledger, target_.migration, {.continuous = true}));
  next_ = steady_now() + continuous_.first;
}

// One that is running may be past the table concerned.
void TargetVerifier::ask_for_all(postgres::Connection& ledger) {
  verify::create_records(ledger);
  apply::owe_comparison(ledger, target_.migration);
  if (!verify::waits_for_all(ledger, target_.migration,
                             apply::owed_comparison(ledger, target_.migration).first_pass))
    static_cast<void>(verify::request_pass(ledger, target_.migration, {.continuous = true}));
}

void TargetVerifier::show_results(postgres::Connection& ledger) {
  for (const verify::TableResult& result :
       verify::table_results(ledger, target_.migration, target_.history))
    board_.table_verified(result.id, state_of(result));
  const auto last = verify::last_result(ledger, target_.migration, target_.history);
  if (!last) return;
  board_.verified({last->id, std::string(verify::to_string(last->state)), last->all, last->tables,
                   last->rows, last->different, last->quarantined, last->ended_us});
  const std::lock_guard lock(mutex_);
  if (last->all)
    next_ = steady_now() +
            std::max(continuous_.every - last->age, next_ ? Milliseconds{0} : continuous_.first);
}

void TargetVerifier::open_view(const wire::Barrier& barrier) noexcept {
  tell(barrier, [&](postgres::Connection& view) {
    view.exec("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY");
    const auto ledger = apply::read_ledger(view, target_.migration, apply::RowLock::none);
    if (!ledger || ledger->position != barrier.position)
      throw elsewhere(barrier.position, ledger && ledger->position ? to_string(*ledger->position)
                                                                   : std::string("nothing"));
  });
}

bool TargetVerifier::open_view(const wire::Barrier& barrier, const std::string& snapshot,
                               const std::vector<std::string>& tables) noexcept {
  return tell(barrier, [&](postgres::Connection& view) {
    postgres::begin_at_snapshot(view, snapshot, tables);
  });
}

bool TargetVerifier::tell(const wire::Barrier& barrier,
                          const std::function<void(postgres::Connection&)>& open) noexcept {
  BarrierMail::Answer answer{barrier.barrier, Kind::barrier, {}, barrier.position, std::nullopt};
  try {
    connections_.views.open(barrier.barrier, open);
    LOCKSTEP_FAILPOINT("verify.view_open");
  } catch (const Error& error) {
    answer.failure = error.facts();
  }
  const bool opened = !answer.failure;
  mail_.answer(std::move(answer));
  return opened;
}

void TargetVerifier::work(const std::stop_token& stop) {
  Backoff backoff(Milliseconds{50}, Milliseconds{5'000}, 1);
  while (!stop.stop_requested()) {
    std::optional<verify::Pass> pass;
    {
      std::unique_lock lock(mutex_);
      if (!came_.wait(lock, stop, [&] { return wanted_.has_value() || queries_wait_; })) return;
      pass = wanted_;
    }
    std::optional<Milliseconds> pause;
    try {
      if (pass)
        lead(*pass, stop);
      else
        serve_queries_alone(stop);
      backoff.reset();
    } catch (const Error& error) {
      if (pass && error.retry() == Retry::never)
        fail_pass(*pass, error);
      else
        pause = backoff.next();
    }
    std::unique_lock lock(mutex_);
    if (pause) came_.wait_for(lock, stop, *pause, [] { return false; });
    if (!pass) continue;
    // One that is not over is found again: behind what is more urgent, if it gave way to that.
    wanted_.reset();
    busy_ = urgent_ = false;
  }
}

void TargetVerifier::lead(const verify::Pass& pass, const std::stop_token& stop) {
  const auto session = mail_.wait_for_session(stop);
  if (!session) return;
  std::vector<TablePlan> plans;
  std::set<std::uint32_t> dual;
  {
    const std::lock_guard lock(mutex_);
    plans = plans_;
    dual = dual_;
  }
  open_connections();
  const bool cut_over = was_cut_over(*connections_.ledger, target_.migration);
  for (TablePlan& plan : plans) forget_constants(plan, cut_over);
  PassLeader leader(
      {.target = target_,
       .mail = mail_,
       .connections = connections_,
       .board = board_,
       .session = *session,
       .next_barrier = next_barrier_,
       .recent = recent_,
       .dual = std::move(dual),
       .give_way =
           [this] {
             const std::lock_guard lock(mutex_);
             return urgent_;
           },
       .rest = [&](Milliseconds time) { rest(time, stop); },
       .between_ranges = [&](std::uint64_t beside) { serve_queries(*session, beside, stop); }},
      pass, std::move(plans), pass.request.continuous ? continuous_.pace : verify::PaceLimits{},
      stop);
  try {
    if (!leader.run()) return;
  } catch (const Error& error) {
    connections_.views.end_all();
    if (error.retry() == Retry::never) leader.show_failure(error);
    throw;
  }
  board_.verifying(std::nullopt);
  show_results(*connections_.ledger);
}

void TargetVerifier::fail_pass(const verify::Pass& pass, const Error& error) {
  board_.verifying(std::nullopt);
  try {
    verify::move_pass(*connections_.ledger, pass.id, verify::PassState::failed, error.what());
  } catch (const Error&) {  // it is found again as one that is running
  }
}

void TargetVerifier::rest(Milliseconds time, const std::stop_token& stop) {
  constexpr Milliseconds kLookAtLagEvery{100};
  const Deadline deadline(time);
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested() && !urgent_ && !queries_wait_) {
    const bool late = verify::is_too_late(continuous_.pace, board_.lag_ms());
    if (deadline.passed() && !late) return;
    came_.wait_for(lock, stop, late ? kLookAtLagEvery : std::min(kLookAtLagEvery, deadline.left()),
                   [&] { return urgent_ || queries_wait_; });
  }
}

void TargetVerifier::open_connections() {
  const auto connect = [&] {
    postgres::Connection opened = postgres::Connection::open(target_.dsn, "verify");
    verify::read_rows_themselves(opened);
    return opened;
  };
  std::optional<postgres::Connection>& ledger = connections_.ledger;
  if (ledger && !ledger->alive()) ledger.reset();
  if (ledger)
    ledger->abort();
  else
    ledger.emplace(connect());
  connections_.views.connect(connect);
}

}  // namespace lockstep::ops
