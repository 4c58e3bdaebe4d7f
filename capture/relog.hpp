// Asks for rows to be read again, by the ordinary way: their keys are logged as if they had been
// written to.
#pragma once

#include <cstdint>
#include <vector>

#include "link/sqlite/database.hpp"
#include "model/value.hpp"

namespace lockstep::capture {

struct KeyToRead {
  std::uint32_t table = 0;  ///< number in the change table
  std::vector<Value> key;   ///< in key order
};

/// One IMMEDIATE transaction, synchronous=EXTRA. A key logged without need is harmless. `database`
/// is read_write and has our tables.
void log_keys(sqlite::Database& database, const std::vector<KeyToRead>& keys);

}  // namespace lockstep::capture
