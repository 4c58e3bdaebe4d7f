#include "switchover/switch_errors.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "model/error.hpp"

namespace lockstep::switchover {

void throw_superseded(Direction direction, std::int64_t attempt) {
  throw Error(
      {.code = "LS-X607",
       .exit = ExitCode::busy,
       .what = fmt::format("{} {} was ended by another coordinator", to_string(direction), attempt),
       .why = "it was faster, or took this one for dead",
       .data = "nothing is lost: the row of the side that gains the writers decides alone",
       .todo = "lockstep status SOURCE says where the application writes now"});
}

void throw_over_budget(std::string_view step, Milliseconds max_pause, const std::string& why,
                       std::string_view writers) {
  throw Error({.code = "LS-X604",
               .exit = ExitCode::timed_out,
               .what = fmt::format("stopped: {} did not end within the pause budget of {} ms", step,
                                   max_pause.count()),
               .why = why,
               .data = fmt::format("nothing changed: the application goes on writing to {}, and "
                                   "everything is followed as before",
                                   writers),
               .todo = "try again when the lag is small (lockstep status), or allow a longer "
                       "pause: --max-pause 2s"});
}

namespace {
[[noreturn]] void throw_schema(const std::string& path, ExitCode exit, const std::string& what,
                               const std::string& why) {
  throw Error({.code = "LS-X668",
               .exit = exit,
               .what = what,
               .why = why,
               .data = "nothing changed: the application goes on writing to SQLite, and everything "
                       "is followed as before",
               .todo = fmt::format("try again, with --when-ready; lockstep ddl status {} says what "
                                   "is not followed",
                                   path)});
}
}  // namespace

void throw_schema_behind(const std::string& path, Milliseconds waited) {
  throw_schema(
      path, ExitCode::timed_out, "PostgreSQL has not got SQLite's schema as it is now",
      fmt::format("lockstep run did not follow it within {} ms: is it alive?", waited.count()));
}

void throw_schema_moved(const std::string& path) {
  throw_schema(path, ExitCode::precondition, "SQLite's schema changed in the moment of the switch",
               "what is in a table that was made, altered or rebuilt may not be on PostgreSQL");
}

void throw_comparison_owed(const std::string& path) {
  throw_schema(
      path, ExitCode::precondition, "both sides have to be compared once more before the switch",
      "behind the gates SQLite's schema moved in a way that nothing explains (LS-S335), or "
      "a lockstep ddl hold opened PostgreSQL's guard");
}

void throw_unfenced(const std::vector<std::string>& tables) {
  throw Error(
      {.code = "LS-X672",
       .exit = ExitCode::precondition,
       .what = "a table on PostgreSQL has no fence: its writers would not be held back",
       .why = fmt::format("made, swapped or stripped of it in the moment of the rollback: {}",
                          fmt::join(tables, ", ")),
       .data = "nothing changed: the application goes on writing to PostgreSQL, and "
               "everything is followed as before",
       .todo = "try again: each rollback begins with making the fence",
       .retry = Retry::same_session});
}

void throw_behind(Milliseconds max_pause) {
  throw_over_budget("DRAIN", max_pause,
                    "PostgreSQL did not come to the last change in time: is lockstep run alive?",
                    "SQLite");
}

namespace {

std::string who_writes(const Sides& sides) {
  const bool sqlite = sides.sqlite.role == Role::primary;
  const bool postgres = sides.postgres.role == Role::primary;
  if (sqlite && postgres)
    return "both sides take writes now, and neither has the other's: stop the application";
  if (sqlite || postgres)
    return fmt::format(
        "{} alone takes writes now, and the other side may have some that it has not: stop the "
        "application",
        sqlite ? "SQLite" : "PostgreSQL");
  return "nobody may write: nothing is opened by guess, for either side may have writes that the "
         "other has not";
}

// An open file has no fence that lockstep complete could leave behind.
std::string ways_out(const Sides& sides, const SwitchPlace& place) {
  const std::string remove =
      fmt::format("lockstep remove {} TARGET --confirm {}", place.path, place.migration);
  constexpr std::string_view kAnew =
      "drop the copied tables on PostgreSQL, and a new run copies anew";
  if (sides.sqlite.role == Role::primary)
    return fmt::format(
        "find out which side is right, then {}. If it is SQLite, {}; if it is PostgreSQL, keep its "
        "tables, and put the SQLite file away",
        remove, kAnew);
  return fmt::format(
      "find out which side is right. SQLite: {}, {}. PostgreSQL: lockstep complete {} TARGET "
      "--confirm {}; its tables stay, and SQLite stays fenced",
      remove, kAnew, place.path, place.migration);
}

}  // namespace

void throw_at_odds(const Sides& sides, const SwitchPlace& place) {
  throw Error(
      {.code = "LS-X617",
       .exit = ExitCode::stopped,
       .what = fmt::format("SQLite says that it is {}, PostgreSQL that it is {}, and no cutover or "
                           "rollback explains it",
                           to_string(sides.sqlite.role), to_string(sides.postgres.role)),
       .why = "PostgreSQL failed over to a standby that had not got a step of the switch, or one "
              "side was restored from a backup",
       .data = who_writes(sides),
       .todo = ways_out(sides, place)});
}

}  // namespace lockstep::switchover
