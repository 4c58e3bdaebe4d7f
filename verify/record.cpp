#include "verify/record.hpp"

#include <fmt/format.h>

#include <array>
#include <bit>

#include "verify/record_ranges.hpp"
#include "verify/values.hpp"

namespace lockstep::verify {

namespace {

using postgres::Connection;
using postgres::Result;

constexpr std::array kPassStates{PassState::requested, PassState::running, PassState::equal,
                                 PassState::different, PassState::failed};

constexpr char kCreateRecords[] =
    "BEGIN;"
    "CREATE TABLE IF NOT EXISTS lockstep.verify_passes ("
    " id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " migration text NOT NULL REFERENCES lockstep.ledger ON DELETE CASCADE,"
    " state text NOT NULL DEFAULT 'requested',"
    " tables text[] NOT NULL,"
    " problem text NOT NULL DEFAULT '',"
    " requested timestamptz NOT NULL DEFAULT now(),"
    " ended timestamptz);"
    // What was not there from the beginning; records_exist() asks for the last of them.
    "ALTER TABLE lockstep.verify_passes"
    " ADD COLUMN IF NOT EXISTS sample bigint NOT NULL DEFAULT 0,"
    " ADD COLUMN IF NOT EXISTS continuous boolean NOT NULL DEFAULT false,"
    " ADD COLUMN IF NOT EXISTS since text, ADD COLUMN IF NOT EXISTS since_from text,"
    " ADD COLUMN IF NOT EXISTS direction text NOT NULL DEFAULT 'forward';"
    "CREATE TABLE IF NOT EXISTS lockstep.verify_tables ("
    " pass bigint NOT NULL REFERENCES lockstep.verify_passes ON DELETE CASCADE,"
    " id integer NOT NULL,"
    " name text NOT NULL,"
    " done boolean NOT NULL,"
    " cursor bytea, source_cursor bytea,"
    " source_rows bigint NOT NULL, target_rows bigint NOT NULL,"
    " source_digest bigint NOT NULL, target_digest bigint NOT NULL,"
    " missing bigint NOT NULL, extra bigint NOT NULL, differ bigint NOT NULL,"
    " quarantined bigint NOT NULL,"
    " barriers bigint NOT NULL,"
    " problem text NOT NULL,"
    " oldest text, newest text,"
    " updated timestamptz NOT NULL DEFAULT now(),"
    " PRIMARY KEY (pass, id));"
    "ALTER TABLE lockstep.verify_tables"
    " ADD COLUMN IF NOT EXISTS whole boolean NOT NULL DEFAULT false,"
    " ADD COLUMN IF NOT EXISTS converged bigint NOT NULL DEFAULT 0,"
    " ADD COLUMN IF NOT EXISTS converged_at text,"
    " ADD COLUMN IF NOT EXISTS ms bigint NOT NULL DEFAULT 0,"
    " ADD COLUMN IF NOT EXISTS seen text, ADD COLUMN IF NOT EXISTS begun timestamptz;"
    "CREATE TABLE IF NOT EXISTS lockstep.verify_differences ("
    " pass bigint NOT NULL REFERENCES lockstep.verify_passes ON DELETE CASCADE,"
    " id integer NOT NULL,"
    " kind text NOT NULL,"
    " key bytea NOT NULL,"
    " shown text NOT NULL);"
    // No reference to the pass: an older lockstep that removes its tables does not know this one.
    "CREATE TABLE IF NOT EXISTS lockstep.verify_ranges ("
    " pass bigint NOT NULL,"
    " id integer NOT NULL,"
    " number bigint NOT NULL,"
    " after bytea, until bytea,"
    " rows bigint NOT NULL, different bigint NOT NULL,"
    " position text NOT NULL,"
    " at timestamptz NOT NULL DEFAULT clock_timestamp(),"
    " PRIMARY KEY (pass, id, number));"
    // Who may read it may ask: nobody knows the names of the roles, so the constraint looks.
    "ALTER TABLE lockstep.verify_passes DROP CONSTRAINT IF EXISTS readers_ask, ADD CONSTRAINT "
    "readers_ask CHECK (has_table_privilege('lockstep.verify_passes', 'SELECT')) NOT VALID;"
    "GRANT INSERT (migration, tables, sample, continuous, since) ON lockstep.verify_passes TO "
    "PUBLIC;"
    "COMMIT";

int digit(char c) {
  return c >= 'a' ? c - 'a' + 10 : c - '0';
}

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 2; i + 1 < hex.size(); i += 2)
    bytes += static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1]));
  return bytes;
}

