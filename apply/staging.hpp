// A large batch on its way: binary COPY into temporary tables, then one merge per table.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "apply/dual_write.hpp"
#include "apply/merge.hpp"
#include "link/postgres/connection.hpp"
#include "link/postgres/copy.hpp"
#include "model/row_stream.hpp"
#include "model/shape.hpp"

namespace lockstep::apply {

/// Works inside the transaction that its owner has begun; its owner commits. Entries must have been
/// checked.
class Staging {
 public:
  /// `dual`: tables that the application writes on both sides; outlives the staging.
  Staging(postgres::Connection& connection, std::string schema, std::size_t lump_bytes,
          const std::vector<DualTable>& dual);

  /// Entries of one table should come together: each change of table starts another COPY. `slice`
  /// never goes down; of a key that comes again the entry of the later slice counts.
  void put(const TablePlan& plan, const EntryView& entry, std::uint32_t slice);

  /// What was put of this table is dropped; what is put from now on is the whole table.
  void reset(const TablePlan& plan);

  /// Ends the COPY under way, so that other statements can run. merge() does it too.
  void close();

  /// Staging to target. With keys on the target: delete what is absent, upsert the rest; if that
  /// meets a unique conflict (two rows that swapped a value), everything again by delete and
  /// insert. Returns whether that was so. Throws LS-T256 if the server wrote other rows than these.
  [[nodiscard]] bool merge(bool keyed);
  /// That merge() met.
  [[nodiscard]] std::int64_t conflicts() const { return conflicts_; }

 private:
  void stage(const TablePlan& plan);
  void open(const TablePlan& plan);
  void flush();
  void merge_upsert();
  void merge_replace(Into into);
  void write_present(const TablePlan& plan, const std::string& sql);
  [[nodiscard]] bool is_whole(const TablePlan* plan) const;

  postgres::Connection& connection_;
  std::string schema_;
  std::size_t lump_bytes_;
  const std::vector<DualTable>& dual_;
  std::vector<const TablePlan*> staged_;
  std::vector<const TablePlan*> whole_;  // were reset: staging holds every row
  std::uint32_t slices_ = 0;
  std::int64_t conflicts_ = 0;
  const TablePlan* current_ = nullptr;
  std::unique_ptr<postgres::CopyIn> copy_;
  std::string lump_;
};

}  // namespace lockstep::apply
