// A streaming standby of a private server, and its promotion.
#pragma once

#include "tests/support/postgres_server.hpp"

namespace lockstep::test {

/// `standby` becomes an asynchronous standby of `primary`, by streaming; what it had is gone.
void make_standby(PostgresServer& standby, const PostgresServer& primary);

/// Waits until it has replayed what is on the primary's disk now; false: not within 20 s.
bool replayed(const PostgresServer& primary, const PostgresServer& standby);

}  // namespace lockstep::test
