#include "ops/verify_report.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace lockstep::ops {

TableLine line_of(const verify::Comparison& result) {
  return {result.table,   result.source_rows, result.target_rows, result.missing,
          result.extra,   result.differ,      result.quarantined, "",
          result.examples};
}

TableLine line_of(const verify::TableRecord& record,
                  const std::vector<verify::DifferenceRecord>& found) {
  TableLine line{
      record.name,
      record.source_rows,
      record.target_rows,
      record.missing,
      record.extra,
      record.differ,
      record.quarantined,
      fmt::format("{:016x} {} {:016x}", record.source_digest,
                  record.source_digest == record.target_digest ? "=" : "≠", record.target_digest),
      {}};
  for (const verify::DifferenceRecord& one : found)
    if (!one.shown.empty()) line.examples.push_back(one.shown);
  return line;
}

void print_head(Screen& screen) {
  screen.result(fmt::format("  {:<32} {:>14} {:>14} {:>9} {:>9} {:>9}", "table", "source rows",
                            "target rows", "missing", "extra", "differ"));
}

void print(const TableLine& line, Screen& screen) {
  screen.result(fmt::format("  {:<32} {:>14} {:>14} {:>9} {:>9} {:>9}  {}", line.table,
                            grouped(static_cast<std::int64_t>(line.source_rows)),
                            grouped(static_cast<std::int64_t>(line.target_rows)), line.missing,
                            line.extra, line.differ, line.digests));
  for (const std::string& example : line.examples) screen.result("    " + example);
  if (line.quarantined > 0)
    screen.result(fmt::format("    {} row(s) in quarantine", line.quarantined));
  const nlohmann::json object{{"type", "table"},
                              {"table", line.table},
                              {"source_rows", line.source_rows},
                              {"target_rows", line.target_rows},
                              {"missing", line.missing},
                              {"extra", line.extra},
                              {"differ", line.differ},
                              {"quarantined", line.quarantined},
                              {"examples", line.examples}};
  screen.json(object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

ExitCode conclude(const VerifyTotals& totals, Screen& screen) {
  const auto [rows, different, quarantined] = totals;
  const auto count = [](std::uint64_t number) {
    return grouped(static_cast<std::int64_t>(number));
  };
  if (different > 0)
    screen.result(fmt::format("DIFFERENT: {} rows", different));
  else if (quarantined > 0)
    screen.result(fmt::format("equal but for {} row(s) in quarantine: {} rows, every column",
                              count(quarantined), count(rows - quarantined)));
  else
    screen.result(fmt::format("equal: {} rows, every column", count(rows)));
  const int code = different > 0 ? 4 : quarantined > 0 ? 9 : 0;
  screen.json(nlohmann::json{
      {"type", "summary"},
      {"equal", different + quarantined == 0},
      {"rows", rows},
      {"different", different},
      {"quarantined", quarantined},
      {"exit_code",
       code}}.dump());
  return static_cast<ExitCode>(code);
}

}  // namespace lockstep::ops
