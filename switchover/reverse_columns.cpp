#include "switchover/reverse_columns.hpp"

#include <fmt/format.h>

#include <map>

#include "link/postgres/names.hpp"

namespace lockstep::switchover {

namespace {

/// Name to type, as format_type() has it; empty: of any type.
std::map<std::string, std::string> expected(const TablePlan& plan) {
  std::map<std::string, std::string> columns;
  for (std::size_t i = 0; i < plan.shape.columns.size(); ++i)
    columns[plan.target_column(i)] =
        plan.existing ? plan.existing->columns[i].type : std::string(to_string(plan.types[i]));
  for (std::size_t i = 0; i < plan.rules.added.size(); ++i)
    columns[plan.rules.added[i].name] = plan.existing
                                            ? plan.existing->added[i].type
                                            : std::string(to_string(plan.rules.added[i].type));
  if (plan.existing)
    for (const std::string& extra : plan.existing->extra) columns[extra] = "";
  return columns;
}

}  // namespace

std::vector<CannotGoBack> column_changes(postgres::Connection& connection,
                                         const std::string& schema,
                                         const std::vector<const TablePlan*>& plans) {
  std::vector<std::string> names;
  std::vector<CannotGoBack> changes;
  std::map<std::string, std::map<std::string, std::string>> missing;
  for (const TablePlan* const plan : plans) {
    names.push_back(plan->target_name());
    missing[plan->target_name()] = expected(*plan);
  }
  const postgres::Result rows = connection.query(
      "SELECT c.relname, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod) FROM "
      "pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid JOIN "
      "pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = "
      "ANY ($2::text[]) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.relname, a.attnum",
      {schema, postgres::text_array(names)});
  const auto say = [&](const std::string& table, const std::string& column, std::string what) {
    changes.push_back({table, column, std::move(what)});
  };
  for (int row = 0; row < rows.rows(); ++row) {
    const std::string table(rows.value(row, 0)), column(rows.value(row, 1));
    auto& left = missing[table];
    const auto known = left.find(column);
    if (known == left.end()) {
      say(table, column, "only PostgreSQL has it, and the plan does not know it");
      continue;
    }
    if (!known->second.empty() && known->second != rows.value(row, 2))
      say(table, column, fmt::format("is {} now, it was {}", rows.value(row, 2), known->second));
    left.erase(known);
  }
  for (const auto& [table, columns] : missing)
    for (const auto& [column, type] : columns) say(table, column, "is no longer there");
  return changes;
}

std::vector<std::string> key_collations(postgres::Connection& connection, const std::string& schema,
                                        const TablePlan& plan) {
  const postgres::Result rows = connection.query(
      "SELECT a.attname, m.nspname, l.collname FROM pg_catalog.pg_attribute AS a JOIN "
      "pg_catalog.pg_class AS c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace AS n ON n.oid = "
      "c.relnamespace JOIN pg_catalog.pg_collation AS l ON l.oid = a.attcollation AND l.collname "
      "<> 'default' JOIN pg_catalog.pg_namespace AS m ON m.oid = l.collnamespace WHERE n.nspname = "
      "$1 AND c.relname = $2 AND a.attnum > 0",
      {schema, plan.target_name()});
  std::vector<std::string> collations;
  for (const std::size_t column : plan.shape.key) {
    std::string& collation = collations.emplace_back();
    for (int row = 0; row < rows.rows(); ++row)
      if (rows.value(row, 0) == plan.target_column(column))
        collation = " COLLATE " + postgres::qualified(rows.value(row, 1), rows.value(row, 2));
  }
  return collations;
}

}  // namespace lockstep::switchover
