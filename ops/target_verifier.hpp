// Apply's end of comparisons: takes up the passes that were asked for, and begins those that follow
// each other for ever.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "apply/ledger.hpp"
#include "apply/recent_keys.hpp"
#include "link/postgres/connection.hpp"
#include "link/wire/verification.hpp"
#include "model/clock.hpp"
#include "ops/barrier_mail.hpp"
#include "ops/board.hpp"
#include "ops/continuous.hpp"
#include "ops/pass_leader.hpp"
#include "verify/record.hpp"

namespace lockstep::ops {

/// A thread `verify-1` leads; the public methods belong to apply's thread, after a cutover to that
/// of the reverse worker.
class TargetVerifier {
 public:
  /// Board and the keys that apply remembers outlive it.
  TargetVerifier(VerifierTarget target, ContinuousPasses continuous,
                 const apply::RecentKeys& recent, Board& board);
  ~TargetVerifier();
  TargetVerifier(const TargetVerifier&) = delete;
  TargetVerifier& operator=(const TargetVerifier&) = delete;

  /// Of the ledger, whenever they change.
  /// `dual`: those that the application writes on both sides.
  void tables(const std::vector<apply::LedgerTable>& tables, std::set<std::uint32_t> dual);
  /// What goes to capture, and what comes from it.
  [[nodiscard]] BarrierMail& mail() { return mail_; }

  /// Another connection to the target, perhaps to a server that did not get all before a failover.
  void reconnected() { records_made_ = false; }
  /// Begins the pass that is due, if any; asks at most every half second.
  void look_for_pass(postgres::Connection& ledger);
  /// Asks for a pass of all tables, at the pace of those that follow each other, unless one waits
  /// already. Outside of a transaction.
  void ask_for_all(postgres::Connection& ledger);
  /// Everything up to the barrier has been applied and nothing behind it: opens the read view.
  /// Never throws: what goes wrong is the pass's trouble, not apply's.
  void open_view(const wire::Barrier& barrier) noexcept;
  /// After a cutover: the view is what another session's snapshot shows, with its tables
  /// (link/postgres/shared_snapshot). False: the pass was told why there is none.
  [[nodiscard]] bool open_view(const wire::Barrier& barrier, const std::string& snapshot,
                               const std::vector<std::string>& tables) noexcept;

 private:
  void work(const std::stop_token& stop);
  /// To its end, or until it gives way. Throws what ended it otherwise.
  void lead(const verify::Pass& pass, const std::stop_token& stop);
  void open_connections();
  /// Pairs of queries that wait are answered, between two ranges or while there is no pass.
  void look_for_queries(postgres::Connection& ledger);
  void serve_queries(std::uint64_t session, std::uint64_t beside, const std::stop_token& stop);
  void serve_queries_alone(const std::stop_token& stop);
  bool tell(const wire::Barrier& barrier,
            const std::function<void(postgres::Connection&)>& open) noexcept;
  void fail_pass(const verify::Pass& pass, const Error& error);
  void rest(Milliseconds time, const std::stop_token& stop);
  /// What earlier passes proved, also of an earlier process.
  void show_results(postgres::Connection& ledger);
  void ask_if_due(postgres::Connection& ledger);

  VerifierTarget target_;
  ContinuousPasses continuous_;
  const apply::RecentKeys& recent_;
  Board& board_;
  BarrierMail mail_;
  std::mutex mutex_;
  std::condition_variable_any came_;
  // Under mutex_.
  std::vector<TablePlan> plans_;
  std::set<std::uint32_t> dual_;
  std::optional<verify::Pass> wanted_;
  bool busy_ = false;
  bool queries_wait_ = false;
  bool urgent_ = false;              ///< another pass waits for a continuous one to give way
  std::optional<SteadyTime> next_;   ///< continuous pass
  VerifierConnections connections_;  // see open_view()

  // Apply's thread.
  SteadyTime looked_at_{};
  bool records_made_ = false;
  // The verifier's thread.
  std::uint64_t next_barrier_;
  std::jthread thread_;  // last: it uses the others
};

}  // namespace lockstep::ops
