// Reads the whole source before the first trigger: what can be carried exactly, and what is refused
// by name.
#pragma once

#include <string>
#include <vector>

#include "link/sqlite/database.hpp"
#include "model/shape.hpp"
#include "ops/screen.hpp"

namespace lockstep::ops {

struct Refusal {
  std::string table;
  std::vector<std::string> problems;
};

struct TableWarning {
  std::string table;
  std::string code;
  std::string what;
};

struct Assessment {
  std::vector<TablePlan> plans;    ///< ids from 1, in name order
  std::vector<std::int64_t> rows;  ///< per plan
  std::vector<Refusal> refusals;
  std::vector<TableWarning> warnings;
  std::vector<std::string> skipped;  ///< virtual tables with their shadow tables, one sentence each
};

/// `tables` and `exclude` are globs (empty `tables`: all). Throws LS-S330 if no table is left, or a
/// glob names nothing.
[[nodiscard]] Assessment assess(sqlite::Database& database, const std::vector<std::string>& tables,
                                const std::vector<std::string>& exclude, Screen& screen);

/// Prints what is skipped, what is left out and what is refused, in text or JSON.
void print_assessment(const Assessment& assessment, Screen& screen);

}  // namespace lockstep::ops
