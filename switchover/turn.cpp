#include "switchover/turn.hpp"

#include <fmt/format.h>

#include "link/postgres/table_change.hpp"
#include "switchover/fence_sql.hpp"

namespace lockstep::switchover {

Turn::Turn(postgres::Connection& connection, const std::string& migration)
    : connection_(connection), key_(install_lock(migration)) {
  try {
    connection_.exec(fmt::format(
        "SET lock_timeout = '20s'; SELECT pg_advisory_lock({}); SET lock_timeout = 0", key_));
  } catch (const Error& error) {
    if (error.foreign() != postgres::kLockNotGranted) throw;
    connection_.exec("SET lock_timeout = 0");
    throw Error({.code = "LS-T213",
                 .exit = ExitCode::timed_out,
                 .what = "another lockstep command prepares the same switch and does not end",
                 .why = "it has had its turn for 20 s: it is stopped, or waits for a table",
                 .data = "nothing changed: the application goes on writing where it did",
                 .todo = "end that command, or try again later",
                 .foreign = error.foreign(),
                 .retry = Retry::same_session});
  }
}

Turn::~Turn() {
  try {
    connection_.exec(fmt::format("SELECT pg_advisory_unlock({})", key_));
  } catch (const std::exception&) {  // the session ended, and the lock with it
  }
}

}  // namespace lockstep::switchover
