#include "ops/proven.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "ops/verified_text.hpp"

namespace lockstep::ops {

std::vector<verify::TableResult> joined(std::vector<verify::TableResult> now,
                                        const std::vector<verify::TableResult>& before) {
  const std::size_t own = now.size();
  for (const verify::TableResult& one : before)
    if (std::none_of(now.begin(), now.begin() + static_cast<std::ptrdiff_t>(own),
                     [&](const verify::TableResult& known) { return known.id == one.id; }))
      now.push_back(one);
  return now;
}

Proven proven(const std::vector<verify::TableResult>& results,
              const std::vector<TablePlan>& followed, Milliseconds max_age,
              const std::string& never_text) {
  std::vector<std::string> never, different, problems;
  Milliseconds oldest{0};
  for (const TablePlan& plan : followed) {
    const auto result =
        std::find_if(results.begin(), results.end(),
                     [&](const verify::TableResult& one) { return one.id == plan.id; });
    if (result == results.end())
      never.push_back(plan.name());
    else if (!result->problem.empty())
      problems.push_back(plan.name());
    else if (result->different > 0)
      different.push_back(fmt::format("{} ({} rows)", plan.name(), result->different));
    else
      oldest = std::max(oldest, result->age);
  }
  if (!followed.empty() && never.size() == followed.size()) return {false, never_text};
  std::vector<std::string> parts;
  const auto add = [&](const std::string& what, const std::vector<std::string>& tables) {
    if (!tables.empty()) parts.push_back(fmt::format("{}: {}", what, fmt::join(tables, ", ")));
  };
  add("different", different);
  add("not compared", problems);
  add(never_text, never);
  constexpr std::int64_t kUs = 1'000;
  const std::string age = age_text(oldest.count() * kUs) + " ago";
  if (!parts.empty()) return {false, fmt::format("{}", fmt::join(parts, "; ")), !different.empty()};
  return {oldest <= max_age, "equal, " + age};
}

}  // namespace lockstep::ops
