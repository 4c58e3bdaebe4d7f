// How far SQLite follows PostgreSQL.
#pragma once

#include <cstdint>
#include <string>

namespace lockstep::switchover {

/// Rounds of the reverse feed are numbered within an era, which begins with a handover; the
/// identity, drawn anew for each round, tells this history from any other.
struct ReversePosition {
  std::string era;  ///< UUID
  std::int64_t number = 0;
  std::int64_t identity = 0;
  bool operator==(const ReversePosition&) const = default;
};

}  // namespace lockstep::switchover
