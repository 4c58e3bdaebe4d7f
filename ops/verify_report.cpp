#include "ops/verify_report.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "model/clock.hpp"
#include "ops/names.hpp"
#include "ops/output_file.hpp"

namespace lockstep::ops {

namespace {

using nlohmann::json;
using verify::QueryPair;
using verify::Verdict;

std::string dumped(const json& object) {
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

CheckFinding finding_of(const TableLine& line) {
  return {"LS-V501",
          CheckCategory::data,
          CheckSeverity::critical,
          line.table,
          fmt::format("{} rows differ: {} missing, {} extra, {} with another value",
                      line.different(), line.missing, line.extra, line.differ),
          line.different()};
}

CheckFinding not_compared(const TableLine& line) {
  return {"LS-V534",
          CheckCategory::data,
          CheckSeverity::critical,
          line.table,
          "not compared: " + line.problem,
          0};
}

std::string scope_of(const VerifyResult& result) {
  const auto& since = result.totals.since;
  return since ? " of what was written since " + to_string(*since) : "";
}

std::string not_compared_text(const VerifyResult& result) {
  if (result.not_compared == 0) return {};
  return fmt::format("{} table(s) could not be compared", result.not_compared);
}

// Of rows where any differ: that is what people look for.
std::string different_text(const VerifyResult& result, std::uint64_t rows, std::uint64_t others) {
  if (others == 0) return fmt::format("DIFFERENT: {} rows{}", rows, scope_of(result));
  if (rows == 0) return fmt::format("DIFFERENT: {} check(s) do not hold", others);
  return fmt::format("DIFFERENT: {} rows{}, and {} check(s) do not hold", rows, scope_of(result),
                     others);
}

std::string different_sentence(const VerifyResult& result) {
  std::uint64_t rows = 0, others = 0;
  for (const CheckFinding& finding : result.findings) {
    if (finding.severity != CheckSeverity::critical || finding.waiver) continue;
    if (finding.code == "LS-V501")
      rows += finding.rows;
    else if (finding.code != "LS-V534")
      ++others;
  }
  const std::string tables = not_compared_text(result);
  if (rows == 0 && others == 0) return "NOT PROVEN: " + tables;
  return different_text(result, rows, others) + (tables.empty() ? "" : "; " + tables);
}
std::string left_out_text(const Compared& compared) {
  if (compared.left_out.empty()) return {};
  return fmt::format("; not followed and not compared: {}", fmt::join(compared.left_out, ", "));
}

std::string equal_sentence(const VerifyResult& result) {
  const std::uint64_t rows = result.totals.rows, quarantined = result.totals.quarantined;
  std::string converged;
  for (const TableLine& line : result.totals.tables)
    if (line.has_converged())
      converged += fmt::format("; {} converged at {}", line.table, line.converged_at);
  std::string but;
  if (quarantined > 0) but = fmt::format("{} row(s) in quarantine", count(quarantined));
  if (result.waived > 0)
    but +=
        fmt::format("{}{} finding(s) that are waived", but.empty() ? "" : " and ", result.waived);
  return fmt::format("equal{}: {} rows{}, {}{}", but.empty() ? "" : " but for " + but,
                     count(rows - quarantined), scope_of(result),
                     result.counts_only ? "counted; no value was compared" : "every column",
                     converged) +
         left_out_text(result.totals.compared);
}

// A repair goes through the lockstep that follows.
std::string repair_text(const VerifyTotals& totals, const VerifyRequest& request) {
  const std::string source = shell_word(request.source);
  return fmt::format(
      "repair: {}lockstep verify {} --repair",
      totals.compared.pass > 0 ? "" : fmt::format("lockstep run {} TARGET; then ", source), source);
}

void write_page(const std::string& path, const char* flag, const VerifyRequest& request,
                const std::string& content, Screen& screen) {
  if (path.empty()) return;
  write_output(path, flag, source_path(request.source), content);
  screen.note("wrote     " + path);
}

void print(const CheckFinding& finding, Screen& screen) {
  screen.result(fmt::format("{} {:<8} {:<6} {}: {}", finding.code, to_string(finding.severity),
                            to_string(finding.category), finding.table, finding.what));
  if (finding.waiver)
    screen.result(fmt::format("    waived until {} by {}: {}", finding.waiver->until,
                              finding.waiver->by, finding.waiver->reason));
  else if (!finding.not_waived.empty())
    screen.result("    not waived: " + finding.not_waived);
  json object{{"type", "finding"},
              {"code", finding.code},
              {"category", std::string(to_string(finding.category))},
              {"severity", std::string(to_string(finding.severity))},
              {"table", finding.table},
              {"what", finding.what},
              {"rows", finding.rows},
              {"waiver", nullptr},
              {"not_waived", finding.not_waived}};
  if (finding.waiver)
    object["waiver"] = {{"reason", finding.waiver->reason},
                        {"by", finding.waiver->by},
                        {"until", finding.waiver->until}};
  screen.json(dumped(object));
}

}  // namespace

std::string count(std::uint64_t number) {
  return grouped(static_cast<std::int64_t>(number));
}

std::string TableLine::digests() const {
  // Of a first look, or of ranges before the one that could not be read.
  if (has_converged() || !problem.empty()) return {};
  return fmt::format("{:016x} {} {:016x}", source_digest,
                     source_digest == target_digest ? "=" : "≠", target_digest);
}

TableLine line_of(const verify::Comparison& result, const std::optional<Position>& at) {
  TableLine line{.table = result.table,
                 .source_rows = result.source_rows,
                 .target_rows = result.target_rows,
                 .missing = result.missing,
                 .extra = result.extra,
                 .differ = result.differ,
                 .quarantined = result.quarantined,
                 .source_digest = result.source_digest,
                 .target_digest = result.target_digest,
                 .examples = result.examples};
  line.oldest = line.newest = at;
  return line;
}

TableLine line_of(const verify::TableRecord& record,
                  const std::vector<verify::DifferenceRecord>& found) {
  TableLine line{.table = record.name,
                 .source_rows = record.source_rows,
                 .target_rows = record.target_rows,
                 .missing = record.missing,
                 .extra = record.extra,
                 .differ = record.differ,
                 .quarantined = record.quarantined,
                 .source_digest = record.source_digest,
                 .target_digest = record.target_digest,
                 .examples = {},
                 .whole = record.whole,
                 .converged = record.converged,
                 .converged_at = record.converged_at ? to_string(*record.converged_at) : "",
                 .problem = record.problem,
                 .oldest = record.oldest,
                 .newest = record.newest,
                 .ms = record.ms};
  for (const verify::DifferenceRecord& one : found)
    if (!one.shown.empty()) line.examples.push_back(one.shown);
  return line;
}

RowHeads row_heads(Flow flow) {
  if (flow == Flow::reverse) return {"PostgreSQL", "SQLite"};
  return {"source rows", "target rows"};
}

void print_head(Flow flow, Screen& screen) {
  const auto [source, target] = row_heads(flow);
  screen.result(fmt::format("  {:<32} {:>14} {:>14} {:>9} {:>9} {:>9} {:>8}  {}", "table", source,
                            target, "missing", "extra", "differ", "time", "digests"));
}

namespace {

std::string seconds(std::int64_t ms) {
  constexpr double kPerSecond = 1'000;
  return fmt::format("{:.1f} s", static_cast<double>(ms) / kPerSecond);
}

json position_json(const std::optional<Position>& position) {
  return position ? json(to_string(*position)) : json();
}

json digest_json(std::uint64_t digest) {
  return fmt::format("{:016x}", digest);
}

}  // namespace

void print(const TableLine& line, Screen& screen) {
  screen.result(fmt::format("  {:<32} {:>14} {:>14} {:>9} {:>9} {:>9} {:>8}  {}", line.table,
                            count(line.source_rows), count(line.target_rows), line.missing,
                            line.extra, line.differ, seconds(line.ms), line.digests()));
  for (const std::string& example : line.examples) screen.result("    " + example);
  if (line.quarantined > 0)
    screen.result(fmt::format("    {} row(s) in quarantine", line.quarantined));
  if (line.converged > 0)
    screen.result(
        line.has_converged()
            ? fmt::format("    converged at {}: {} row(s) differed at first (dual-written)",
                          line.converged_at, line.converged)
            : fmt::format("    {} other row(s) differed at first and were equal at {}",
                          line.converged, line.converged_at));
  if (line.whole)
    screen.result("    every row of it: it was read anew since, or a rule converts its key");
  screen.json(
      dumped({{"type", "table"},
              {"table", line.table},
              {"state", !line.problem.empty()  ? "not compared"
                        : line.different() > 0 ? "different"
                                               : "equal"},
              {"problem", line.problem.empty() ? json() : json(line.problem)},
              {"source_rows", line.source_rows},
              {"target_rows", line.target_rows},
              {"missing", line.missing},
              {"extra", line.extra},
              {"differ", line.differ},
              {"quarantined", line.quarantined},
              {"source_digest", digest_json(line.source_digest)},
              {"target_digest", digest_json(line.target_digest)},
              {"oldest", position_json(line.oldest)},
              {"newest", position_json(line.newest)},
              {"ms", line.ms},
              {"whole", line.whole},
              {"converged", line.converged},
              {"converged_at", line.converged_at.empty() ? json() : json(line.converged_at)},
              {"examples", line.examples}}));
}

void print(const std::vector<Verdict>& verdicts, Screen& screen) {
  for (const Verdict& verdict : verdicts) {
    const std::string_view kind = to_string(verdict.kind);
    screen.result(fmt::format("  {:<10} {:<32} {}", kind, verdict.name,
                              !verdict.answered ? "no answer"
                              : verdict.holds
                                  ? fmt::format("ok  {} and {}", verdict.source, verdict.target)
                                  : "does not hold"));
    if (verdict.quarantined > 0)
      screen.result(fmt::format("    {} row(s) in quarantine", verdict.quarantined));
    screen.json(
        dumped({{"type", "check"},
                {"kind", std::string(kind)},
                {"name", verdict.name},
                {"answered", verdict.answered},
                {"holds", verdict.holds},
                {"source", verdict.source},
                {"target", verdict.target},
                {"what", verdict.what},
                {"quarantined", verdict.quarantined},
                {"position", verdict.position ? json(to_string(*verdict.position)) : json()}}));
  }
}

VerifyResult result_of(VerifyTotals totals, const VerifyRequest& request,
                       const std::string& today) {
  VerifyResult result;
  result.counts_only = request.counts;
  for (const TableLine& line : totals.tables) {
    if (line.different() > 0) result.findings.push_back(finding_of(line));
    if (!line.problem.empty()) result.findings.push_back(not_compared(line));
  }
  for (const Verdict& verdict : totals.verdicts) {
    if (auto finding = finding_of(verdict)) result.findings.push_back(std::move(*finding));
    if (verdict.kind != QueryPair::Kind::counts) continue;
    totals.rows += std::strtoull(verdict.source.c_str(), nullptr, 10);
    totals.quarantined += verdict.quarantined;
  }
  result.findings.insert(result.findings.end(), totals.findings.begin(), totals.findings.end());
  waive(result.findings, request.waivers, today);
  for (const CheckFinding& finding : result.findings) {
    if (finding.severity != CheckSeverity::critical) continue;
    ++(finding.waiver ? result.waived : result.critical);
    if (!finding.waiver && finding.code == "LS-V534") ++result.not_compared;
  }
  result.totals = std::move(totals);
  if (result.totals.different > 0) result.todo = repair_text(result.totals, request);
  result.exit = result.critical > result.not_compared           ? ExitCode::different
                : result.critical > 0                           ? ExitCode::stopped
                : result.waived + result.totals.quarantined > 0 ? ExitCode::waived
                                                                : ExitCode::done;
  result.sentence = result.critical > 0 ? different_sentence(result) : equal_sentence(result);
  return result;
}

ExitCode conclude(VerifyTotals totals, const VerifyRequest& request, Screen& screen) {
  print(totals.verdicts, screen);
  totals.compared.at = rfc3339(wall_now_us());
  const VerifyResult result =
      result_of(std::move(totals), request, rfc3339(wall_now_us()).substr(0, 10));
  for (const CheckFinding& finding : result.findings)
    // The table's line says it already, unless there is something about a waiver.
    if (finding.code != "LS-V501" || finding.waiver || !finding.not_waived.empty())
      print(finding, screen);
  screen.result(result.sentence);
  if (!result.todo.empty()) screen.result("LS-V501   " + result.todo);
  write_page(request.html, "--html", request, verify_html(result), screen);
  write_page(request.junit, "--junit", request, verify_junit(result), screen);
  const auto code = static_cast<int>(result.exit);
  const Compared& compared = result.totals.compared;
  screen.json(
      dumped({{"type", "summary"},
              {"equal", code == 0},
              {"direction", to_string(result.totals.flow)},
              {"source", compared.source},
              {"target", compared.target},
              {"pass", compared.pass > 0 ? json(compared.pass) : json()},
              {"oldest", position_json(compared.oldest)},
              {"newest", position_json(compared.newest)},
              {"at", compared.at},
              {"left_out", compared.left_out},
              {"rows", result.totals.rows},
              {"since", result.totals.since ? json(to_string(*result.totals.since)) : json()},
              {"different", result.totals.different},
              {"quarantined", result.totals.quarantined},
              {"findings", result.findings.size()},
              {"waived", result.waived},
              {"not_compared", result.not_compared},
              {"todo", result.todo.empty() ? json() : json(result.todo)},
              {"exit_code", code}}));
  return result.exit;
}

}  // namespace lockstep::ops
