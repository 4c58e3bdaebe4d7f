// Reads every value of a table once: storage classes, NULLs, texts PostgreSQL cannot hold, longest
// values.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "link/sqlite/database.hpp"
#include "link/sqlite/scan.hpp"
#include "model/shape.hpp"
#include "model/type_map.hpp"

namespace lockstep::snapshot {

/// What the columns have to fit into where the table is on the target already: one per column of
/// the shape, nothing where there is no column of the name that `rules` give it. Empty: the table
/// is not there.
using TargetTypes = std::vector<std::optional<TargetType>>;
[[nodiscard]] TargetTypes target_types(const TableShape& shape, const CatalogTable& there,
                                       const TableRules& rules = {});

/// Of values after `rules`; examples show them as they are.
/// In slices, like the copy; a large table in WAL mode by two readers, the second on a thread and a
/// connection of its own. `progress` is told the rows read so far, in the calling thread.
[[nodiscard]] TableCensus take_census(sqlite::Database& database, const TableShape& shape,
                                      const sqlite::SliceLimits& limits,
                                      const std::function<void(std::uint64_t)>& progress,
                                      const TableRules& rules = {}, const TargetTypes& targets = {},
                                      Integers integers = Integers::unknown);

/// About the first `rows_max` rows, in key order: says what is there, proves nothing.
[[nodiscard]] TableCensus sample_census(sqlite::Database& database, const TableShape& shape,
                                        std::uint64_t rows_max, const TableRules& rules = {},
                                        const TargetTypes& targets = {},
                                        Integers integers = Integers::unknown);

}  // namespace lockstep::snapshot
