// What `lockstep verify` shows of a table and of all of them, as text and as JSON.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/error.hpp"
#include "ops/screen.hpp"
#include "verify/compare.hpp"
#include "verify/record.hpp"

namespace lockstep::ops {

struct TableLine {
  std::string table;
  std::uint64_t source_rows = 0, target_rows = 0, missing = 0, extra = 0, differ = 0;
  std::uint64_t quarantined = 0;
  std::string digests;  // "9c1e..70 = 9c1e..70", or nothing where rows were compared one by one
  std::vector<std::string> examples;
};

[[nodiscard]] TableLine line_of(const verify::Comparison& result);
[[nodiscard]] TableLine line_of(const verify::TableRecord& record,
                                const std::vector<verify::DifferenceRecord>& found);

struct VerifyTotals {
  std::uint64_t rows = 0, different = 0, quarantined = 0;
  void add(const TableLine& line) {
    rows += line.source_rows;
    different += line.missing + line.extra + line.differ;
    quarantined += line.quarantined;
  }
};

void print_head(Screen& screen);
void print(const TableLine& line, Screen& screen);
/// Prints the last line. 0 equal, 4 different, 9 equal but for rows in quarantine.
ExitCode conclude(const VerifyTotals& totals, Screen& screen);

}  // namespace lockstep::ops
