#include "verify/record_ranges.hpp"

#include <fmt/format.h>

#include <optional>

namespace lockstep::verify {

namespace {

std::optional<std::string> end_text(const std::optional<Key>& key) {
  if (!key) return std::nullopt;
  return hex_of(key_bytes(*key));
}

}  // namespace

std::string hex_of(std::string_view bytes) {
  std::string hex = "\\x";
  for (const char byte : bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return hex;
}

void write_range(postgres::Connection& connection, std::int64_t pass, const TableRecord& record,
                 const RangeRecord& range) {
  connection.query(
      "INSERT INTO lockstep.verify_ranges (pass, id, number, after, until, rows, different, "
      "position) VALUES ($1::bigint, $2::integer, $3::bigint, $4::bytea, $5::bytea, $6::bigint, "
      "$7::bigint, $8)",
      {std::to_string(pass), std::to_string(record.id), std::to_string(record.barriers),
       end_text(range.after), end_text(range.until), std::to_string(range.rows),
       std::to_string(range.different), to_string(range.position)});
}

void forget_table(postgres::Connection& connection, std::int64_t pass, std::uint32_t table) {
  connection.exec("BEGIN; SET LOCAL synchronous_commit TO off");
  try {
    for (const char* sql :
         {"DELETE FROM lockstep.verify_ranges WHERE pass = $1::bigint AND id = $2::integer",
          "DELETE FROM lockstep.verify_differences WHERE pass = $1::bigint AND id = $2::integer",
          "DELETE FROM lockstep.verify_tables WHERE pass = $1::bigint AND id = $2::integer"})
      connection.query(sql, {std::to_string(pass), std::to_string(table)});
    connection.exec("COMMIT");
  } catch (...) {
    connection.abort();
    throw;
  }
}

void forget_old_ranges(postgres::Connection& connection, const std::string& migration) {
  connection.query(
      "DELETE FROM lockstep.verify_ranges AS r WHERE NOT EXISTS (SELECT FROM "
      "lockstep.verify_passes AS p WHERE p.id = r.pass AND (p.migration <> $1 OR p.state IN "
      "('requested', 'running') OR p.id > (SELECT max(id) - 3 FROM lockstep.verify_passes WHERE "
      "migration = $1)))",
      {migration});
}

}  // namespace lockstep::verify
