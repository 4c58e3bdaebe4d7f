// Comparisons after a cutover, beside the rounds of the way back.
#pragma once

#include <memory>
#include <vector>

#include "apply/ledger.hpp"
#include "apply/recent_keys.hpp"
#include "link/postgres/connection.hpp"
#include "link/sqlite/database.hpp"
#include "ops/board.hpp"
#include "ops/source_verifier.hpp"
#include "ops/target_verifier.hpp"
#include "switchover/reverse_feed.hpp"

namespace lockstep::ops {

/// Both ends of a comparison in one process, without a wire: the same threads as on the way there
/// lead the pass and read SQLite. A barrier is a round: nobody else writes to SQLite, so what it
/// holds behind a round, until the next one, is what that round's snapshot of PostgreSQL shows. All
/// methods belong to the reverse worker's thread.
class ReverseVerifier {
 public:
  /// Board outlives it.
  ReverseVerifier(VerifierTarget target, std::string path, ContinuousPasses continuous,
                  Board& board);

  /// A feed begins, with these tables.
  void begin(const std::vector<apply::LedgerTable>& tables);
  /// It ended: what was asked for waits for the next one.
  void end();

  /// Between two rounds. `ledger` is in no transaction. Makes a round if a view is wanted: its
  /// result, else one that says that nothing was read. Throws what a round throws.
  [[nodiscard]] std::optional<switchover::ReverseRound> turn(switchover::ReverseFeed& feed,
                                                             postgres::Connection& ledger);
  /// In rollback-journal mode nobody may commit while a view is open: no round now.
  [[nodiscard]] bool holds_back_rounds() const { return view_is_out_ && !wal_; }
  /// Until there is something to do for turn(), at most so long.
  void rest(Milliseconds at_most);

 private:
  void hand_over_requests();
  void take_answers();
  [[nodiscard]] std::vector<std::uint32_t> tables_for(const wire::BarrierWanted& wanted) const;
  [[nodiscard]] switchover::ReverseRound make_barrier(switchover::ReverseFeed& feed,
                                                      const wire::BarrierWanted& wanted);
  /// SQLite as it is now, if that is what the round of `position` brought.
  [[nodiscard]] std::optional<capture::View> view_at(const switchover::ReversePosition& position);

  std::string path_;
  std::vector<TablePlan> plans_;
  std::unique_ptr<sqlite::Database> spare_;  // connection of the next view
  bool view_is_out_ = false, wal_ = true;
  const apply::RecentKeys none_{};  // which rows were written since, nobody remembers here
  SourceVerifier sqlite_;
  TargetVerifier postgres_;
};

}  // namespace lockstep::ops
