#include "switchover/reverse_touched.hpp"

namespace lockstep::switchover {

// The row is locked: a cutover that commits meanwhile comes behind it.
void forget_touched(postgres::Connection& connection, const std::string& migration) {
  connection.query(
      "WITH replica AS (SELECT migration FROM lockstep.switchover WHERE migration = $1 AND role = "
      "'replica' FOR SHARE) UPDATE lockstep.ledger_tables AS t SET reverse_touched = false FROM "
      "replica AS r WHERE t.migration = r.migration AND t.reverse_touched IS DISTINCT FROM false",
      {migration});
}

std::set<std::uint32_t> untouched_tables(postgres::Connection& connection,
                                         const std::string& migration) {
  const postgres::Result rows = connection.query(
      "SELECT t.id FROM lockstep.ledger_tables AS t WHERE t.migration = $1 AND NOT "
      "t.reverse_touched AND NOT EXISTS (SELECT FROM lockstep.changes AS c WHERE c.migration = $1 "
      "AND c.tbl = t.id)",
      {migration});
  std::set<std::uint32_t> tables;
  for (int row = 0; row < rows.rows(); ++row)
    tables.insert(static_cast<std::uint32_t>(rows.integer(row, 0)));
  return tables;
}

}  // namespace lockstep::switchover
