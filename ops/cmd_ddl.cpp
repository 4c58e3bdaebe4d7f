#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "capture/install.hpp"
#include "link/sqlite/lock_file.hpp"
#include "ops/commands.hpp"
#include "ops/names.hpp"
#include "ops/schema_follower.hpp"

namespace lockstep::ops {

namespace {

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

void say(Screen& screen, const char* verdict, const Note& note) {
  screen.result(fmt::format("{:<9} {}: {}", verdict, note.table, note.what));
  screen.json(nlohmann::json{
      {"type", "ddl"}, {"verdict", verdict}, {"table", note.table}, {"what", note.what}}
                  .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace

ExitCode command_ddl_status(const std::string& source, Screen& screen) {
  const std::string path = source_path(source);
  const SchemaMoves moves = look_at_schema(path, installed_in(path), true, false);
  for (const Note& note : moves.notes)
    say(screen, note.code == "LS-S315" ? "left out" : "follows", note);
  for (const capture::Drift& each : moves.asks)
    say(screen, "asks", {"LS-S306", each.table, each.what});
  if (moves.notes.empty() && moves.asks.empty()) screen.result("the schema is as it is followed");
  return moves.asks.empty() ? ExitCode::done : ExitCode::precondition;
}

ExitCode command_ddl_accept(const std::string& source, Screen& screen) {
  const std::string path = source_path(source);
  capture::Installed installed = installed_in(path);
  const std::optional<sqlite::LockFile> lock = sqlite::LockFile::take(path);
  if (!lock)
    throw Error({.code = "LS-R701",
                 .exit = ExitCode::busy,
                 .what = fmt::format("{} is being followed right now", path),
                 .why = fmt::format("a lockstep holds {}-lockstep", path),
                 .data = "nothing was changed",
                 .todo = "stop it first (Ctrl-C, or SIGTERM), then accept"});
  for (const Note& note : follow_schema(path, installed, true, true))
    say(screen, note.code == "LS-S315" ? "left out" : "accepted", note);
  screen.result(fmt::format("go on     lockstep run {} TARGET", shell_word(path)));
  return ExitCode::done;
}

}  // namespace lockstep::ops
