// Batches into the target: one batch, one transaction: rows, position, done (I2).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apply/dual_write.hpp"
#include "apply/plan_change.hpp"
#include "apply/quarantine.hpp"
#include "apply/recent_keys.hpp"
#include "apply/small_batch.hpp"
#include "apply/staging.hpp"
#include "link/postgres/connection.hpp"
#include "link/postgres/meddling.hpp"
#include "link/wire/control.hpp"
#include "model/row_stream.hpp"
#include "model/shape.hpp"

namespace lockstep::apply {

struct ApplierLimits {
  std::size_t small_entries_max =
      400;  ///< up to here: prepared statements, one round trip; beyond: staging
  std::size_t small_bytes_max = 1u << 20;
  std::size_t copy_lump_bytes = 128u << 10;  ///< tuples gathered before they go to COPY
};

struct ApplierOptions {
  std::string migration;
  std::string schema;
  bool keyed = true;  ///< false while the target has no keys yet: merge by delete and insert
  bool becomes_consistent = false;  ///< this is the batch that ends the snapshot
  ApplierLimits limits{};
  bool silent = false;  ///< this session may_be_silent(): triggers and foreign keys do not act
  RecentKeys* recent = nullptr;   ///< is told each row; outlives the applier
  std::vector<DualTable> dual{};  ///< tables that the application writes on both sides
};

struct Applied {
  Position position;
  std::uint64_t changes = 0;
  std::uint64_t entries = 0;
  bool fell_back =
      false;  ///< a unique conflict was met and the batch was done by delete and insert
  std::int64_t conflicts = 0;  ///< rows that the application wrote otherwise on both sides
  std::vector<Told> told{};    ///< what a change of the plans took away
};

/// A row with a value that its column cannot hold waits in the quarantine if the column's plan says
/// so, from the same transaction on.
///
/// Feed it one batch: begin(), then entries(), next_slice() and reset() as they come, end(). Only
/// end() commits; destroying the applier or starting another batch before that leaves nothing on
/// the target. Throws Error: LS-D401 (a value that its column cannot hold; nothing of the batch is
/// applied), LS-R705 (the position moved under us: another applier), LS-T255 (somebody's trigger or
/// rule was in the way), LS-T256 (the server wrote other rows than were sent), or what the server
/// said.
/// Retry::new_session after anything in doubt. One thread; the connection is the applier's alone
/// meanwhile.
class Applier {
 public:
  Applier(postgres::Connection& connection, const std::vector<TablePlan>& tables,
          ApplierOptions options);
  ~Applier();
  Applier(const Applier&) = delete;
  Applier& operator=(const Applier&) = delete;

  void begin(const wire::BatchBegin& batch);
  void entries(std::string_view fragment);
  /// What comes from now on was read later: it counts where a key comes again.
  void next_slice() { ++slice_; }
  /// From now on the batch holds every row of that table: rows that it does not hold are deleted.
  void reset(const wire::BatchReset& reset);
  [[nodiscard]] Applied end(const wire::BatchEnd& batch);

  /// When the source's reader saw the end of the batch that was applied last.
  [[nodiscard]] std::int64_t source_wall_us() const { return end_.wall_us; }

  /// The applier was made with the plans behind it: the next batch that commits brings it about.
  void change_plans_with_next_batch(PlanChange change) { plan_change_ = std::move(change); }

  /// Rows in quarantine, as of the last commit.
  [[nodiscard]] const QuarantineCounts& quarantined() const { return quarantine_.counts(); }
  /// Between batches, for who may have skipped rows meanwhile.
  void recount_quarantine() { quarantine_.recount(); }

  /// From the next batch on.
  void set_keyed(bool keyed) { options_.keyed = keyed; }
  void set_becomes_consistent(bool becomes) { options_.becomes_consistent = becomes; }
  void set_dual(std::vector<DualTable> dual) { options_.dual = std::move(dual); }

 private:
  [[nodiscard]] const TablePlan& plan(std::uint32_t table) const;
  [[nodiscard]] std::vector<TablePlan> existing_plans() const;
  void take(const EntryView& entry);
  void hold(const TablePlan& table, const EntryView& entry, const postgres::BadValue& bad);
  void put(const TablePlan& table, const EntryView& entry);
  void start_staging();
  void find_tables();
  [[nodiscard]] std::vector<postgres::Relation> written() const;
  [[nodiscard]] Applied finish_small();
  [[nodiscard]] Applied finish_staging();
  [[nodiscard]] postgres::Pipeline::Outcome run_small(Writing writing);
  void run_advance(postgres::Pipeline& pipeline);
  void begin_change();
  [[nodiscard]] Error placed(const Error& error, std::size_t statement) const;
  [[nodiscard]] std::string advance() const {
    return advance_sql(options_.migration, options_.becomes_consistent, !options_.dual.empty());
  }
  /// One for each text that advance() can be: what is prepared goes by its name.
  [[nodiscard]] std::string advance_name() const {
    std::string name = "lockstep_advance";
    if (options_.becomes_consistent) name += "_c";
    if (!options_.dual.empty()) name += "_d";
    return name;
  }
  [[nodiscard]] Applied settle(postgres::CommitOutcome outcome, bool fell_back,
                               std::int64_t conflicts = 0);

  postgres::Connection& connection_;
  std::map<std::uint32_t, TablePlan> tables_;
  ApplierOptions options_;
  std::map<std::uint32_t, postgres::Relation> relations_;
  EntryReader reader_;
  wire::BatchBegin batch_;
  wire::BatchEnd end_;
  std::uint32_t slice_ = 0;
  std::uint64_t entries_ = 0;
  SmallBatch small_;
  std::unique_ptr<Staging> staging_;
  Quarantine quarantine_;
  std::optional<PlanChange> plan_change_;
  std::vector<Told> told_;
  std::set<std::string> prepared_;
};

}  // namespace lockstep::apply
