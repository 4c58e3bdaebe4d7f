// What the main thread of run keeps an eye on: where the writers are, and whether a cutover or
// rollback was left unfinished by a coordinator that died.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "link/sqlite/database.hpp"
#include "model/clock.hpp"
#include "ops/board.hpp"
#include "switchover/coordinator.hpp"

namespace lockstep::ops {

class SwitchWatch {
 public:
  SwitchWatch(switchover::SwitchPlace place, Board& board);

  /// Call often; it looks ten times a second, at SQLite alone, and reads only if somebody wrote.
  /// True: changes travel in another direction than `flow` now, and nothing is unfinished. If
  /// something has been unfinished for more than a second and nobody leads it, it is finished here
  /// (blocks for up to a second). A SQLite that cannot be read now is the workers' to tell.
  [[nodiscard]] bool turned(switchover::Direction flow);

 private:
  [[nodiscard]] bool look(switchover::Direction flow);
  void finish();
  void look_at_refusals();

  switchover::SwitchPlace place_;
  Board& board_;
  std::optional<sqlite::Database> reading_;
  SteadyTime next_look_{};
  std::optional<SteadyTime> unfinished_since_;
  std::int64_t data_version_ = -1;  ///< of SQLite, when side_ was read
  switchover::Side side_;
  std::int64_t refused_ = 0;
  SteadyTime next_refusals_{}, next_holders_{};
};

/// Before a run begins anything: finishes what is unfinished, and says in which direction changes
/// travel; the route file is told. Throws LS-X617 if the two sides are at odds, and what
/// check_together_after_cutover() says of another target. Touches PostgreSQL only if there ever was
/// a cutover.
[[nodiscard]] switchover::Direction settle(const switchover::SwitchPlace& place,
                                           const std::function<void(const std::string&)>& tell);

}  // namespace lockstep::ops
