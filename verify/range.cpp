#include "verify/range.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <bit>
#include <utility>

#include "link/postgres/copy.hpp"
#include "link/postgres/names.hpp"
#include "link/sqlite/shape.hpp"
#include "link/sqlite/statement.hpp"
#include "verify/values.hpp"

namespace lockstep::verify {

namespace {

Key key_of(const TablePlan& plan, const std::vector<Value>& row) {
  Key key;
  key.reserve(plan.shape.key.size());
  for (const std::size_t column : plan.shape.key) key.push_back(row[column]);
  return key;
}

// The rowid of a table and a column of BINARY collation need no COLLATE; for others it is what
// makes the order that of the bytes.
std::string source_key_term(const TablePlan& plan, std::size_t column) {
  const std::string name = sqlite::source_name(plan.shape, column);
  return plan.shape.columns[column].collation == "BINARY" ? name : name + " COLLATE BINARY";
}

// (k1 >= ?1) AND (k1 > ?1 OR (k1 = ?1 AND (k2 > ?2 OR ...))): the first part lets an index seek.
std::string source_bounds(const TablePlan& plan) {
  std::string exact;
  for (std::size_t i = plan.shape.key.size(); i-- > 0;) {
    const std::string term = source_key_term(plan, plan.shape.key[i]);
    exact = exact.empty() ? fmt::format("{} > ?{}", term, i + 1)
                          : fmt::format("({0} > ?{1} OR ({0} = ?{1} AND {2}))", term, i + 1, exact);
  }
  if (plan.shape.key.size() == 1) return exact;
  return fmt::format("{} >= ?1 AND {}", source_key_term(plan, plan.shape.key.front()), exact);
}

std::string source_select(const TablePlan& plan) {
  std::vector<std::string> columns;
  for (std::size_t i = 0; i < plan.shape.columns.size(); ++i)
    columns.push_back(sqlite::source_name(plan.shape, i));
  return fmt::format("SELECT {} FROM {}", fmt::join(columns, ", "), sqlite::quoted(plan.name()));
}

bool is_text(ColumnType type) {
  return type == ColumnType::text;
}

std::string target_key_term(const TablePlan& plan, std::size_t column) {
  // "C" orders text byte by byte, as BINARY does.
  return postgres::quoted(plan.shape.columns[column].name) +
         (is_text(plan.types[column]) ? " COLLATE \"C\"" : "");
}

std::string hex_of(std::string_view bytes) {
  std::string hex;
  for (const char byte : bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return hex;
}

// COPY takes no parameters.
std::string target_constant(const Value& value, ColumnType type) {
  switch (value.kind) {
    case ValueClass::null:
      return "NULL";
    case ValueClass::integer:
      if (type == ColumnType::boolean) return value.integer != 0 ? "true" : "false";
      return fmt::format("'{}'::pg_catalog.{}", value.integer,
                         type == ColumnType::numeric ? "numeric" : "int8");
    case ValueClass::real:
      return fmt::format("'{}'::pg_catalog.{}", value.real,
                         type == ColumnType::numeric ? "numeric" : "float8");
    case ValueClass::text:
      if (type == ColumnType::timestamptz) return fmt::format("'{}+00'::timestamptz", value.bytes);
      return fmt::format("{}::{}", postgres::literal(value.bytes), to_string(type));
    case ValueClass::blob:
      return fmt::format("'\\x{}'::pg_catalog.bytea", hex_of(value.bytes));
  }
  return "NULL";
}

std::string target_columns(const TablePlan& plan) {
  std::vector<std::string> columns;
  for (std::size_t i = 0; i < plan.types.size(); ++i)
    columns.push_back(postgres::quoted(plan.shape.columns[i].name));
  return fmt::format("{}", fmt::join(columns, ", "));
}

// Row comparison: keys have no NULLs on PostgreSQL.
std::string target_bound(const TablePlan& plan, const Key& key, std::string_view comparison) {
  std::vector<std::string> terms, constants;
  for (std::size_t i = 0; i < plan.shape.key.size(); ++i) {
    const std::size_t column = plan.shape.key[i];
    terms.push_back(target_key_term(plan, column));
    constants.push_back(target_constant(key[i], plan.types[column]));
  }
  return fmt::format("({}) {} ({})", fmt::join(terms, ", "), comparison,
                     fmt::join(constants, ", "));
}

void read_fields(std::vector<Value>& row, const TablePlan& plan,
                 const std::vector<std::optional<std::string_view>>& fields) {
  check(fields.size() == row.size(), "the server sends the columns that were asked for");
  for (std::size_t i = 0; i < row.size(); ++i) read_target(row[i], fields[i], plan.types[i]);
}

void read_columns(std::vector<Value>& row, const TablePlan& plan, const sqlite::Statement& rows) {
  for (std::size_t i = 0; i < row.size(); ++i)
    read_source(row[i], rows.value(static_cast<int>(i)), plan.types[i]);
}

}  // namespace

std::string source_range_sql(const TablePlan& plan, bool from_start) {
  std::vector<std::string> order;
  for (const std::size_t column : plan.shape.key) order.push_back(source_key_term(plan, column));
  return fmt::format("{}{} ORDER BY {}", source_select(plan),
                     from_start ? "" : " WHERE " + source_bounds(plan), fmt::join(order, ", "));
}

std::string target_range_sql(const std::string& schema, const TablePlan& plan,
                             const std::optional<Key>& after, const std::optional<Key>& until) {
  std::vector<std::string> order, bounds;
  for (const std::size_t column : plan.shape.key) order.push_back(target_key_term(plan, column));
  if (after) bounds.push_back(target_bound(plan, *after, ">"));
  if (until) bounds.push_back(target_bound(plan, *until, "<="));
  return fmt::format("COPY (SELECT {} FROM {}{} ORDER BY {}) TO STDOUT (FORMAT binary)",
                     target_columns(plan), postgres::qualified(schema, plan.name()),
                     bounds.empty() ? "" : fmt::format(" WHERE {}", fmt::join(bounds, " AND ")),
                     fmt::join(order, ", "));
}

SourceRange read_source_range(sqlite::Database& source, const TablePlan& plan,
                              const std::optional<Key>& after, const Deadline& deadline,
                              RangeLimits limits) {
  constexpr std::uint64_t kRowsPerClockLook = 64;
  sqlite::Statement rows(source, source_range_sql(plan, !after));
  if (after)
    for (std::size_t i = 0; i < after->size(); ++i)
      rows.bind(static_cast<int>(i) + 1, (*after)[i].view());
  SourceRange range;
  std::vector<Value> row(plan.shape.columns.size());
  std::string scratch;
  std::optional<Key> last;
  const auto end_block = [&](bool open) {
    range.rows.end_block();
    const std::size_t block = range.rows.blocks() - 1;
    range.blocks.push_back({open ? std::nullopt : std::exchange(last, std::nullopt),
                            range.rows.rows_of(block), range.rows.digest_of(block)});
  };
  while (true) {
    if (!rows.step()) {
      range.done = true;
      end_block(true);
      return range;
    }
    read_columns(row, plan, rows);
    last = key_of(plan, row);
    range.rows.add(*last, row_hash(row, scratch));
    const std::uint64_t seen = range.rows.rows();
    const bool enough = seen >= limits.rows_max || range.rows.key_bytes() >= limits.key_bytes_max ||
                        (seen % kRowsPerClockLook == 0 && deadline.passed());
    if (enough || range.rows.block_full()) end_block(false);
    if (enough) return range;
  }
}

RangeRows read_target_range(postgres::Connection& target, const std::string& schema,
                            const TablePlan& plan, const std::optional<Key>& after,
                            const std::vector<Block>& blocks) {
  RangeRows range;
  postgres::CopyOut rows(target, target_range_sql(schema, plan, after, blocks.back().last));
  std::vector<std::optional<std::string_view>> fields;
  std::vector<Value> row(plan.types.size());
  std::string scratch;
  std::size_t block = 0;
  while (rows.next(fields)) {
    read_fields(row, plan, fields);
    const Key key = key_of(plan, row);
    while (block + 1 < blocks.size() && blocks[block].last &&
           key_order(key, *blocks[block].last) > 0) {
      range.end_block();
      ++block;
    }
    range.add(key, row_hash(row, scratch));
  }
  while (range.blocks() < blocks.size()) range.end_block();
  return range;
}

std::optional<std::vector<Value>> read_source_row(sqlite::Database& source, const TablePlan& plan,
                                                  const Key& key) {
  std::vector<std::string> terms;
  for (std::size_t i = 0; i < plan.shape.key.size(); ++i)
    terms.push_back(fmt::format("{} = ?{}", source_key_term(plan, plan.shape.key[i]), i + 1));
  sqlite::Statement rows(
      source, fmt::format("{} WHERE {}", source_select(plan), fmt::join(terms, " AND ")));
  for (std::size_t i = 0; i < key.size(); ++i) rows.bind(static_cast<int>(i) + 1, key[i].view());
  if (!rows.step()) return std::nullopt;
  std::vector<Value> row(plan.shape.columns.size());
  read_columns(row, plan, rows);
  return row;
}

std::optional<std::vector<Value>> read_target_row(postgres::Connection& target,
                                                  const std::string& schema, const TablePlan& plan,
                                                  const Key& key) {
  postgres::CopyOut rows(
      target, fmt::format("COPY (SELECT {} FROM {} WHERE {} LIMIT 1) TO STDOUT (FORMAT binary)",
                          target_columns(plan), postgres::qualified(schema, plan.name()),
                          target_bound(plan, key, "=")));
  std::vector<std::optional<std::string_view>> fields;
  std::vector<Value> row(plan.types.size());
  bool there = false;
  while (rows.next(fields)) {
    read_fields(row, plan, fields);
    there = true;
  }
  if (!there) return std::nullopt;
  return row;
}

}  // namespace lockstep::verify