std::string number(std::uint64_t value) {
  return std::to_string(std::bit_cast<std::int64_t>(value));
}

std::optional<std::string> text_of(const std::optional<Position>& position) {
  if (!position) return std::nullopt;
  return to_string(*position);
}

std::optional<std::string> key_text(const std::optional<Key>& key) {
  if (!key) return std::nullopt;
  return hex_of(key_bytes(*key));
}

std::optional<Key> key_of(const Result& rows, int row, int column) {
  if (rows.is_null(row, column)) return std::nullopt;
  return parse_key_bytes(from_hex(rows.value(row, column)));
}

std::optional<Position> position_of(const Result& rows, int row, int column) {
  if (rows.is_null(row, column)) return std::nullopt;
  return parse_position(rows.value(row, column));
}

std::uint64_t count_of(const Result& rows, int row, int column) {
  return std::bit_cast<std::uint64_t>(rows.integer(row, column));
}

// Names may hold anything: one element per parameter, never an array literal of our own making.
std::string array_sql(std::size_t elements, std::size_t first_parameter) {
  std::string sql = "ARRAY[";
  for (std::size_t i = 0; i < elements; ++i)
    sql += fmt::format("{}${}", i == 0 ? "" : ", ", first_parameter + i);
  return sql + "]::text[]";
}

constexpr std::string_view kPassColumns =
    "id, state, problem, sample, continuous, since, since_from, direction";

std::optional<Pass> pass_of(Connection& connection, const Result& rows) {
  if (rows.rows() == 0) return std::nullopt;
  Pass pass;
  pass.id = rows.integer(0, 0);
  pass.state = parse_pass_state(rows.value(0, 1)).value_or(PassState::failed);
  pass.problem = rows.value(0, 2);
  pass.request.sample = count_of(rows, 0, 3);
  pass.request.continuous = rows.boolean(0, 4);
  pass.request.since = position_of(rows, 0, 5);
  pass.since_from = position_of(rows, 0, 6);
  pass.flow = rows.value(0, 7) == to_string(Flow::reverse) ? Flow::reverse : Flow::forward;
  const Result tables =
      connection.query("SELECT unnest(tables) FROM lockstep.verify_passes WHERE id = $1::bigint",
                       {std::to_string(pass.id)});
  for (int row = 0; row < tables.rows(); ++row)
    pass.request.tables.emplace_back(tables.value(row, 0));
  return pass;
}

void write_table(Connection& connection, const std::string& pass, const TableRecord& record) {
  std::vector<std::optional<std::string>> values{pass,
                                                 std::to_string(record.id),
                                                 record.name,
                                                 record.done ? "true" : "false",
                                                 key_text(record.cursor),
                                                 key_text(record.source_cursor)};
  for (const std::uint64_t count :
       {record.source_rows, record.target_rows, record.source_digest, record.target_digest,
        record.missing, record.extra, record.differ, record.quarantined, record.barriers})
    values.emplace_back(number(count));
  values.insert(values.end(), {text_of(record.oldest), text_of(record.newest), record.problem,
                               record.whole ? "true" : "false", number(record.converged),
                               text_of(record.converged_at), std::to_string(record.ms),
                               record.seen.empty() ? std::nullopt : std::optional(record.seen)});
  connection.query(
      "INSERT INTO lockstep.verify_tables AS t (pass, id, name, done, cursor, source_cursor, "
      "source_rows, target_rows, source_digest, target_digest, missing, extra, differ, "
      "quarantined, barriers, oldest, newest, problem, whole, converged, converged_at, ms, seen, "
      "begun) VALUES "
      "($1::bigint, $2::integer, $3, $4::boolean, $5::bytea, $6::bytea, $7::bigint, $8::bigint, "
      "$9::bigint, $10::bigint, $11::bigint, $12::bigint, $13::bigint, $14::bigint, $15::bigint, "
      "$16, $17, $18, $19::boolean, $20::bigint, $21, $22::bigint, $23, now() - $22::bigint * "
      "interval '1 millisecond') ON CONFLICT (pass, id) DO UPDATE SET done = "
      "excluded.done, cursor = excluded.cursor, source_cursor = excluded.source_cursor, "
      "source_rows = excluded.source_rows, target_rows = excluded.target_rows, source_digest = "
      "excluded.source_digest, target_digest = excluded.target_digest, missing = excluded.missing,"
      " extra = excluded.extra, differ = excluded.differ, quarantined = excluded.quarantined, "
      "barriers = excluded.barriers, oldest = excluded.oldest, newest = excluded.newest, problem ="
      " excluded.problem, whole = excluded.whole, converged = excluded.converged, converged_at = "
      "excluded.converged_at, ms = excluded.ms, updated = now()",
      values);
}

}  // namespace

