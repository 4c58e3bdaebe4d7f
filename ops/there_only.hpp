// What only the target's tables keep, which an ORM made: present rows against it, before the copy.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "link/postgres/connection.hpp"
#include "link/sqlite/database.hpp"
#include "model/existing_target.hpp"
#include "model/shape.hpp"
#include "ops/assessment.hpp"

namespace lockstep::ops {

/// LS-T261, a sentence for each unique key of `there` that the source does not keep and that rows
/// of it break, with examples. Sorts the table once for each such key; tables of more than five
/// million `rows` are not looked at.
[[nodiscard]] std::vector<std::string> rows_that_collide(sqlite::Database& database,
                                                         const TablePlan& plan,
                                                         const CatalogTable& there,
                                                         std::uint64_t rows);

/// A warning LS-T220 for CHECKs and unique indexes with WHERE or expressions that only the target
/// has: no row is held against these. A CHECK goes by its name, or where SQLite has some without,
/// by how many.
void add_unchecked(postgres::Connection& connection, const std::string& schema,
                   Assessment& assessment);

}  // namespace lockstep::ops
