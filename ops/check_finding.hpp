// What verify found beside equal rows, and what becomes of it. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.hpp"
#include "verify/query_pair.hpp"

namespace lockstep::ops {

enum class CheckCategory { data, keys, schema };
enum class CheckSeverity {
  info,
  warning,
  critical  ///< the sides differ: exit 4, or 9 where it is waived
};
[[nodiscard]] std::string_view to_string(CheckCategory category);
[[nodiscard]] std::string_view to_string(CheckSeverity severity);

struct CheckFinding {
  std::string code;  ///< explained in ops/ERRORS.md
  CheckCategory category = CheckCategory::data;
  CheckSeverity severity = CheckSeverity::critical;
  std::string table;  ///< or the name of a validator
  std::string what;
  std::uint64_t rows = 1;
  std::optional<config::Waiver> waiver{};  ///< in force, and wide enough
  std::string not_waived{};                ///< why a waiver of it does not count
};

/// Puts the waivers to findings that are not only told. `today`: YYYY-MM-DD in UTC.
void waive(std::vector<CheckFinding>& findings, const std::vector<config::Waiver>& waivers,
           const std::string& today);

/// What does not hold; nothing for one that does.
[[nodiscard]] std::optional<CheckFinding> finding_of(const verify::Verdict& verdict);

}  // namespace lockstep::ops
