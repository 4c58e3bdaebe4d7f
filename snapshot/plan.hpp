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

/// Checks the schema alone: names on PostgreSQL, number of columns.
[[nodiscard]] std::vector<std::string> shape_problems(const TableShape& shape,
                                                      const TableRules& rules = {});

/// Rules that may not stand where they stand: a key has to stay a key.
[[nodiscard]] std::vector<std::string> rule_problems(const TableShape& shape,
                                                     const TableRules& rules);

/// Nothing is changed, not even a name, without being said: a warning LS-A109 for each rule.
void tell_rules(Planned& planned);

/// What a column's rule could not convert, with an example; empty: nothing.
[[nodiscard]] std::string unconverted(const TablePlan& plan, std::size_t column,
                                      const TableCensus& census);

/// Whether each value of a column that is not in the key has a text of its own in PostgreSQL:
/// numbers by their digits, no blobs.
[[nodiscard]] bool fits_text(const TableShape& shape, std::size_t column,
                             const TableCensus& census);

/// Decides types and which indexes PostgreSQL gets. `census` was taken with the same `rules`.
/// `sequence` is sqlite_sequence's number. Where `on_bad_value` (one per column; shorter: stop)
/// says quarantine, values of the odd class are no problem but a warning LS-D402; where it says
/// text, a column of several classes becomes text by a rule in its plan.
[[nodiscard]] Planned plan_table(std::uint32_t id, const TableShape& shape,
                                 const TableCensus& census, std::int64_t sequence,
                                 const TableRules& rules = {},
                                 std::vector<OnBadValue> on_bad_value = {});

}  // namespace lockstep::snapshot
