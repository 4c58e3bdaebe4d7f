// Reads every value of a table once: storage classes, NULLs, texts PostgreSQL cannot hold, longest
// values.
#pragma once

#include <functional>

#include "link/sqlite/database.hpp"
#include "link/sqlite/scan.hpp"
#include "model/shape.hpp"
#include "model/type_map.hpp"

namespace lockstep::snapshot {

/// Of values after `rules`; examples show them as they are.
/// In slices, like the copy; a large table in WAL mode by two readers, the second on a thread and a
/// connection of its own. `progress` is told the rows read so far, in the calling thread.
[[nodiscard]] TableCensus take_census(sqlite::Database& database, const TableShape& shape,
                                      const sqlite::SliceLimits& limits,
                                      const std::function<void(std::uint64_t)>& progress,
                                      const TableRules& rules = {});

/// About the first `rows_max` rows, in key order: says what is there, proves nothing.
[[nodiscard]] TableCensus sample_census(sqlite::Database& database, const TableShape& shape,
                                        std::uint64_t rows_max, const TableRules& rules = {});

}  // namespace lockstep::snapshot
