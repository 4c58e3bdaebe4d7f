// What PostgreSQL has of the source's schema, and making what it has not.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "apply/existing.hpp"
#include "apply/foreign_key_ledger.hpp"
#include "apply/ledger.hpp"
#include "apply/target_schema.hpp"
#include "apply/target_tables.hpp"
#include "capture/install.hpp"
#include "link/postgres/names.hpp"
#include "ops/assessment.hpp"
#include "ops/commands.hpp"
#include "ops/names.hpp"
#include "ops/refusals.hpp"
#include "ops/there_only.hpp"

namespace lockstep::ops {

namespace {

using postgres::Connection;

struct Difference {
  std::string code, table, what;
  bool blocks = true;
};

// Problems that have a code of their own begin with it.
Difference problem(const std::string& table, const std::string& sentence) {
  constexpr std::size_t kCodeBytes = 7;
  if (sentence.starts_with("LS-") && sentence.size() > kCodeBytes && sentence[kCodeBytes] == ' ')
    return {sentence.substr(0, kCodeBytes), table, sentence.substr(kCodeBytes + 1)};
  return {"LS-A100", table, sentence};
}

std::string schema_of(const SchemaRequest& request, const postgres::Dsn& dsn) {
  return !request.schema.empty() ? request.schema : !dsn.schema.empty() ? dsn.schema : "public";
}

Assessment assess_with(sqlite::Database& database, const SchemaRequest& request,
                       Connection& connection, const std::map<std::string, CatalogTable>& there,
                       Screen& screen) {
  TableChoice choice = request.choice;
  choice.there = &there;
  choice.silent = apply::may_be_silent(connection);
  Assessment assessment = assess(database, choice, screen);
  add_unchecked(connection, schema_of(request, connection.dsn()), assessment);
  return assessment;
}

std::vector<Difference> differences_of(const Assessment& assessment) {
  std::vector<Difference> found;
  for (const Refusal& refusal : assessment.refusals)
    for (const std::string& sentence : refusal.problems)
      found.push_back(problem(refusal.table, sentence));
  for (const TableWarning& warning : assessment.warnings)
    if (warning.code == "LS-T220")
      found.push_back({warning.code, warning.table, warning.what, false});
  for (const TablePlan& plan : assessment.plans)
    if (!plan.existing)
      found.push_back({"LS-T220", plan.name(), "is not there: lockstep run makes it", false});
  return found;
}

// Of a migration under way the ledger knows what the tables were made as.
std::optional<std::vector<Difference>> differences_of_migration(sqlite::Database& database,
                                                                Connection& connection) {
  const auto installed = capture::read_installed(database);
  if (!installed) return std::nullopt;
  const auto ledger = apply::read_ledger(connection, installed->migration, apply::RowLock::none);
  if (!ledger || ledger->phase == apply::Phase::installing) return std::nullopt;
  std::vector<Difference> found;
  const auto tables = apply::read_tables(connection, installed->migration);
  for (std::string& sentence :
       apply::tables_differ(connection, installed->migration, ledger->target_schema, tables,
                            apply::may_be_silent(connection)))
    found.push_back({"LS-T214", "", std::move(sentence)});
  if (ledger->phase != apply::Phase::streaming) return found;
  for (std::string& sentence : apply::foreign_keys_differ(
           connection, installed->migration, ledger->target_schema,
           apply::own_foreign_keys(ledger->target_schema, apply::plans_of(tables))))
    found.push_back({"LS-T220", "", std::move(sentence), false});
  return found;
}

void print(const Difference& difference, Screen& screen) {
  screen.result(fmt::format("{:<8}  {} {}{}{}", difference.blocks ? "blocks" : "differs",
                            difference.code, difference.table, difference.table.empty() ? "" : ": ",
                            difference.what));
  screen.json(nlohmann::json{{"type", "difference"},
                             {"code", difference.code},
                             {"table", difference.table},
                             {"what", difference.what},
                             {"blocks", difference.blocks}}
                  .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

// Foreign keys come last, when every table is there; without rows they are valid at once.
std::vector<std::string> statements_for(const std::string& schema,
                                        const std::vector<TablePlan>& plans) {
  std::vector<std::string> statements, keys, foreign;
  for (const TablePlan& plan : plans) {
    if (plan.existing) continue;
    statements.push_back(apply::create_table_sql(schema, plan, plans));
    for (std::string& comment : apply::comments_sql(schema, plan))
      statements.push_back(std::move(comment));
    const apply::KeyStatements made = apply::key_statements(schema, plan, plans);
    for (const apply::IndexStatement& index : made.indexes) keys.push_back(index.sql);
    keys.insert(keys.end(), made.constraints.begin(), made.constraints.end());
    for (const apply::CheckSql& check : made.checks)
      keys.push_back(apply::add_sql(postgres::qualified(schema, plan.target_name()), check));
  }
  for (const apply::ForeignKeySql& key : apply::own_foreign_keys(schema, plans)) {
    foreign.push_back(key.add);
    foreign.push_back(key.validate);
  }
  statements.insert(statements.end(), keys.begin(), keys.end());
  statements.insert(statements.end(), foreign.begin(), foreign.end());
  return statements;
}

void ask(const SchemaRequest& request, std::size_t tables, const Connection& connection) {
  if (request.yes) return;
  if (::isatty(STDIN_FILENO) == 1) {
    std::cerr << fmt::format("make {} tables in {}? [y/N] ", tables, connection.dsn().shown())
              << std::flush;
    std::string answer;
    std::getline(std::cin, answer);
    if (answer == "y" || answer == "yes") return;
  }
  throw Error({.code = "LS-C100",
               .exit = ExitCode::usage,
               .what = "nobody said yes",
               .why = "what would be made is printed above",
               .data = "nothing was touched",
               .todo = "answer y at a terminal, or give --yes"});
}

void make(Connection& connection, const std::string& schema,
          const std::vector<std::string>& statements) {
  connection.exec("BEGIN");
  try {
    if (connection.query("SELECT 1 FROM pg_namespace WHERE nspname = $1", {schema}).rows() == 0)
      connection.exec(fmt::format("CREATE SCHEMA {}", postgres::quoted(schema)));
    for (const std::string& sql : statements) connection.exec(sql);
    connection.exec("COMMIT");
  } catch (...) {
    connection.abort();
    throw;
  }
}

}  // namespace

ExitCode command_schema_diff(const SchemaRequest& request, Screen& screen) {
  sqlite::Database database =
      sqlite::Database::open(source_path(request.source), sqlite::OpenMode::read_only);
  const postgres::Dsn dsn = postgres::parse_dsn(request.target);
  Connection connection = Connection::open(dsn, "schema");
  auto found = differences_of_migration(database, connection);
  if (!found) {
    const auto there = apply::read_catalog(connection, schema_of(request, dsn));
    found = differences_of(assess_with(database, request, connection, there, screen));
  }
  for (const Difference& difference : *found) print(difference, screen);
  if (found->empty()) screen.result("the same: nothing differs");
  return found->empty() ? ExitCode::done : ExitCode::different;
}

ExitCode command_schema_apply(const SchemaRequest& request, Screen& screen) {
  sqlite::Database database =
      sqlite::Database::open(source_path(request.source), sqlite::OpenMode::read_only);
  const postgres::Dsn dsn = postgres::parse_dsn(request.target);
  Connection connection = Connection::open(dsn, "schema");
  const std::string schema = schema_of(request, dsn);
  const auto there = apply::read_catalog(connection, schema);
  Assessment assessment = assess_with(database, request, connection, there, screen);
  // A run writes all columns of tables that it finds there.
  for (TablePlan& plan : assessment.plans)
    for (Column& column : plan.shape.columns) column.computed_as.clear();
  print_assessment(assessment, screen);
  refuse_uncarried(assessment);
  std::size_t made = 0;
  for (const TablePlan& plan : assessment.plans) made += plan.existing ? 0 : 1;
  const auto statements = statements_for(schema, assessment.plans);
  if (made > 0) {
    refuse_taken_names(connection, schema, assessment.plans);
    std::string sql;
    for (const std::string& statement : statements) sql += statement + ";\n";
    screen.text(sql);
    ask(request, made, connection);
    make(connection, schema, statements);
  }
  screen.result(fmt::format("{} tables made in schema {}, {} were there", made, schema,
                            assessment.plans.size() - made));
  screen.json(nlohmann::json{{"type", "schema_applied"},
                             {"schema", schema},
                             {"made", made},
                             {"there", assessment.plans.size() - made}}
                  .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  return ExitCode::done;
}

}  // namespace lockstep::ops
