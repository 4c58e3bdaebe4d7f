#include "switchover/fence_debt.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "model/error.hpp"
#include "switchover/reverse_schema.hpp"

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

// What is owed comes last: lockstep run enters it before it forgets why.
std::int64_t require_fence_was_whole(sqlite::Database& database, Connection& connection,
                                     const std::string& migration) {
  const SchemaSince since = schema_now(database);
  std::vector<std::string> found = since.in_question;
  for (const std::string& table : unfenced(database, migration))
    found.push_back(table + " had no fence");
  if (found.empty() && !owes_comparison(connection, migration)) return since.version;
  throw Error({.code = "LS-X664",
               .exit = ExitCode::precondition,
               .what = "SQLite's schema was changed while the application wrote to PostgreSQL",
               .why = found.empty() ? std::string("no comparison has found all tables equal since")
                                    : fmt::format("{}", fmt::join(found, "; ")),
               .data =
                   "what was written there meanwhile is in SQLite only, and what it lost by that "
                   "on PostgreSQL only; nothing was changed",
               .todo = "lockstep verify SOURCE TARGET, beside a running lockstep run; what differs "
                       "is written anew with --repair, after you have seen it",
               .retry = Retry::same_session});
}

}  // namespace lockstep::switchover
