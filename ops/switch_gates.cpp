#include "ops/switch_gates.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "apply/owed.hpp"
#include "switchover/switch_errors.hpp"

namespace lockstep::ops {

namespace {

using nlohmann::json;
using switchover::Coordinator;
using switchover::Direction;

std::string gates_json(const std::vector<Gate>& gates) {
  json list = json::array();
  for (const Gate& gate : gates)
    list.push_back({{"name", gate.name},
                    {"open", gate.open},
                    {"found", gate.found},
                    {"wanted", gate.wanted},
                    {"waived", gate.waived},
                    {"todo", gate.todo}});
  return json{{"type", "gates"}, {"open", all_open(gates)}, {"gates", list}}.dump(
      -1, ' ', false, json::error_handler_t::replace);
}

// What counts is read before them: a debt that comes while they are looked at came behind them.
GatesSeen look_at_all(Coordinator& coordinator, const SwitchRequest& request) {
  GateLimits limits = request.limits;
  limits.look_into_file = request.dry_run ? LookIntoFile::yes : LookIntoFile::if_small;
  const apply::Owed owed =
      apply::owed_comparison(coordinator.postgres(), coordinator.place().migration);
  return {look_at_gates(coordinator, request.direction, limits), owed.first_pass};
}

std::vector<Gate> look_quickly(Coordinator& coordinator, const SwitchRequest& request) {
  GateLimits limits = request.limits;
  limits.try_way_back = TryWayBack::no;
  return look_at_gates(coordinator, request.direction, limits);
}

// All of them, once they are open; nothing: a signal came. What takes long is looked at when the
// rest is open. Some gates somebody has to open: which are shut is said each time that others are.
std::optional<GatesSeen> wait_for_gates(Coordinator& coordinator, const SwitchRequest& request,
                                        Screen& screen, Signals& signals) {
  constexpr Milliseconds kEvery{500};
  std::string told;
  while (true) {
    std::vector<Gate> gates = look_quickly(coordinator, request);
    if (all_open(gates)) {
      GatesSeen seen = look_at_all(coordinator, request);
      if (all_open(seen.gates)) return seen;
      gates = std::move(seen.gates);
    }
    std::vector<Gate> shut = gates;
    std::erase_if(shut, passes);
    std::string names;
    for (const Gate& gate : shut) names += gate.name + '\n';
    if (std::exchange(told, names) != names) {
      for (const Gate& gate : shut) screen.result("waiting for " + gate_line(gate));
      screen.json(gates_json(gates));
    }
    screen.progress("waiting for " + gate_line(shut.front()));
    if (signals.wait(kEvery)) return std::nullopt;
  }
}

}  // namespace

const char* goes_to(Direction direction) {
  return direction == Direction::forward ? "PostgreSQL" : "SQLite";
}

std::optional<GatesSeen> show_gates(Coordinator& coordinator, const SwitchRequest& request,
                                    Screen& screen, Signals& signals) {
  auto seen = request.when_ready ? wait_for_gates(coordinator, request, screen, signals)
                                 : std::optional(look_at_all(coordinator, request));
  screen.end_progress();
  if (!seen) return std::nullopt;
  for (const Gate& gate : seen->gates) screen.result(gate_line(gate));
  screen.json(gates_json(seen->gates));
  return seen;
}

void require_nothing_owed_since(Coordinator& coordinator, const GatesSeen& seen) {
  const apply::Owed owed =
      apply::owed_comparison(coordinator.postgres(), coordinator.place().migration);
  if (owed.waits || owed.first_pass != seen.first_pass)
    switchover::throw_comparison_owed(coordinator.place().path);
}

void throw_shut(const std::vector<Gate>& gates, Direction direction) {
  std::string shut;
  for (const Gate& gate : gates)
    if (!passes(gate))
      shut += fmt::format("{}{}: {}{}", shut.empty() ? "" : "; ", gate.name, gate.found,
                          gate.wanted.empty() ? "" : fmt::format(" ({})", gate.wanted));
  throw Error({.code = "LS-X603",
               .exit = ExitCode::precondition,
               .what = fmt::format("not ready for the {}", to_string(direction)),
               .why = shut,
               .data = "nothing was changed",
               .todo = "what each gate above says; or --when-ready, which waits and begins by "
                       "itself"});
}

void tell_what_is_given_up(const std::vector<Gate>& gates, Direction direction, Screen& screen) {
  for (const Gate& gate : gates)
    if (gate.waived)
      screen.note(Note{"LS-X666", "",
                       fmt::format("going on although {} is shut ({}; wanted: {}): it is what the "
                                   "application gets on {} from now on",
                                   gate.name, gate.found, gate.wanted, goes_to(direction))});
}

void require_still_open(Coordinator& coordinator, const SwitchRequest& request, Screen& screen) {
  const std::vector<Gate> gates = look_quickly(coordinator, request);
  if (all_open(gates)) return;
  for (const Gate& gate : gates)
    if (!passes(gate)) screen.result(gate_line(gate));
  screen.json(gates_json(gates));
  throw_shut(gates, request.direction);
}

}  // namespace lockstep::ops
