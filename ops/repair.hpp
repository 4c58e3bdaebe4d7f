// Has the rows that a pass found different read again at the source, by the ordinary way.
#pragma once

#include <cstdint>
#include <string>

#include "link/postgres/connection.hpp"
#include "model/position.hpp"

namespace lockstep::ops {

struct Repair {
  std::uint64_t rows = 0;     ///< keys that were logged
  std::uint64_t skipped = 0;  ///< keys that only PostgreSQL has and that a rule made: nobody can
                              ///< tell what they were on the source
  Position position;          ///< what has to be applied for them to be right
};

/// Logs the keys of every difference of the pass in the source's change table: missing rows come
/// back, extra ones go, others are written anew, exactly once and in order with all other changes.
/// `path` is the source's.
[[nodiscard]] Repair log_differences(const std::string& path, postgres::Connection& target,
                                     const std::string& migration, std::int64_t pass);

}  // namespace lockstep::ops
