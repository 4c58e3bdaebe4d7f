#include "link/postgres/open_connections.hpp"

#include <libpq-fe.h>
#include <sys/socket.h>

#include <atomic>
#include <mutex>
#include <set>

namespace lockstep::postgres {

namespace {

struct OpenConnections {
  std::mutex mutex;
  std::set<pg_conn*> handles;  // under mutex
  std::atomic<bool> ended = false;
};

OpenConnections& open_connections() {
  // Never destroyed: a thread that still looks up a name may outlive main().
  static OpenConnections& all = *new OpenConnections;
  return all;
}

// Who waits for the socket wakes up and reads its end; only the thread that has the connection
// closes it.
void shut(const pg_conn* handle) noexcept {
  if (const int descriptor = PQsocket(handle); descriptor >= 0) shutdown(descriptor, SHUT_RDWR);
}

}  // namespace

void end_all_connections() noexcept {
  OpenConnections& open = open_connections();
  const std::lock_guard lock(open.mutex);
  open.ended = true;
  for (const pg_conn* handle : open.handles) shut(handle);
}

bool connections_ended() noexcept {
  return open_connections().ended;
}

void remember_connection(pg_conn* handle) {
  OpenConnections& open = open_connections();
  const std::lock_guard lock(open.mutex);
  open.handles.insert(handle);
  if (open.ended) shut(handle);
}

void forget_connection(pg_conn* handle) noexcept {
  OpenConnections& open = open_connections();
  const std::lock_guard lock(open.mutex);
  open.handles.erase(handle);
}

}  // namespace lockstep::postgres
