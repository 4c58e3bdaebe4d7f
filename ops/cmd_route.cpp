#include <fmt/format.h>

#include "capture/install.hpp"
#include "ops/commands.hpp"
#include "ops/names.hpp"
#include "ops/route.hpp"
#include "switchover/sqlite_side.hpp"

namespace lockstep::ops {

namespace {

// Hosts that do not see the file. It has been replaced: whoever cannot be told finds it there.
void tell_target(const std::string& path, sqlite::Database& database, Screen& screen) {
  const auto installed = capture::read_installed(database);
  if (!installed) return;
  try {
    postgres::Connection target = postgres::Connection::open(postgres::parse_dsn(installed->target),
                                                             "route", Milliseconds{3'000});
    tell_route(target, path);
  } catch (const Error& error) {
    screen.note(fmt::format("note      who LISTENs on PostgreSQL was not told: {}", error.what()));
  }
}

[[noreturn]] void throw_older(const std::string& path, const Route& route,
                              const switchover::Side& side) {
  throw Error({.code = "LS-X675",
               .exit = ExitCode::stopped,
               .what = fmt::format("{} is not the file that {} is about", path, route_file(path)),
               .why = fmt::format("that says {}, as of switch {}; of this one the database knows "
                                  "nothing: its last is {}",
                                  route.writers, route.attempt, newest_switch(side)),
               .data = "the route stays: applications that read it go on where they write",
               .todo = "an older copy was put back, or another file: put the one back that was "
                       "followed. If that migration is over and done with, delete the route file"});
}

const char* writers_in(const switchover::Side& side) {
  if (side.role == switchover::Role::primary) return "sqlite";
  return side.role == switchover::Role::replica ? "postgres" : "nowhere";
}

}  // namespace

// The database knows, and the file is told; while nobody has the writers it stays as it is.
ExitCode command_route(const RouteRequest& request, Screen& screen) {
  const std::string path = source_path(request.source);
  sqlite::Database database = sqlite::Database::open(path, sqlite::OpenMode::read_only);
  const switchover::Side side = switchover::read_sqlite_side(database);
  const bool settled = side.role != switchover::Role::fenced;
  Route route = read_route(path);
  if (settled && is_newer(route, side)) throw_older(path, route, side);
  if (const auto installed = capture::read_installed(database))
    route.migration = installed->migration;
  const bool moved = settled && route.writers != writers_in(side);
  if (moved) {
    route.writers = writers_in(side);
    route.attempt = newest_switch(side);
  }
  if (!request.readers.empty()) route.readers = request.readers;
  if (!request.readers.empty() || moved) {
    write_route(path, route);
    tell_target(path, database, screen);
  }
  screen.result(fmt::format("writers   {}", writers_in(side)));
  screen.result(fmt::format("readers   {}", route.readers));
  screen.result(fmt::format("file      {}", route_file(path)));
  route.writers = writers_in(side);
  screen.json(route_json(route));
  return ExitCode::done;
}

}  // namespace lockstep::ops
