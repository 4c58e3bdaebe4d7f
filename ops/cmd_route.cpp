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

}  // namespace

ExitCode command_route(const RouteRequest& request, Screen& screen) {
  const std::string path = source_path(request.source);
  sqlite::Database database = sqlite::Database::open(path, sqlite::OpenMode::read_only);
  const switchover::Side side = switchover::read_sqlite_side(database);
  Route route = read_route(path);
  if (const auto installed = capture::read_installed(database))
    route.migration = installed->migration;
  // The database knows; the file is told.
  route.writers = side.role == switchover::Role::primary   ? "sqlite"
                  : side.role == switchover::Role::replica ? "postgres"
                                                           : "nowhere";
  if (!request.readers.empty()) route.readers = request.readers;
  if (!request.readers.empty() || read_route(path).writers != route.writers) {
    write_route(path, route);
    tell_target(path, database, screen);
  }
  screen.result(fmt::format("writers   {}", route.writers));
  screen.result(fmt::format("readers   {}", route.readers));
  screen.result(fmt::format("file      {}", route_file(path)));
  screen.json(route_json(route));
  return ExitCode::done;
}

}  // namespace lockstep::ops
