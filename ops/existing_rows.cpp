#include "ops/existing_rows.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "link/postgres/names.hpp"
#include "link/sqlite/shape.hpp"
#include "ops/names.hpp"

namespace lockstep::ops {

namespace {

std::int64_t rows_of(postgres::Connection& connection, const std::string& schema,
                     const std::string& table) {
  return connection.exec("SELECT pg_catalog.count(*) FROM " + postgres::qualified(schema, table))
      .integer(0, 0);
}

// A glob that matches this name and no other.
std::string as_glob(const std::string& name) {
  std::string glob;
  for (const char c : name) {
    if (std::string_view("*?[\\").find(c) != std::string_view::npos) glob += '\\';
    glob += c;
  }
  return glob;
}

std::string name_there(const std::string& table, const std::optional<RuleSet>& rules) {
  if (!rules) return table;
  const auto rule = rules->tables.find(table);
  return rule == rules->tables.end() || rule->second.rename.empty() ? table : rule->second.rename;
}

std::string counted(std::int64_t rows) {
  return fmt::format("{} row{}", grouped(rows), rows == 1 ? "" : "s");
}

}  // namespace

bool is_bookkeeping(const std::string& table) {
  constexpr std::array<std::string_view, 8> kTables{
      "django_migrations", "django_content_type",  "auth_permission", "django_site",
      "schema_migrations", "ar_internal_metadata", "alembic_version", "_prisma_migrations"};
  return std::find(kTables.begin(), kTables.end(), table) != kTables.end();
}

std::vector<std::string> rows_to_skip(sqlite::Database& source, postgres::Connection& connection,
                                      const std::string& schema,
                                      const std::map<std::string, CatalogTable>& there,
                                      const RunRequest& request, Screen& screen) {
  std::vector<std::string> globs;
  if (request.on_existing_row != "skip") return globs;
  for (const sqlite::TableName& table : sqlite::list_tables(source)) {
    const std::string name = name_there(table.name, request.rules);
    const auto found = there.find(name);
    if (found == there.end() || !found->second.writable || is_bookkeeping(table.name)) continue;
    if (matches_any(table.name, request.exclude)) continue;
    const std::int64_t rows = rows_of(connection, schema, name);
    if (rows == 0) continue;
    globs.push_back(as_glob(table.name));
    screen.note(Note{"LS-T220", table.name,
                     fmt::format("{} has {} on the target and is not followed (on_existing_row "
                                 "skip)",
                                 name, counted(rows))});
  }
  return globs;
}

void settle_existing_rows(postgres::Connection& connection, const std::string& schema,
                          const std::string& on_existing_row, std::vector<TablePlan>& plans,
                          Screen& screen) {
  std::vector<std::string> refused;
  for (TablePlan& plan : plans) {
    if (!plan.existing) continue;
    const std::int64_t rows = rows_of(connection, schema, plan.target_name());
    plan.existing->replaces_rows =
        on_existing_row == "update" || (on_existing_row != "fail" && is_bookkeeping(plan.name()));
    if (rows == 0) continue;
    if (!plan.existing->replaces_rows) {
      refused.push_back(fmt::format("{} ({})", plan.target_name(), counted(rows)));
      continue;
    }
    screen.note(Note{"LS-T220", plan.name(),
                     fmt::format("{}: {} on the target give way to the source's",
                                 plan.target_name(), counted(rows))});
  }
  if (refused.empty()) return;
  throw Error(
      {.code = "LS-T206",
       .exit = ExitCode::precondition,
       .what = fmt::format("tables on the target have rows already: {}", fmt::join(refused, ", ")),
       .why = fmt::format("schema {} of {}; no lockstep ledger knows them", schema,
                          connection.dsn().shown()),
       .data = "nothing was installed; nothing was touched",
       .todo = "wrong database? Else --on-existing-row update (the source's rows take their "
               "place), --on-existing-row skip (such tables are not followed), or "
               "--exclude them"});
}

}  // namespace lockstep::ops
