// Which side readers and writers should use now, for applications that switch without a restart:
// one small file beside the database, replaced atomically.
#pragma once

#include <string>

#include "link/postgres/connection.hpp"
#include "switchover/state.hpp"

namespace lockstep::ops {

struct Route {
  std::string migration;
  std::string writers = "sqlite";  ///< sqlite or postgres
  std::string readers = "sqlite";
  std::int64_t attempt = 0;  ///< grows with each switch
};

/// app.db-lockstep-route
[[nodiscard]] std::string route_file(const std::string& path);
/// Both on SQLite if there is no such file.
[[nodiscard]] Route read_route(const std::string& path);
/// In which SQLite lost or gained the writers.
[[nodiscard]] std::int64_t newest_switch(const switchover::Side& sqlite);
/// It is of a switch that the SQLite file has not seen: that is an older copy, or another one. What
/// it says is then no reason to send applications elsewhere. Not while the file is fenced: nobody
/// has the writers.
[[nodiscard]] bool is_newer(const Route& route, const switchover::Side& sqlite);
/// The whole file or none of it, mode 0644: applications read it.
void write_route(const std::string& path, const Route& route);
/// Tells the file where the writers are, and readers with them. False: it said so already.
bool keep_route(const std::string& path, const std::string& migration, switchover::Engine writers,
                std::int64_t attempt);
[[nodiscard]] std::string route_json(const Route& route);
/// What the file says, to whoever LISTENs to lockstep_route.
void tell_route(postgres::Connection& target, const std::string& path);

}  // namespace lockstep::ops
