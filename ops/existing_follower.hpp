// What the application's migrations do to tables that an ORM made on the target: these are planned
// anew against the target as it is now, which the same migration has changed there.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "capture/install.hpp"
#include "link/sqlite/database.hpp"
#include "model/shape_change.hpp"
#include "ops/replan.hpp"
#include "ops/schema_follower.hpp"

namespace lockstep::ops {

/// Looks once, when first asked. `look` must outlive it.
class TargetNow {
 public:
  explicit TargetNow(const LookAtTarget& look) : look_(look) {}

  [[nodiscard]] bool can_look() const { return static_cast<bool>(look_); }
  /// nullptr: there is none of that name, or nobody can look.
  [[nodiscard]] const CatalogTable* table(const std::string& name);
  [[nodiscard]] bool silent() { return view().silent; }
  [[nodiscard]] bool has_rows(const std::string& name) { return view().has_rows(name); }

 private:
  const TargetView& view();

  const LookAtTarget& look_;
  std::optional<TargetView> view_;
};

/// A followed table that changed into `now`. Asks where it does not fit what the target has.
void follow_existing(sqlite::Database& database, const capture::Installed& installed,
                     const TablePlan& before, const TableShape& now, const ShapeChange& change,
                     TargetNow& target, SchemaMoves& moves);

/// Tables whose columns, types or key the target has otherwise than planned, though the source may
/// have nothing new to say (SQLite's declarations lack what PostgreSQL's say, and ORMs know): these
/// are planned anew as well. Only what was accepted: else nobody wanted it. `drifted` ones are
/// looked at anyway. Returns their names.
[[nodiscard]] std::set<std::string> follow_altered_there(sqlite::Database& database,
                                                         const capture::Installed& installed,
                                                         const std::set<std::string>& drifted,
                                                         TargetNow& target, SchemaMoves& moves);
[[nodiscard]] bool is_altered_there(const TablePlan& plan, TargetNow& target);

/// A table that is new on the source. False: the target has none of its name, nothing was done. One
/// that has rows there asks, unless that was `accepted`: then they give way.
[[nodiscard]] bool follow_into_existing(sqlite::Database& database,
                                        const capture::Installed& installed,
                                        const TableShape& shape, std::uint32_t id, bool accepted,
                                        TargetNow& target, SchemaMoves& moves);

/// Why a table that is new on the source cannot have the name it would get on the target: another
/// that is followed has it there by a rule, or would by this step. Empty: it can.
[[nodiscard]] std::string name_taken_there(const capture::Installed& installed,
                                           const capture::SchemaStep& step,
                                           const TableShape& shape);

/// What is followed, and why the table is read anew.
[[nodiscard]] std::string what_changed(const ShapeChange& change);

}  // namespace lockstep::ops
