// SQL that reads the touched rows of a table, or all of them. Pure.
#pragma once

#include <string>
#include <vector>

#include "model/shape.hpp"

namespace lockstep::switchover {

/// COPY .. TO STDOUT in binary format. A row has: is it there (boolean), the key columns in key
/// order, then every column (NULL if it is not there), all as postgres::decode() reads them.
/// `collations` are those of the key columns, one each, " COLLATE .." or empty.
[[nodiscard]] std::string touched_rows_sql(const std::string& migration, const std::string& schema,
                                           const TablePlan& plan,
                                           const std::vector<std::string>& collations);
/// The same of every row of the table.
[[nodiscard]] std::string all_rows_sql(const std::string& schema, const TablePlan& plan);

}  // namespace lockstep::switchover
