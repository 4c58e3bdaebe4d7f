// How libpq's texts and SQLSTATEs become Errors, for this folder only.
#pragma once

#include <string>
#include <string_view>

#include "link/postgres/connection.hpp"

namespace lockstep::postgres {

/// Why a connection attempt failed. `refused_for_password`: libpq had none to offer.
[[nodiscard]] Error connect_error(const Dsn& dsn, std::string_view libpq_text,
                                  bool refused_for_password);
/// LS-T205: the server is there and cannot be our target.
[[nodiscard]] Error unusable_server(const Dsn& dsn, std::string why, std::string todo,
                                    Retry retry = Retry::never);
/// LS-T217: the server takes no writes for now.
[[nodiscard]] Error read_only_server(const Dsn& dsn);
/// The binary stream of a COPY is not what its format says.
[[nodiscard]] Error malformed_copy(const Dsn& dsn, std::string_view why);

}  // namespace lockstep::postgres
