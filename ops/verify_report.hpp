// What `lockstep verify` shows of a table and of all of them: as text, as JSON, as a page, and for
// CI.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/error.hpp"
#include "model/flow.hpp"
#include "ops/check_finding.hpp"
#include "ops/commands.hpp"
#include "ops/screen.hpp"
#include "verify/compare.hpp"
#include "verify/query_pair.hpp"
#include "verify/record.hpp"

namespace lockstep::ops {

/// 1,234,567
[[nodiscard]] std::string count(std::uint64_t number);

struct TableLine {
  std::string table;
  std::uint64_t source_rows = 0, target_rows = 0, missing = 0, extra = 0, differ = 0;
  std::uint64_t quarantined = 0;
  std::uint64_t source_digest = 0, target_digest = 0;
  std::vector<std::string> examples{};
  bool whole = false;           ///< of --since: every row of it was compared
  std::uint64_t converged = 0;  ///< dual-written: rows that differed at first and then did not
  std::string converged_at{};   ///< where; empty: none did
  std::string problem{};        ///< why it was not compared to its end; empty: it was
  std::optional<Position> oldest{}, newest{};  ///< positions at which its ranges were compared
  std::int64_t ms = 0;                         ///< that it took
  [[nodiscard]] std::uint64_t different() const { return missing + extra + differ; }
  [[nodiscard]] bool has_converged() const { return converged > 0 && different() == 0; }
  /// "9c1e..70 = 9c1e..70"; nothing where they are of a first look or of no whole table.
  [[nodiscard]] std::string digests() const;
};

/// `at`: the position of both sides.
[[nodiscard]] TableLine line_of(const verify::Comparison& result,
                                const std::optional<Position>& at);
[[nodiscard]] TableLine line_of(const verify::TableRecord& record,
                                const std::vector<verify::DifferenceRecord>& found);

/// What was compared with what: so that a report can be read without the screen it came from.
struct Compared {
  std::string source{}, target{};              ///< without secrets
  std::int64_t pass = 0;                       ///< of a lockstep that follows; 0: at rest
  std::optional<Position> oldest{}, newest{};  ///< of all tables
  std::vector<std::string> left_out{};         ///< tables of the source that nobody follows
  std::string at{};                            ///< when it ended; conclude() sets it
};

struct VerifyTotals {
  std::uint64_t rows = 0, different = 0, quarantined = 0;
  std::vector<TableLine> tables{};
  std::vector<verify::Verdict> verdicts{};
  std::vector<CheckFinding> findings{};  ///< of the schema; conclude() adds the others
  std::optional<Position> since{};       ///< only what was written behind it; nothing: all
  Flow flow = Flow::forward;             ///< reverse: PostgreSQL is the source
  Compared compared{};
  void add(const TableLine& line) {
    widen(line);
    rows += line.source_rows;
    different += line.different();
    quarantined += line.quarantined;
    tables.push_back(line);
  }

 private:
  void widen(const TableLine& line) {
    auto &oldest = compared.oldest, &newest = compared.newest;
    if (line.oldest && (!oldest || line.oldest->seq < oldest->seq)) oldest = line.oldest;
    if (line.newest && (!newest || line.newest->seq > newest->seq)) newest = line.newest;
  }
};

/// Once the waivers are known.
struct VerifyResult {
  VerifyTotals totals;
  std::vector<CheckFinding> findings;
  std::uint64_t critical = 0, waived = 0;  ///< findings; critical ones that are not waived
  std::uint64_t not_compared = 0;          ///< tables among the critical ones: LS-V534
  bool counts_only = false;
  ExitCode exit = ExitCode::done;
  std::string sentence;  ///< the last line but for `todo`
  std::string todo{};    ///< how rows that differ are repaired; empty: none do
};
/// Pure. `today`: YYYY-MM-DD in UTC.
[[nodiscard]] VerifyResult result_of(VerifyTotals totals, const VerifyRequest& request,
                                     const std::string& today);

void print_head(Flow flow, Screen& screen);
/// The same words for a page.
struct RowHeads {
  const char* source;
  const char* target;
};
[[nodiscard]] RowHeads row_heads(Flow flow);
void print(const TableLine& line, Screen& screen);
/// Prints what was answered to queries.
void print(const std::vector<verify::Verdict>& verdicts, Screen& screen);
/// Prints the findings and the last line, writes the files of --html and --junit. 0 equal, 4
/// different, 7 a table was not compared and nothing else differs, 9 equal but for rows in
/// quarantine or for what is waived.
ExitCode conclude(VerifyTotals totals, const VerifyRequest& request, Screen& screen);

/// One page without anything from elsewhere.
[[nodiscard]] std::string verify_html(const VerifyResult& result);
/// One test case for each table, each answered query and each other finding; a waived one is
/// skipped.
[[nodiscard]] std::string verify_junit(const VerifyResult& result);

}  // namespace lockstep::ops
