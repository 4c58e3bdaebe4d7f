// Makes what the application did to its schema the schema that is followed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "capture/install.hpp"
#include "link/sqlite/database.hpp"
#include "model/shape.hpp"

namespace lockstep::capture {

/// Plans with the shapes that tables have now. Each of these tables is read anew, but `in_place`.
struct SchemaStep {
  /// Columns or indexes came, or indexes went, and nothing was missed: triggers are in place, the
  /// target does the same.
  std::vector<TablePlan> in_place;
  std::vector<TablePlan> changed;      ///< ids that are followed already
  std::vector<TablePlan> added;        ///< new ids
  std::vector<std::uint32_t> dropped;  ///< ids that are no longer followed

  [[nodiscard]] bool empty() const {
    return in_place.empty() && changed.empty() && added.empty() && dropped.empty();
  }
};

/// One IMMEDIATE transaction, synchronous=EXTRA: triggers, plans, and a mark for each table, which
/// says that everything of it may have changed. Plans were made as of `schema_version`; false if it
/// is another one by now: nothing was done. `watch` is told what is lockstep's own doing, and which
/// tables are no longer in question; what it saw is recorded in the source.
/// `database` is read_write.
[[nodiscard]] bool take_over(sqlite::Database& database, std::int64_t schema_version,
                             const SchemaStep& step, SchemaWatch& watch);

/// Puts the triggers back on a table whose shape cannot be followed, if its key is still there: its
/// changes go on being logged while a person decides. A mark says that the table is to be read anew
/// once it can be followed again, if triggers were lost or `watch` has it in question. Nothing of
/// the plan changes. Of a table that was renamed it drops triggers that would make each write fail
/// (PRAGMA legacy_alter_table=ON).
void keep_logging(sqlite::Database& database, const TablePlan& plan, SchemaWatch& watch);

/// A migration that a person brackets (`lockstep ddl hold`): meanwhile nothing of the schema is
/// followed. Kept in the source's _lockstep_meta.
enum class SchemaHold : std::uint8_t {
  none,
  held,
  accepted  ///< what it led to may be followed, whatever it is
};
[[nodiscard]] SchemaHold schema_hold(sqlite::Database& database);
/// One IMMEDIATE transaction. `database` is read_write.
void set_schema_hold(sqlite::Database& database, SchemaHold hold);

/// An id that no table of this source ever had.
[[nodiscard]] std::uint32_t next_table_id(sqlite::Database& database);

}  // namespace lockstep::capture
