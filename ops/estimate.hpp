// How long the copy will take and how large it will be, from a real COPY that is rolled back.
#pragma once

#include <optional>
#include <string>

#include "link/postgres/connection.hpp"
#include "link/sqlite/database.hpp"
#include "ops/assessment.hpp"

namespace lockstep::ops {

struct Estimate {
  std::string table;            ///< whose rows were tried
  std::uint64_t rows = 0;       ///< that were copied, and taken back
  double rows_per_second = 0;   ///< of these rows
  double bytes_per_second = 0;  ///< of their values
  double seconds_min = 0;       ///< for all tables, without keys and indexes
  double seconds_max = 0;
  std::uint64_t target_bytes =
      0;  ///< of all tables, without keys and indexes; as far as one can tell
};

/// Copies the first rows of the largest table into a table of its own inside one transaction, for
/// about two seconds, and aborts it. Nothing if there is nothing to copy.
[[nodiscard]] std::optional<Estimate> estimate_copy(sqlite::Database& source,
                                                    postgres::Connection& target,
                                                    const std::string& schema,
                                                    const Assessment& assessment);

}  // namespace lockstep::ops
