#include "verify/range.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <bit>
#include <utility>

#include "link/postgres/copy.hpp"
#include "link/postgres/names.hpp"
#include "link/sqlite/shape.hpp"
#include "link/sqlite/statement.hpp"
#include "model/rule.hpp"
#include "verify/source_rows.hpp"
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

// An index on it can be used.
bool compares_as_it_is(const TablePlan& plan, std::size_t column) {
  if (!plan.existing) return true;
  const TargetKind kind = plan.existing->columns[column].holds.kind;
  const ColumnType type = plan.types[column];
  return (type == ColumnType::bigint && kind == TargetKind::integer) ||
         (type == ColumnType::text && kind == TargetKind::text) ||
         (type == ColumnType::uuid && kind == TargetKind::uuid);
}

std::string target_key_term(const TablePlan& plan, std::size_t column) {
  // "C" orders text byte by byte, as BINARY does.
  return (compares_as_it_is(plan, column) ? postgres::quoted(plan.target_column(column))
                                          : shown_column(plan, column)) +
         (plan.types[column] == ColumnType::text ? " COLLATE \"C\"" : "");
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
      if (type == ColumnType::timestamp_ms)
        return fmt::format("timestamp '1970-01-01' + '{} milliseconds'::interval", value.integer);
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
  for (std::size_t i = 0; i < plan.types.size(); ++i) columns.push_back(shown_column(plan, i));
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
  for (std::size_t i = 0; i < row.size(); ++i) read_target(row[i], fields[i], plan, i);
}

// Keeps the memory that `out` has.
void assign(Value& out, const ValueView& value) {
  out.kind = value.kind;
  out.integer = value.integer;
  out.real = value.real;
  out.bytes.assign(value.bytes);
}

void read_columns(std::vector<Value>& row, const TablePlan& plan, RuleReader& carried,
                  const sqlite::Statement& rows) {
  for (std::size_t i = 0; i < row.size(); ++i) {
    assign(row[i], carried(i, rows.value(static_cast<int>(i))));
    respell(row[i], plan, i);
  }
}

Key raw_key(const TablePlan& plan, const sqlite::Statement& rows) {
  Key key;
  for (const std::size_t column : plan.shape.key)
    key.emplace_back(rows.value(static_cast<int>(column)));
  return key;
}

Error out_of_order(const TablePlan& plan, const Key& before, const Key& after) {
  return Error({.code = "LS-V509",
                .exit = ExitCode::stopped,
                .what = fmt::format("keys of {} do not come in their order", plan.name()),
                .why = fmt::format("{} comes before {}", describe_key(plan.shape, before),
                                   describe_key(plan.shape, after)),
                .data = "nothing is claimed of this table; replication goes on",
                .todo = "PRAGMA integrity_check on the source: its index may be damaged"});
}

Error too_large_to_sort(const TablePlan& plan) {
  return Error(
      {.code = "LS-V508",
       .exit = ExitCode::precondition,
       .what = fmt::format("{} cannot be compared while it is written", plan.name()),
       .why = "its key has another order on PostgreSQL than on SQLite (a rule or a type spells "
              "it otherwise), so it is compared as a whole, and it is too large for that",
       .data = "nothing is claimed of this table; replication goes on",
       .todo = "stop lockstep at a quiet moment and verify then: at rest there is no limit"});
}

// Blocks as the rows come.
class BlockWriter {
 public:
  explicit BlockWriter(const TablePlan& plan) : plan_(plan) {}

  void add(const std::vector<Value>& row) {
    Key key = key_of(plan_, row);
    if (last_ && key_order(*last_, key) >= 0) throw out_of_order(plan_, *last_, key);
    range.rows.add(key, row_hash(row, scratch_));
    last_ = std::move(key);
  }
  /// `open`: to the end of the table.
  void end_block(bool open) {
    range.rows.end_block();
    const std::size_t block = range.rows.blocks() - 1;
    range.blocks.push_back(
        {open ? std::nullopt : last_, range.rows.rows_of(block), range.rows.digest_of(block)});
  }

  SourceRange range{};

 private:
  const TablePlan& plan_;
  std::optional<Key> last_;
  std::string scratch_;
};

