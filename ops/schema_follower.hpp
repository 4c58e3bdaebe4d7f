// Follows what the application does to its schema: what can be followed without asking, and what
// stops by name.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "capture/drift.hpp"
#include "capture/install.hpp"
#include "capture/tail.hpp"
#include "capture/take_over.hpp"
#include "ops/board.hpp"
#include "ops/replan.hpp"

namespace lockstep::ops {

/// What the schema is, against what is followed.
struct SchemaMoves {
  std::int64_t schema_version = 0;   ///< all of this was read as of it
  capture::SchemaWatch watch;        ///< that of Installed, after this look
  capture::SchemaStep step;          ///< what is followed without asking, or was accepted
  std::vector<Note> notes;           ///< what the step means, and what is not followed, and why
  std::vector<capture::Drift> asks;  ///< what a person has to decide
};

/// Tables that nobody follows and nobody left out; none if an older lockstep installed it.
[[nodiscard]] std::vector<std::string> unfollowed_tables(sqlite::Database& database,
                                                         const capture::Installed& installed);
/// The table's shape as it is now, as shape_change() wants it.
[[nodiscard]] TableShape present_shape(sqlite::Database& database, const TableShape& before);

/// Reads shapes, and every value of tables that are new or have new columns (types come from
/// evidence). `new_tables`: tables nobody follows yet are looked at as well. `accepted`: dropped
/// columns and tables are followed too. `look` says what tables are like that an ORM made on the
/// target; without it a change of their columns asks.
[[nodiscard]] SchemaMoves look_at_schema(const std::string& path,
                                         const capture::Installed& installed, bool new_tables,
                                         bool accepted, const LookAtTarget& look = {});

/// Makes the present schema the one that is followed; `installed` is up to date afterwards. Most
/// calls find nothing to do and write nothing. Throws LS-S306 for what a person has to decide: all
/// the rest was followed then, and the tables concerned go on being logged where they can be.
/// Returns what was done and what is not followed. While the schema is held (capture::SchemaHold)
/// it follows nothing: LS-S317 once something changed, which another try can mend. What was
/// accepted ends the hold.
std::vector<Note> follow_schema(const std::string& path, capture::Installed& installed,
                                bool new_tables, bool accepted = false,
                                const LookAtTarget& look = {});

}  // namespace lockstep::ops
