#include "apply/freed_names.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "apply/target_schema.hpp"
#include "link/postgres/names.hpp"

namespace lockstep::apply {

namespace {

using postgres::qualified;

bool has_index(postgres::Connection& connection, const FreedName& freed) {
  return connection
             .query(
                 "SELECT FROM pg_catalog.pg_index WHERE indexrelid = pg_catalog.to_regclass($1) "
                 "AND indrelid = pg_catalog.to_regclass($2)",
                 {qualified(freed.schema, freed.was), qualified(freed.schema, freed.table)})
             .rows() > 0;
}

// The constraint is renamed with its index, and has a name among those of its table.
bool is_free(postgres::Connection& connection, const FreedName& freed, const std::string& name) {
  return connection
      .query(
          "SELECT pg_catalog.to_regclass($1) IS NULL AND NOT EXISTS (SELECT FROM "
          "pg_catalog.pg_constraint WHERE conrelid = pg_catalog.to_regclass($2) AND conname = $3)",
          {qualified(freed.schema, name), qualified(freed.schema, freed.table), name})
      .boolean(0, 0);
}

}  // namespace

std::vector<FreedName> names_to_free(const std::string& schema, const TablePlan& plan,
                                     const std::vector<TablePlan>& plans) {
  std::vector<FreedName> names;
  const auto& given = plan.carried_indexes;
  for (const IndexStatement& index : key_statements(schema, plan, plans).indexes)
    if (std::find(given.begin(), given.end(), index.name) != given.end())
      names.push_back({schema, plan.target_name(), index.name, fmt::format("_left{}", plan.id)});
  return names;
}

// No two tables of an era have one number, but a copy before this one counted as well, and long
// names that begin alike are one where they are cut.
std::string free_name(postgres::Connection& connection, const FreedName& freed,
                      const std::set<std::string>& wanted) {
  if (!has_index(connection, freed)) return {};
  for (int attempt = 0;; ++attempt) {
    const std::string tail = attempt == 0 ? freed.tail : fmt::format("{}_{}", freed.tail, attempt);
    std::string name = name_with_tail(freed.was, tail);
    if (wanted.contains(name) || !is_free(connection, freed, name)) continue;
    connection.exec(fmt::format("ALTER INDEX {} RENAME TO {}", qualified(freed.schema, freed.was),
                                postgres::quoted(name)));
    return name;
  }
}

}  // namespace lockstep::apply
