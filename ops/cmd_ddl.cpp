#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "capture/install.hpp"
#include "capture/left_out.hpp"
#include "capture/take_over.hpp"
#include "link/sqlite/lock_file.hpp"
#include "ops/commands.hpp"
#include "ops/guard_hold.hpp"
#include "ops/left_out.hpp"
#include "ops/names.hpp"
#include "ops/schema_follower.hpp"
#include "switchover/sqlite_side.hpp"

namespace lockstep::ops {

namespace {

constexpr Milliseconds kAcceptedWithin{5'000};

capture::Installed installed_in(const std::string& path) {
  sqlite::Database database = sqlite::Database::open(path, sqlite::OpenMode::read_only);
  if (auto installed = capture::read_installed(database)) return std::move(*installed);
  throw Error({.code = "LS-R712",
               .exit = ExitCode::precondition,
               .what = fmt::format("{} is not followed", path),
               .why = "it has no tables of lockstep",
               .data = "nothing was touched",
               .todo = fmt::format("lockstep run {} TARGET", shell_word(path))});
}

// Behind a cutover it would answer as if it did something, while the way back stands still.
void refuse_after_cutover(const std::string& path) {
  sqlite::Database database = sqlite::Database::open(path, sqlite::OpenMode::read_only);
  const switchover::Role role = switchover::read_sqlite_side(database).role;
  if (role == switchover::Role::primary) return;
  throw Error(
      {.code = "LS-X683",
       .exit = ExitCode::precondition,
       .what = role == switchover::Role::replica
                   ? fmt::format("the application of {} writes to PostgreSQL since a cutover: "
                                 "changes of the schema are not followed",
                                 path)
                   : fmt::format("a cutover or rollback of {} is not over", path),
       .why = "the way back knows the tables as they were at the cutover: with another column on "
              "either side it stands still, for all of them (LS-X613, gate columns)",
       .data = "nothing was changed",
       .todo =
           fmt::format("change the schema before a cutover, behind a rollback, or after lockstep "
                       "complete; what was changed meanwhile is named by lockstep status {}: "
                       "undo it where it was made, and the way back goes on",
                       shell_word(path))});
}

capture::SchemaHold hold_in(const std::string& path) {
  sqlite::Database database = sqlite::Database::open(path, sqlite::OpenMode::read_only);
  return capture::schema_hold(database);
}

void set_hold(const std::string& path, capture::SchemaHold hold) {
  sqlite::Database database = sqlite::Database::open(path, sqlite::OpenMode::read_write);
  capture::set_schema_hold(database, hold);
}

bool has_existing(const capture::Installed& installed) {
  return std::any_of(installed.tables.begin(), installed.tables.end(),
                     [](const TablePlan& plan) { return plan.existing.has_value(); });
}

bool is_as_followed(const std::string& path, const capture::Installed& installed) {
  const SchemaMoves moves = look_at_schema(path, installed, true, false);
  return moves.step.empty() && moves.asks.empty();
}

// The lockstep that is at work waits for it; if nothing changed, there is nothing to accept.
ExitCode accept_while_running(const std::string& path, const capture::Installed& installed,
                              Screen& screen) {
  const bool nothing = is_as_followed(path, installed);
  // What an ORM's tables are like now only the one that is running sees.
  const bool accepts = !nothing || has_existing(installed);
  set_hold(path, accepts ? capture::SchemaHold::accepted : capture::SchemaHold::none);
  // What is written from now on may fit the tables as they are now only. A large table is read for
  // longer than people wait here; it is planned anew all the same.
  const Deadline deadline(kAcceptedWithin);
  while (accepts && hold_in(path) == capture::SchemaHold::accepted && !deadline.passed())
    std::this_thread::sleep_for(Milliseconds{20});
  // It must not be taken for the acceptance of what comes later.
  const bool unused = nothing && hold_in(path) == capture::SchemaHold::accepted;
  if (unused) set_hold(path, capture::SchemaHold::none);
  screen.result(!accepts || unused
                    ? "the schema is as it is followed; it is held no longer"
                    : "accepted  the lockstep that is running follows the schema as it is now");
  return ExitCode::done;
}

void say(Screen& screen, const char* verdict, const Note& note) {
  screen.result(fmt::format("{:<9} {}: {}", verdict, note.table, note.what));
  screen.json(nlohmann::json{
      {"type", "ddl"}, {"verdict", verdict}, {"table", note.table}, {"what", note.what}}
                  .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

// Tables that nobody follows and that are not about to be, in the eyes of `moves`.
std::vector<std::string> left_behind(const std::string& path, const SchemaMoves& moves) {
  std::vector<std::string> names = left_out_of(path).not_followed;
  for (const TablePlan& added : moves.step.added) std::erase(names, added.name());
  return names;
}

// What cannot be followed is left out by choice from now on.
bool accept_left_behind(const std::string& path, const capture::Installed& installed,
                        Screen& screen) {
  const std::vector<std::string> names =
      left_behind(path, look_at_schema(path, installed, true, false));
  if (names.empty()) return false;
  sqlite::Database database = sqlite::Database::open(path, sqlite::OpenMode::read_write);
  capture::accept_left_out(database, names);
  for (const std::string& name : names)
    say(screen, "left out",
        {"LS-S315", name, "it stays on SQLite by choice, and is not asked about again"});
  return true;
}

}  // namespace

ExitCode command_ddl_status(const DdlRequest& request, Screen& screen) {
  const std::string path = source_path(request.source);
  refuse_after_cutover(path);
  const SchemaMoves moves = look_at_schema(path, installed_in(path), true, false);
  if (hold_in(path) == capture::SchemaHold::held)
    screen.result(fmt::format("held      nothing of this is followed before lockstep ddl accept {}",
                              shell_word(path)));
  std::vector<std::string> unexplained = left_behind(path, moves);
  const bool behind = !unexplained.empty();
  for (const Note& note : moves.notes) {
    say(screen, note.code == "LS-S315" ? "left out" : "follows", note);
    std::erase(unexplained, note.table);
  }
  for (const std::string& name : unexplained)
    say(screen, "left out", {"LS-S315", name, "it is not followed, and nobody left it out"});
  for (const capture::Drift& each : moves.asks)
    say(screen, "asks", {"LS-S306", each.table, each.what});
  if (moves.notes.empty() && moves.asks.empty() && !behind)
    screen.result("the schema is as it is followed");
  if (behind)
    screen.result(
        fmt::format("accept    lockstep ddl accept {} leaves them out by choice; a cutover "
                    "waits for that",
                    shell_word(path)));
  return moves.asks.empty() && !behind ? ExitCode::done : ExitCode::precondition;
}

ExitCode command_ddl_accept(const DdlRequest& request, Screen& screen) {
  const std::string path = source_path(request.source);
  refuse_after_cutover(path);
  capture::Installed installed = installed_in(path);
  if (!request.target.empty() || hold_in(path) == capture::SchemaHold::held)
    hold_target_guard(installed, request.target, false, screen);
  const bool accepted = accept_left_behind(path, installed, screen);
  const std::optional<sqlite::LockFile> lock = sqlite::LockFile::take(path);
  if (!lock && hold_in(path) != capture::SchemaHold::none)
    return accept_while_running(path, installed, screen);
  if (!lock && accepted) return ExitCode::done;
  // An acceptance before this one had no TARGET (LS-T269): it was the guard that was left.
  if (!lock && !request.target.empty() && is_as_followed(path, installed)) {
    screen.result("the schema is as it is followed");
    return ExitCode::done;
  }
  if (!lock)
    throw Error({.code = "LS-R701",
                 .exit = ExitCode::busy,
                 .what = fmt::format("{} is being followed right now", path),
                 .why = fmt::format("a lockstep holds {}-lockstep", path),
                 .data = "nothing was changed",
                 .todo = "stop it first (Ctrl-C, or SIGTERM), then accept"});
  if (has_existing(
          installed)) {  // what these are like now only a run sees, for it knows the target
    set_hold(path, capture::SchemaHold::accepted);
    screen.result("accepted  the next lockstep run follows the schema as it is then");
    screen.result(fmt::format("go on     lockstep run {} TARGET", shell_word(path)));
    return ExitCode::done;
  }
  for (const Note& note : follow_schema(path, installed, true, true))
    say(screen, note.code == "LS-S315" ? "left out" : "accepted", note);
  screen.result(fmt::format("go on     lockstep run {} TARGET", shell_word(path)));
  return ExitCode::done;
}

ExitCode command_ddl_hold(const DdlRequest& request, Screen& screen) {
  const std::string path = source_path(request.source);
  refuse_after_cutover(path);
  const capture::Installed installed = installed_in(path);
  set_hold(path, capture::SchemaHold::held);
  hold_target_guard(installed, request.target, true, screen);
  screen.result("held      changes of the schema wait, and what is written goes on being logged");
  screen.result(fmt::format("go on     lockstep ddl accept {}", shell_word(path)));
  return ExitCode::done;
}

}  // namespace lockstep::ops
