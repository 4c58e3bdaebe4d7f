// Pairs of queries that wait are answered by the thread that leads passes.
#include <utility>

#include "ops/query_leader.hpp"
#include "ops/target_verifier.hpp"

namespace lockstep::ops {

void TargetVerifier::look_for_queries(postgres::Connection& ledger) {
  if (!std::exchange(records_made_, true)) {
    verify::create_records(ledger);
    verify::create_query_records(ledger);
  }
  if (!verify::queries_wait(ledger, target_.migration)) return;
  const std::lock_guard lock(mutex_);
  queries_wait_ = true;
  came_.notify_all();
}

void TargetVerifier::serve_queries() {
  std::vector<TablePlan> plans;
  {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(queries_wait_, false)) return;
    plans = plans_;
  }
  answer_queries(
      {target_.migration, target_.schema, mail_, session_, *ledger_,
       [this] { return new_barrier(ahead_); },
       [this](std::uint64_t barrier) -> postgres::Connection& { return view_of(barrier); }, stop_},
      plans);
}

}  // namespace lockstep::ops
