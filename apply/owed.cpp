#include "apply/owed.hpp"

#include <fmt/format.h>

#include <thread>

#include "model/clock.hpp"

namespace lockstep::apply {

namespace {

using postgres::Connection;
using postgres::Result;

constexpr Milliseconds kUsuallyEnds{1'000}, kLookAgain{20};

// A transaction that passed the open guard has no number until it writes, and one above READ
// COMMITTED finds the guard as it was when it began: so each one of this moment, by its virtual
// number. Prepared ones have no process.
constexpr char kUnderWay[] =
    "ARRAY(SELECT l.virtualtransaction FROM pg_catalog.pg_locks AS l LEFT JOIN "
    "pg_catalog.pg_stat_activity AS a ON a.pid = l.pid WHERE l.granted AND (l.locktype = "
    "'virtualxid' AND a.datname = pg_catalog.current_database() AND l.pid <> "
    "pg_catalog.pg_backend_pid() AND a.backend_type IS DISTINCT FROM 'autovacuum worker' OR l.pid "
    "IS NULL))";

void look_who_is_under_way(Connection& connection, const std::string& migration) {
  connection.query(
      fmt::format("UPDATE lockstep.ledger SET owed_behind = {} WHERE migration = $1", kUnderWay),
      {migration});
}

// By numbers and not by time: servers' clocks go back.
void count_from_here(Connection& connection, const std::string& migration) {
  const bool compared =
      connection.exec("SELECT pg_catalog.to_regclass('lockstep.verify_tables') IS NOT NULL")
          .boolean(0, 0);
  const char* const begun =
      compared ? "(SELECT coalesce(max(p.id), 0) FROM lockstep.verify_passes AS p WHERE "
                 "p.migration = $1 AND (p.state <> 'requested' OR EXISTS (SELECT FROM "
                 "lockstep.verify_tables AS t WHERE t.pass = p.id)))"
               : "0";
  connection.query(fmt::format("UPDATE lockstep.ledger SET owed_behind = NULL, owed_pass = "
                               "greatest(coalesce(owed_pass, 0), 1 + {}) WHERE migration = $1",
                               begun),
                   {migration});
}

}  // namespace

Owed owed_comparison(Connection& connection, const std::string& migration) {
  const Result row = connection.query(
      "SELECT coalesce(owed_pass, 0), owed_behind IS NOT NULL FROM lockstep.ledger WHERE migration "
      "= $1",
      {migration});
  if (row.rows() == 0) return {};
  return {row.integer(0, 0), row.boolean(0, 1)};
}

// What somebody still waits for stays so.
void owe_comparison(Connection& connection, const std::string& migration) {
  if (owed_comparison(connection, migration).waits) return;
  count_from_here(connection, migration);
}

void owe_behind_transactions(Connection& connection, const std::string& migration) {
  look_who_is_under_way(connection, migration);
  const Deadline deadline(kUsuallyEnds);
  while (!settle_owed(connection, migration) && !deadline.passed())
    std::this_thread::sleep_for(kLookAgain);
}

// Two statements: a pass that begins between them counts as one from before, not the other way
// round.
bool settle_owed(Connection& connection, const std::string& migration) {
  const Result row = connection.query(
      "SELECT EXISTS (SELECT FROM pg_catalog.pg_locks AS k WHERE k.virtualtransaction = ANY "
      "(l.owed_behind)), l.owed_behind = $2::text[] FROM lockstep.ledger AS l WHERE l.migration = "
      "$1 AND l.owed_behind IS NOT NULL",
      {migration, std::string(kNobodyLooked)});
  if (row.rows() == 0) return true;
  if (row.boolean(0, 1)) {
    look_who_is_under_way(connection, migration);
    return false;
  }
  if (row.boolean(0, 0)) return false;
  count_from_here(connection, migration);
  return true;
}

}  // namespace lockstep::apply
