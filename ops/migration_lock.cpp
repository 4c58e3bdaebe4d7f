#include "ops/migration_lock.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <thread>

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

// True if the holder's application_name says it is a process of this host, and that process is
// gone.
bool process_is_gone(const Holder& holder) {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  const std::string marker = fmt::format(" {}:", host.data());
  const std::size_t at = holder.application_name.rfind(marker);
  if (at == std::string::npos) return false;
  const std::string_view digits =
      std::string_view(holder.application_name).substr(at + marker.size());
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), pid);
  if (error != std::errc{} || pid <= 0) return false;
  return ::kill(pid, 0) != 0 && errno == ESRCH;
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

}  // namespace lockstep::ops
