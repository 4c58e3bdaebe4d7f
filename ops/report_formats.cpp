#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "ops/column_formats.hpp"
#include "ops/html.hpp"
#include "ops/progress.hpp"
#include "ops/report.hpp"

namespace lockstep::ops {

namespace {

using nlohmann::json;

json checks_json(const std::vector<Check>& checks) {
  json list = json::array();
  for (const Check& check : checks)
    list.push_back({{"ok", check.ok},
                    {"severity", check.ok ? "none" : std::string(to_string(check.severity))},
                    {"code", check.code},
                    {"what", check.what},
                    {"todo", check.todo}});
  return list;
}

// JSON has no infinity.
json real_json(const std::optional<double>& value) {
  if (!value) return nullptr;
  if (std::isfinite(*value)) return *value;
  return *value > 0 ? "Infinity" : "-Infinity";
}

json integer_json(const std::optional<std::int64_t>& value) {
  return value ? json(*value) : json(nullptr);
}

json column_json(const TableFacts& table, std::size_t i) {
  const Column& column = table.shape.columns[i];
  const ColumnCensus& census = table.census.columns[i];
  const Proposal proposal = proposal_for(table, i);
  const auto count = [&](ValueClass kind) { return census.count[static_cast<std::size_t>(kind)]; };
  json formats = json::object();
  for (const auto& [name, values] : formats_of(column, census)) formats[name] = values;
  const std::string possible = possible_type(table, i);
  return {{"name", column.name},
          {"declared", column.declared_type},
          {"type", proposal.type.empty() ? json(nullptr) : json(proposal.type)},
          {"reason", proposal.reason},
          {"formats", std::move(formats)},
          {"possible_type", possible.empty() ? json(nullptr) : json(possible)},
          {"possible_config",
           possible.empty() ? json(nullptr) : json(type_line(table.shape, i, possible))},
          {"nulls", count(ValueClass::null)},
          {"integers", count(ValueClass::integer)},
          {"reals", count(ValueClass::real)},
          {"texts", count(ValueClass::text)},
          {"blobs", count(ValueClass::blob)},
          {"nul_texts", census.nul_texts},
          {"invalid_texts", census.invalid_texts},
          {"bytes_max", census.bytes_max},
          {"text_bytes_max", census.extremes.text_bytes_max},
          {"integer_min", integer_json(census.extremes.integer_min)},
          {"integer_max", integer_json(census.extremes.integer_max)},
          {"real_min", real_json(census.extremes.real_min)},
          {"real_max", real_json(census.extremes.real_max)}};
}

json tables_json(const Report& report) {
  json list = json::array();
  for (std::size_t i = 0; i < report.assessment.tables.size(); ++i) {
    const TableFacts& table = report.assessment.tables[i];
    json columns = json::array();
    for (std::size_t c = 0; c < table.shape.columns.size(); ++c)
      columns.push_back(column_json(table, c));
    list.push_back({{"name", table.shape.name},
                    {"rows", table.census.rows},
                    {"bytes", table.census.bytes},
                    {"whole", table.census.whole},
                    {"key", key_of(table.shape)},
                    {"indexes", table.shape.indexes.size()},
                    {"triggers", report.triggers[i]},
                    {"carried", table.carried},
                    {"columns", std::move(columns)}});
  }
  return list;
}

void html_checks(std::string& page, const std::string& title, const std::vector<Check>& checks) {
  page += fmt::format("<h2>{}</h2>\n<table>\n", escaped(title));
  for (const Check& check : checks)
    html_row(page, {check.ok ? "ok" : std::string(to_string(check.severity)), check.code,
                    check.what, check.todo});
  page += "</table>\n";
}

void html_findings(std::string& page, const Report& report) {
  page += "<h2>Blockers, decisions, warnings</h2>\n<table>\n";
  html_row(page, {"", "code", "where", "what", "examples", "flag", "config"}, "th");
  for (const Finding& finding : report.findings)
    html_row(page, {std::string(to_string(finding.severity)), finding.code, finding.place(),
                    finding.what, fmt::format("{}", fmt::join(finding.examples, " | ")),
                    finding.decide_flag, finding.decide_config});
  page += "</table>\n";
}

void html_tables(std::string& page, const Report& report) {
  page += "<h2>Tables</h2>\n<table>\n";
  html_row(page, {"table", "rows", "size", "key", "indexes", "triggers", "verdict"}, "th");
  for (std::size_t i = 0; i < report.assessment.tables.size(); ++i) {
    const TableFacts& table = report.assessment.tables[i];
    html_row(page, {table.shape.name, grouped(static_cast<std::int64_t>(table.census.rows)),
                    readable_bytes(table.census.bytes), key_of(table.shape),
                    std::to_string(table.shape.indexes.size()), std::to_string(report.triggers[i]),
                    verdict_on(report, table.shape.name)});
  }
  page += "</table>\n";
  for (const TableFacts& table : report.assessment.tables) {
    page += fmt::format("<h3>{}</h3>\n<table>\n", escaped(table.shape.name));
    html_row(page, {"column", "declared", "PostgreSQL", "reason", "values", "formats", "range"},
             "th");
    for (std::size_t i = 0; i < table.shape.columns.size(); ++i) {
      const Proposal proposal = proposal_for(table, i);
      html_row(page, {table.shape.columns[i].name, table.shape.columns[i].declared_type,
                      proposal.type.empty() ? "none" : proposal.type, proposal.reason,
                      classes_of(table.census.columns[i]),
                      formats_text(table.shape.columns[i], table.census.columns[i]),
                      range_of(table.census.columns[i])});
    }
    page += "</table>\n";
  }
}

}  // namespace

std::string report_json(const Report& report) {
  json findings = json::array();
  for (const Finding& finding : report.findings)
    findings.push_back(json::parse(finding_json(finding)));
  json object{{"type", "assessment"},
              {"version", 1},
              {"source", report.source},
              {"target", report.target.empty() ? json(nullptr) : json(report.target)},
              {"sample", report.sample},
              {"seconds", report.seconds},
              {"known_rows", report.assessment.known_rows},
              {"blockers", blockers_in(report)},
              {"source_checks", checks_json(report.source_checks)},
              {"target_checks", checks_json(report.target_checks)},
              {"frameworks", report.assessment.frameworks},
              {"tables", tables_json(report)},
              {"views", report.views},
              {"findings", std::move(findings)},
              {"estimate", nullptr}};
  if (report.estimate)
    object["estimate"] = {{"table", report.estimate->table},
                          {"rows", report.estimate->rows},
                          {"rows_per_second", report.estimate->rows_per_second},
                          {"bytes_per_second", report.estimate->bytes_per_second},
                          {"seconds_min", report.estimate->seconds_min},
                          {"seconds_max", report.estimate->seconds_max},
                          {"target_bytes", report.estimate->target_bytes}};
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string report_html(const Report& report) {
  std::string page = html_head("lockstep assess");
  const std::size_t blockers = blockers_in(report);
  page += fmt::format("<p>{}</p>\n", blockers == 0 ? std::string("Nothing stands in the way.")
                                                   : fmt::format("{} blocker(s).", blockers));
  html_checks(page, "Source " + report.source, report.source_checks);
  if (!report.target.empty()) html_checks(page, "Target " + report.target, report.target_checks);
  for (const std::string& framework : report.assessment.frameworks)
    page += fmt::format("<p>Made by {}</p>\n", escaped(framework));
  html_findings(page, report);
  html_tables(page, report);
  if (!report.views.empty())
    page += fmt::format("<p>Views, not carried: {}</p>\n",
                        escaped(fmt::format("{}", fmt::join(report.views, ", "))));
  page +=
      fmt::format("<h2>Estimate</h2>\n<p>{}</p>\n{}",
                  report.estimate ? escaped(estimate_text(*report.estimate)) : "none", kHtmlEnd);
  return page;
}

}  // namespace lockstep::ops
