// One state of the database in the transactions of several sessions.
#pragma once

#include <string>
#include <vector>

#include "link/postgres/connection.hpp"

namespace lockstep::postgres {

/// What the REPEATABLE READ transaction of `connection` shows, for begin_at_snapshot() of other
/// sessions, until it ends.
[[nodiscard]] std::string export_snapshot(Connection& connection);

/// Begins a transaction that only reads, and shows just that. ALTER TABLE and TRUNCATE are not
/// bound by a snapshot: `tables` (qualified names), which the other transaction has to have locked,
/// are locked here as every reader locks them. Never waits for a lock: it may be held up by who
/// waits for the other transaction; then it throws with SQLSTATE 55P03, and no transaction is open.
void begin_at_snapshot(Connection& connection, const std::string& snapshot,
                       const std::vector<std::string>& tables);

}  // namespace lockstep::postgres
