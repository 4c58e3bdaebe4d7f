#include <fmt/format.h>

#include <chrono>
#include <fstream>

#include "link/sqlite/statement.hpp"
#include "ops/commands.hpp"
#include "ops/names.hpp"
#include "ops/orphans.hpp"
#include "ops/report.hpp"

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

// Whatever is wrong with the target is part of the answer, not the end of it.
void look_at_target(const AssessRequest& request, const postgres::Dsn& dsn,
                    sqlite::Database& database, Report& report) {
  report.target = dsn.shown();
  const std::string schema = !request.schema.empty() ? request.schema
                             : !dsn.schema.empty()   ? dsn.schema
                                                     : "public";
  try {
    postgres::Connection connection = postgres::Connection::open(dsn, "assess");
    report.target_checks = check_target(connection, schema, report.assessment.plans);
    for (const Check& check : report.target_checks)
      if (check.code == "LS-T204") return;
    report.estimate = estimate_copy(database, connection, schema, report.assessment);
  } catch (const Error& error) {
    report.target_checks.push_back(failed_check(error.facts()));
  }
}

void write_page(const std::string& path, const std::string& page) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << page;
  file.close();
  if (file) return;
  throw Error({.code = "LS-C132",
               .exit = ExitCode::usage,
               .what = fmt::format("the page cannot be written to {}", path),
               .data = "nothing else was touched",
               .todo = "check the path given with --html"});
}

}  // namespace

ExitCode command_assess(const AssessRequest& request, Screen& screen) {
  std::optional<postgres::Dsn> dsn;
  if (!request.target.empty()) dsn = postgres::parse_dsn(request.target);
  const std::string path = source_path(request.source);
  Report report;
  report.source = path;
  report.sample = request.choice.sample;
  sqlite::Database database = sqlite::Database::open(path, sqlite::OpenMode::read_only);
  report.source_checks = check_source(database);
  const SteadyTime begun = steady_now();
  report.assessment = assess(database, request.choice, screen);
  report.seconds = std::chrono::duration<double>(steady_now() - begun).count();
  report.findings = all_findings(report.assessment);
  for (Finding& orphans : orphans_in(database, report.assessment))
    report.findings.push_back(std::move(orphans));
  for (const TableFacts& table : report.assessment.tables)
    report.triggers.push_back(triggers_of(database, table.shape.name));
  report.views = views_of(database);
  if (dsn) look_at_target(request, *dsn, database, report);

  screen.text(report_text(report, request.columns));
  screen.json(report_json(report));
  if (!request.html.empty()) {
    write_page(request.html, report_html(report));
    screen.note("wrote     " + request.html);
  }
  return blockers_in(report) == 0 ? ExitCode::done : ExitCode::precondition;
}

}  // namespace lockstep::ops
