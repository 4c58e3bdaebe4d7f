// Has the rows that a pass found different read again at the source, by the ordinary way.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "link/postgres/connection.hpp"
#include "model/position.hpp"

namespace lockstep::ops {

struct Repair {
  std::uint64_t rows = 0;         ///< keys that were logged
  std::uint64_t skipped = 0;      ///< of dual-written tables: keys that the source cannot have
  std::vector<std::string> anew;  ///< tables of which every row is read anew
  Position position;              ///< what has to be applied for them to be right
};

/// Logs the keys of every difference of the pass in the source's change table: missing rows come
/// back, extra ones go, others are written anew, exactly once and in order with all other changes.
/// A table is read anew as a whole (one batch, which writes only what differs) where not all of its
/// keys are known (more than a pass keeps), or where nobody can tell what a key that only
/// PostgreSQL has was on the source; never one that the application writes on both sides, because
/// rows that are new on PostgreSQL would go. `path` is the source's.
[[nodiscard]] Repair log_differences(const std::string& path, postgres::Connection& target,
                                     const std::string& migration, std::int64_t pass);

}  // namespace lockstep::ops
