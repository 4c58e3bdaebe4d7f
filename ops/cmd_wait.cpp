#include <fmt/format.h>
#include <signal.h>

#include "ops/commands.hpp"
#include "ops/names.hpp"
#include "ops/observe.hpp"

namespace lockstep::ops {

namespace {

constexpr std::string_view kApplied = "applied=";

// What must be applied: a given position, or (caught-up) the newest one when the waiting began.
std::optional<Position> parse_condition(const WaitRequest& request) {
  if (request.condition == "caught-up") return std::nullopt;
  std::optional<Position> position;
  if (request.condition.starts_with(kApplied))
    position = parse_position(std::string_view(request.condition).substr(kApplied.size()));
  if (position) return position;
  throw Error({.code = "LS-C110",
               .exit = ExitCode::usage,
               .what = fmt::format("\"{}\" is not something to wait for", request.condition),
               .why = "known are caught-up and applied=POSITION",
               .data = "nothing was touched",
               .todo = "take POSITION from lockstep status (captured)"});
}

bool reached(const Observed& observed, const std::optional<Position>& wanted, bool caught_up) {
  if (!wanted || (caught_up && observed.phase != "streaming")) return false;
  return observed.applied && *observed.applied >= *wanted;
}

// A table that was rebuilt shows in schema_version alone until lockstep has looked at it.
bool settled(const Observed& observed, const SourceNow& now) {
  if (!observed.running) return true;  // nobody could say
  return observed.schema_settled && *observed.schema_settled >= now.schema_version;
}

[[noreturn]] void throw_timed_out(const WaitRequest& request, const Observed& observed) {
  throw Error(
      {.code = "LS-R715",
       .exit = ExitCode::timed_out,
       .what = fmt::format("{} was not reached within {} ms", request.condition,
                           request.timeout.count()),
       .why = fmt::format("phase {}, applied {}{}{}", observed.phase,
                          observed.applied ? to_string(*observed.applied) : "nothing",
                          observed.running ? "" : ", no lockstep is running",
                          observed.problem.empty() ? "" : ": " + observed.problem),
       .data = "nothing was changed by waiting",
       .todo = fmt::format("lockstep status {}",
                           looks_like_target(request.side) ? "TARGET" : shell_word(request.side))});
}

}  // namespace

ExitCode command_wait(const WaitRequest& request, Screen& screen, Signals& signals) {
  const std::optional<Position> asked = parse_condition(request);
  const Deadline deadline(request.timeout);
  constexpr Milliseconds kEvery{20};
  std::optional<Position> wanted = asked;
  std::optional<SourceNow> began;
  Observed observed = observe(request.side);
  // A first run that still reads the source has no change table, hence no newest change.
  while (true) {
    if (!wanted && observed.phase != "starting" &&
        (looks_like_target(request.side) || schema_is_followed(request.side))) {
      began = source_now(request.side);
      wanted = began->newest;
    }
    // A source that went back in time has fewer changes than were applied: nobody has caught up
    // with that.
    if (reached(observed, wanted, !asked) &&
        (asked ||
         (settled(observed, *began) && *observed.applied <= source_now(request.side).newest)))
      break;
    if (deadline.passed()) throw_timed_out(request, observed);
    if (const auto signal = signals.wait(kEvery))
      return *signal == SIGINT ? ExitCode::interrupted : ExitCode::terminated;
    observed = observe(request.side);
  }
  screen.result(fmt::format("{}: applied {}", request.condition, to_string(*observed.applied)));
  screen.json(fmt::format(R"({{"type":"wait","condition":"{}","applied":"{}"}})",
                          asked ? "applied" : "caught-up", to_string(*observed.applied)));
  return ExitCode::done;
}

}  // namespace lockstep::ops
