// Every connection of this process, so that a process that ends need not wait for a server that
// does not answer.
#pragma once

struct pg_conn;

namespace lockstep::postgres {

/// Ends every connection, also those that are being made, and lets no other be made: whoever waits
/// for a server gets the error of a lost connection at once, a COMMIT under way is in doubt. For a
/// process that is about to end: there is no way back. From any thread; waits for no server.
void end_all_connections() noexcept;

/// Whether that was done.
[[nodiscard]] bool connections_ended() noexcept;

// For this folder only: from the start of connecting until just before PQfinish().
void remember_connection(pg_conn* handle);
void forget_connection(pg_conn* handle) noexcept;

}  // namespace lockstep::postgres
