// The result of assess, as a page for a terminal, as JSON, and as one HTML page. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ops/environment.hpp"
#include "ops/estimate.hpp"
#include "ops/findings.hpp"

namespace lockstep::ops {

struct Report {
  std::string source;
  std::string target;  ///< as it may be shown; empty: none was given
  std::uint64_t sample = 0;
  std::vector<Check> source_checks;
  std::vector<Check> target_checks;
  Assessment assessment;
  std::vector<Finding> findings;      ///< blockers first
  std::vector<std::size_t> triggers;  ///< of the application, per table of `assessment.tables`
  std::vector<std::string> views;
  std::optional<Estimate> estimate;
  double seconds = 0;  ///< that reading took
};

/// Findings and checks that stand in the way.
[[nodiscard]] std::size_t blockers_in(const Report& report);

/// `columns`: all of them, else only those that no type of PostgreSQL holds exactly.
[[nodiscard]] std::string report_text(const Report& report, bool columns);
/// As ops/assessment.schema.json says. One line.
[[nodiscard]] std::string report_json(const Report& report);
/// One page without anything from elsewhere; everything from the database is escaped.
[[nodiscard]] std::string report_html(const Report& report);

/// "id" or "a, b", or "rowid".
[[nodiscard]] std::string key_of(const TableShape& shape);
/// "1 .. 150000", "-0.5 .. 3", "up to 12 bytes"; empty for a column of NULLs.
[[nodiscard]] std::string range_of(const ColumnCensus& census);
/// "1,000 integer, 3 NULL"
[[nodiscard]] std::string classes_of(const ColumnCensus& census);
/// "3 YYYY-MM-DD, 1 json"
[[nodiscard]] std::string formats_text(const Column& column, const ColumnCensus& census);
/// "ok", "2 decisions", "BLOCKED LS-A101".
[[nodiscard]] std::string verdict_on(const Report& report, const std::string& table);
/// "copy 11-22 s at 71,400 rows/s …"; one sentence.
[[nodiscard]] std::string estimate_text(const Estimate& estimate);

}  // namespace lockstep::ops
