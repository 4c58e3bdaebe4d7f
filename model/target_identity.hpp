// Which PostgreSQL database the target is, and on which line of its history. Only the source can
// keep that: what a server says of itself goes back in time together with it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lockstep {

struct TargetIdentity {
  std::string system;          ///< system_identifier of the cluster, decimal
  std::string database;        ///< oid of the database, decimal
  std::uint32_t timeline = 0;  ///< grows with each promotion of a standby

  friend bool operator==(const TargetIdentity&, const TargetIdentity&) = default;
};

/// "system/database/timeline"
[[nodiscard]] std::string to_string(const TargetIdentity& identity);
[[nodiscard]] std::optional<TargetIdentity> parse_target_identity(std::string_view text);

enum class Kinship {
  same,     ///< the database that was written to before
  later,    ///< that, after a failover: a higher timeline
  earlier,  ///< a server of an older timeline: the primary from before a failover
  other,    ///< another cluster or another database: a restored or cloned one
};
[[nodiscard]] Kinship kinship(const TargetIdentity& known, const TargetIdentity& seen);

}  // namespace lockstep
