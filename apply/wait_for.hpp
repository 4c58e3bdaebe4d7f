// lockstep.wait_for(position, timeout): what a reader of the target calls to wait until a commit of
// SQLite is there. What it returns and refuses: README.md.
#pragma once

#include "link/postgres/connection.hpp"

namespace lockstep::apply {

/// Makes the function, or makes it anew where it is another version's. The ledger is there. Whoever
/// has USAGE on schema lockstep may call it; it reads the ledger with our role's rights. Left as it
/// is if it belongs to another role.
void ensure_wait_for(postgres::Connection& connection);

/// In the transaction that drops the ledger.
void drop_wait_for(postgres::Connection& connection);

}  // namespace lockstep::apply
