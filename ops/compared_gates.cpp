#include "ops/compared_gates.hpp"

#include <fmt/format.h>

#include <map>
#include <set>
#include <string>
#include <utility>

#include "apply/owed.hpp"
#include "capture/install.hpp"
#include "model/clock.hpp"
#include "ops/progress.hpp"
#include "ops/proven.hpp"
#include "ops/verified_text.hpp"
#include "ops/wait_marks.hpp"
#include "switchover/reverse_touched.hpp"
#include "switchover/reverse_watch.hpp"
#include "verify/record.hpp"

namespace lockstep::ops {

namespace {

using switchover::Coordinator;
using verify::TableResult;

constexpr char kNotSince[] = "not compared since ddl hold, or a doubt (LS-S335), asked for it";

std::string clean_text(const GateLimits& limits) {
  constexpr std::int64_t kPerMinute = 60'000;
  return fmt::format("equal, at most {} min ago", limits.verify_max_age.count() / kPerMinute);
}

apply::Owed owed(Coordinator& coordinator) {
  return apply::owed_comparison(coordinator.postgres(), coordinator.place().migration);
}

/// At positions of the forward era that SQLite is in, or was up to the cutover.
std::vector<TableResult> forward_results(Coordinator& coordinator, std::int64_t first_pass) {
  return verify::table_results(
      coordinator.postgres(), coordinator.place().migration,
      {Flow::forward, to_string(capture::require_installed(coordinator.sqlite()).era), first_pass});
}

/// Of the way back that goes on, or of the last one.
std::vector<TableResult> reverse_results(Coordinator& coordinator, std::int64_t first_pass) {
  const auto round = newest_round(coordinator.postgres(), coordinator.place().migration);
  if (!round) return {};
  return verify::table_results(coordinator.postgres(), coordinator.place().migration,
                               {Flow::reverse, to_string(round->era), first_pass});
}

// Until the cutover nothing logs what DDL does to rows on PostgreSQL, and the guard lets it pass:
// a column that went and came again is empty. What lockstep itself altered counts as well.
std::map<std::uint32_t, std::string> altered_since(Coordinator& coordinator,
                                                   const std::vector<TableResult>& results,
                                                   const std::vector<TablePlan>& followed) {
  const auto marks = switchover::table_marks(coordinator.postgres(), coordinator.place().migration,
                                             coordinator.place().schema, followed);
  std::map<std::uint32_t, std::string> altered;
  for (const TableResult& result : results) {
    const auto mark = marks.find(result.id);
    std::string what = switchover::what_was_altered(
        result.seen, mark == marks.end() ? std::string_view() : mark->second);
    if (!what.empty()) altered.emplace(result.id, std::move(what));
  }
  return altered;
}

Waivers waivers_in(const GateLimits& limits) {
  constexpr std::size_t kDay = 10;
  return {limits.waivers, rfc3339(wall_now_us()).substr(0, kDay)};
}

// Nobody asks for a proof: but what is known to differ keeps people from going back to it without
// knowing.
Gate nothing_differs(const std::vector<TableResult>& results, const std::vector<TablePlan>& plans,
                     const Waivers& waivers) {
  const StillDifferent still = still_different(results, plans, waivers);
  std::string found = results.empty() ? "not compared since the cutover"
                      : still.rows == 0
                          ? "nothing differs"
                          : fmt::format("{} rows differ{}", grouped(still.rows), still.not_waived);
  if (!still.waived.empty()) found += "; " + still.waived;
  return {"compared", still.rows == 0, found, "nothing differs",
          "lockstep verify --repair SOURCE TARGET"};
}

}  // namespace

Gate compared_gate(Coordinator& coordinator, const GateLimits& limits) {
  const apply::Owed since = owed(coordinator);
  if (since.waits)
    return {"compared", false,
            "transactions on PostgreSQL that could write there during ddl hold have not ended",
            clean_text(limits),
            "wait for them, or end them; then lockstep verify SOURCE TARGET, beside lockstep run"};
  const auto followed = capture::require_installed(coordinator.sqlite()).tables;
  const auto back = reverse_results(coordinator, since.first_pass);
  const auto results =
      joined(forward_results(coordinator, since.first_pass), without_partial(back, followed));
  const Proven now = proven(results, followed, limits.verify_max_age, waivers_in(limits),
                            since.first_pass != 0 ? kNotSince
                            : back.empty()        ? "never compared"
                                                  : "not compared since the rollback",
                            altered_since(coordinator, results, followed));
  return {"compared", now.clean, now.found, clean_text(limits), "lockstep verify SOURCE TARGET"};
}

Gate compared_back_gate(Coordinator& coordinator, const std::vector<TablePlan>& plans,
                        const GateLimits& limits) {
  const std::int64_t first_pass = owed(coordinator).first_pass;
  const std::vector<TableResult> since = reverse_results(coordinator, first_pass);
  Gate gate;
  if (limits.verify_max_age.count() == 0) {
    gate = nothing_differs(since, plans, waivers_in(limits));
  } else {
    const std::set<std::uint32_t> untouched =
        switchover::untouched_tables(coordinator.postgres(), coordinator.place().migration);
    std::vector<TableResult> before;
    for (TableResult& table : forward_results(coordinator, first_pass))
      if (untouched.contains(table.id)) before.push_back(std::move(table));
    const Proven now = proven(joined(since, before), plans, limits.verify_max_age,
                              waivers_in(limits), "not compared since the cutover");
    gate = {"compared", now.clean, now.found, clean_text(limits),
            now.different ? "lockstep verify --repair SOURCE TARGET"
                          : "lockstep verify SOURCE TARGET; in an emergency --unproven"};
  }
  gate.waived = !gate.open && limits.unproven;
  return gate;
}

}  // namespace lockstep::ops
