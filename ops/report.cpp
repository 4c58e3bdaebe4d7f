#include "ops/report.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "ops/column_formats.hpp"
#include "ops/printable.hpp"
#include "ops/progress.hpp"

namespace lockstep::ops {

namespace {

void line(std::string& page, std::string_view text) {
  page += printable(text);
  page += '\n';
}

// JSON has no control characters but the line ends that are ours.
std::string printable_lines(std::string_view text) {
  std::string page;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    line(page, text.substr(at, end - at));
    at = end + 1;
  }
  return page;
}

std::string number(std::uint64_t value) {
  return grouped(static_cast<std::int64_t>(value));
}

void write_checks(std::string& page, std::string_view title, const std::vector<Check>& checks) {
  line(page, title);
  for (const Check& check : checks) {
    if (check.ok) {
      line(page, "  ok    " + check.what);
      continue;
    }
    line(page, fmt::format("  {}  {}  {}", check.severity == Severity::blocker ? "FAIL" : "warn",
                           check.code, check.what));
    if (!check.todo.empty()) line(page, "        do:  " + check.todo);
  }
}

void write_columns(std::string& page, const TableFacts& table, bool all) {
  for (std::size_t i = 0; i < table.shape.columns.size(); ++i) {
    const Column& column = table.shape.columns[i];
    const Proposal proposal = proposal_for(table, i);
    if (!all && !proposal.type.empty()) continue;
    const std::string range = range_of(table.census.columns[i]);
    line(page, fmt::format("      {} {} -> {}   {}{}{}", column.name, column.declared_type,
                           proposal.type.empty() ? "?" : proposal.type,
                           classes_of(table.census.columns[i]), range.empty() ? "" : "; ", range));
    if (!all) continue;
    if (const std::string formats = formats_text(column, table.census.columns[i]); !formats.empty())
      line(page, "          formats: " + formats);
    line(page, "          " + proposal.reason);
  }
}

// Wide enough for names that people give; a longer one moves its own line alone.
std::size_t name_width(const Report& report) {
  constexpr std::size_t kLeast = 12, kMost = 40;
  std::size_t width = kLeast;
  for (const TableFacts& table : report.assessment.tables)
    if (table.shape.name.size() <= kMost) width = std::max(width, table.shape.name.size());
  return width;
}

void write_tables(std::string& page, const Report& report, bool columns) {
  line(page,
       fmt::format(
           "Tables  {} read in {:.1f} s{}{}", report.assessment.tables.size(), report.seconds,
           report.assessment.known_rows > 0
               ? fmt::format(" ({} rows known since {})", number(report.assessment.known_rows),
                             report.assessment.known_since)
               : "",
           report.sample > 0 ? fmt::format(", only about {} rows of each: no proof of the rest",
                                           number(report.sample))
                             : ""));
  const std::size_t names = name_width(report);
  line(page, fmt::format("  {:<{}} {:>13} {:>10} {:>8} {:>8}  {:<18} {}", "table", names, "rows",
                         "size", "indexes", "triggers", "key", "verdict"));
  for (std::size_t i = 0; i < report.assessment.tables.size(); ++i) {
    const TableFacts& table = report.assessment.tables[i];
    line(page, fmt::format("  {:<{}} {:>13} {:>10} {:>8} {:>8}  {:<18} {}", table.shape.name, names,
                           number(table.census.rows), readable_bytes(table.census.bytes),
                           table.shape.indexes.size(), report.triggers[i], key_of(table.shape),
                           verdict_on(report, table.shape.name)));
    write_columns(page, table, columns);
  }
}

// Without what the place before it says already: "column total ", "data exact; …".
std::string_view short_words(const Finding& finding) {
  std::string_view words = finding.what;
  for (const std::string& start : {std::string(kDataExact), "column " + finding.column + " ",
                                   fmt::format("column \"{}\": ", finding.column)})
    if (words.starts_with(start)) return words.substr(start.size());
  return words;
}

bool says_all(const Finding& finding) {
  return std::all_of(
      finding.examples.begin(), finding.examples.end(),
      [&](const std::string& example) { return finding.what.find(example) != std::string::npos; });
}

void write_findings(std::string& page, const Report& report, Severity severity,
                    std::string_view title) {
  const auto count =
      std::count_if(report.findings.begin(), report.findings.end(),
                    [&](const Finding& finding) { return finding.severity == severity; });
  if (count == 0) return;
  line(page, "");
  line(page, fmt::format(fmt::runtime(title), count));
  for (const Finding& finding : report.findings) {
    if (finding.severity != severity) continue;
    const std::string place = finding.place();
    line(page, fmt::format("  {}  {}{}{}", finding.code, place, place.empty() ? "" : ": ",
                           short_words(finding)));
    if (!says_all(finding))
      line(page, fmt::format("           for example: {}", fmt::join(finding.examples, " | ")));
    if (severity == Severity::blocker && !finding.decide_config.empty())
      line(page, fmt::format("           decides it: {}", finding.decide_config));
  }
}

// No finding: the columns are carried exactly as they are.
void write_possible_types(std::string& page, const Report& report) {
  std::vector<std::string> lines;
  for (const TableFacts& table : report.assessment.tables)
    for (std::size_t i = 0; i < table.shape.columns.size(); ++i) {
      const std::string type = possible_type(table, i);
      if (type.empty()) continue;
      const Column& column = table.shape.columns[i];
      const ColumnCensus& census = table.census.columns[i];
      const std::string formats = formats_text(column, census);
      lines.push_back(fmt::format("  {}.{}: {}: {}", table.shape.name, column.name,
                                  formats.empty() ? classes_of(census) : formats,
                                  type_line(table.shape, i, type)));
    }
  if (lines.empty()) return;
  line(page, "");
  line(page, fmt::format("Notes ({})   carried exactly as they are; such a line of the "
                         "configuration gives the column the type of what it holds",
                         lines.size()));
  for (const std::string& each : lines) line(page, each);
}

}  // namespace

