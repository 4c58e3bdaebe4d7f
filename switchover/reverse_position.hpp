// Where the two sides of the way back stand, and what follows from that. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "model/position.hpp"

namespace lockstep::switchover {

/// Up to where SQLite has what PostgreSQL committed: the number of the round, its random identity,
/// and the era, which each handover makes anew.
struct ReversePosition {
  std::string era;
  std::int64_t number = 0;
  std::int64_t identity = 0;
  friend bool operator==(const ReversePosition&, const ReversePosition&) = default;
};

/// era/number/identity
[[nodiscard]] std::string to_string(const ReversePosition& position);
/// As comparisons have it: era/number/identity, too. Nothing if the era is none.
[[nodiscard]] std::optional<Position> as_position(const ReversePosition& position);

/// The ledger's row.
struct PostgresEnd {
  std::string role;
  ReversePosition position;
  std::string snapshot;  ///< pg_current_snapshot() of the transaction that reads
};

/// _lockstep_switch.
struct SqliteEnd {
  std::string role;
  ReversePosition position;
  std::string snapshot;  ///< to_string(StoredSnapshot) of the last round, perhaps of an older era
  std::string
      target;  ///< TargetIdentity of the server that this round was read from; empty: not known
};

/// What is kept of a round beside its position: whose successor it is, and what of the log it held.
/// It counts only with the position whose identity it names: a handover sets another.
struct StoredSnapshot {
  std::int64_t identity_before = 0;
  std::int64_t identity = 0;
  std::string snapshot;
};
[[nodiscard]] std::string to_string(const StoredSnapshot& stored);
[[nodiscard]] std::optional<StoredSnapshot> parse_stored_snapshot(const std::string& text);
/// That of SQLite's position; nothing before the first round of an era.
[[nodiscard]] std::optional<StoredSnapshot> stored_snapshot(const SqliteEnd& sqlite);

enum class NextStep {
  go_on,        ///< both stand at the same position
  acknowledge,  ///< SQLite has one round more, and PostgreSQL has not been told
  wait,         ///< roles that nothing goes back in, or a handover under way
  halt          ///< two histories: nothing may be written
};
/// `why` is a sentence for `wait` and `halt`.
[[nodiscard]] NextStep next_step(const PostgresEnd& postgres, const SqliteEnd& sqlite,
                                 std::string& why);

}  // namespace lockstep::switchover