std::string_view to_string(PassState state) {
  switch (state) {
    case PassState::requested:
      return "requested";
    case PassState::running:
      return "running";
    case PassState::equal:
      return "equal";
    case PassState::different:
      return "different";
    case PassState::failed:
      return "failed";
  }
  return "?";
}

std::optional<PassState> parse_pass_state(std::string_view text) {
  for (const PassState state : kPassStates)
    if (to_string(state) == text) return state;
  return std::nullopt;
}

bool records_exist(Connection& connection) {
  return connection
      .exec(
          "SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = "
          "to_regclass('lockstep.verify_passes') AND attname = 'direction') AND EXISTS (SELECT "
          "FROM "
          "pg_attribute WHERE attrelid = to_regclass('lockstep.verify_tables') AND attname = "
          "'begun') AND to_regclass('lockstep.verify_ranges') IS NOT NULL")
      .boolean(0, 0);
}

void create_records(Connection& connection) {
  if (records_exist(connection)) return;
  connection.exec(kCreateRecords);
}

std::int64_t request_pass(Connection& connection, const std::string& migration,
                          const PassRequest& request) {
  std::vector<std::optional<std::string>> parameters{migration, number(request.sample),
                                                     request.continuous ? "true" : "false",
                                                     text_of(request.since)};
  parameters.insert(parameters.end(), request.tables.begin(), request.tables.end());
  connection.exec("BEGIN READ WRITE");  // the role's transactions may be read-only by default
  try {
    const std::int64_t id =
        connection
            .query(fmt::format("INSERT INTO lockstep.verify_passes (migration, sample, continuous, "
                               "since, tables) VALUES ($1, $2::bigint, $3::boolean, $4, {}) "
                               "RETURNING id",
                               array_sql(request.tables.size(), 5)),
                   parameters)
            .integer(0, 0);
    connection.exec("COMMIT");
    return id;
  } catch (...) {
    connection.abort();
    throw;
  }
}

bool waits_for_all(Connection& connection, const std::string& migration, std::int64_t first_pass) {
  return connection
      .query(
          "SELECT EXISTS (SELECT FROM lockstep.verify_passes WHERE migration = $1 AND state = "
          "'requested' AND sample = 0 AND cardinality(tables) = 0 AND since IS NULL AND id >= "
          "$2::bigint)",
          {migration, std::to_string(first_pass)})
      .boolean(0, 0);
}

void forget_old_passes(Connection& connection, const std::string& migration) {
  connection.query(
      "DELETE FROM lockstep.verify_passes WHERE migration = $1 AND id <= (SELECT max(id) - 20 FROM "
      "lockstep.verify_passes WHERE migration = $1) AND state NOT IN ('requested', 'running')",
      {migration});
  forget_old_ranges(connection, migration);
}

std::optional<Pass> next_pass(Connection& connection, const std::string& migration) {
  return pass_of(
      connection,
      connection.query(fmt::format("SELECT {} FROM lockstep.verify_passes WHERE migration = $1 AND "
                                   "state IN ('requested', 'running') ORDER BY continuous, state = "
                                   "'requested', id LIMIT 1",
                                   kPassColumns),
                       {migration}));
}

std::optional<Pass> read_pass(Connection& connection, std::int64_t id) {
  return pass_of(
      connection,
      connection.query(
          fmt::format("SELECT {} FROM lockstep.verify_passes WHERE id = $1::bigint", kPassColumns),
          {std::to_string(id)}));
}

void move_pass(Connection& connection, std::int64_t id, PassState state,
               const std::string& problem) {
  connection.query(
      "UPDATE lockstep.verify_passes SET state = $2, problem = $3, ended = CASE WHEN $2 IN "
      "('requested', 'running') THEN NULL ELSE now() END WHERE id = $1::bigint",
      {std::to_string(id), std::string(to_string(state)), problem});
}

