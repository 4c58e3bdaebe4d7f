// What the ledger needs to know for a cutover: folder switchover reads and writes it, a batch only
// respects it.
#pragma once

#include "link/postgres/connection.hpp"

namespace lockstep::apply {

/// The ledger's columns `switching`, `reverse_era`, `reverse_number`, `reverse_identity`,
/// `fence_pass`, `owed_pass`, `owed_behind`, its role `fenced`, table lockstep.switchover,
/// ledger_tables.reverse_seen and .reverse_touched, for a ledger that has none yet (README.md).
void ensure_switch_ledger(postgres::Connection& connection);

/// While `switching` is set, each batch that moves the position says so on this channel: whoever
/// holds SQLite's write lock waits for one position, and shall not ask for it over and over.
inline constexpr char kMovedChannel[] = "lockstep_moved";

}  // namespace lockstep::apply
