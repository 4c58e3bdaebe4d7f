#include "switchover/reverse_rows.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "link/postgres/decode.hpp"
#include "link/postgres/names.hpp"

namespace lockstep::switchover {

namespace {

using postgres::carried_column;

std::string columns_of(const TablePlan& plan) {
  std::vector<std::string> columns;
  for (std::size_t i = 0; i < plan.types.size(); ++i)
    columns.push_back(carried_column(plan, i, "t"));
  return fmt::format("{}", fmt::join(columns, ", "));
}

/// The type that the column has on PostgreSQL.
std::string own_type(const TablePlan& plan, std::size_t column) {
  return plan.existing ? plan.existing->columns[column].type
                       : std::string(to_string(plan.types[column]));
}

}  // namespace

std::string touched_rows_sql(const std::string& migration, const std::string& schema,
                             const TablePlan& plan, const std::vector<std::string>& collations) {
  std::vector<std::string> keys, same;
  for (std::size_t i = 0; i < plan.shape.key.size(); ++i) {
    const std::size_t column = plan.shape.key[i];
    const std::string key = fmt::format("k.key[{}]::{}", i + 1, own_type(plan, column));
    keys.push_back(postgres::carried_value(plan, column, key));
    same.push_back(fmt::format("t.{} = {}{}", postgres::quoted(plan.target_column(column)), key,
                               i < collations.size() ? collations[i] : ""));
  }
  return fmt::format(
      "COPY (SELECT t.tableoid IS NOT NULL, {}, {} FROM (SELECT DISTINCT key FROM lockstep.changes "
      "WHERE migration = {} AND tbl = {} AND key IS NOT NULL) AS k LEFT JOIN {} AS t ON {}) TO "
      "STDOUT (FORMAT binary)",
      fmt::join(keys, ", "), columns_of(plan), postgres::literal(migration), plan.id,
      postgres::qualified(schema, plan.target_name()), fmt::join(same, " AND "));
}

std::string all_rows_sql(const std::string& schema, const TablePlan& plan) {
  std::vector<std::string> keys;
  for (const std::size_t column : plan.shape.key) keys.push_back(carried_column(plan, column, "t"));
  return fmt::format("COPY (SELECT true, {}, {} FROM {} AS t) TO STDOUT (FORMAT binary)",
                     fmt::join(keys, ", "), columns_of(plan),
                     postgres::qualified(schema, plan.target_name()));
}

}  // namespace lockstep::switchover
