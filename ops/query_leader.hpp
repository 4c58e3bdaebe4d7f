// Apply's part of pairs of queries: both sides answer at one barrier.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "link/postgres/connection.hpp"
#include "model/shape.hpp"
#include "ops/barrier_mail.hpp"

namespace lockstep::ops {

/// What the answers need; all of it outlives the call.
struct QueryParts {
  const std::string& migration;
  const std::string& schema;
  BarrierMail& mail;
  std::uint64_t session = 0;  ///< of the mail
  postgres::Connection& ledger;
  std::function<std::uint64_t()> new_barrier;
  std::function<postgres::Connection&(std::uint64_t)> view;  ///< of a barrier
  std::stop_token stop;
};

/// Answers every request of lockstep.verify_queries that waits. Throws what another session may
/// mend; they wait on then.
void answer_queries(const QueryParts& parts, const std::vector<TablePlan>& plans);

}  // namespace lockstep::ops
