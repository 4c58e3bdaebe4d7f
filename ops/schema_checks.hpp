// Checks of what the copied tables on the target have beside their rows.
#pragma once

#include <string>
#include <vector>

#include "apply/ledger.hpp"
#include "link/postgres/connection.hpp"
#include "ops/check_finding.hpp"

namespace lockstep::ops {

/// LS-V524 to LS-V530: keys, foreign keys, indexes, sequences, NOT NULL. Reads the tables, in the
/// caller's transaction. `chosen`: those that are looked at, of all in `tables`.
[[nodiscard]] std::vector<CheckFinding> check_schema(postgres::Connection& target,
                                                     const apply::LedgerRow& ledger,
                                                     const std::vector<apply::LedgerTable>& tables,
                                                     const std::vector<std::string>& chosen);

}  // namespace lockstep::ops
