// Rows into lockstep.quarantine (format in apply/README.md), in the caller's transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "link/postgres/connection.hpp"
#include "model/held_row.hpp"
#include "model/position.hpp"

namespace lockstep::postgres {

/// A row that is there already keeps its number and since; it stays skipped only if it is held for
/// the very same value. Throws what the server said.
void hold_row(Connection& connection, const std::string& migration, const HeldRow& row);

/// The end of a transaction that held rows: as of which position they were read. Throws LS-D403 if
/// more than kHeldRowsMax rows are in quarantine now.
void settle_held_rows(Connection& connection, const std::string& migration,
                      const std::optional<Position>& position);

}  // namespace lockstep::postgres
