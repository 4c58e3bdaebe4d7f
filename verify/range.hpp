// Reads one range of a table on either side, in key order, into row hashes.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "link/postgres/connection.hpp"
#include "link/sqlite/database.hpp"
#include "model/clock.hpp"
#include "model/shape.hpp"
#include "verify/digest.hpp"
#include "verify/values.hpp"

namespace lockstep::verify {

struct RangeLimits {
  std::uint64_t rows_max = 200'000;  ///< keys and hashes of so many rows are kept
  std::size_t key_bytes_max = 8u << 20;
  /// Of a table that has to be sorted.
  std::uint64_t sorted_rows_max = 2'000'000;
  std::size_t sorted_key_bytes_max = 64u << 20;
};

struct SourceRange {
  RangeRows rows;
  std::vector<Block> blocks;  ///< never empty
  bool done = false;          ///< the table ends here: the last block is open
  std::optional<Key> resume;  ///< not done: where to read on, in the source's own spelling
};

/// What both ends have to agree in before they compare a range: the shape's fingerprint, and the
/// types of columns that may become text while lockstep follows.
[[nodiscard]] std::string compared_shape(const TablePlan& plan);

/// Reads on after a key in the source's own spelling (nothing: from the start) until the deadline,
/// the limits or the table's end, whichever comes first, in the caller's read transaction. At least
/// one row, if there is one; behind the limits on to a key that the target may have. A table whose
/// key the target has in another order is read whole and sorted, whatever the deadline; Error
/// LS-V508 if it is too large for that.
[[nodiscard]] SourceRange read_source_range(sqlite::Database& source, const TablePlan& plan,
                                            const std::optional<Key>& after,
                                            const Deadline& deadline, RangeLimits limits = {});

/// The same range on the target, block by block as the source cut it, in the caller's transaction.
[[nodiscard]] RangeRows read_target_range(postgres::Connection& target, const std::string& schema,
                                          const TablePlan& plan, const std::optional<Key>& after,
                                          const std::vector<Block>& blocks);

/// The rows of these keys, which are in the source's own spelling and in the order of their
/// canonical bytes as both sides show them; a key that no row has is skipped. Until the deadline,
/// at least one; keys that are spelled in several ways stay together. No rule converts the key.
[[nodiscard]] SourceRange read_source_keys(sqlite::Database& source, const TablePlan& plan,
                                           const std::vector<Key>& keys, const Deadline& deadline);

/// The same on the target: `keys` as both sides show them, in the same order, each once.
[[nodiscard]] RangeRows read_target_keys(postgres::Connection& target, const std::string& schema,
                                         const TablePlan& plan, const std::vector<Key>& keys,
                                         const std::vector<Block>& blocks);

/// Rows by their keys, one at a time and each with its key's place; a key that no row has is
/// skipped. Where a key is spelled otherwise on the source, that reads the table to find them.
void read_source_rows(sqlite::Database& source, const TablePlan& plan, const std::vector<Key>& keys,
                      const std::function<void(std::size_t, const std::vector<Value>&)>& found);
/// The keys in the source's own spelling. One that the source does not have comes back as it would
/// be carried, or as nothing: a rule converts it, or no such row can have come from the source.
[[nodiscard]] std::vector<std::optional<Key>> source_keys(sqlite::Database& source,
                                                          const TablePlan& plan,
                                                          const std::vector<Key>& keys);
struct TargetRow {
  std::vector<Value> values;  ///< one per column of the plan
  WrongConstants wrong;
};
/// Nothing for a key that target_may_have() denies, too.
[[nodiscard]] std::optional<TargetRow> read_target_row(postgres::Connection& target,
                                                       const std::string& schema,
                                                       const TablePlan& plan, const Key& key);

}  // namespace lockstep::verify
