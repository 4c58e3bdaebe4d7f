// Compares one table of both sides at rest, row by row, all columns. Shares no conversion with
// capture and apply (numeric's way back is used here only): a mistake in theirs must show here.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "link/postgres/connection.hpp"
#include "link/sqlite/database.hpp"
#include "model/flow.hpp"
#include "model/shape.hpp"

namespace lockstep::verify {

/// The source is the side that changes come from: after a cutover PostgreSQL.
struct Comparison {
  std::string table;
  std::uint64_t source_rows = 0, target_rows = 0;
  std::uint64_t missing = 0;      ///< on the source only
  std::uint64_t extra = 0;        ///< on the target only
  std::uint64_t differ = 0;       ///< same key, another value
  std::uint64_t quarantined = 0;  ///< in SQLite, and absent from PostgreSQL as they should be
  std::uint64_t source_digest = 0, target_digest = 0;  ///< sums of row hashes (README.md)
  std::vector<std::string> examples;  ///< the first few, with key, column and both values

  [[nodiscard]] bool equal() const { return missing + extra + differ == 0; }
};

/// Keys of rows that wait in quarantine, as wire::encode_key writes them: they have to be on the
/// source, and must not be on the target.
using QuarantinedKeys = std::set<std::string>;

/// Reads both sides in key order and joins them: memory does not grow with the table. Values are
/// equal when their bits are; instants and UUIDs, when they are the same, however spelled. The
/// caller sees to it that nothing changes meanwhile. `progress` is told the rows of SQLite so far.
[[nodiscard]] Comparison compare_table(sqlite::Database& sqlite, postgres::Connection& postgres,
                                       const std::string& schema, const TablePlan& plan,
                                       const std::function<void(std::uint64_t)>& progress,
                                       QuarantinedKeys quarantined = {}, Flow flow = Flow::forward);

}  // namespace lockstep::verify
