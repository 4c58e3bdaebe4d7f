// Reads one range of a table on either side, in key order, into row hashes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "link/postgres/connection.hpp"
#include "link/sqlite/database.hpp"
#include "model/clock.hpp"
#include "model/shape.hpp"
#include "verify/digest.hpp"

namespace lockstep::verify {

struct RangeLimits {
  std::uint64_t rows_max = 200'000;  ///< keys and hashes of so many rows are kept
  std::size_t key_bytes_max = 8u << 20;
};

struct SourceRange {
  RangeRows rows;
  std::vector<Block> blocks;  ///< never empty
  bool done = false;          ///< the table ends here: the last block is open
};

/// Reads on after a key (nothing: from the start) until the deadline, the limits or the table's
/// end, whichever comes first, in the caller's read transaction. At least one row, if there is one.
[[nodiscard]] SourceRange read_source_range(sqlite::Database& source, const TablePlan& plan,
                                            const std::optional<Key>& after,
                                            const Deadline& deadline, RangeLimits limits = {});

/// The same range on the target, block by block as the source cut it, in the caller's transaction.
[[nodiscard]] RangeRows read_target_range(postgres::Connection& target, const std::string& schema,
                                          const TablePlan& plan, const std::optional<Key>& after,
                                          const std::vector<Block>& blocks);

/// Rows by their keys; nothing where a side has none.
[[nodiscard]] std::optional<std::vector<Value>> read_source_row(sqlite::Database& source,
                                                                const TablePlan& plan,
                                                                const Key& key);
[[nodiscard]] std::optional<std::vector<Value>> read_target_row(postgres::Connection& target,
                                                                const std::string& schema,
                                                                const TablePlan& plan,
                                                                const Key& key);

/// SQL of a comparison, for tests and for EXPLAIN.
[[nodiscard]] std::string source_range_sql(const TablePlan& plan, bool from_start);
[[nodiscard]] std::string target_range_sql(const std::string& schema, const TablePlan& plan,
                                           const std::optional<Key>& after,
                                           const std::optional<Key>& until);

}  // namespace lockstep::verify
