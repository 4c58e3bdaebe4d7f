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
#include "snapshot/plan.hpp"

namespace lockstep::ops {

/// Adds a problem LS-T261 for each unique key of `there` that the source does not keep and that
/// its rows break, with examples. Sorts the table once for each such key, in one read: a table of
/// more `rows` than that may take is not looked at, which is a warning LS-T220.
void hold_rows_against(sqlite::Database& database, snapshot::Planned& planned,
                       const CatalogTable& there, std::uint64_t rows);

/// A warning LS-T220 for CHECKs and unique indexes with WHERE or expressions that only the target
/// has: no row is held against these. A CHECK goes by its name, or where SQLite has some without,
/// by how many.
void add_unchecked(postgres::Connection& connection, const std::string& schema,
                   Assessment& assessment);

}  // namespace lockstep::ops
