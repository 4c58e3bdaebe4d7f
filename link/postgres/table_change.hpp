// DDL on tables that others use.
#pragma once

#include <string>
#include <vector>

#include "link/postgres/connection.hpp"
#include "model/clock.hpp"

namespace lockstep::postgres {

constexpr char kLockNotGranted[] = "55P03";

/// Runs `sql` in a transaction of its own and waits at most `patience` for a lock: others'
/// statements wait behind it. Where nothing but a vacuum or ANALYZE holds `relations` (qualified
/// and quoted) it tries once more, for as long as the server takes to end its own for somebody who
/// waits (deadlock_timeout): a large table may be vacuumed for hours. Throws what the server says,
/// after which the connection is out of the transaction again if it lives.
void change_tables(Connection& connection, const std::vector<std::string>& relations,
                   const std::string& sql, Milliseconds patience);

}  // namespace lockstep::postgres
