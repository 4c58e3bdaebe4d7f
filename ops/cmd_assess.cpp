#include <fmt/format.h>

#include <chrono>

#include "apply/existing.hpp"
#include "link/sqlite/statement.hpp"
#include "ops/commands.hpp"
#include "ops/existing_rows.hpp"
#include "ops/names.hpp"
#include "ops/orphans.hpp"
#include "ops/output_file.hpp"
#include "ops/report.hpp"
#include "ops/there_only.hpp"

namespace lockstep::ops {

namespace {

std::size_t triggers_of(sqlite::Database& database, const std::string& table) {
  sqlite::Statement count(database,
                          "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND tbl_name "
                          "= ?1 COLLATE NOCASE AND name NOT LIKE '\\_lockstep\\_%' ESCAPE '\\'");
  count.bind(1, std::string_view(table));
  return count.step() ? static_cast<std::size_t>(count.integer(0)) : 0;
}

std::vector<std::string> views_of(sqlite::Database& database) {
  sqlite::Statement rows(database, "SELECT name FROM sqlite_master WHERE type = 'view' ORDER BY 1");
  std::vector<std::string> names;
  while (rows.step()) names.push_back(rows.text(0));
  return names;
}

std::string schema_of(const AssessRequest& request, const postgres::Dsn& dsn) {
  return !request.schema.empty() ? request.schema : !dsn.schema.empty() ? dsn.schema : "public";
}

// Tables that are there already decide types. If it cannot be asked, look_at_target() says why.
struct There {
  std::map<std::string, CatalogTable> tables;
  bool silent = false;
};
There tables_there(const AssessRequest& request, const postgres::Dsn& dsn) {
  try {
    postgres::Connection connection = postgres::Connection::open(dsn, "assess");
    return {apply::read_catalog(connection, schema_of(request, dsn)),
            apply::may_be_silent(connection)};
  } catch (const Error&) {
    return {};
  }
}

// Where it cannot be asked, look_at_target says so.
void look_at_rules_there(const AssessRequest& request, const postgres::Dsn& dsn,
                         Assessment& assessment) {
  try {
    postgres::Connection connection = postgres::Connection::open(dsn, "assess");
    add_unchecked(connection, schema_of(request, dsn), assessment);
  } catch (const Error&) {
    return;
  }
}

// Whatever is wrong with the target is part of the answer, not the end of it.
void look_at_target(const AssessRequest& request, const postgres::Dsn& dsn,
                    sqlite::Database& database, Report& report, Screen& screen) {
  report.target = dsn.shown();
  const std::string schema = schema_of(request, dsn);
  try {
    postgres::Connection connection = postgres::Connection::open(dsn, "assess");
    report.target_checks = check_target(connection, schema, report.assessment.plans);
    try {
      std::vector<TablePlan> plans = report.assessment.plans;
      settle_existing_rows(connection, schema, "", plans, screen);
    } catch (const Error& rows) {
      report.target_checks.push_back(failed_check(rows.facts()));
    }
    for (const Check& check : report.target_checks)
      if (check.code == "LS-T204" || check.code == "LS-T266") return;
    report.estimate = estimate_copy(database, connection, schema, report.assessment);
  } catch (const Error& error) {
    report.target_checks.push_back(failed_check(error.facts()));
  }
}

}  // namespace

ExitCode command_assess(const AssessRequest& request, Screen& screen) {
  std::optional<postgres::Dsn> dsn;
  if (!request.target.empty()) dsn = postgres::parse_dsn(request.target);
  const std::string path = source_path(request.source);
  check_output(request.html, "--html", path);
  Report report;
  report.source = path;
  report.sample = request.choice.sample;
  sqlite::Database database = sqlite::Database::open(path, sqlite::OpenMode::read_only);
  report.source_checks = check_source(database);
  const SteadyTime begun = steady_now();
  TableChoice choice = request.choice;
  const There there = dsn ? tables_there(request, *dsn) : There();
  if (dsn) choice.there = &there.tables;
  choice.silent = there.silent;
  report.assessment = assess(database, choice, screen);
  if (dsn) look_at_rules_there(request, *dsn, report.assessment);
  report.seconds = std::chrono::duration<double>(steady_now() - begun).count();
  report.findings = all_findings(report.assessment);
  for (Finding& orphans : orphans_in(database, report.assessment))
    report.findings.push_back(std::move(orphans));
  for (const TableFacts& table : report.assessment.tables)
    report.triggers.push_back(triggers_of(database, table.shape.name));
  report.views = views_of(database);
  if (dsn) look_at_target(request, *dsn, database, report, screen);

  screen.text(report_text(report, request.columns));
  screen.json(report_json(report));
  if (!request.html.empty()) {
    write_output(request.html, "--html", path, report_html(report));
    screen.note("wrote     " + request.html);
  }
  return blockers_in(report) == 0 ? ExitCode::done : ExitCode::precondition;
}

}  // namespace lockstep::ops
