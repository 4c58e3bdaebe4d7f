// Leads one pass of verification over the tables: range by range, barrier by barrier.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "apply/recent_keys.hpp"
#include "link/postgres/connection.hpp"
#include "link/wire/message.hpp"
#include "link/wire/verification.hpp"
#include "ops/barrier_mail.hpp"
#include "ops/board.hpp"
#include "ops/verifier_views.hpp"
#include "verify/pace.hpp"
#include "verify/range.hpp"
#include "verify/record.hpp"

namespace lockstep::ops {

struct VerifierTarget {
  postgres::Dsn dsn;
  std::string migration;
  std::string schema;
  verify::History history{};  ///< which way changes travel, and what counts of earlier passes
};

/// Two ranges are under way at a time: while one is read here, the source reads the next.
struct VerifierConnections {
  std::optional<postgres::Connection> ledger;
  VerifierViews views;
};

/// What a leader works with; all of it outlives it.
struct LeaderParts {
  const VerifierTarget& target;
  BarrierMail& mail;
  VerifierConnections& connections;
  Board& board;
  std::uint64_t session = 0;        ///< of the mail
  std::uint64_t& next_barrier;      ///< counts up over all passes of a process
  const apply::RecentKeys& recent;  ///< of the way there
  std::set<std::uint32_t> dual;     ///< tables that the application writes on both sides
  std::function<bool()> give_way;   ///< true: something else is more urgent
  /// Rests so long, and for as long as changes are too late; ends early when there is a reason to.
  std::function<void(Milliseconds)> rest;
  /// What else wants a barrier; its view is not to be that of this one (0: none).
  std::function<void(std::uint64_t beside)> between_ranges;
};

/// What a side refuses for one table says nothing of the others.
[[nodiscard]] bool is_of_one_table(const Error& error);

/// One thread.
class PassLeader {
 public:
  PassLeader(LeaderParts parts, verify::Pass pass, std::vector<TablePlan> plans,
             const verify::PaceLimits& pace, std::stop_token stop);

  /// Goes on where the records say. False: it gave way; what it has proven is on record. Throws
  /// what ended it; Retry::never: it must not be tried again.
  [[nodiscard]] bool run();

  /// The pass that threw, as the tables' state.
  void show_failure(const Error& error);

 private:
  struct Range {
    std::uint64_t barrier = 0;
    std::size_t table = 0;  // in records_
    std::optional<verify::Key> after, source_after;
    Position position;           // once its view is open
    std::uint32_t rows_max = 0;  // 0: as many as the time allows
  };

