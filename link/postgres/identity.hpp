// Who a server is, and whether it keeps what it says it has written.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "link/postgres/connection.hpp"
#include "model/target_identity.hpp"

namespace lockstep::postgres {

/// Nothing if the server does not tell (some services revoke the functions). The timeline is the
/// one being written to: pg_control_checkpoint() can still show the old one right after a
/// promotion. Outside a transaction.
[[nodiscard]] std::optional<TargetIdentity> read_identity(Connection& connection);

/// Settings with which a crash of the server can lose or tear what it called committed:
/// "fsync=off", "full_page_writes=off".
[[nodiscard]] std::vector<std::string> unsafe_settings(Connection& connection);

}  // namespace lockstep::postgres
