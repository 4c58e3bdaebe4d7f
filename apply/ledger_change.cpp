#include "apply/ledger_change.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <thread>
#include <vector>

#include "link/postgres/table_change.hpp"
#include "model/error.hpp"

namespace lockstep::apply {

namespace {

using postgres::Connection;
using postgres::Result;

constexpr Milliseconds kLockPatience{200}, kBetween{800};

std::string who_has_the_ledger(Connection& connection) {
  const Result rows = connection.exec(
      "SELECT DISTINCT coalesce('server process ' || l.pid, 'a prepared transaction') || "
      "coalesce(' (' || nullif(a.application_name, '') || ')', '') || coalesce(', for ' || "
      "(extract(epoch FROM clock_timestamp() - a.xact_start))::numeric(10, 1) || ' s', '') FROM "
      "pg_catalog.pg_locks AS l JOIN pg_catalog.pg_class AS c ON c.oid = l.relation JOIN "
      "pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = 'lockstep' LEFT JOIN "
      "pg_catalog.pg_stat_activity AS a ON a.pid = l.pid WHERE l.granted AND l.pid IS DISTINCT "
      "FROM "
      "pg_catalog.pg_backend_pid() LIMIT 3");
  std::vector<std::string> who;
  who.reserve(static_cast<std::size_t>(rows.rows()));
  for (int row = 0; row < rows.rows(); ++row) who.emplace_back(rows.value(row, 0));
  return fmt::format("{}", fmt::join(who, "; "));
}

bool try_to_change(Connection& connection, const std::string& sql) {
  try {
    postgres::change_tables(connection, {"lockstep.ledger"}, sql, kLockPatience);
    return true;
  } catch (const Error& error) {
    if (error.foreign() != postgres::kLockNotGranted) throw;
    return false;
  }
}

}  // namespace

void change_ledger(Connection& connection, const std::string& sql, Milliseconds patience) {
  const Deadline deadline(patience);
  while (!try_to_change(connection, sql)) {
    if (deadline.passed())
      throw Error(
          {.code = "LS-T213",
           .exit = ExitCode::timed_out,
           .what = "lockstep's tables on the target were made by an older lockstep, and cannot be "
                   "changed: others keep them locked",
           .why = fmt::format("for {} ms: {}", patience.count(), who_has_the_ledger(connection)),
           .data = "nothing was changed; what is written waits where it is written",
           .todo = "end that transaction; lockstep run tries again by itself where it is running",
           .foreign = postgres::kLockNotGranted,
           .retry = Retry::same_session});
    std::this_thread::sleep_for(kBetween);
  }
}

}  // namespace lockstep::apply
