// What a newer lockstep adds to the tables of an older one's ledger.
#pragma once

#include <string>

#include "link/postgres/connection.hpp"
#include "model/clock.hpp"

namespace lockstep::apply {

/// Runs `sql` in a transaction of its own. Whoever writes to a copied table reads the ledger, and
/// keeps that lock until it ends: ALTER TABLE waits for it, and all others behind that. So it waits
/// for 200 ms, leaves, and tries again. Throws LS-T213 with who has the lock if `patience` is over;
/// nothing has changed then.
void change_ledger(postgres::Connection& connection, const std::string& sql,
                   Milliseconds patience = Milliseconds{30'000});

}  // namespace lockstep::apply
