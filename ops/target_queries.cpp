// Pairs of queries that wait are answered by the thread that leads passes.
#include <utility>

#include "ops/query_leader.hpp"
#include "ops/target_verifier.hpp"
#include "verify/query_record.hpp"

namespace lockstep::ops {

void TargetVerifier::look_for_queries(postgres::Connection& ledger) {
  if (!verify::queries_wait(ledger, target_.migration)) return;
  const std::lock_guard lock(mutex_);
  queries_wait_ = true;
  came_.notify_all();
}

void TargetVerifier::serve_queries(std::uint64_t session, std::uint64_t beside,
                                   const std::stop_token& stop) {
  std::vector<TablePlan> plans;
  {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(queries_wait_, false)) return;
    plans = plans_;
  }
  const auto new_barrier = [&] {
    if (beside != 0 && next_barrier_ % kVerifierViews == beside % kVerifierViews) ++next_barrier_;
    return next_barrier_++;
  };
  const auto view = [&](std::uint64_t barrier) -> postgres::Connection& {
    return connections_.views.of(barrier);
  };
  answer_queries({target_.migration, target_.schema, mail_, session, *connections_.ledger,
                  new_barrier, view, stop},
                 plans);
}

void TargetVerifier::serve_queries_alone(const std::stop_token& stop) {
  const auto session = mail_.wait_for_session(stop);
  if (!session) return;
  open_connections();
  try {
    serve_queries(*session, 0, stop);
  } catch (const Error&) {
    connections_.views.end_all();
    throw;
  }
}

}  // namespace lockstep::ops
