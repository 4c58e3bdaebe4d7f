#include "verify/range_sql.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "link/postgres/names.hpp"
#include "link/sqlite/shape.hpp"
#include "verify/values.hpp"

namespace lockstep::verify {

namespace {

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

constexpr std::string_view kKeys = "verify_keys";

// An index on it can be used.
bool compares_as_it_is(const TablePlan& plan, std::size_t column) {
  if (!plan.existing) return true;
  const TargetKind kind = plan.existing->columns[column].holds.kind;
  const ColumnType type = plan.types[column];
  return (type == ColumnType::bigint && kind == TargetKind::integer) ||
         (type == ColumnType::text && kind == TargetKind::text) ||
         (type == ColumnType::uuid && kind == TargetKind::uuid) ||
         // Our sessions are in UTC: an instant with a zone is compared as the one without.
         ((type == ColumnType::timestamp || type == ColumnType::timestamptz) &&
          (kind == TargetKind::timestamp || kind == TargetKind::timestamptz));
}

std::string setting(std::string_view bound, std::size_t at) {
  return fmt::format("lockstep.{}_{}", bound, at);
}

std::string setting_text(const Value& value, ColumnType type) {
  switch (value.kind) {
    case ValueClass::null:
      break;
    case ValueClass::integer:
      return std::to_string(value.integer);
    case ValueClass::real:
      return fmt::format("{}", value.real);
    case ValueClass::text:
      return type == ColumnType::timestamptz ? value.bytes + "+00" : value.bytes;
    case ValueClass::blob: {
      std::string hex = "\\x";
      for (const char byte : value.bytes)
        hex += fmt::format("{:02x}", static_cast<unsigned char>(byte));
      return hex;
    }
  }
  return {};
}

std::string setting_value(std::string_view bound, std::size_t at) {
  return fmt::format("current_setting({})", postgres::literal(setting(bound, at)));
}

std::vector<std::string> key_nulls(const TablePlan& plan, std::string_view test) {
  std::vector<std::string> terms;
  for (const std::size_t column : plan.shape.key)
    terms.push_back(fmt::format("{} {}", postgres::quoted(plan.target_column(column)), test));
  return terms;
}

// What setting_text() wrote, as the column's type.
std::string typed(ColumnType type, const std::string& text) {
  if (type == ColumnType::timestamp_ms)
    return fmt::format("timestamp '1970-01-01' + {}::bigint * interval '1 millisecond'", text);
  return fmt::format("{}::{}", text, to_string(type));
}

// As the rule has it, whatever the column's type makes of it.
std::string constant_text(const AddedColumn& column) {
  switch (column.value.kind) {
    case ValueClass::real:
      return fmt::format("{}", column.value.real);
    case ValueClass::integer:
      return fmt::to_string(column.value.integer);
    case ValueClass::null:
    case ValueClass::text:
    case ValueClass::blob:
      break;
  }
  return column.value.bytes;
}

}  // namespace

std::string shown_constant(const TablePlan& plan, std::size_t added) {
  const AddedColumn& column = plan.rules.added[added];
  const std::string name = postgres::quoted(column.name);
  const std::string type =
      plan.existing ? plan.existing->added[added].type : std::string(to_string(column.type));
  return fmt::format(
      "CASE WHEN {0}::text IS NOT DISTINCT FROM ({1}::{2})::text THEN NULL ELSE "
      "coalesce(quote_literal({0}::text), 'NULL') END",
      name, postgres::literal(constant_text(column)), type);
}

// The rowid of a table and a column of BINARY collation need no COLLATE; for others it is what
// makes the order that of the bytes.
std::string source_key_term(const TablePlan& plan, std::size_t column) {
  const std::string name = sqlite::source_name(plan.shape, column);
  return plan.shape.columns[column].collation == "BINARY" ? name : name + " COLLATE BINARY";
}

void read_rows_themselves(postgres::Connection& target) {
  target.exec("SET enable_indexonlyscan TO off");
}

std::string source_select(const TablePlan& plan) {
  std::vector<std::string> columns;
  for (std::size_t i = 0; i < plan.shape.columns.size(); ++i)
    columns.push_back(sqlite::source_name(plan.shape, i));
  return fmt::format("SELECT {} FROM {}", fmt::join(columns, ", "), sqlite::quoted(plan.name()));
}

std::string target_key_term(const TablePlan& plan, std::size_t column) {
  // "C" orders text byte by byte, as BINARY does.
  return (compares_as_it_is(plan, column) ? postgres::quoted(plan.target_column(column))
                                          : shown_column(plan, column)) +
         (plan.types[column] == ColumnType::text ? " COLLATE \"C\"" : "");
}

void set_bound(postgres::Connection& target, const TablePlan& plan, std::string_view bound,
               const Key& key) {
  for (std::size_t i = 0; i < key.size(); ++i)
    target.query("SELECT set_config($1, $2, false)",
                 {setting(bound, i), setting_text(key[i], plan.types[plan.shape.key[i]])});
}

void set_keys(postgres::Connection& target, const TablePlan& plan, const std::vector<Key>& keys) {
  std::vector<std::string> elements;
  for (std::size_t i = 0; i < keys.size(); ++i) elements.push_back(fmt::format("${}", i + 2));
  const std::string sql = fmt::format("SELECT set_config($1, (ARRAY[{}]::text[])::text, false)",
                                      fmt::join(elements, ", "));
  for (std::size_t i = 0; i < plan.shape.key.size(); ++i) {
    std::vector<std::optional<std::string>> parameters{setting(kKeys, i)};
    for (const Key& key : keys)
      parameters.emplace_back(setting_text(key[i], plan.types[plan.shape.key[i]]));
    target.query(sql, parameters);
  }
}

WantedKeys wanted_keys(const TablePlan& plan) {
  WantedKeys keys;
  std::vector<std::string> arrays, names;
  for (std::size_t i = 0; i < plan.shape.key.size(); ++i) {
    names.push_back(fmt::format("k{}", i));
    keys.columns.push_back(typed(plan.types[plan.shape.key[i]], names.back()));
    arrays.push_back(setting_value(kKeys, i) + "::text[]");
  }
  keys.from = fmt::format("unnest({}) AS k({})", fmt::join(arrays, ", "), fmt::join(names, ", "));
  return keys;
}

// A semi-join: a row comes once, whatever the server takes for equal.
std::string target_has_key(const TablePlan& plan) {
  std::vector<std::string> terms;
  for (const std::size_t column : plan.shape.key) terms.push_back(target_key_term(plan, column));
  const WantedKeys keys = wanted_keys(plan);
  return fmt::format("({}) IN (SELECT {} FROM {})", fmt::join(terms, ", "),
                     fmt::join(keys.columns, ", "), keys.from);
}

std::string target_keys_sql(const std::string& schema, const TablePlan& plan) {
  return fmt::format("COPY (SELECT {} FROM {} WHERE {}) TO STDOUT (FORMAT binary)",
                     target_columns(plan), postgres::qualified(schema, plan.target_name()),
                     target_has_key(plan));
}

std::string target_columns(const TablePlan& plan) {
  std::vector<std::string> columns;
  for (std::size_t i = 0; i < plan.types.size(); ++i) columns.push_back(shown_column(plan, i));
  for (std::size_t i = 0; i < plan.rules.added.size(); ++i)
    columns.push_back(shown_constant(plan, i));
  return fmt::format("{}", fmt::join(columns, ", "));
}

// Row comparison: of keys without NULL.
std::string target_bound(const TablePlan& plan, std::string_view comparison,
                         std::string_view bound) {
  std::vector<std::string> terms, bounds;
  for (std::size_t i = 0; i < plan.shape.key.size(); ++i) {
    const std::size_t column = plan.shape.key[i];
    terms.push_back(target_key_term(plan, column));
    bounds.push_back(typed(plan.types[column], setting_value(bound, i)));
  }
  return fmt::format("({}) {} ({})", fmt::join(terms, ", "), comparison, fmt::join(bounds, ", "));
}

std::string source_range_sql(const TablePlan& plan, bool from_start) {
  std::vector<std::string> order;
  for (const std::size_t column : plan.shape.key) order.push_back(source_key_term(plan, column));
  return fmt::format("{}{} ORDER BY {}", source_select(plan),
                     from_start ? "" : " WHERE " + source_bounds(plan), fmt::join(order, ", "));
}

bool key_may_be_null(postgres::Connection& target, const std::string& schema,
                     const TablePlan& plan) {
  std::vector<std::optional<std::string>> parameters{
      postgres::qualified(schema, plan.target_name())};
  std::vector<std::string> names;
  for (const std::size_t column : plan.shape.key) {
    parameters.emplace_back(plan.target_column(column));
    names.push_back(fmt::format("${}", parameters.size()));
  }
  return target
      .query(fmt::format("SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = $1::regclass "
                         "AND attname IN ({}) AND NOT attnotnull)",
                         fmt::join(names, ", ")),
             parameters)
      .boolean(0, 0);
}

std::string target_null_keys_sql(const std::string& schema, const TablePlan& plan) {
  return fmt::format("COPY (SELECT {} FROM {} WHERE {}) TO STDOUT (FORMAT binary)",
                     target_columns(plan), postgres::qualified(schema, plan.target_name()),
                     fmt::join(key_nulls(plan, "IS NULL"), " OR "));
}

std::string target_range_sql(const std::string& schema, const TablePlan& plan, bool from_start,
                             bool to_end, bool without_nulls) {
  std::vector<std::string> order, bounds;
  if (without_nulls) bounds = key_nulls(plan, "IS NOT NULL");
  for (const std::size_t column : plan.shape.key) order.push_back(target_key_term(plan, column));
  if (!from_start) bounds.push_back(target_bound(plan, ">", kAfter));
  if (!to_end) bounds.push_back(target_bound(plan, "<=", kUntil));
  return fmt::format("COPY (SELECT {} FROM {}{} ORDER BY {}) TO STDOUT (FORMAT binary)",
                     target_columns(plan), postgres::qualified(schema, plan.target_name()),
                     bounds.empty() ? "" : fmt::format(" WHERE {}", fmt::join(bounds, " AND ")),
                     fmt::join(order, ", "));
}

}  // namespace lockstep::verify
