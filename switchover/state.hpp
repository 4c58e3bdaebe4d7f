// Who holds the writers, and what an interrupted cutover or rollback still needs. Pure: everything
// follows from the two durable rows, without clocks or leases, so anybody may finish anything.
// The tags P, L, W, F, C, H, A1, A2 are those of tests/model/cutover.pml.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lockstep::switchover {

enum class Engine : std::uint8_t { sqlite, postgres };
[[nodiscard]] std::string_view to_string(Engine engine);

enum class Role : std::uint8_t {
  primary,  ///< the application writes here
  fenced,   ///< nobody writes: every write of the application is refused
  replica   ///< only lockstep writes here
};
[[nodiscard]] std::string_view to_string(Role role);
[[nodiscard]] std::optional<Role> parse_role(std::string_view text);

/// What became of the attempt that this side is to gain the writers by.
enum class Decision : std::uint8_t { none, pending, committed, aborted };
[[nodiscard]] std::string_view to_string(Decision decision);
[[nodiscard]] std::optional<Decision> parse_decision(std::string_view text);

/// The durable row of one side.
struct Side {
  Role role = Role::primary;
  std::int64_t fence = 0;    ///< the highest attempt that fenced this side or must not fence it
  std::int64_t attempt = 0;  ///< the newest attempt in which this side gains
  Decision decision = Decision::none;
  bool operator==(const Side&) const = default;
};

struct Sides {
  Side sqlite, postgres{.role = Role::replica};
  bool operator==(const Sides&) const = default;
};

enum class Direction : std::uint8_t {
  forward,  ///< cutover: PostgreSQL gains the writers
  reverse   ///< rollback: SQLite gains them
};
[[nodiscard]] std::string_view to_string(Direction direction);
[[nodiscard]] constexpr Direction opposite(Direction direction) {
  return direction == Direction::forward ? Direction::reverse : Direction::forward;
}
[[nodiscard]] const Side& gainer(const Sides& sides, Direction direction);
[[nodiscard]] const Side& loser(const Sides& sides, Direction direction);

enum class Step : std::uint8_t {
  none,      ///< nothing is unfinished
  decide,    ///< the gainer's decision is pending: fence, wait and commit, or abort (F, W, C, A1)
  unfence,   ///< it is aborted: the loser goes on as before, and refuses this attempt for ever (A2)
  hand_over  ///< it is committed: the loser becomes the replica (H)
};
[[nodiscard]] std::string_view to_string(Step step);

struct Unfinished {
  Step step = Step::none;
  Direction direction = Direction::forward;
  std::int64_t attempt = 0;
  bool fenced = false;  ///< of decide: the loser is fenced by this attempt
  bool operator==(const Unfinished&) const = default;
};

/// What is to be done next for an attempt that began; it never asks who began it.
[[nodiscard]] Unfinished unfinished(const Sides& sides);

/// No attempt explains the two rows: nothing is unfinished, and yet nobody writes, or both may.
/// A failover lost a step, or one side was restored. Only of rows that were true at one moment.
[[nodiscard]] bool at_odds(const Sides& sides);

/// A new attempt in this direction may begin (P).
[[nodiscard]] bool may_begin(const Sides& sides, Direction direction);
[[nodiscard]] std::int64_t next_attempt(const Sides& sides);

/// Where the application may write now; nothing between F and C.
[[nodiscard]] std::optional<Engine> writers(const Sides& sides);

/// The direction in which changes travel while nothing is unfinished: reverse once SQLite has
/// handed over.
[[nodiscard]] Direction flow(const Sides& sides);

}  // namespace lockstep::switchover
