// How a connection comes about: libpq's non-blocking way, with limits of our own.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "link/postgres/connection.hpp"
#include "model/clock.hpp"

namespace lockstep::postgres {

using Handle = std::unique_ptr<pg_conn, FinishConnection>;

/// One Dsn per host of a list. libpq's own walk along the list gives a silent host no time limit in
/// a non-blocking connect, and would stop at a standby.
[[nodiscard]] std::vector<Dsn> single_hosts(const Dsn& dsn);

/// A connection to the one host of `dsn` that has said hello, nothing more; throws LS-T201,
/// LS-T202, LS-T203 or LS-T207 as Connection::open() does. The connection string's connect_timeout
/// goes before `patience`, which counts for the name's look-up as well. From any thread.
[[nodiscard]] Handle connect(const Dsn& dsn, std::string_view purpose, Milliseconds patience);

}  // namespace lockstep::postgres
