#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "ops/html.hpp"
#include "ops/verify_report.hpp"

namespace lockstep::ops {

namespace {

using verify::Verdict;

std::string verdict_text(const Verdict& verdict) {
  return !verdict.answered ? "no answer" : verdict.holds ? "holds" : "does not hold";
}

std::string waiver_text(const CheckFinding& finding) {
  if (!finding.waiver) return finding.not_waived.empty() ? "" : "not waived: " + finding.not_waived;
  return fmt::format("waived until {} by {}: {}", finding.waiver->until, finding.waiver->by,
                     finding.waiver->reason);
}

// Positions at which ranges were compared.
std::string span_text(const std::optional<Position>& oldest,
                      const std::optional<Position>& newest) {
  if (!oldest || !newest) return {};
  return *oldest == *newest ? to_string(*oldest)
                            : fmt::format("{} to {}", to_string(*oldest), to_string(*newest));
}

// What was compared, with what, when and where, as names and values.
std::vector<std::pair<std::string, std::string>> facts_of(const VerifyResult& result) {
  const Compared& compared = result.totals.compared;
  std::vector<std::pair<std::string, std::string>> facts{
      {"source", compared.source},
      {"target", compared.target},
      {"ended", compared.at},
      {"pass", compared.pass > 0 ? fmt::to_string(compared.pass) : "at rest"},
      {"compared at", span_text(compared.oldest, compared.newest)}};
  if (!compared.left_out.empty())
    facts.emplace_back("not followed", fmt::format("{}", fmt::join(compared.left_out, ", ")));
  return facts;
}

/// Test cases, counted as they come.
class Cases {
 public:
  void passed(std::string_view group, std::string_view name) { open(group, name, "/>\n"); }
  /// A waived finding is skipped, with the waiver in words; what is no difference passes.
  void found(std::string_view group, std::string_view name, const CheckFinding& finding,
             const std::vector<std::string>& lines = {}) {
    if (finding.severity != CheckSeverity::critical) {
      open(group, name, ">");
      text_ += fmt::format("<system-out>{}</system-out></testcase>\n",
                           escaped(fmt::format("{} {}", finding.code, finding.what)));
      return;
    }
    open(group, name, ">");
    const std::string what = escaped(fmt::format("{} {}", finding.code, finding.what));
    if (finding.waiver) {
      ++skipped_;
      text_ += fmt::format("<skipped message=\"{}\"/></testcase>\n",
                           escaped(finding.what + "; " + waiver_text(finding)));
      return;
    }
    ++failures_;
    std::string more = escaped(waiver_text(finding));
    for (const std::string& line : lines) more += (more.empty() ? "" : "\n") + escaped(line);
    text_ += fmt::format("<failure message=\"{}\">{}</failure></testcase>\n", what, more);
  }
  [[nodiscard]] std::string suite(const VerifyResult& result) const {
    std::string facts;
    for (const auto& [name, value] : facts_of(result))
      facts += fmt::format("<property name=\"{}\" value=\"{}\"/>\n", name, escaped(value));
    const std::string& at = result.totals.compared.at;
    return fmt::format(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"lockstep verify\" "
        "tests=\"{}\" failures=\"{}\" skipped=\"{}\" errors=\"0\"{}>\n<properties>\n{}</properties>"
        "\n{}</testsuite>\n",
        tests_, failures_, skipped_,
        at.empty() ? "" : fmt::format(" timestamp=\"{}\"", at.substr(0, at.find('Z'))), facts,
        text_);
  }

 private:
  void open(std::string_view group, std::string_view name, std::string_view end) {
    ++tests_;
    text_ += fmt::format("<testcase classname=\"lockstep.{}\" name=\"{}\"{}", escaped(group),
                         escaped(name), end);
  }
  int tests_ = 0, failures_ = 0, skipped_ = 0;
  std::string text_;
};

const CheckFinding* finding_for(const VerifyResult& result, const std::string& code,
                                const std::string& table) {
  for (const CheckFinding& finding : result.findings)
    if (finding.code == code && finding.table == table) return &finding;
  return nullptr;
}

void html_tables(std::string& page, const std::vector<TableLine>& tables, Flow flow) {
  page += "<h2>Tables</h2>\n<table>\n";
  const auto [source, target] = row_heads(flow);
  html_row(page,
           {"table", source, target, "missing", "extra", "differ", "digests", "compared at",
            "in quarantine", "converged at", "examples", "not compared"},
           "th");
  for (const TableLine& line : tables)
    html_row(page, {line.table, count(line.source_rows), count(line.target_rows),
                    count(line.missing), count(line.extra), count(line.differ), line.digests(),
                    span_text(line.oldest, line.newest), count(line.quarantined), line.converged_at,
                    fmt::format("{}", fmt::join(line.examples, " | ")), line.problem});
  page += "</table>\n";
}

}  // namespace

std::string verify_html(const VerifyResult& result) {
  std::string page = html_head("lockstep verify");
  page += fmt::format("<p>{}</p>\n<table>\n", escaped(result.sentence));
  for (const auto& [name, value] : facts_of(result)) html_row(page, {name, value}, "td");
  page += "</table>\n";
  if (!result.totals.tables.empty()) html_tables(page, result.totals.tables, result.totals.flow);
  if (!result.totals.verdicts.empty()) {
    page += "<h2>Checks and validators</h2>\n<table>\n";
    html_row(page, {"kind", "name", "", "source", "target", "position"}, "th");
    for (const Verdict& verdict : result.totals.verdicts)
      html_row(page, {std::string(to_string(verdict.kind)), verdict.name, verdict_text(verdict),
                      verdict.source, verdict.target,
                      verdict.position ? to_string(*verdict.position) : ""});
    page += "</table>\n";
  }
  if (!result.findings.empty()) {
    page += "<h2>Findings</h2>\n<table>\n";
    html_row(page, {"code", "severity", "category", "where", "what", "waiver"}, "th");
    for (const CheckFinding& finding : result.findings)
      html_row(page, {finding.code, std::string(to_string(finding.severity)),
                      std::string(to_string(finding.category)), finding.table, finding.what,
                      waiver_text(finding)});
    page += "</table>\n";
  }
  page += kHtmlEnd;
  return page;
}

std::string verify_junit(const VerifyResult& result) {
  Cases cases;
  for (const TableLine& line : result.totals.tables) {
    const CheckFinding* finding = finding_for(result, "LS-V501", line.table);
    if (finding == nullptr) finding = finding_for(result, "LS-V534", line.table);
    if (finding == nullptr)
      cases.passed("rows", line.table);
    else
      cases.found("rows", line.table, *finding, line.examples);
  }
  for (const Verdict& verdict : result.totals.verdicts) {
    if (const auto made = finding_of(verdict)) {
      const CheckFinding* finding = finding_for(result, made->code, made->table);
      cases.found(to_string(verdict.kind), verdict.name, finding != nullptr ? *finding : *made);
    } else {
      cases.passed(to_string(verdict.kind), verdict.name);
    }
  }
  for (const CheckFinding& finding : result.findings)
    if (finding.code > "LS-V523" && finding.code != "LS-V534")
      cases.found(to_string(finding.category), finding.code + " " + finding.table, finding);
  return cases.suite(result);
}

}  // namespace lockstep::ops
