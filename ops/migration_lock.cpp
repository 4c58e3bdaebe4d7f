#include "ops/migration_lock.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "link/postgres/session_name.hpp"

namespace lockstep::ops {

namespace {

using postgres::Connection;
using postgres::Result;

struct Holder {
  std::string backend_pid;
  std::string application_name;
};

std::string lock_name(const std::string& schema) {
  return "lockstep/" + schema;
}

bool try_lock(Connection& connection, const std::string& schema) {
  return connection
      .query("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", {lock_name(schema)})
      .boolean(0, 0);
}

// The two halves of the 64-bit key are how pg_locks shows it.
std::optional<Holder> find_holder(Connection& connection, const std::string& schema) {
  const Result found = connection.query(
      "SELECT a.pid, a.application_name FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid) "
      "WHERE "
      "l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.database = (SELECT oid FROM "
      "pg_database "
      "WHERE datname = current_database()) AND (l.classid::bigint << 32 | l.objid::bigint) = "
      "hashtextextended($1, 0)",
      {lock_name(schema)});
  if (found.rows() == 0) return std::nullopt;
  return Holder{std::string(found.value(0, 0)), std::string(found.value(0, 1))};
}

// Only where its number means the same process to us: another container that has our host's name
// counts its own.
bool process_is_gone(const Holder& holder) {
  const auto pid = postgres::process_at(postgres::our_place(), holder.application_name);
  return pid && ::kill(*pid, 0) != 0 && errno == ESRCH;
}

// A session for part of the work: whoever leads the work has none when it begins anew.
bool is_own_helper(const Holder& holder) {
  const bool helps = holder.application_name.starts_with("lockstep copy-") ||
                     holder.application_name.starts_with("lockstep index ") ||
                     holder.application_name.starts_with("lockstep hook ");
  return helps &&
         postgres::process_at(postgres::our_place(), holder.application_name) == ::getpid();
}

// The name too: after a failover the number may be somebody else's.
bool is_our_own(Connection& connection, const Holder& holder, int own_backend) {
  return holder.backend_pid == std::to_string(own_backend) &&
         holder.application_name ==
             connection.exec("SELECT current_setting('application_name')").value(0, 0);
}

}  // namespace

void take_migration_lock(Connection& connection, const std::string& schema, int own_backend,
                         Milliseconds patience) {
  const Deadline deadline(patience);
  while (!try_lock(connection, schema)) {
    const std::optional<Holder> holder = find_holder(connection, schema);
    if (!holder) continue;  // it went in between
    const bool left_behind = is_our_own(connection, *holder, own_backend);
    if ((left_behind || process_is_gone(*holder)) && !deadline.passed()) {
      connection.query("SELECT pg_terminate_backend($1::integer)", {holder->backend_pid});
      std::this_thread::sleep_for(Milliseconds{20});  // until the server has ended it
      continue;
    }
    throw Error({.code = "LS-R701",
                 .exit = ExitCode::busy,
                 .what = fmt::format("schema {} of {} is being written by another lockstep", schema,
                                     connection.dsn().shown()),
                 .why = fmt::format("its lock is held by \"{}\" (server process {})",
                                    holder->application_name, holder->backend_pid),
                 .data = "nothing was touched",
                 .todo = "let it run, or stop it first; another source needs --schema of its own",
                 .retry = left_behind ? Retry::new_session : Retry::never});
  }
}

void end_left_behind(Connection& connection) {
  const Result sessions = connection.exec(
      "SELECT pid, application_name FROM pg_stat_activity WHERE datname = current_database() AND "
      "usename = current_user AND application_name LIKE 'lockstep %' AND pid <> pg_backend_pid()");
  for (int row = 0; row < sessions.rows(); ++row) {
    const Holder holder{std::string(sessions.value(row, 0)), std::string(sessions.value(row, 1))};
    if (process_is_gone(holder) || is_own_helper(holder))
      connection.query("SELECT pg_terminate_backend($1::integer)", {holder.backend_pid});
  }
}

}  // namespace lockstep::ops
