// What became of the triggers and tables that were installed.
#pragma once

#include <string>
#include <vector>

#include "link/sqlite/database.hpp"
#include "model/error.hpp"
#include "model/shape.hpp"

namespace lockstep::capture {

/// What is no longer as it was installed.
struct Drift {
  std::string table;
  std::string what;      ///< one sentence
  bool altered = false;  ///< the table itself is gone or has another shape; else only triggers,
                         ///< CHECKs and DEFAULTs
};
/// Triggers that are missing, read differently than they should or fire behind one that hides
/// changes from them, and tables whose shape changed or (lockstep's own) whose CHECKs and DEFAULTs,
/// table by table. Call inside the read
/// transaction whose changes are about to be used.
[[nodiscard]] std::vector<Drift> drift(sqlite::Database& database,
                                       const std::vector<TablePlan>& tables);

/// What a table and its triggers are in SQLite's own list: another text if it was made anew, or by
/// VACUUM. Call as drift().
[[nodiscard]] std::string incarnation(sqlite::Database& database, const TablePlan& plan);

/// LS-S306 for them. With Retry::new_session: whoever follows looks whether it can be mended.
[[noreturn]] void throw_drift(const std::vector<Drift>& found, Retry retry = Retry::never);

}  // namespace lockstep::capture
