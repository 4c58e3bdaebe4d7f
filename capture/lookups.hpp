// Asks SQLite what it would do, and who else has made something that ours would not survive.
#pragma once

#include <string>
#include <vector>

#include "link/sqlite/database.hpp"
#include "model/shape.hpp"

namespace lockstep::capture {

/// Why a look-up or probe of this table could not be run, or would read more of the table than it
/// needs: one sentence each. A function or collation that only the application has shows here. Call
/// only for shapes without capture_problems().
[[nodiscard]] std::vector<std::string> lookup_problems(sqlite::Database& database,
                                                       const TableShape& shape);

/// The application's AFTER triggers on the table that say RAISE(IGNORE): where such a trigger fires
/// before ours, the row has changed and our trigger does not run.
[[nodiscard]] std::vector<std::string> hiding_triggers(sqlite::Database& database,
                                                       const std::string& table);

struct HidingTrigger {
  std::string table, trigger;
};
/// Those that were made after our triggers on their table, and so fire before them (SQLite runs the
/// newest first): since then changes may have gone unlogged.
[[nodiscard]] std::vector<HidingTrigger> newer_hiding_triggers(sqlite::Database& database);
/// In one clause. Pure.
[[nodiscard]] std::string hides(const HidingTrigger& trigger);

/// What somebody else made on lockstep's own tables, which have neither: a trigger there can take
/// logged changes away without a gap, a UNIQUE index as well.
struct ForeignObject {
  std::string type, name, table;
};
[[nodiscard]] std::vector<ForeignObject> objects_on_ours(sqlite::Database& database);
/// In one clause. Pure.
[[nodiscard]] std::string may_eat(const ForeignObject& object);
/// In the caller's transaction. Whoever calls has all tables read anew.
void drop_objects_on_ours(sqlite::Database& database);

}  // namespace lockstep::capture
