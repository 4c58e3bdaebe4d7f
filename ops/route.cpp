#include "ops/route.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "model/clock.hpp"
#include "model/error.hpp"

namespace lockstep::ops {

namespace {

[[noreturn]] void throw_unwritable(const std::string& file) {
  throw Error({.code = "LS-X622",
               .exit = ExitCode::precondition,
               .what = fmt::format("{} cannot be written", file),
               .why = std::strerror(errno),
               .data = "no data is concerned: applications that read the file are not told",
               .todo = "mend the folder's permissions or its disk, then lockstep route SOURCE"});
}

}  // namespace

std::string route_file(const std::string& path) {
  return path + "-lockstep-route";
}

Route read_route(const std::string& path) {
  std::ifstream file(route_file(path));
  std::stringstream text;
  text << file.rdbuf();
  const auto object = nlohmann::json::parse(text.str(), nullptr, false);
  Route route;
  if (!object.is_object()) return route;
  // Whoever writes it: what is of another type counts as absent.
  const auto text_of = [&object](const char* member, std::string otherwise) {
    const auto found = object.find(member);
    return found != object.end() && found->is_string() ? found->get<std::string>()
                                                       : std::move(otherwise);
  };
  route.migration = text_of("migration", "");
  route.writers = text_of("writers", route.writers);
  route.readers = text_of("readers", route.readers);
  if (const auto attempt = object.find("switch");
      attempt != object.end() && attempt->is_number_integer())
    route.attempt = attempt->get<std::int64_t>();
  return route;
}

std::string route_json(const Route& route) {
  return nlohmann::json{{"type", "route"},
                        {"version", 1},
                        {"migration", route.migration},
                        {"writers", route.writers},
                        {"readers", route.readers},
                        {"switch", route.attempt},
                        {"since", rfc3339(wall_now_us())}}
      .dump();
}

std::int64_t newest_switch(const switchover::Side& sqlite) {
  return std::max(sqlite.attempt, sqlite.fence);
}

bool is_newer(const Route& route, const switchover::Side& sqlite) {
  const bool postgres = route.writers == to_string(switchover::Engine::postgres);
  const bool elsewhere = postgres != (sqlite.role == switchover::Role::replica);
  return elsewhere && route.attempt >= newest_switch(sqlite);
}

void write_route(const std::string& path, const Route& route) {
  const std::string file = route_file(path), fresh = fmt::format("{}.{}", file, ::getpid());
  const std::string text = route_json(route) + "\n";
  const int descriptor =
      ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (descriptor < 0) throw_unwritable(file);
  const bool whole =
      ::fchmod(descriptor, 0644) == 0 &&
      ::write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
      ::fsync(descriptor) == 0;
  ::close(descriptor);
  if (whole && std::rename(fresh.c_str(), file.c_str()) == 0) return;
  ::unlink(fresh.c_str());
  throw_unwritable(file);
}

bool keep_route(const std::string& path, const std::string& migration, switchover::Engine writers,
                std::int64_t attempt) {
  const std::string side(to_string(writers));
  if (read_route(path).writers == side) return false;
  write_route(path, {migration, side, side, attempt});
  return true;
}

void tell_route(postgres::Connection& target, const std::string& path) {
  target.query("SELECT pg_notify('lockstep_route', $1)", {route_json(read_route(path))});
}

}  // namespace lockstep::ops
