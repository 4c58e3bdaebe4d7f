// A table that is no longer followed stays on the target, but the names that the application gave
// its indexes and constraints belong to what it makes next: often the same table under another
// name.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "link/postgres/connection.hpp"
#include "model/shape.hpp"

namespace lockstep::apply {

/// An index, or the constraint that has it, of a table that stays.
struct FreedName {
  std::string schema, table, was;
  std::string tail;  ///< of its new name
};

/// Those of `plan`, which is one of `plans`. Pure.
[[nodiscard]] std::vector<FreedName> names_to_free(const std::string& schema, const TablePlan& plan,
                                                   const std::vector<TablePlan>& plans);

/// Renames it in the caller's transaction, to a name that no relation there has, nor one of
/// `wanted`. Returns that name; empty if the table has no such index any more.
[[nodiscard]] std::string free_name(postgres::Connection& connection, const FreedName& freed,
                                    const std::set<std::string>& wanted);

}  // namespace lockstep::apply
