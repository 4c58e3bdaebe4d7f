// Reads the whole source before the first trigger: what can be carried exactly, and what is refused
// by name.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "config/settings.hpp"
#include "link/sqlite/database.hpp"
#include "model/bad_value.hpp"
#include "model/existing_target.hpp"
#include "model/shape.hpp"
#include "model/type_map.hpp"
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

/// What was found in one table that was read, carried or not.
struct TableFacts {
  TableShape shape;
  TableCensus census;
  bool carried = false;
  TableRules rules;
  Integers integers = Integers::unknown;      ///< in columns that are declared as instants
  std::vector<std::string> shape_problems;    ///< names, number of columns
  std::vector<std::string> rule_problems;     ///< rules that may not stand there
  std::vector<std::string> capture_problems;  ///< changes that cannot be seen
  std::vector<std::string> data_problems;     ///< values that PostgreSQL cannot hold
  std::vector<std::string> left_out;
  std::vector<OnBadValue> on_bad_value{};  ///< one per column; empty: stop
  std::vector<ColumnType> types{};         ///< of its plan, one per column; empty: not carried
  std::vector<std::string> types_there{};  ///< of the target's table, if there is one; "": none
  std::map<std::size_t, std::string> reasons{};  ///< of types that its values did not decide
};

struct Assessment {
  std::vector<TablePlan> plans;    ///< ids from 1, in name order
  std::vector<std::int64_t> rows;  ///< per plan
  std::vector<Refusal> refusals;
  std::vector<TableWarning> warnings;
  std::vector<std::string> skipped;  ///< virtual tables with their shadow tables, one sentence each
  std::vector<std::string> views;    ///< the application's, by name
  std::vector<std::string> triggers;    ///< likewise; they go on working in SQLite only
  std::vector<TableFacts> tables;       ///< in name order
  std::uint64_t known_rows = 0;         ///< not read: the record of an earlier census has them
  std::string known_since;              ///< when that was, RFC 3339
  std::vector<std::string> frameworks;  ///< whose bookkeeping tables are there, one sentence each
  /// Tables, and how many foreign keys PostgreSQL gets at the end only, or may: where it is not
  /// known that lockstep's role can keep them quiet.
  std::vector<std::pair<std::string, std::size_t>> waiting_keys{};
};

struct TableChoice {
  std::vector<std::string> tables;   ///< globs; empty: all
  std::vector<std::string> exclude;  ///< globs
  std::vector<config::ExpectedTable> expect{};
  RuleSet rules{};
  std::uint64_t sample = 0;  ///< rows of each table that are read; 0: all
  /// Tables that are on the target already: their types win where every value fits. Nothing: the
  /// target is not known.
  const std::map<std::string, CatalogTable>* there = nullptr;
  bool silent = false;  ///< apply::may_be_silent()
  BadValuePolicy on_bad_value{};
};

/// Throws LS-S330 if no table is left, or a glob or a column's name names nothing, LS-A113 if an
/// expected table is not as expected, LS-A107 if a rule names nothing or two tables would have one
/// name.
[[nodiscard]] Assessment assess(sqlite::Database& database, const TableChoice& choice,
                                Screen& screen);

/// LS-S330 if the policy names a column that none of them has.
void refuse_unknown_columns(const BadValuePolicy& policy,
                            const std::vector<const TableShape*>& shapes);

/// Prints what is skipped, what is left out and what is refused, in text or JSON.
void print_assessment(const Assessment& assessment, Screen& screen);

}  // namespace lockstep::ops
