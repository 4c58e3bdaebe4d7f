// CHECKs and DEFAULTs that the application's migrations change, in tables that lockstep made.
#pragma once

#include <string>
#include <vector>

#include "capture/install.hpp"
#include "link/sqlite/database.hpp"
#include "model/shape.hpp"
#include "ops/schema_follower.hpp"

namespace lockstep::ops {

/// A followed table whose columns and keys are as they were; `now` is its present shape. CHECKs and
/// DEFAULTs go into the plan, and no row is read anew where nothing was missed: every trigger is in
/// place, and the table is the one that was seen last. Asks where changes cannot be captured with
/// the new DEFAULT. `told`: a note says already what happened to its triggers.
void follow_declarations(sqlite::Database& database, const capture::Installed& installed,
                         const TablePlan& plan, const TableShape& now, bool told,
                         SchemaMoves& moves);

/// Notes what PostgreSQL does not get of `now`; of that what it did not get `before` is known.
void tell_left_out(const TablePlan& before, const TablePlan& now, SchemaMoves& moves);

}  // namespace lockstep::ops
