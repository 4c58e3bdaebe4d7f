// The plan of a table as it is now, while lockstep follows.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "capture/install.hpp"
#include "link/postgres/connection.hpp"
#include "link/sqlite/database.hpp"
#include "model/existing_target.hpp"
#include "snapshot/plan.hpp"

namespace lockstep::ops {

/// By the rules and choices of the migration. Reads every value of the table, unless its shape
/// alone cannot be carried (`problems`). `before` is the plan in force, or nullptr.
[[nodiscard]] snapshot::Planned plan_as_it_is(sqlite::Database& database, const TableShape& shape,
                                              std::uint32_t id, const TablePlan* before,
                                              const capture::Installed& installed);

/// `now`, planned anew, with what carry_decisions() keeps of the plan in force. A spelling that
/// neither key nor unique index needs any longer binds nobody.
[[nodiscard]] TablePlan in_force(const TablePlan& before, TablePlan now);

/// Gives columns without values their types: those of `before`, or what is known from the tables
/// that are followed (snapshot/undecided).
void settle_beside(sqlite::Database& database, snapshot::Planned& planned, const TablePlan* before,
                   const capture::Installed& installed);

/// The target's tables as they are now, by their names there.
struct TargetView {
  std::map<std::string, CatalogTable> tables;
  bool silent = false;  ///< lockstep's sessions there may set session_replication_role
  std::function<bool(const std::string&)> has_rows{};  ///< of one of `tables`; while `tables` live
};
/// As seen through `connection`, which lives as long as the view.
[[nodiscard]] TargetView view_of(std::shared_ptr<postgres::Connection> connection,
                                 const std::string& schema);
/// Looks; throws what the server says. Empty where nobody can: in `capture` alone, in `ddl`.
using LookAtTarget = std::function<TargetView()>;

/// The same of a table that an ORM made on the target (`there`): its types win where every value
/// fits, what does not is among the problems (LS-T221).
[[nodiscard]] snapshot::Planned plan_into_existing(sqlite::Database& database,
                                                   const TableShape& shape, std::uint32_t id,
                                                   const TablePlan* before,
                                                   const capture::Installed& installed,
                                                   const CatalogTable& there, bool silent);

}  // namespace lockstep::ops
