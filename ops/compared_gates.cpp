#include "ops/compared_gates.hpp"

#include <fmt/format.h>

#include <set>
#include <string>

#include "capture/install.hpp"
#include "ops/progress.hpp"
#include "ops/proven.hpp"
#include "ops/verified_text.hpp"
#include "ops/wait_marks.hpp"
#include "switchover/reverse_touched.hpp"
#include "verify/record.hpp"

namespace lockstep::ops {

namespace {

using switchover::Coordinator;
using verify::TableResult;

std::string clean_text(const GateLimits& limits) {
  constexpr std::int64_t kPerMinute = 60'000;
  return fmt::format("equal, at most {} min ago", limits.verify_max_age.count() / kPerMinute);
}

/// At positions of the forward era that SQLite is in, or was up to the cutover.
std::vector<TableResult> forward_results(Coordinator& coordinator) {
  return verify::table_results(
      coordinator.postgres(), coordinator.place().migration,
      {Flow::forward, to_string(capture::require_installed(coordinator.sqlite()).era)});
}

/// Of the way back that goes on, or of the last one.
std::vector<TableResult> reverse_results(Coordinator& coordinator) {
  const auto round = newest_round(coordinator.postgres(), coordinator.place().migration);
  if (!round) return {};
  return verify::table_results(coordinator.postgres(), coordinator.place().migration,
                               {Flow::reverse, to_string(round->era)});
}

// Nobody asks for a proof: but what is known to differ keeps people from going back to it without
// knowing.
Gate nothing_differs(const std::vector<TableResult>& results) {
  std::int64_t different = 0;
  for (const TableResult& table : results) different += table.different;
  return {"compared", different == 0,
          results.empty()  ? "not compared since the cutover"
          : different == 0 ? "nothing differs"
                           : fmt::format("{} rows differ", grouped(different)),
          "nothing differs", "lockstep verify --repair SOURCE TARGET"};
}

}  // namespace

Gate compared_gate(Coordinator& coordinator, const GateLimits& limits) {
  const Proven now =
      proven(joined(forward_results(coordinator), reverse_results(coordinator)),
             capture::require_installed(coordinator.sqlite()).tables, limits.verify_max_age);
  return {"compared", now.clean, now.found, clean_text(limits), "lockstep verify SOURCE TARGET"};
}

Gate compared_back_gate(Coordinator& coordinator, const std::vector<TablePlan>& plans,
                        const GateLimits& limits) {
  const std::vector<TableResult> since = reverse_results(coordinator);
  Gate gate;
  if (limits.verify_max_age.count() == 0) {
    gate = nothing_differs(since);
  } else {
    const std::set<std::uint32_t> untouched =
        switchover::untouched_tables(coordinator.postgres(), coordinator.place().migration);
    std::vector<TableResult> before;
    for (TableResult& table : forward_results(coordinator))
      if (untouched.contains(table.id)) before.push_back(std::move(table));
    const Proven now = proven(joined(since, before), plans, limits.verify_max_age,
                              "not compared since the cutover");
    gate = {"compared", now.clean, now.found, clean_text(limits),
            now.different ? "lockstep verify --repair SOURCE TARGET"
                          : "lockstep verify SOURCE TARGET; in an emergency --unproven"};
  }
  gate.waived = !gate.open && limits.unproven;
  return gate;
}

}  // namespace lockstep::ops
