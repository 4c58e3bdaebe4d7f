// The CHECK constraints of lockstep's own tables: from SQLite's, and while lockstep follows.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "link/postgres/connection.hpp"
#include "model/shape.hpp"

namespace lockstep::apply {

/// What a change of the plans did besides what it was asked to; for people.
struct Told {
  std::string code, table, what;
};

struct CheckSql {
  std::string name;       ///< empty: the server gives one
  std::string condition;  ///< in parentheses
  bool operator==(const CheckSql&) const = default;
};

/// Those that are translated exactly. `taken`: names that constraints of the table have already.
/// Pure.
[[nodiscard]] std::vector<CheckSql> own_checks(const TablePlan& plan, std::set<std::string> taken);

/// ADD CHECK. `table` is qualified. Pure.
[[nodiscard]] std::string add_sql(const std::string& table, const CheckSql& check);

/// Of `some` those that `others` has not. Pure.
[[nodiscard]] std::vector<CheckSql> checks_only_in(const std::vector<CheckSql>& some,
                                                   const std::vector<CheckSql>& others);

/// What the table's constraints are called that were made of these; not all need to be there still.
/// In the caller's transaction, before columns change.
[[nodiscard]] std::vector<std::string> names_of_checks(postgres::Connection& connection,
                                                       const std::string& table,
                                                       const std::vector<CheckSql>& checks);

/// In the caller's transaction. False: rows break it (SQLite can be told to let them in); then it
/// is not made.
[[nodiscard]] bool add_check(postgres::Connection& connection, const std::string& table,
                             const CheckSql& check);

/// LS-T231.
[[nodiscard]] Told broken_check(const std::string& name, const std::string& table,
                                const CheckSql& check);

}  // namespace lockstep::apply
