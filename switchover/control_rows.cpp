#include "switchover/control_rows.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "link/postgres/names.hpp"
#include "link/postgres/table_change.hpp"
#include "model/failpoint.hpp"
#include "switchover/fence_sql.hpp"

namespace lockstep::switchover {

namespace {

using postgres::Connection;
using postgres::Result;

[[noreturn]] void throw_in_doubt() {
  throw Error({.code = "LS-T212",
               .exit = ExitCode::unreachable,
               .what = "a step of the switch may or may not be recorded on PostgreSQL",
               .why = "the connection ended while its COMMIT was on its way",
               .data = "safe: the row is read again before anything else is done",
               .todo = "nothing; it is read again by itself",
               .retry = Retry::new_session});
}

}  // namespace

void throw_rows_locked(Connection& connection, const std::string& migration, const Error& error,
                       Milliseconds waited) {
  throw Error({.code = "LS-T213",
               .exit = ExitCode::timed_out,
               .what = "what says who writes stays locked by others on PostgreSQL",
               .why = fmt::format("for longer than {} ms: {}", waited.count(),
                                  fence_holders(connection, migration)),
               .data = "this step changed nothing: the application goes on writing where it did",
               .todo = "end that transaction, or try again later",
               .foreign = error.foreign(),
               .retry = Retry::same_session});
}

// With a synchronous standby the control row must be there, too, before anybody acts on it: a
// promoted standby without it would open a side twice (D6). These rows are locked meanwhile, for
// the batches as well: of a coordinator that is stopped here the server frees them.
void begin_control(Connection& connection, Milliseconds idle) {
  connection.exec(
      fmt::format("BEGIN; SET LOCAL synchronous_commit = remote_apply; SET LOCAL "
                  "idle_in_transaction_session_timeout = {}",
                  idle.count()));
}

void commit_control(Connection& connection) {
  LOCKSTEP_FAILPOINT("cut.commit_sent");
  if (connection.commit() != postgres::CommitOutcome::committed) throw_in_doubt();
}

bool update_rows(Connection& connection, const std::string& migration, const RowChange& what) {
  const std::string ours = fmt::format(" AND migration = {}", postgres::literal(migration));
  return connection
                 .exec("UPDATE lockstep.switchover SET updated = now(), " + what.switchover + ours)
                 .affected() == 1 &&
         connection.exec("UPDATE lockstep.ledger SET updated = now(), " + what.ledger + ours)
                 .affected() == 1;
}

bool change_rows(Connection& connection, const std::string& migration, const RowChange& what,
                 Milliseconds patience) {
  begin_control(connection);
  try {
    if (patience.count() > 0)
      connection.exec(fmt::format("SET LOCAL lock_timeout = {}", patience.count()));
    if (!update_rows(connection, migration, what)) {
      connection.abort();
      return false;
    }
  } catch (const Error& error) {
    connection.abort();
    if (patience.count() > 0 && error.foreign() == postgres::kLockNotGranted)
      throw_rows_locked(connection, migration, error, patience);
    throw;
  }
  commit_control(connection);
  return true;
}

void change_within(Connection& connection, const std::string& migration, Milliseconds patience,
                   const std::function<void()>& change) {
  connection.exec(fmt::format("BEGIN; SET LOCAL lock_timeout = {}", patience.count()));
  try {
    change();
  } catch (const Error& error) {
    connection.abort();
    if (error.foreign() == postgres::kLockNotGranted)
      throw_rows_locked(connection, migration, error, patience);
    throw;
  }
  if (connection.commit() != postgres::CommitOutcome::committed) throw_in_doubt();
}

std::string fence_holders(Connection& connection, const std::string& migration) {
  const Result rows = connection.exec(fmt::format(
      "SELECT 'server process ' || l.pid || coalesce(' (' || nullif(a.application_name, '') || "
      "')', '') || coalesce(', ' || a.state, '') || coalesce(', for ' || (extract(epoch FROM "
      "clock_timestamp() - a.xact_start))::numeric(10, 1) || ' s', '') FROM pg_locks AS l LEFT "
      "JOIN pg_stat_activity AS a USING (pid) WHERE l.locktype = 'advisory' AND l.granted AND "
      "l.objsubid = 1 AND (l.classid::bigint << 32 | l.objid::bigint) = {} AND l.pid IS DISTINCT "
      "FROM pg_backend_pid() LIMIT 3",
      fence_lock(migration)));
  std::vector<std::string> who;
  who.reserve(static_cast<std::size_t>(rows.rows()));
  for (int row = 0; row < rows.rows(); ++row) who.emplace_back(rows.value(row, 0));
  return fmt::format("{}", fmt::join(who, "; "));
}

}  // namespace lockstep::switchover
