#include "ops/proven.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

#include "ops/check_finding.hpp"
#include "ops/verified_text.hpp"
#include "verify/back_plan.hpp"

namespace lockstep::ops {

namespace {

/// As verify finds it (LS-V501, LS-V534); nothing for a table that was equal.
std::optional<CheckFinding> found_of(const verify::TableResult& result, const TablePlan& plan,
                                     const Waivers& waivers) {
  if (result.problem.empty() && result.different == 0) return std::nullopt;
  std::vector<CheckFinding> one(1);
  one[0].code = result.problem.empty() ? "LS-V501" : "LS-V534";
  one[0].table = plan.name();
  one[0].rows = result.problem.empty() ? static_cast<std::uint64_t>(result.different) : 1;
  waive(one, waivers.given, waivers.today);
  return std::move(one[0]);
}

std::string waived_text(const CheckFinding& finding) {
  const std::string what =
      finding.code == "LS-V534" ? "not compared" : fmt::format("{} rows", finding.rows);
  return fmt::format("{} ({}; waived until {} by {}: {})", finding.table, what,
                     finding.waiver->until, finding.waiver->by, finding.waiver->reason);
}

std::string not_waived_text(const CheckFinding& finding) {
  return finding.not_waived.empty() ? "" : "; " + finding.not_waived;
}

const TablePlan* plan_in(const std::vector<TablePlan>& followed, std::uint32_t id) {
  const auto plan =
      std::find_if(followed.begin(), followed.end(), [&](const auto& one) { return one.id == id; });
  return plan == followed.end() ? nullptr : &*plan;
}

}  // namespace

std::vector<verify::TableResult> joined(std::vector<verify::TableResult> now,
                                        const std::vector<verify::TableResult>& before) {
  const std::size_t own = now.size();
  for (const verify::TableResult& one : before)
    if (std::none_of(now.begin(), now.begin() + static_cast<std::ptrdiff_t>(own),
                     [&](const verify::TableResult& known) { return known.id == one.id; }))
      now.push_back(one);
  return now;
}

std::vector<verify::TableResult> without_partial(std::vector<verify::TableResult> back,
                                                 const std::vector<TablePlan>& followed) {
  std::erase_if(back, [&](const verify::TableResult& one) {
    const TablePlan* const plan = plan_in(followed, one.id);
    return plan != nullptr && one.different == 0 && one.problem.empty() &&
           !verify::not_comparable_back(*plan).empty();
  });
  return back;
}

Proven proven(const std::vector<verify::TableResult>& results,
              const std::vector<TablePlan>& followed, Milliseconds max_age, const Waivers& waivers,
              const std::string& never_text, const std::map<std::uint32_t, std::string>& altered) {
  std::vector<std::string> never, different, problems, waived, since;
  Milliseconds oldest{0};
  for (const TablePlan& plan : followed) {
    const auto result =
        std::find_if(results.begin(), results.end(),
                     [&](const verify::TableResult& one) { return one.id == plan.id; });
    if (result == results.end()) {
      never.push_back(plan.name());
      continue;
    }
    const auto finding = found_of(*result, plan, waivers);
    if (!finding || finding->waiver) {
      oldest = std::max(oldest, result->age);
      if (const auto what = altered.find(plan.id); what != altered.end())
        since.push_back(fmt::format("{} ({})", plan.name(), what->second));
    }
    if (!finding) continue;
    if (finding->waiver)
      waived.push_back(waived_text(*finding));
    else if (finding->code == "LS-V534")
      problems.push_back(fmt::format("{}{}", plan.name(), not_waived_text(*finding)));
    else
      different.push_back(
          fmt::format("{} ({} rows{})", plan.name(), result->different, not_waived_text(*finding)));
  }
  if (!followed.empty() && never.size() == followed.size()) return {false, never_text};
  std::vector<std::string> parts;
  const auto add = [&](const std::string& what, const std::vector<std::string>& tables) {
    if (!tables.empty()) parts.push_back(fmt::format("{}: {}", what, fmt::join(tables, ", ")));
  };
  add("different", different);
  add("not compared", problems);
  add(never_text, never);
  add("altered on PostgreSQL since it was compared", since);
  const bool whole = parts.empty();
  constexpr std::int64_t kUs = 1'000;
  if (whole)
    parts.push_back(fmt::format("equal{}, {} ago", waived.empty() ? "" : " but for waivers",
                                age_text(oldest.count() * kUs)));
  add("waived", waived);
  return {whole && oldest <= max_age, fmt::format("{}", fmt::join(parts, "; ")),
          !different.empty()};
}

StillDifferent still_different(const std::vector<verify::TableResult>& results,
                               const std::vector<TablePlan>& followed, const Waivers& waivers) {
  StillDifferent still;
  std::vector<std::string> waived;
  for (const verify::TableResult& result : results) {
    const TablePlan* const plan = plan_in(followed, result.id);
    if (plan == nullptr) {
      still.rows += result.different;
      continue;
    }
    const auto finding = found_of(result, *plan, waivers);
    if (!finding) continue;
    if (finding->waiver) {
      waived.push_back(waived_text(*finding));
    } else {
      still.rows += result.different;
      if (!finding->not_waived.empty())
        still.not_waived += fmt::format(" ({}: {})", plan->name(), finding->not_waived);
    }
  }
  if (!waived.empty()) still.waived = fmt::format("waived: {}", fmt::join(waived, ", "));
  return still;
}

}  // namespace lockstep::ops
