// One lockstep per target schema: an advisory lock, held by the session of the applying connection.
#pragma once

#include <string>

#include "link/postgres/connection.hpp"

namespace lockstep::ops {

/// Takes the lock or throws LS-R701 (exit 8) naming the holder. A backend left behind by a lockstep
/// of this host that was killed (its process is gone) is ended and waited for, up to `patience`.
void take_migration_lock(postgres::Connection& connection, const std::string& schema,
                         Milliseconds patience = Milliseconds{10'000});

}  // namespace lockstep::ops