std::size_t blockers_in(const Report& report) {
  const auto is_blocker = [](const auto& one) { return one.severity == Severity::blocker; };
  std::size_t blockers = static_cast<std::size_t>(
      std::count_if(report.findings.begin(), report.findings.end(), is_blocker));
  for (const auto* checks : {&report.source_checks, &report.target_checks})
    blockers += static_cast<std::size_t>(
        std::count_if(checks->begin(), checks->end(),
                      [&](const Check& check) { return !check.ok && is_blocker(check); }));
  return blockers;
}

std::string key_of(const TableShape& shape) {
  if (shape.keyed_by_rowid) return "none (rowid)";
  std::vector<std::string> names;
  for (const std::size_t column : shape.key) names.push_back(shape.columns[column].name);
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

std::string range_of(const ColumnCensus& census) {
  std::vector<std::string> parts;
  const Extremes& extremes = census.extremes;
  if (extremes.integer_min)
    parts.push_back(fmt::format("{} .. {}", *extremes.integer_min, *extremes.integer_max));
  if (extremes.real_min)
    parts.push_back(fmt::format("{} .. {}", *extremes.real_min, *extremes.real_max));
  if (census.bytes_max > 0)
    parts.push_back(fmt::format("up to {} bytes", number(census.bytes_max)));
  return fmt::format("{}", fmt::join(parts, "; "));
}

std::string classes_of(const ColumnCensus& census) {
  std::vector<std::string> parts;
  for (const ValueClass kind : {ValueClass::integer, ValueClass::real, ValueClass::text,
                                ValueClass::blob, ValueClass::null})
    if (const std::uint64_t count = census.count[static_cast<std::size_t>(kind)]; count > 0)
      parts.push_back(
          fmt::format("{} {}", number(count), kind == ValueClass::null ? "NULL" : to_string(kind)));
  return parts.empty() ? "no row" : fmt::format("{}", fmt::join(parts, ", "));
}

std::string formats_text(const Column& column, const ColumnCensus& census) {
  std::vector<std::string> parts;
  for (const auto& [name, count] : formats_of(column, census))
    parts.push_back(fmt::format("{} {}", number(count), name));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string verdict_on(const Report& report, const std::string& table) {
  std::size_t decisions = 0;
  for (const Finding& finding : report.findings) {
    if (finding.table != table) continue;
    if (finding.severity == Severity::blocker) return "BLOCKED " + finding.code;
    if (finding.severity == Severity::decision) ++decisions;
  }
  if (decisions == 0) return "ok";
  return fmt::format("ok, {} decision{}", decisions, decisions == 1 ? "" : "s");
}

std::string estimate_text(const Estimate& estimate) {
  const auto seconds = [](double value) {
    return grouped(static_cast<std::int64_t>(std::ceil(std::max(value, 0.0))));
  };
  const std::string least = seconds(estimate.seconds_min), most = seconds(estimate.seconds_max);
  return fmt::format(
      "copy {} s, keys and indexes on top; about {} on the target without them "
      "(a real COPY of {} rows of {}, taken back: {} rows/s)",
      least == most ? "about " + most : least + "-" + most, readable_bytes(estimate.target_bytes),
      number(estimate.rows), estimate.table,
      grouped(static_cast<std::int64_t>(estimate.rows_per_second)));
}

std::string report_text(const Report& report, bool columns) {
  std::string page;
  write_checks(page, "Source  " + report.source, report.source_checks);
  if (!report.target.empty()) write_checks(page, "Target  " + report.target, report.target_checks);
  for (const std::string& framework : report.assessment.frameworks)
    line(page, fmt::format("Made by {}; these tables are carried like all others", framework));
  write_tables(page, report, columns);
  if (!report.views.empty())
    line(page, fmt::format("Views   not carried: {}", fmt::join(report.views, ", ")));
  write_findings(page, report, Severity::blocker,
                 "Blockers ({})   the line that decides each, or change the data, or leave the "
                 "table out: --exclude TABLE");
  if (const std::string config = deciding_config(report.findings); !config.empty()) {
    line(page, "");
    line(
        page,
        "A configuration that decides every blocker that can be decided, for --config FILE (if you "
        "have one, add these members to it):");
    page += printable_lines(config);
  }
  write_findings(page, report, Severity::decision,
                 "Decisions ({})   data exact; what PostgreSQL does not get. Nothing is to be done "
                 "if that is all right, else --exclude TABLE");
  write_findings(page, report, Severity::warning, "Warnings ({})");
  write_possible_types(page, report);
  line(page, "");
  line(page, report.estimate ? "Estimate  " + estimate_text(*report.estimate)
             : report.target.empty()
                 ? std::string("Estimate  none: give TARGET to measure a real COPY")
                 : std::string("Estimate  none: nothing could be copied"));
  const std::size_t blockers = blockers_in(report);
  line(page, blockers == 0
                 ? std::string("Nothing stands in the way.")
                 : fmt::format("{} blocker{}. lockstep run would refuse, and touch nothing.",
                               blockers, blockers == 1 ? "" : "s"));
  return page;
}

}  // namespace lockstep::ops
