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

/// In the caller's write transaction. A key logged without need is harmless.
void log_keys(sqlite::Database& database, const std::vector<KeyToRead>& keys);

/// Keys, and tables of which every row is read anew (a mark, as for lost triggers). One IMMEDIATE
/// transaction, synchronous=EXTRA. `database` is read_write and has our tables.
void log_again(sqlite::Database& database, const std::vector<KeyToRead>& keys,
               const std::vector<std::uint32_t>& tables);

}  // namespace lockstep::capture
