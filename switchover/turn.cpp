#include "switchover/turn.hpp"

#include <fmt/format.h>

#include "link/postgres/table_change.hpp"
#include "switchover/fence_sql.hpp"

namespace lockstep::switchover {

Turn::Turn(postgres::Connection& connection, const std::string& migration)
    : connection_(connection), key_(install_lock(migration)) {
  try {
    connection_.exec(fmt::format(
        "SET lock_timeout = '3s'; SELECT pg_advisory_lock({}); SET lock_timeout = 0", key_));
  } catch (const Error& error) {
    if (error.foreign() != postgres::kLockNotGranted) throw;
    taken_ = false;
  }
}

Turn::~Turn() {
  if (!taken_) return;
  try {
    connection_.exec(fmt::format("SELECT pg_advisory_unlock({})", key_));
  } catch (const std::exception&) {  // the session ended, and the lock with it
  }
}

}  // namespace lockstep::switchover
