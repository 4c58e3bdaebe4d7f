// What became of the triggers and tables that were installed.
#pragma once

#include <string>
#include <vector>

#include "capture/schema_watch.hpp"
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
/// changes from them, and tables whose shape changed, what is computed in them, their DEFAULTs or
/// (lockstep's own) their CHECKs, table by table. Call inside the read
/// transaction whose changes are about to be used.
[[nodiscard]] std::vector<Drift> drift(sqlite::Database& database,
                                       const std::vector<TablePlan>& tables);

/// Tables that have to be read anew although they may look as they did: one sentence each.
[[nodiscard]] std::vector<Drift> in_question(const SchemaWatch& watch,
                                             const std::vector<TablePlan>& tables);

/// watch.look(), and if something came and went unseen, the rows of `tables` are asked which of
/// them that may have emptied. In short read transactions of its own: with a rollback journal the
/// application waits for each.
void look_and_weigh(sqlite::Database& database, const std::vector<TablePlan>& tables,
                    SchemaWatch& watch);

/// LS-S306 for them. With Retry::new_session: whoever follows looks whether it can be mended.
[[noreturn]] void throw_drift(const std::vector<Drift>& found, Retry retry = Retry::never);

/// LS-S306, for whoever follows to take up: SchemaWatch is in doubt.
[[noreturn]] void throw_unseen();

}  // namespace lockstep::capture
