// After a cutover: what a comparison found is written anew into SQLite, on the way of every change.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "link/postgres/connection.hpp"

namespace lockstep::ops {

struct BackRepair {
  std::uint64_t rows = 0;         ///< keys that were logged again
  std::uint64_t skipped = 0;      ///< rows that only SQLite has and that stay, see below
  std::vector<std::string> anew;  ///< tables of which every row is read anew
  std::string snapshot;           ///< shows all of that to has_come_back()
};

/// Logs the keys of a pass's differences again. A table is read anew where not all of its keys are
/// known (a pass keeps 10,000), where PostgreSQL has no spelling for a key that only SQLite has,
/// and, with `again`, where such rows are left from a repair before. Not if rows of it are in
/// quarantine: those are in SQLite only, and would go; then such keys are skipped.
[[nodiscard]] BackRepair log_differences_back(postgres::Connection& target,
                                              const std::string& migration,
                                              const std::string& schema, std::int64_t pass,
                                              bool again);

}  // namespace lockstep::ops
