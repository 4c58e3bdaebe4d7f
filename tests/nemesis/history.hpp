// What the application did and what readers of the target saw, and the judge over both. Pure: no
// I/O.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace lockstep::nemesis {

/// Answer to a transaction's COMMIT. `unknown`: it may or may not have happened.
enum class Answer { acknowledged, refused, unknown };

/// One transaction of the application. Every transaction adds one to `meta.n`, so n numbers the
/// states of the source.
struct Transaction {
  std::int64_t op = 0;     ///< its own number, written into table `ops` together with n
  std::int64_t n = 0;      ///< of the state it made
  std::uint64_t hash = 0;  ///< of all rows of all tables in that state
  Answer answer = Answer::unknown;
};

/// One look at the target, in one snapshot.
struct Sighting {
  std::int64_t seq = 0;  ///< of the ledger's position
  std::int64_t n = 0;
  std::uint64_t hash = 0;
  std::int64_t held = 0;  ///< rows in quarantine; they are in the hash, too
  auto operator<=>(const Sighting&) const = default;
};

struct History {
  std::int64_t first_n = 0;  ///< of the state before the first transaction
  std::uint64_t first_hash = 0;
  std::vector<Transaction> transactions;
  /// Per reader, in the order of its looks. Only looks at states that the ledger calls consistent.
  std::vector<std::vector<Sighting>> sightings;
  std::map<std::int64_t, std::int64_t> final_ops;  ///< op -> n, as the target has them at the end
  std::int64_t final_n = 0;
  std::uint64_t final_hash = 0;
};

struct Verdict {
  std::uint64_t lost =
      0;  ///< acknowledged transactions that the target does not have, or not with their n
  std::uint64_t invented = 0;  ///< transactions on the target that were refused or never made
  std::uint64_t torn = 0;      ///< sightings of a state that the source never had
  std::uint64_t backward = 0;  ///< sightings that are older than an earlier one of the same reader,
                               ///< or of the same position with another state
  std::uint64_t looks = 0, states = 0, acknowledged = 0, unknown = 0;
  std::uint64_t looks_at_held = 0;  ///< with rows in quarantine
  std::string first;                ///< the first complaint, in words; empty if there is none
  [[nodiscard]] bool clean() const { return lost + invented + torn + backward == 0; }
};

[[nodiscard]] Verdict judge(const History& history);

}  // namespace lockstep::nemesis
