// What the passes on record have come to.
#include <string>

#include "verify/record.hpp"

namespace lockstep::verify {

using postgres::Connection;
using postgres::Result;

// Passes that failed before they compared anything have no era.
std::optional<PassResult> last_result(Connection& connection, const std::string& migration,
                                      const std::optional<History>& history) {
  if (!records_exist(connection)) return std::nullopt;
  const Result rows = connection.query(
      "SELECT p.id, p.state, cardinality(p.tables) = 0, count(t), coalesce(sum(t.source_rows), 0), "
      "coalesce(sum(t.missing + t.extra + t.differ), 0), coalesce(sum(t.quarantined), 0), "
      "(extract(epoch FROM p.ended) * 1000000)::bigint, (extract(epoch FROM now() - p.ended) * "
      "1000)::bigint FROM lockstep.verify_passes p LEFT JOIN lockstep.verify_tables t ON t.pass = "
      "p.id WHERE p.migration = $1 AND p.ended IS NOT NULL AND p.sample = 0 AND p.since IS NULL "
      "AND p.direction = coalesce($2, p.direction) AND ($3 = '' OR EXISTS (SELECT FROM "
      "lockstep.verify_tables x WHERE x.pass = p.id AND starts_with(x.newest, $3))) GROUP BY p.id "
      "ORDER BY p.ended DESC LIMIT 1",
      {migration, history ? std::optional(std::string(to_string(history->flow))) : std::nullopt,
       history ? history->era : std::string()});
  if (rows.rows() == 0) return std::nullopt;
  return PassResult{rows.integer(0, 0),
                    parse_pass_state(rows.value(0, 1)).value_or(PassState::failed),
                    rows.boolean(0, 2),
                    rows.integer(0, 3),
                    rows.integer(0, 4),
                    rows.integer(0, 5),
                    rows.integer(0, 6),
                    rows.integer(0, 7),
                    Milliseconds(rows.integer(0, 8))};
}

// A pass that others interrupted began earlier than they and ends later. The word that began last
// is the freshest proof; what was found behind it counts all the same. An older lockstep did not
// keep when a table was begun: not before its pass was asked for.
std::vector<TableResult> table_results(Connection& connection, const std::string& migration,
                                       const History& history) {
  std::vector<TableResult> results;
  if (!records_exist(connection)) return results;
  const Result rows = connection.query(
      "WITH words AS (SELECT t.id, t.source_rows, t.missing + t.extra + t.differ AS different, "
      "t.updated, t.newest, t.problem, t.converged, t.converged_at, coalesce(t.seen, '') AS seen, "
      "coalesce(t.begun, p.requested) AS begun FROM lockstep.verify_tables t JOIN "
      "lockstep.verify_passes p ON p.id = t.pass WHERE p.migration = $1 AND p.sample = 0 AND "
      "p.since IS NULL AND p.direction = $2 AND ($3 = '' OR t.problem <> '' OR "
      "starts_with(t.newest, $3)) AND t.done AND p.id >= $4::bigint), ranked AS (SELECT *, "
      "first_value(updated) OVER "
      "(PARTITION BY id ORDER BY begun DESC, updated DESC) AS freshest FROM words) "
      "SELECT DISTINCT ON (id) id, source_rows, different, "
      "(extract(epoch FROM updated) * 1000000)::bigint, newest, problem, converged, converged_at, "
      "(extract(epoch FROM now() - begun) * 1000)::bigint, seen FROM ranked ORDER BY id, (updated "
      "> freshest AND (different > 0 OR problem <> '')) DESC, begun DESC, updated DESC",
      {migration, std::string(to_string(history.flow)), history.era,
       std::to_string(history.first_pass)});
  const auto position_at = [&](int row, int column) {
    return rows.is_null(row, column) ? std::nullopt : parse_position(rows.value(row, column));
  };
  for (int row = 0; row < rows.rows(); ++row)
    results.push_back({static_cast<std::uint32_t>(rows.integer(row, 0)), rows.integer(row, 1),
                       rows.integer(row, 2), std::string(rows.value(row, 5)), rows.integer(row, 3),
                       position_at(row, 4), rows.integer(row, 6), position_at(row, 7),
                       Milliseconds(rows.integer(row, 8)), std::string(rows.value(row, 9))});
  return results;
}

}  // namespace lockstep::verify
