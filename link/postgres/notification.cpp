// Waiting for NOTIFY.
#include <libpq-fe.h>
#include <poll.h>

#include "link/postgres/connection.hpp"

namespace lockstep::postgres {

bool Connection::wait_for_notification(Milliseconds patience) {
  const Deadline deadline(patience);
  while (true) {
    bool told = false;
    while (PGnotify* notification = PQnotifies(handle_.get())) {
      PQfreemem(notification);
      told = true;
    }
    if (told) return true;
    if (deadline.passed()) return false;
    pollfd waiting{descriptor(), POLLIN, 0};
    static_cast<void>(::poll(&waiting, 1, static_cast<int>(deadline.left().count())));
    if (waiting.revents == 0) continue;
    if (PQconsumeInput(handle_.get()) != 1 || !alive())
      throw to_error(*this, nullptr, "waiting for a notification");
  }
}

}  // namespace lockstep::postgres
