// Whether a table on PostgreSQL still has the columns that its plan knows.
#pragma once

#include <string>
#include <vector>

#include "link/postgres/connection.hpp"
#include "model/shape.hpp"
#include "switchover/going_back.hpp"

namespace lockstep::switchover {

/// What is otherwise than in the plans: columns that came, went or got another type after the
/// cutover. One statement, in the caller's transaction if there is one.
[[nodiscard]] std::vector<CannotGoBack> column_changes(postgres::Connection& connection,
                                                       const std::string& schema,
                                                       const std::vector<const TablePlan*>& plans);

/// Of each key column, in key order: " COLLATE .." if it has one that a text does not have by
/// itself, else nothing.
[[nodiscard]] std::vector<std::string> key_collations(postgres::Connection& connection,
                                                      const std::string& schema,
                                                      const TablePlan& plan);

}  // namespace lockstep::switchover
