// Apply's end of a comparison: leads a pass over the tables, range by range, barrier by barrier.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "apply/ledger.hpp"
#include "link/postgres/connection.hpp"
#include "link/wire/message.hpp"
#include "link/wire/verification.hpp"
#include "ops/barrier_mail.hpp"
#include "verify/query_record.hpp"
#include "verify/range.hpp"
#include "verify/record.hpp"

namespace lockstep::ops {

struct VerifierTarget {
  postgres::Dsn dsn;
  std::string migration;
  std::string schema;
};

/// A thread `verify-1` leads; the public methods belong to apply's thread. Two ranges are under way
/// at a time: while one is read here, the source reads the next.
class TargetVerifier {
 public:
  explicit TargetVerifier(VerifierTarget target);
  ~TargetVerifier();
  TargetVerifier(const TargetVerifier&) = delete;
  TargetVerifier& operator=(const TargetVerifier&) = delete;

  /// Of the ledger, whenever they change.
  void tables(const std::vector<apply::LedgerTable>& tables);
  /// What goes to capture, and what comes from it.
  [[nodiscard]] BarrierMail& mail() { return mail_; }

  /// Begins the pass that somebody asked for, if any; asks at most every half second.
  void look_for_pass(postgres::Connection& ledger);
  /// What the last pass came to, if that is news: also of an earlier process, at the first call.
  [[nodiscard]] std::optional<verify::PassResult> take_result(postgres::Connection& ledger);
  /// Everything up to the barrier has been applied and nothing behind it: opens the read view.
  /// Never throws: what goes wrong is the pass's trouble, not apply's.
  void open_view(const wire::Barrier& barrier) noexcept;

 private:
  using View = std::size_t;  // number of a connection
  static constexpr std::size_t kViews = 2;

  struct Range {
    std::uint64_t barrier = 0;
    std::size_t table = 0;  // in records_
    std::optional<verify::Key> after, source_after;
    Position position;  // once its view is open
  };

  void work(const std::stop_token& stop);
  void run_pass(const verify::Pass& pass);
  void open_connections();
  void make_records(const verify::Pass& pass);
  [[nodiscard]] std::optional<Range> first_range(std::size_t from_table) const;
  [[nodiscard]] std::optional<Range> range_after(const Range& range,
                                                 const wire::Digests& digests) const;
  /// A barrier whose view is not that of `other` (0: none).
  [[nodiscard]] std::uint64_t new_barrier(std::uint64_t other);
  void ask(Range& range, std::uint64_t beside);
  /// Goes through the tables from the first that is not done.
  void compare_tables(const verify::Pass& pass);
  /// What capture or the target cannot do for one table leaves the others to be compared.
  void give_up(const verify::Pass& pass, std::size_t table, const Error& error);
  void compare(const verify::Pass& pass, const Range& range, const wire::Digests& digests);
  /// Pairs of queries that wait are answered, between two ranges or while there is no pass.
  void look_for_queries(postgres::Connection& ledger);
  void serve_queries();
  /// Takes the rows out of `found` that are missing because they wait in quarantine.
  void count_quarantined(const Range& range, const std::optional<verify::Key>& until,
                         std::vector<verify::RowDifference>& found, verify::TableRecord& record);
  [[nodiscard]] std::vector<verify::RowDifference> narrow(const Range& range,
                                                          const std::vector<std::uint32_t>& blocks,
                                                          const verify::RangeRows& rows);
  [[nodiscard]] std::vector<verify::DifferenceRecord> show(
      std::size_t table, const std::vector<verify::RowDifference>& found);
  [[nodiscard]] std::string shown(std::size_t table, const verify::RowDifference& difference,
                                  const wire::ShownRow& source, postgres::Connection& view) const;
  [[nodiscard]] BarrierMail::Answer await(std::uint64_t barrier, wire::Kind kind) {
    return mail_.await(session_, barrier, kind, stop_);
  }
  [[nodiscard]] const TablePlan& plan_of(std::size_t table) const;
  [[nodiscard]] postgres::Connection& view_of(std::uint64_t barrier) {
    return *views_[barrier % kViews];
  }
  VerifierTarget target_;
  BarrierMail mail_;
  std::mutex mutex_;
  std::condition_variable_any came_;
  // Under mutex_.
  std::vector<TablePlan> plans_;
  std::optional<verify::Pass> wanted_;
  bool busy_ = false;
  bool queries_wait_ = false;
  bool news_ = true;  ///< a pass is over, or may have been
  std::array<std::optional<postgres::Connection>, kViews> views_;  // see open_view()

  // Apply's thread.
  SteadyTime looked_at_{};
  bool records_made_ = false;
  // The verifier's thread.
  std::stop_token stop_;
  std::uint64_t next_barrier_;
  std::uint64_t ahead_ = 0;  // the barrier that was asked for while the one before is compared
  std::uint64_t session_ = 0;
  std::optional<postgres::Connection> ledger_;
  std::vector<TablePlan> pass_plans_;
  std::vector<verify::TableRecord> records_;
  std::jthread thread_;  // last: it uses the others
};

}  // namespace lockstep::ops
