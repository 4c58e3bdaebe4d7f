// Which rows a sample looks at: ranges at random places of a table, and the newest rows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "link/postgres/connection.hpp"
#include "model/shape.hpp"
#include "verify/digest.hpp"

namespace lockstep::verify {

/// So many rows in each of the ranges, for a sample of `rows` rows.
[[nodiscard]] std::uint32_t sample_range_rows(std::uint64_t rows);

/// Keys behind which the ranges of a sample of `rows` rows begin, in key order; nothing: the start
/// of the table. The last one begins `sample_range_rows` before the end: rows that were written
/// last. A table whose key is spelled otherwise on the target is sampled at its start only.
[[nodiscard]] std::vector<std::optional<Key>> sample_starts(postgres::Connection& target,
                                                            const std::string& schema,
                                                            const TablePlan& plan,
                                                            std::uint64_t rows);

}  // namespace lockstep::verify
