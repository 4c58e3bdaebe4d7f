#include "link/postgres/quarantine.hpp"

#include <fmt/format.h>

#include "model/error.hpp"

namespace lockstep::postgres {

void hold_row(Connection& connection, const std::string& migration, const HeldRow& row) {
  connection.query(
      "INSERT INTO lockstep.quarantine AS q (migration, id, name, key, key_digest, column_name, "
      "value, bytes, code, reason) VALUES ($1, $2::integer, $3, $4, "
      "sha256(convert_to($4, 'UTF8')), $5, $6, $7::bigint, $8, $9) "
      "ON CONFLICT (migration, id, key_digest) DO UPDATE SET name = EXCLUDED.name, column_name = "
      "EXCLUDED.column_name, value = EXCLUDED.value, bytes = EXCLUDED.bytes, code = EXCLUDED.code, "
      "reason = EXCLUDED.reason, position = NULL, stale = false, state = CASE WHEN "
      "(q.column_name, q.value, q.bytes, q.reason) = (EXCLUDED.column_name, EXCLUDED.value, "
      "EXCLUDED.bytes, EXCLUDED.reason) AND q.bytes <= $10::bigint THEN q.state ELSE 'held' END",
      {migration, std::to_string(row.table), row.table_name, row.key, row.column, row.value,
       std::to_string(row.bytes), row.code, row.reason, std::to_string(kHeldValueBytesMax)});
}

void settle_held_rows(Connection& connection, const std::string& migration,
                      const std::optional<Position>& position) {
  if (position)
    connection.query(
        "UPDATE lockstep.quarantine SET position = $2 WHERE migration = $1 AND position IS NULL",
        {migration, to_string(*position)});
  const Result counted = connection.query(
      "SELECT count(*) FROM lockstep.quarantine WHERE migration = $1", {migration});
  const std::int64_t rows = counted.integer(0, 0);
  if (static_cast<std::uint64_t>(rows) <= kHeldRowsMax) return;
  throw Error(
      {.code = "LS-D403",
       .exit = ExitCode::stopped,
       .what = fmt::format("more than {} rows would be in quarantine", kHeldRowsMax),
       .why = "so many are no exceptions: a column has a type that its values do not have",
       .data = "applied up to the batch before it; nothing is lost and nothing was converted",
       .todo = "lockstep quarantine list SOURCE shows which column; change its values, or lockstep "
               "remove SOURCE TARGET and start anew, so that its type is decided by all of them"});
}

}  // namespace lockstep::postgres