SourceRange read_sorted(sqlite::Database& source, const TablePlan& plan,
                        const RangeLimits& limits) {
  SourceRows rows(source, plan);
  BlockWriter blocks(plan);
  std::vector<Value> row(plan.types.size());
  while (rows.next(row)) {
    for (std::size_t i = 0; i < row.size(); ++i) respell(row[i], plan, i);
    blocks.add(row);
    if (blocks.range.rows.rows() > limits.sorted_rows_max ||
        blocks.range.rows.key_bytes() > limits.sorted_key_bytes_max)
      throw too_large_to_sort(plan);
    if (blocks.range.rows.block_full()) blocks.end_block(false);
  }
  blocks.range.done = true;
  blocks.end_block(true);
  return std::move(blocks.range);
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
                     target_columns(plan), postgres::qualified(schema, plan.target_name()),
                     bounds.empty() ? "" : fmt::format(" WHERE {}", fmt::join(bounds, " AND ")),
                     fmt::join(order, ", "));
}

SourceRange read_source_range(sqlite::Database& source, const TablePlan& plan,
                              const std::optional<Key>& after, const Deadline& deadline,
                              RangeLimits limits) {
  constexpr std::uint64_t kRowsPerClockLook = 64;
  if (!keeps_order(plan)) return read_sorted(source, plan, limits);
  sqlite::Statement rows(source, source_range_sql(plan, !after));
  if (after)
    for (std::size_t i = 0; i < after->size(); ++i)
      rows.bind(static_cast<int>(i) + 1, (*after)[i].view());
  BlockWriter blocks(plan);
  RuleReader carried(plan.rules, plan.shape.key);
  std::vector<Value> row(plan.types.size());
  while (true) {
    if (!rows.step()) {
      blocks.range.done = true;
      blocks.end_block(true);
      return std::move(blocks.range);
    }
    read_columns(row, plan, carried, rows);
    blocks.add(row);
    const std::uint64_t seen = blocks.range.rows.rows();
    const bool enough = seen >= limits.rows_max ||
                        blocks.range.rows.key_bytes() >= limits.key_bytes_max ||
                        (seen % kRowsPerClockLook == 0 && deadline.passed());
    if (enough || blocks.range.rows.block_full()) blocks.end_block(false);
    if (!enough) continue;
    blocks.range.resume = raw_key(plan, rows);
    return std::move(blocks.range);
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

std::vector<std::optional<std::vector<Value>>> read_source_rows(sqlite::Database& source,
                                                                const TablePlan& plan,
                                                                const std::vector<Key>& keys) {
  std::vector<std::optional<std::vector<Value>>> found(keys.size());
  RuleReader carried(plan.rules, plan.shape.key);
  std::vector<Value> row(plan.types.size());
  if (has_respelled_key(plan)) {
    sqlite::Statement rows(source, source_select(plan));
    while (rows.step()) {
      read_columns(row, plan, carried, rows);
      const Key key = key_of(plan, row);
      for (std::size_t i = 0; i < keys.size(); ++i)
        if (key_order(key, keys[i]) == 0) found[i] = row;
    }
    return found;
  }
  std::vector<std::string> terms;
  for (std::size_t i = 0; i < plan.shape.key.size(); ++i)
    terms.push_back(fmt::format("{} = ?{}", source_key_term(plan, plan.shape.key[i]), i + 1));
  sqlite::Statement rows(
      source, fmt::format("{} WHERE {}", source_select(plan), fmt::join(terms, " AND ")));
  for (std::size_t at = 0; at < keys.size(); ++at) {
    rows.reset();
    for (std::size_t i = 0; i < keys[at].size(); ++i)
      rows.bind(static_cast<int>(i) + 1, keys[at][i].view());
    if (!rows.step()) continue;
    read_columns(row, plan, carried, rows);
    found[at] = row;
  }
  return found;
}

std::optional<std::vector<Value>> read_target_row(postgres::Connection& target,
                                                  const std::string& schema, const TablePlan& plan,
                                                  const Key& key) {
  postgres::CopyOut rows(
      target, fmt::format("COPY (SELECT {} FROM {} WHERE {} LIMIT 1) TO STDOUT (FORMAT binary)",
                          target_columns(plan), postgres::qualified(schema, plan.target_name()),
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
