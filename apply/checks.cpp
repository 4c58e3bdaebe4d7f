#include "apply/checks.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "apply/translate.hpp"
#include "link/postgres/names.hpp"
#include "link/sqlite/sql_text.hpp"

namespace lockstep::apply {

namespace {

// The server's spelling of a condition, from a table of the same columns; empty: not there any more
// as it was made.
std::string spelled_by_server(postgres::Connection& connection, const std::string& table,
                              const CheckSql& check) {
  connection.exec("SAVEPOINT spelled");
  std::string definition;
  try {
    connection.exec(
        fmt::format("CREATE TEMPORARY TABLE _lockstep_checked (LIKE {}); ALTER TABLE "
                    "pg_temp._lockstep_checked ADD CHECK {}",
                    table, check.condition));
    definition = connection
                     .query(
                         "SELECT pg_catalog.pg_get_constraintdef(oid) FROM "
                         "pg_catalog.pg_constraint WHERE contype = 'c' AND conrelid = "
                         "pg_catalog.to_regclass('pg_temp._lockstep_checked')",
                         {})
                     .value(0, 0);
  } catch (const Error& error) {
    if (!error.foreign().starts_with("42")) throw;
  }
  connection.exec("ROLLBACK TO SAVEPOINT spelled; RELEASE SAVEPOINT spelled");
  return definition;
}

}  // namespace

std::vector<CheckSql> own_checks(const TablePlan& plan, std::set<std::string> taken) {
  std::vector<CheckSql> checks;
  for (const sqlite::CheckText& check : sqlite::read_checks(plan.shape.sql)) {
    const Translation condition = translate_condition(plan, check.expression);
    if (condition.sql.empty()) continue;
    const bool named =
        postgres::relation_name_problem(check.name).empty() && taken.insert(check.name).second;
    checks.push_back(
        {named ? check.name : std::string(),
         condition.sql.front() == '(' ? condition.sql : fmt::format("({})", condition.sql)});
  }
  return checks;
}

std::string add_sql(const std::string& table, const CheckSql& check) {
  return fmt::format(
      "ALTER TABLE {} ADD {}CHECK {}", table,
      check.name.empty() ? "" : fmt::format("CONSTRAINT {} ", postgres::quoted(check.name)),
      check.condition);
}

std::vector<CheckSql> checks_only_in(const std::vector<CheckSql>& some,
                                     const std::vector<CheckSql>& others) {
  std::vector<CheckSql> rest = others, found;
  for (const CheckSql& check : some) {
    const auto same = std::find(rest.begin(), rest.end(), check);
    if (same == rest.end())
      found.push_back(check);
    else
      rest.erase(same);
  }
  return found;
}

std::vector<std::string> names_of_checks(postgres::Connection& connection, const std::string& table,
                                         const std::vector<CheckSql>& checks) {
  std::vector<std::string> names;
  for (const CheckSql& check : checks) {
    // A named one may have been made under another name, where that was taken.
    const postgres::Result made = connection.query(
        "SELECT conname FROM pg_catalog.pg_constraint WHERE contype = 'c' AND conrelid = "
        "pg_catalog.to_regclass($1) AND (conname = $2 OR $2 = '' AND "
        "pg_catalog.pg_get_constraintdef(oid) = $3) ORDER BY oid",
        {table, check.name,
         check.name.empty() ? spelled_by_server(connection, table, check) : std::string()});
    for (int row = 0; row < made.rows(); ++row) {
      const std::string name(made.value(row, 0));
      if (std::find(names.begin(), names.end(), name) != names.end()) continue;
      names.push_back(name);
      break;
    }
  }
  return names;
}

bool add_check(postgres::Connection& connection, const std::string& table, const CheckSql& check) {
  constexpr std::string_view kBroken = "23514";
  connection.exec("SAVEPOINT checked");
  try {
    connection.exec(add_sql(table, check));
  } catch (const Error& error) {
    if (error.foreign() != kBroken) throw;
    connection.exec("ROLLBACK TO SAVEPOINT checked; RELEASE SAVEPOINT checked");
    return false;
  }
  connection.exec("RELEASE SAVEPOINT checked");
  return true;
}

Told broken_check(const std::string& name, const std::string& table, const CheckSql& check) {
  return {"LS-T231", name,
          fmt::format("rows of {} break a CHECK, so PostgreSQL does not get it: {}", name,
                      add_sql(table, check))};
}

}  // namespace lockstep::apply
