// The pairs of queries of `lockstep verify`: which they are, and how they come to their answers.
#pragma once

#include <string>
#include <vector>

#include "apply/ledger.hpp"
#include "link/postgres/connection.hpp"
#include "link/sqlite/database.hpp"
#include "ops/commands.hpp"
#include "ops/screen.hpp"
#include "verify/query_pair.hpp"

namespace lockstep::ops {

/// What the request asks for of these tables.
[[nodiscard]] std::vector<verify::QueryPair> wanted_pairs(
    const VerifyRequest& request, const std::vector<apply::LedgerTable>& tables);

/// Answered by the lockstep that follows the source at `path`, at barriers. Errors: LS-V503 nobody
/// takes them up, LS-V507 it failed.
[[nodiscard]] std::vector<verify::Verdict> ask_running(const std::string& path,
                                                       postgres::Connection& target,
                                                       const std::string& migration,
                                                       const std::vector<verify::QueryPair>& pairs,
                                                       Screen& screen);

/// Answered here, in the two transactions that the caller has begun.
[[nodiscard]] std::vector<verify::Verdict> ask_at_rest(sqlite::Database& source,
                                                       postgres::Connection& target,
                                                       const apply::LedgerRow& ledger,
                                                       const std::vector<TablePlan>& plans,
                                                       const std::vector<verify::QueryPair>& pairs);

}  // namespace lockstep::ops
