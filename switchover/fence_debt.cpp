#include "switchover/fence_debt.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "model/error.hpp"

namespace lockstep::switchover {

using postgres::Connection;
using postgres::Result;

// In the ledger: the row of lockstep.switchover can stay locked by an application above READ
// COMMITTED for as long as it likes (older ones of ours wrote there).
void require_comparison(Connection& connection, const std::string& migration, std::int64_t pass) {
  connection.query("UPDATE lockstep.ledger SET fence_pass = $2 WHERE migration = $1",
                   {migration, fmt::to_string(pass)});
}

void require_no_comparison(Connection& connection, const std::string& migration) {
  connection.query("UPDATE lockstep.ledger SET fence_pass = NULL WHERE migration = $1",
                   {migration});
  connection.query(
      "UPDATE lockstep.switchover SET fence_pass = NULL WHERE migration = $1 AND fence_pass IS NOT "
      "NULL",
      {migration});
}

bool owes_comparison(Connection& connection, const std::string& migration) {
  const Result pass = connection.query(
      "SELECT coalesce(l.fence_pass, s.fence_pass) FROM lockstep.ledger AS l LEFT JOIN "
      "lockstep.switchover AS s USING (migration) WHERE migration = $1",
      {migration});
  if (pass.rows() == 0 || pass.is_null(0, 0)) return false;
  return connection
      .query(
          "SELECT NOT EXISTS (SELECT FROM lockstep.verify_passes WHERE migration = $1 AND id >= $2 "
          "AND state = 'equal' AND direction = 'reverse' AND cardinality(tables) = 0 AND sample = "
          "0 AND since IS NULL)",
          {migration, std::string(pass.value(0, 0))})
      .boolean(0, 0);
}

void require_fence_was_whole(sqlite::Database& database, Connection& connection,
                             const std::string& migration) {
  const std::vector<std::string> open = unfenced(database, migration);
  if (open.empty() && !owes_comparison(connection, migration)) return;
  throw Error({.code = "LS-X664",
               .exit = ExitCode::precondition,
               .what = "SQLite's fence was open while the application wrote to PostgreSQL",
               .why = open.empty() ? std::string("its schema was changed there, and no comparison "
                                                 "has found all tables equal since")
                                   : fmt::format("without it: {}", fmt::join(open, ", ")),
               .data = "what was written there meanwhile is in SQLite only; nothing was changed",
               .todo = "lockstep verify SOURCE TARGET, beside a running lockstep run; what differs "
                       "is written anew with --repair, after you have seen it",
               .retry = Retry::same_session});
}

}  // namespace lockstep::switchover
