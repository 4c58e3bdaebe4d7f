// Requests for pairs of queries as rows on the target, answered by the lockstep that follows.
// Format in verify/README.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "link/postgres/connection.hpp"
#include "verify/query_pair.hpp"

namespace lockstep::verify {

struct QueryRequest {
  enum class State { requested, running, answered, failed };
  std::int64_t id = 0;
  State state = State::requested;
  std::vector<QueryPair> pairs;
  /// Who asked may do whatever the role of this connection may: only then its own SQL is run.
  bool trusted = false;
  std::string asked_by;
  std::vector<Verdict> verdicts;  ///< once answered, one per pair
  std::string problem;            ///< why it failed
};

[[nodiscard]] bool query_records_exist(postgres::Connection& connection);
/// Makes the table if it is not there yet; the ledger is. For the role that follows.
void create_query_records(postgres::Connection& connection);

/// The table is there. Any role that may read it may ask. Returns the id.
[[nodiscard]] std::int64_t request_queries(postgres::Connection& connection,
                                           const std::string& migration,
                                           const std::vector<QueryPair>& pairs);
[[nodiscard]] bool queries_wait(postgres::Connection& connection, const std::string& migration);
/// The oldest that is not answered. One that nobody can read is marked as failed and passed over.
[[nodiscard]] std::optional<QueryRequest> next_queries(postgres::Connection& connection,
                                                       const std::string& migration);
[[nodiscard]] std::optional<QueryRequest> read_queries(postgres::Connection& connection,
                                                       std::int64_t id);
void move_queries(postgres::Connection& connection, const QueryRequest& request);
/// Keeps the last 20.
void forget_old_queries(postgres::Connection& connection, const std::string& migration);

}  // namespace lockstep::verify
