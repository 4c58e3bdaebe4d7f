// What is done with a row whose value does not fit its column's type: the owner's choice. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "model/shape.hpp"

namespace lockstep {

[[nodiscard]] std::string_view to_string(OnBadValue choice);
[[nodiscard]] std::optional<OnBadValue> parse_on_bad_value(std::string_view text);

/// What flags and configuration say. It is no rule about values: it may change from run to run.
struct BadValuePolicy {
  std::optional<OnBadValue> all;              ///< nothing: as it was, at first stop
  std::map<std::string, OnBadValue> columns;  ///< by "table.column"; goes before `all`
  /// Columns with personal data, by "table.column"; nothing: as it was.
  std::optional<std::set<std::string>> personal{};

  [[nodiscard]] bool empty() const { return !all && columns.empty() && !personal; }
};

/// One choice per column of `shape`. `before` is the plan that was in force, nullptr if there was
/// none; `otherwise` is for columns that it did not have. A column that became text stays so.
[[nodiscard]] std::vector<OnBadValue> choices_for(const BadValuePolicy& policy,
                                                  const TableShape& shape, const TablePlan* before,
                                                  OnBadValue otherwise);

/// The rules of a configuration for a table, and those by which columns of `before` (nullptr: there
/// was none) became text without it.
[[nodiscard]] TableRules with_fallbacks(TableRules rules, const TableShape& shape,
                                        const TablePlan* before);

/// One mark per column of `shape`, likewise.
[[nodiscard]] std::vector<bool> personal_for(const BadValuePolicy& policy, const TableShape& shape,
                                             const TablePlan* before);

/// Names in `policy` that no column of these tables has.
[[nodiscard]] std::vector<std::string> unknown_columns(
    const BadValuePolicy& policy, const std::vector<const TableShape*>& shapes);

}  // namespace lockstep
