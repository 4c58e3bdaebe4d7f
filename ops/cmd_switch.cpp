// cutover and rollback: one command, two directions.
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "capture/install.hpp"
#include "ops/commands.hpp"
#include "ops/gates.hpp"
#include "ops/names.hpp"
#include "ops/observe.hpp"
#include "ops/own_ledger.hpp"
#include "ops/route.hpp"
#include "ops/switch_gates.hpp"
#include "ops/switch_hooks.hpp"

namespace lockstep::ops {

namespace {

using nlohmann::json;
using switchover::Coordinator;
using switchover::Direction;
using switchover::Switched;

std::string clock_text(std::int64_t now) {
  constexpr std::int64_t kPerSecond = 1'000'000, kPerMs = 1'000;
  return fmt::format("{:%H:%M:%S}.{:03}", fmt::gmtime(static_cast<std::time_t>(now / kPerSecond)),
                     now % kPerSecond / kPerMs);
}

switchover::SwitchPlace place_of(const SwitchRequest& request) {
  const std::string path = source_path(request.source);
  sqlite::Database database = sqlite::Database::open(path, sqlite::OpenMode::read_only);
  const capture::Installed installed = capture::require_installed(database);
  const postgres::Dsn dsn = postgres::parse_dsn(given_or_recorded(request.target, installed));
  std::string schema = installed.target_schema;
  if (schema.empty()) {  // capture installed it, and no run has taken over yet
    postgres::Connection target = postgres::Connection::open(dsn, "switch");
    const auto ledger = apply::read_ledger(target, installed.migration, apply::RowLock::none);
    schema = ledger ? ledger->target_schema : "public";
  }
  return {path, dsn, installed.migration, schema};
}

// Another source's writers are not moved because its migration has the same name.
void require_own_target(Coordinator& coordinator) {
  sqlite::Database database =
      sqlite::Database::open(coordinator.place().path, sqlite::OpenMode::read_only);
  require_own(coordinator.postgres(), capture::require_installed(database));
}

// A wrong word here moves an application: so the name is asked for, and --yes would not do.
void confirm(const SwitchRequest& request, const switchover::SwitchPlace& place) {
  std::string said = request.confirm;
  if (said.empty() && ::isatty(STDIN_FILENO) == 1) {
    std::cerr << fmt::format("Type the migration's name to move the writers to {}: ",
                             goes_to(request.direction))
              << std::flush;
    std::getline(std::cin, said);
  }
  if (said == place.migration) return;
  throw Error({.code = "LS-X609",
               .exit = ExitCode::usage,
               .what = said.empty() ? "this moves the application's writers and was not confirmed"
                                    : fmt::format("\"{}\" is not the migration's name", said),
               .why = "the name of the migration says that this one is meant",
               .data = "nothing was changed",
               .todo = fmt::format("lockstep {} {} --confirm {}", to_string(request.direction),
                                   shell_word(place.path), shell_word(place.migration))});
}

void show_plan(const SwitchRequest& request, Screen& screen) {
  const bool forward = request.direction == Direction::forward;
  screen.result("Would do, in this order (nothing is executed):");
  const std::vector<const char*> steps =
      forward ? std::vector<const char*>{
                    "  INSTALL    fence triggers on SQLite and PostgreSQL, reverse log on PostgreSQL; "
                    "nothing changes for anybody yet",
                    "  PREPARE    the attempt is entered on PostgreSQL",
                    "  LOCK       BEGIN IMMEDIATE on SQLite: writers wait in their busy timeout",
                    "  DRAIN      the last changes are applied on PostgreSQL",
                    "  SEQUENCES  go on behind the largest numbers",
                    "  SWITCH     SQLite is fenced, PostgreSQL opened; writers go on there",
                    "  HANDOVER   SQLite becomes the replica: lockstep run follows PostgreSQL"}
              : std::vector<const char*>{
                    "  PREPARE    the attempt is entered on SQLite",
                    "  HOLD       transactions that have written on PostgreSQL end, new ones wait",
                    "  DRAIN      the last changes are applied on SQLite",
                    "  SWITCH     PostgreSQL is fenced, SQLite opened; writers go on there",
                    "  HANDOVER   PostgreSQL becomes the replica: lockstep run follows SQLite"};
  for (const char* step : steps) screen.result(step);
  screen.result(fmt::format("Pause budget {} ms. What the application sees: writers wait, then {}.",
                            request.limits.max_pause.count(),
                            forward ? "LOCKSTEP-FENCED on SQLite until they use PostgreSQL; a "
                                      "transaction that read first gets \"database is locked\" once"
                                    : "LOCKSTEP-FENCED (SQLSTATE 25006) until they use SQLite"));
}

std::map<std::string, std::string> variables_for(const SwitchRequest& request,
                                                 const switchover::SwitchPlace& place) {
  return {{"LOCKSTEP_MIGRATION", place.migration},
          {"LOCKSTEP_SOURCE_FILE", place.path},
          {"LOCKSTEP_TARGET_SHOWN", place.dsn.shown()},
          {"LOCKSTEP_DIRECTION", std::string(to_string(request.direction))},
          {"LOCKSTEP_WRITERS", request.direction == Direction::forward ? "postgres" : "sqlite"}};
}

const char* before_folder(Direction direction) {
  return direction == Direction::forward ? "pre-cutover.d" : "pre-rollback.d";
}

const char* after_folder(Direction direction) {
  return direction == Direction::forward ? "post-switch.d" : "post-rollback.d";
}

// Those that run when the writers have moved, too: then it is late to refuse them.
void look_at_hooks(const SwitchRequest& request) {
  if (request.hooks.empty()) return;
  for (const char* folder : {before_folder(request.direction), after_folder(request.direction)})
    refuse_foreign_hooks(request.hooks, folder);
}

void ask_hooks(const SwitchRequest& request, const switchover::SwitchPlace& place) {
  if (request.hooks.empty()) return;
  for (const HookRun& run : run_hooks(request.hooks, before_folder(request.direction),
                                      variables_for(request, place), true))
    if (run.exit_code != 0)
      throw Error({.code = "LS-X620",
                   .exit = ExitCode::precondition,
                   .what = fmt::format("{} said no", run.program),
                   .why = fmt::format("it ended with {}", run.exit_code),
                   .data = "nothing was changed",
                   .todo = "see what it printed"});
}

// Both databases say where the writers are already; these are for whoever listens elsewhere.
void tell_the_world(Coordinator& coordinator, const SwitchRequest& request,
                    const Switched& switched, Screen& screen) {
  const switchover::SwitchPlace& place = coordinator.place();
  try {
    static_cast<void>(keep_route(place.path, place.migration,
                                 switched.direction == Direction::forward
                                     ? switchover::Engine::postgres
                                     : switchover::Engine::sqlite,
                                 switched.attempt));
    tell_route(coordinator.postgres(), place.path);
  } catch (const Error& error) {
    screen.error(error.facts());
  }
  if (request.hooks.empty()) return;
  auto variables = variables_for(request, place);
  if (switched.pause_ms) variables["LOCKSTEP_PAUSE_MS"] = fmt::format("{:.0f}", *switched.pause_ms);
  // The writers have moved: whatever a hook says or is, that stays.
  try {
    for (const HookRun& run :
         run_hooks(request.hooks, after_folder(switched.direction), variables, false))
      screen.result(fmt::format("hook      {}   exit {}", run.program, run.exit_code));
  } catch (const Error& error) {
    screen.error(error.facts());
  }
}

// The loser may be fenced by now: whoever may write depends on an answer that only the gainer has.
void finish_whatever_comes(Coordinator& coordinator, Milliseconds patience, Screen& screen) {
  Backoff backoff(Milliseconds{20}, Milliseconds{1'000}, static_cast<std::uint64_t>(::getpid()));
  Signals::Through through;
  while (true) {
    try {
      coordinator.finish(patience);
      return;
    } catch (const Error& error) {
      if (error.retry() == Retry::never) throw;
      screen.note(
          fmt::format("waiting   {} (Ctrl-C leaves the rest to lockstep run)", error.what()));
    }
    ::usleep(static_cast<useconds_t>(backoff.next().count() * 1'000));
  }
}

// Whatever stopped it: behind the fence nobody may write until the gainer's row has decided.
Switched move(Coordinator& coordinator, const SwitchRequest& request, const GatesSeen& seen,
              Screen& screen) {
  std::optional<Error> failed;
  try {
    return coordinator.move_writers(request.direction, request.limits.max_pause, [&] {
      if (!schema_has_arrived(coordinator.place().path)) return false;
      require_nothing_owed_since(coordinator, seen);
      return true;
    });
  } catch (const Error& error) {
    failed = error;
  }
  // Before the fence the rest may wait for whoever comes next: the application is served.
  if (failed->retry() != Retry::new_session &&
      coordinator.role_of_loser(request.direction) == switchover::Role::primary)
    throw *failed;
  finish_whatever_comes(coordinator, request.limits.max_pause, screen);
  const switchover::Sides now = coordinator.look();
  const switchover::Side& gained = gainer(now, request.direction);
  if (gained.role == switchover::Role::primary) return {request.direction, gained.attempt, {}};
  if (failed->retry() != Retry::new_session) throw *failed;
  throw Error({.code = "LS-X621",
               .exit = ExitCode::unreachable,
               .what = fmt::format("the {} was taken back", to_string(request.direction)),
               .why = fmt::format("the connection to PostgreSQL was lost in the middle of it: {}",
                                  failed->what()),
               .data = "nothing is lost: the application writes where it did before",
               .todo = "try again"});
}

/// Each step as it is done, with the time since the one before it.
class StepTimes {
 public:
  explicit StepTimes(Screen& screen) : screen_(screen) {}
  void begin() { last_ = steady_now(); }
  void done(std::string_view step, const std::string& what) {
    const SteadyTime now = steady_now();
    const double ms = std::chrono::duration<double, std::milli>(now - last_).count();
    last_ = now;
    const std::int64_t at_us = wall_now_us();
    screen_.result(fmt::format("{}  {:<10} {}", clock_text(at_us), step, what));
    screen_.json(json{
        {"type", "step"},
        {"step", step},
        {"what", what},
        {"at", rfc3339(at_us)},
        {"at_us", at_us},
        {"ms", ms}}.dump());
    steps_.push_back({{"step", step}, {"ms", ms}});
  }
  [[nodiscard]] const json& all() const { return steps_; }

 private:
  Screen& screen_;
  SteadyTime last_ = steady_now();
  json steps_ = json::array();
};

void print_switched(Screen& screen, Direction direction, std::int64_t attempt,
                    const std::optional<double>& pause_ms, const StepTimes& steps) {
  screen.json(json{{"type", "switched"},
                   {"direction", to_string(direction)},
                   {"switch", attempt},
                   {"pause_ms", pause_ms ? json(*pause_ms) : json()},
                   {"steps", steps.all()},
                   {"writers", direction == Direction::forward ? "postgres" : "sqlite"}}
                  .dump());
}

// Whoever leads one ends it by itself; only what nobody leads, or takes too long, is finished here.
void finish_earlier(Coordinator& coordinator, const SwitchRequest& request, Screen& screen) {
  constexpr Milliseconds kBeside{1'000};
  const Deadline deadline(request.limits.max_pause + kBeside);
  bool told = false;
  while (unfinished(coordinator.look()).step != switchover::Step::none) {
    if (!std::exchange(told, true)) screen.note("an earlier switch is not finished: that first");
    if (!coordinator.take_the_lead() && !deadline.passed()) {
      static_cast<void>(coordinator.postgres().wait_for_notification(Milliseconds{20}));
      continue;
    }
    finish_whatever_comes(coordinator, request.limits.max_pause, screen);
  }
  coordinator.require_agreement();
}

}  // namespace

ExitCode command_switch(const SwitchRequest& request, Screen& screen, Signals& signals) {
  StepTimes steps(screen);
  Coordinator coordinator(place_of(request), [&](std::string_view step, const std::string& what) {
    steps.done(step, what);
  });
  require_own_target(coordinator);
  if (!request.dry_run) finish_earlier(coordinator, request, screen);
  const switchover::Sides before = coordinator.look();
  const bool done_already = gainer(before, request.direction).role == switchover::Role::primary;
  if (done_already) {
    screen.result(fmt::format("the application writes to {} already: nothing to do",
                              goes_to(request.direction)));
    print_switched(screen, request.direction, gainer(before, request.direction).attempt, {}, steps);
    return ExitCode::done;
  }
  look_at_hooks(request);
  const auto seen = show_gates(coordinator, request, screen, signals);
  if (!seen) return ExitCode::interrupted;
  if (request.dry_run) {
    show_plan(request, screen);
    return all_open(seen->gates) ? ExitCode::done : ExitCode::precondition;
  }
  if (!all_open(seen->gates)) throw_shut(seen->gates, request.direction);
  tell_what_is_given_up(seen->gates, request.direction, screen);
  confirm(request, coordinator.place());
  ask_hooks(request, coordinator.place());
  if (request.confirm.empty() || !request.hooks.empty())
    require_still_open(coordinator, request, screen);
  static_cast<void>(coordinator.take_the_lead());
  for (const std::string& table : coordinator.install())
    screen.note(
        fmt::format("note      table {} is virtual: SQLite has no triggers on it, so writes "
                    "to it alone are not refused",
                    table));
  steps.begin();
  const Switched switched = move(coordinator, request, *seen, screen);
  tell_the_world(coordinator, request, switched, screen);
  screen.result(fmt::format(
      "{} done. {} (budget {} ms). The application writes to {} now.",
      to_string(switched.direction),
      switched.pause_ms ? fmt::format("Writes paused {:.1f} ms", *switched.pause_ms)
                        : "How long writes paused was not measured: it was finished after an error",
      request.limits.max_pause.count(), goes_to(switched.direction)));
  screen.result(fmt::format("back      lockstep {} {}", to_string(opposite(switched.direction)),
                            shell_word(coordinator.place().path)));
  print_switched(screen, switched.direction, switched.attempt, switched.pause_ms, steps);
  return ExitCode::done;
}

}  // namespace lockstep::ops