void take_over(Connection& connection, std::int64_t id, Flow flow) {
  connection.query(
      "WITH turned AS (UPDATE lockstep.verify_passes SET direction = $2 WHERE id = $1::bigint AND "
      "direction "
      "<> $2 RETURNING id), gone AS (DELETE FROM lockstep.verify_differences AS d USING turned AS "
      "t "
      "WHERE d.pass = t.id), left_behind AS (DELETE FROM lockstep.verify_ranges AS g USING turned "
      "AS t "
      "WHERE g.pass = t.id) DELETE FROM lockstep.verify_tables AS r USING turned AS t WHERE r.pass "
      "= t.id",
      {std::to_string(id), std::string(to_string(flow))});
}

void refuse_since(Connection& connection, std::int64_t id, const Position& from) {
  connection.query("UPDATE lockstep.verify_passes SET since_from = $2 WHERE id = $1::bigint",
                   {std::to_string(id), to_string(from)});
}

bool withdraw_pass(Connection& connection, std::int64_t id) {
  try {
    return connection
               .query(
                   "DELETE FROM lockstep.verify_passes WHERE id = $1::bigint AND state = "
                   "'requested'",
                   {std::to_string(id)})
               .affected() == 1;
  } catch (const Error& error) {
    if (error.code() != "LS-T204" && error.code() != "LS-T203") throw;
    return true;  // a role that may ask and not delete: it is taken up some day, and does no harm
  }
}

std::vector<TableRecord> read_records(Connection& connection, std::int64_t pass) {
  const Result rows = connection.query(
      "SELECT id, name, done, cursor, source_cursor, source_rows, target_rows, source_digest, "
      "target_digest, missing, extra, differ, quarantined, barriers, oldest, newest, problem, "
      "whole, "
      "converged, converged_at, ms, coalesce(seen, '') FROM lockstep.verify_tables WHERE pass = "
      "$1::bigint ORDER BY "
      "name",
      {std::to_string(pass)});
  std::vector<TableRecord> records;
  for (int row = 0; row < rows.rows(); ++row) {
    TableRecord record;
    record.id = static_cast<std::uint32_t>(rows.integer(row, 0));
    record.name = rows.value(row, 1);
    record.done = rows.boolean(row, 2);
    record.cursor = key_of(rows, row, 3);
    record.source_cursor = key_of(rows, row, 4);
    int column = 5;
    for (std::uint64_t* count :
         {&record.source_rows, &record.target_rows, &record.source_digest, &record.target_digest,
          &record.missing, &record.extra, &record.differ, &record.quarantined, &record.barriers})
      *count = count_of(rows, row, column++);
    record.oldest = position_of(rows, row, column++);
    record.newest = position_of(rows, row, column++);
    record.problem = rows.value(row, column++);
    record.whole = rows.boolean(row, column++);
    record.converged = count_of(rows, row, column);
    record.converged_at = position_of(rows, row, column + 1);
    record.ms = rows.integer(row, column + 2);
    record.seen = rows.value(row, column + 3);
    records.push_back(std::move(record));
  }
  return records;
}

void write_record(Connection& connection, std::int64_t pass, const TableRecord& record,
                  const std::vector<DifferenceRecord>& found,
                  const std::optional<RangeRecord>& range) {
  connection.exec("BEGIN; SET LOCAL synchronous_commit TO off");
  try {
    write_table(connection, std::to_string(pass), record);
    if (range) write_range(connection, pass, record, *range);
    for (const DifferenceRecord& difference : found)
      connection.query(
          "INSERT INTO lockstep.verify_differences (pass, id, kind, key, shown) VALUES "
          "($1::bigint, $2::integer, $3, $4::bytea, $5)",
          {std::to_string(pass), std::to_string(difference.table),
           std::string(to_string(difference.kind)), hex_of(difference.key), difference.shown});
    connection.exec("COMMIT");
  } catch (...) {
    connection.abort();
    throw;
  }
}

std::vector<DifferenceRecord> read_differences(Connection& connection, std::int64_t pass,
                                               std::uint32_t table) {
  const Result rows = connection.query(
      "SELECT kind, key, shown FROM lockstep.verify_differences WHERE pass = $1::bigint AND id = "
      "$2::integer ORDER BY key",
      {std::to_string(pass), std::to_string(table)});
  std::vector<DifferenceRecord> found;
  for (int row = 0; row < rows.rows(); ++row) {
    const std::string_view kind = rows.value(row, 0);
    found.push_back({table,
                     kind == "missing" ? Difference::missing
                     : kind == "extra" ? Difference::extra
                                       : Difference::differ,
                     from_hex(rows.value(row, 1)), std::string(rows.value(row, 2))});
  }
  return found;
}

}  // namespace lockstep::verify
