// From shape and census to a table plan, or to the reasons why a table cannot be carried. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "model/shape.hpp"
#include "model/type_map.hpp"

namespace lockstep::snapshot {

/// Carried all the same, but told to the user. `code` is explained in ops/ERRORS.md.
struct Warning {
  std::string code;
  std::string what;
};

struct Planned {
  TablePlan plan;                      ///< complete if `problems` is empty
  std::vector<std::string> problems;   ///< every reason, not only the first
  std::vector<Warning> warnings;       ///< not kept in the plan
  std::vector<std::size_t> undecided;  ///< columns without values: see settle_undecided()
};

/// Checks the schema alone: names, number of columns, a key.
[[nodiscard]] std::vector<std::string> shape_problems(const TableShape& shape);

/// Decides types and which indexes PostgreSQL gets. `sequence` is sqlite_sequence's number. Where
/// `on_bad_value` (one per column; shorter: stop) says quarantine, values of the odd class are no
/// problem but a warning LS-D402.
[[nodiscard]] Planned plan_table(std::uint32_t id, const TableShape& shape,
                                 const TableCensus& census, std::int64_t sequence,
                                 std::vector<OnBadValue> on_bad_value = {});

}  // namespace lockstep::snapshot
