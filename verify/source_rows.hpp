// The rows of a table of the source as they are carried: after the rules, in the order of the key
// as PostgreSQL has it.
#pragma once

#include <optional>
#include <vector>

#include "link/sqlite/database.hpp"
#include "link/sqlite/statement.hpp"
#include "model/row_stream.hpp"
#include "model/rule.hpp"
#include "model/shape.hpp"

namespace lockstep::verify {

/// True if reading by the source's key gives the target's order: no rule converts the key, and its
/// type has one spelling for it.
[[nodiscard]] bool keeps_order(const TablePlan& plan);
/// True if a rule converts the key.
[[nodiscard]] bool has_converted_key(const TablePlan& plan);
/// True if a key may be spelled otherwise on the target.
[[nodiscard]] bool has_respelled_key(const TablePlan& plan);

/// One thread; database and plan outlive it. A key that has another order on the target is sorted
/// in a temporary table of the connection (a file that SQLite removes), so memory stays bounded.
class SourceRows {
 public:
  SourceRows(sqlite::Database& database, const TablePlan& plan);
  ~SourceRows();
  SourceRows(const SourceRows&) = delete;
  SourceRows& operator=(const SourceRows&) = delete;

  /// False: no row is left. `row` has one value per column.
  [[nodiscard]] bool next(std::vector<Value>& row);

 private:
  void sort();
  [[nodiscard]] bool next_sorted(std::vector<Value>& row);

  sqlite::Database& database_;
  const TablePlan& plan_;
  RuleReader carried_;
  bool sorted_ = false;
  std::optional<sqlite::Statement> rows_;
};

}  // namespace lockstep::verify
