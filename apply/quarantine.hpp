// Rows that the target cannot hold wait in lockstep.quarantine (I7) and are absent from the target
// (I1). Format in README.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_set>
#include <variant>
#include <vector>

#include "link/postgres/connection.hpp"
#include "link/postgres/entry_check.hpp"
#include "model/held_row.hpp"
#include "model/position.hpp"
#include "model/row_stream.hpp"
#include "model/shape.hpp"

namespace lockstep::apply {

/// Either kind is absent from the target; `skipped` ones their owner has accepted.
struct QuarantineCounts {
  std::int64_t held = 0;
  std::int64_t skipped = 0;
  [[nodiscard]] bool empty() const { return held + skipped == 0; }
  bool operator==(const QuarantineCounts&) const = default;
};

/// One row of lockstep.quarantine.
struct QuarantinedRow {
  std::int64_t number = 0;  ///< what people call it by; never used again
  HeldRow row;
  std::string position;  ///< of the source, as of which the value was read
  std::string since;     ///< RFC 3339, by the server's clock
  bool skipped = false;
};

/// False on a ledger that an older lockstep made.
[[nodiscard]] bool quarantine_exists(postgres::Connection& connection);
[[nodiscard]] QuarantineCounts count_quarantine(postgres::Connection& connection,
                                                const std::string& migration);
/// In order of their numbers.
[[nodiscard]] std::vector<QuarantinedRow> read_quarantine(postgres::Connection& connection,
                                                          const std::string& migration);
/// Of one table, as wire::encode_key writes them.
[[nodiscard]] std::vector<std::string> read_quarantined_keys(postgres::Connection& connection,
                                                             const std::string& migration,
                                                             std::uint32_t table);
/// One transaction; how many of `numbers` are there.
std::int64_t set_skipped(postgres::Connection& connection, const std::string& migration,
                         const std::vector<std::int64_t>& numbers, bool skipped);

/// What batches do to the quarantine. One batch at a time: begin(), hold(), passes() and reset() in
/// the order in which the entries come, then finish() in the transaction of the batch, and
/// committed(). Of what is said about one key the last counts. One thread.
class Quarantine {
 public:
  /// Reads which rows are held.
  Quarantine(postgres::Connection& connection, std::string migration);

  void begin();
  /// The row of this present entry has to wait. Returns the values of an entry that says it is
  /// absent; they live until the next call.
  [[nodiscard]] std::string_view hold(const TablePlan& plan, const EntryView& entry,
                                      const postgres::BadValue& bad);
  /// This row fits, or is gone: it no longer waits.
  void passes(const TablePlan& plan, const EntryView& entry);
  /// Every row of the table comes again.
  void reset(const TablePlan& plan);

  /// Something was said in this batch: it needs finish().
  [[nodiscard]] bool touched() const { return touched_; }
  /// What waits in memory is larger than it should be: write().
  [[nodiscard]] bool full() const;
  /// In the batch's transaction; nothing else may be under way on the connection.
  void write();
  /// The same, and says as of which position the rows were read. Throws LS-D403 if there are too
  /// many.
  void finish(const Position& to);
  void committed();

  /// Others may have skipped rows or had them read again. Outside of a batch.
  void recount();
  /// As of the last commit or recount().
  [[nodiscard]] const QuarantineCounts& counts() const { return counts_; }

 private:
  struct Released {
    std::uint32_t table = 0;
    std::string key;
  };
  struct Reset {
    std::uint32_t table = 0;
  };
  using Step = std::variant<HeldRow, Released, Reset>;

  void load();
  [[nodiscard]] std::uint64_t remember_key(const TablePlan& plan, const EntryView& entry);
  void add(Step step, std::size_t bytes);
  void write(const HeldRow& row);
  void write(const Released& row);
  void write(const Reset& table);

  postgres::Connection& connection_;
  std::string migration_;
  QuarantineCounts counts_;
  /// Hashes of keys that are or were held, per table. Who is in it by mistake costs a statement.
  std::map<std::uint32_t, std::unordered_set<std::uint64_t>> known_;
  std::size_t known_count_ = 0;
  std::vector<Step> steps_;
  std::size_t step_bytes_ = 0;
  std::string key_values_;
  bool touched_ = false;
};

}  // namespace lockstep::apply
