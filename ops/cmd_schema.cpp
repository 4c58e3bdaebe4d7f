#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "apply/foreign_keys.hpp"
#include "apply/target_schema.hpp"
#include "link/postgres/names.hpp"
#include "ops/assessment.hpp"
#include "ops/commands.hpp"
#include "ops/names.hpp"
#include "ops/printable.hpp"

namespace lockstep::ops {

namespace {

// A name or an expression may have line ends, and the next line would be SQL; or say things to the
// terminal.
std::string comment(const std::string& text) {
  return "-- " + printable(text) + "\n";
}

// What the configuration decided, so that the reader of the SQL need not look there.
std::vector<std::string> rules_told(const TablePlan& plan) {
  std::vector<std::string> told;
  if (!plan.rules.rename.empty())
    told.push_back(fmt::format("configuration: {} is renamed", plan.name()));
  for (std::size_t i = 0; i < plan.rules.columns.size(); ++i)
    if (!plan.rules.columns[i].empty())
      told.push_back(fmt::format("configuration: {}.{}: {}", plan.name(),
                                 plan.shape.columns[i].name, describe(plan.rules.columns[i])));
  for (const AddedColumn& column : plan.rules.added)
    told.push_back(fmt::format("configuration: {} gets a column {}", plan.name(), column.name));
  return told;
}

std::string tables_sql(const std::string& schema, const std::vector<TablePlan>& plans) {
  std::string sql;
  for (const TablePlan& plan : plans) {
    sql += "\n";
    for (const std::string& rule : rules_told(plan)) sql += comment(rule);
    sql += apply::create_table_sql(schema, plan, plans) + ";\n";
    for (const std::string& statement : apply::comments_sql(schema, plan)) sql += statement + ";\n";
    for (const std::string& sentence : plan.left_out) sql += comment(sentence);
  }
  return sql;
}

std::string keys_sql(const std::string& schema, const std::vector<TablePlan>& plans) {
  std::string sql = "\n" + comment("after the copy");
  for (const TablePlan& plan : plans) {
    const apply::KeyStatements keys = apply::key_statements(schema, plan, plans);
    for (const apply::IndexStatement& index : keys.indexes) sql += index.sql + ";\n";
    for (const std::string& statement : keys.constraints) sql += statement + ";\n";
    const std::string table = postgres::qualified(schema, plan.target_name());
    for (const apply::CheckSql& check : keys.checks) sql += apply::add_sql(table, check) + ";\n";
  }
  return sql;
}

std::string foreign_keys_sql(const std::string& schema, const std::vector<TablePlan>& plans) {
  std::string added, validated;
  for (const TablePlan& plan : plans) {
    const std::vector<ForeignKey>& keys = plan.shape.references;
    const auto spelled = apply::foreign_key_sql(schema, plan, keys, plans);
    for (std::size_t i = 0; i < spelled.size(); ++i) {
      if (spelled[i].add.empty()) {
        added +=
            comment(fmt::format("{}: foreign key ({}) to {}: not translated: {}", plan.name(),
                                fmt::join(keys[i].columns, ", "), keys[i].parent, spelled[i].why));
        continue;
      }
      added += spelled[i].add + ";\n";
      validated += spelled[i].validate + ";\n";
    }
  }
  if (added.empty()) return {};
  return "\n" +
         comment(
             "foreign keys: their actions must not act while lockstep follows; run makes them "
             "behind the "
             "copy if its role may set session_replication_role, else lockstep remove does") +
         added + (validated.empty() ? "" : comment("these fail where rows have no parent")) +
         validated;
}

}  // namespace

ExitCode command_schema_generate(const SchemaRequest& request, Screen& screen) {
  sqlite::Database database =
      sqlite::Database::open(source_path(request.source), sqlite::OpenMode::read_only);
  const Assessment assessment = assess(database, request.choice, screen);
  const std::string schema = request.schema.empty() ? "public" : request.schema;
  std::string sql = fmt::format("CREATE SCHEMA IF NOT EXISTS {};\n", postgres::quoted(schema));
  for (const std::string& skipped : assessment.skipped) sql += comment("skipped: " + skipped);
  for (const Refusal& refusal : assessment.refusals)
    sql +=
        comment(fmt::format("REFUSED: {}: {}", refusal.table, fmt::join(refusal.problems, "; ")));
  sql += tables_sql(schema, assessment.plans);
  sql += keys_sql(schema, assessment.plans);
  sql += foreign_keys_sql(schema, assessment.plans);
  screen.text(sql);
  screen.json(nlohmann::json{{"type", "schema"}, {"sql", sql}}.dump(
      -1, ' ', false, nlohmann::json::error_handler_t::replace));
  return assessment.refusals.empty() ? ExitCode::done : ExitCode::precondition;
}

}  // namespace lockstep::ops