  void make_records();
  void end_pass();
  /// Goes through the tables from the first that is not done.
  [[nodiscard]] bool compare_tables();
  /// First the rows that were written since the position, then tables that have to be compared as a
  /// whole.
  [[nodiscard]] bool compare_touched();
  struct TouchedKey;  // pass_leader_since.cpp
  [[nodiscard]] std::vector<TouchedKey> touched_keys(const apply::RecentKeys::Since& since,
                                                     std::size_t table) const;
  void compare_keys(std::size_t table, const std::vector<TouchedKey>& keys);
  [[nodiscard]] std::size_t compare_some(std::size_t table, const std::vector<TouchedKey>& keys,
                                         std::size_t from);
  [[nodiscard]] std::optional<Range> first_range(std::size_t from_table);
  [[nodiscard]] std::optional<Range> range_after(const Range& range, const wire::Digests& digests);
  /// The rest of the table's sample behind this key (nothing: all of it).
  [[nodiscard]] std::optional<Range> sample_range(std::size_t table,
                                                  const std::optional<verify::Key>& behind);
  /// A barrier whose view is not that of `other` (0: none).
  [[nodiscard]] std::uint64_t new_barrier(std::uint64_t other);
  void ask(Range& range, std::uint64_t beside);
  /// False: it gives way instead.
  [[nodiscard]] bool rest_after(std::uint64_t rows, SteadyTime begun);
  /// Before a range is asked for: which rowids it goes on by.
  void remember_numbers(const Range& range);
  /// They are others than they were when the table was begun, or may be.
  [[nodiscard]] bool is_numbered_anew(const Range& range) const;
  /// Nothing of the table was compared.
  void begin_anew(std::size_t table);
  /// Takes the answers of the range that was asked for while `compared` was: it is not wanted.
  void drop_ahead(std::uint64_t compared);
  /// What capture or the target cannot do for one table leaves the others to be compared.
  void give_up(std::size_t table, const Error& error);
  /// `last`: nothing of the table comes behind this range.
  void compare(const Range& range, const wire::Digests& digests, bool last);
  [[nodiscard]] static std::vector<verify::Block> blocks_of(const wire::Digests& digests);
  /// A key belongs to the range: as the source spells it, and as both sides show it.
  using Within = std::function<bool(const verify::Key& own, const verify::Key& shown)>;
  /// Both sides of the range have been read, `record` is what is known then but for what they come
  /// to. Ends its view and puts it on record.
  void judge(const Range& range, const std::vector<verify::Block>& blocks,
             const verify::RangeRows& rows, verify::TableRecord record, const Within& within);
  /// Takes the rows out of `found` that are missing because they wait in quarantine.
  void count_quarantined(const Range& range, const Within& within,
                         std::vector<verify::RowDifference>& found, verify::TableRecord& record);
  /// Of a dual-written table: takes those out of `found` that are equal at a later barrier and
  /// counts them as converged. Only rows of `keys` are looked at.
  void look_again(std::size_t table, const std::set<std::string>& keys,
                  std::vector<verify::RowDifference>& found, verify::TableRecord& record);
  void look_at_some(std::size_t table, const std::vector<verify::RowDifference>& open,
                    std::vector<verify::RowDifference>& still, verify::TableRecord& record);
  [[nodiscard]] std::vector<verify::RowDifference> narrow(const Range& range,
                                                          const std::vector<std::uint32_t>& blocks,
                                                          const verify::RangeRows& rows);
  [[nodiscard]] std::vector<verify::DifferenceRecord> show(
      std::size_t table, const std::vector<verify::RowDifference>& found);
  [[nodiscard]] std::string shown(std::size_t table, const verify::RowDifference& difference,
                                  const wire::ShownRow& source, postgres::Connection& view) const;
  void keep(verify::TableRecord record, const std::vector<verify::DifferenceRecord>& found,
            std::size_t table, const std::optional<verify::RangeRecord>& range = {});
  void show_state(std::size_t table);
  [[nodiscard]] BarrierMail::Answer await(std::uint64_t barrier, wire::Kind kind) {
    return parts_.mail.await(parts_.session, barrier, kind, stop_);
  }
  /// It looks at some rows only: the status of the tables stays what it is.
  [[nodiscard]] bool proves_no_table() const {
    return pass_.request.sample > 0 || pass_.request.since;
  }
  [[nodiscard]] const TablePlan& plan_of(std::size_t table) const;
  [[nodiscard]] postgres::Connection& view_of(std::uint64_t barrier) {
    return parts_.connections.views.of(barrier);
  }
  [[nodiscard]] postgres::Connection& ledger() { return *parts_.connections.ledger; }
  /// PostgreSQL is the source, and SQLite the target.
  [[nodiscard]] bool goes_back() const { return parts_.target.history.flow == Flow::reverse; }

  LeaderParts parts_;
  verify::Pass pass_;
  std::vector<TablePlan> plans_;
  verify::PaceLimits pace_;
  std::stop_token stop_;
  std::uint64_t ahead_ = 0;  // the barrier that was asked for while the one before is compared
  std::vector<verify::TableRecord> records_;
  /// By records_: how often the table had been read anew when it was begun; nothing: who knows.
  std::map<std::size_t, std::optional<std::uint64_t>> numbers_;
  std::size_t at_ = 0;  // the table that is gone through
  SteadyTime begun_{};  // the range that is compared
  // Of the table that is sampled: where its ranges begin.
  std::optional<std::size_t> sampled_;
  std::vector<std::optional<verify::Key>> starts_;
};

}  // namespace lockstep::ops
