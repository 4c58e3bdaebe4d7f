// One lockstep per target schema: an advisory lock, held by the session of the applying connection.
#pragma once

#include <string>

#include "link/postgres/connection.hpp"

namespace lockstep::ops {

/// Takes the lock or throws LS-R701 (exit 8) naming the holder. A backend left behind by a lockstep
/// of this place (link/postgres/session_name) that was killed (its process is gone) is ended and
/// waited for, up to `patience`; likewise `own_backend` (0: none), the server process of a
/// connection that this process lost: the server may not have noticed, and would keep the lock for
/// as long.
void take_migration_lock(postgres::Connection& connection, const std::string& schema,
                         int own_backend = 0, Milliseconds patience = Milliseconds{10'000});

/// Ends sessions in this database of locksteps of this place that are gone, and those which this
/// process lost while they copied, built an index or ran a hook: a server that did not notice would
/// keep what they have locked. Call with the lock held, while this process has no such session.
void end_left_behind(postgres::Connection& connection);

}  // namespace lockstep::ops
