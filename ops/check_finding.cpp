#include "ops/check_finding.hpp"

#include <fmt/format.h>

#include "ops/names.hpp"

namespace lockstep::ops {

std::string_view to_string(CheckCategory category) {
  switch (category) {
    case CheckCategory::data:
      return "data";
    case CheckCategory::keys:
      return "keys";
    case CheckCategory::schema:
      return "schema";
  }
  return "?";
}

std::string_view to_string(CheckSeverity severity) {
  switch (severity) {
    case CheckSeverity::info:
      return "info";
    case CheckSeverity::warning:
      return "warning";
    case CheckSeverity::critical:
      return "critical";
  }
  return "?";
}

void waive(std::vector<CheckFinding>& findings, const std::vector<config::Waiver>& waivers,
           const std::string& today) {
  for (CheckFinding& finding : findings) {
    if (finding.severity == CheckSeverity::info) continue;
    for (const config::Waiver& waiver : waivers) {
      if (waiver.check != finding.code || !matches_any(finding.table, {waiver.table})) continue;
      if (waiver.until < today) {  // as texts: both are YYYY-MM-DD
        finding.not_waived = fmt::format("the waiver of {} ended with {}", waiver.by, waiver.until);
      } else if (finding.rows > waiver.rows_max) {
        finding.not_waived = fmt::format("the waiver of {} is for {} row(s), these are {}",
                                         waiver.by, waiver.rows_max, finding.rows);
      } else {
        finding.waiver = waiver;
        finding.not_waived.clear();
        break;
      }
    }
  }
}

std::optional<CheckFinding> finding_of(const verify::Verdict& verdict) {
  using PairKind = verify::QueryPair::Kind;
  if (verdict.answered && verdict.holds) return std::nullopt;
  CheckFinding finding;
  finding.table = verdict.name;
  finding.rows = verdict.rows;
  finding.what = verdict.what;
  finding.code = !verdict.answered                   ? "LS-V523"
                 : verdict.kind == PairKind::counts  ? "LS-V520"
                 : verdict.kind == PairKind::columns ? "LS-V521"
                                                     : "LS-V522";
  if (verdict.answered && verdict.kind == PairKind::validator)
    finding.what +=
        fmt::format("; the source answers {}, the target {}", verdict.source, verdict.target);
  return finding;
}

}  // namespace lockstep::ops
