// Puts change table and triggers in place, reads what is in place, takes everything out again.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "capture/schema_watch.hpp"
#include "link/sqlite/database.hpp"
#include "model/position.hpp"
#include "model/shape.hpp"

namespace lockstep::capture {

inline constexpr int kSourceFormat = 1;  ///< of the three tables; capture/README.md documents it

/// Which tables were asked for, as globs; no `tables`: all.
struct TableChoice {
  std::vector<std::string> tables, exclude;
  RuleSet rules{};  ///< of tables that are still to come as well
};

/// What the source says about itself.
struct Installed {
  std::string source_id;  ///< UUID, made at the first install
  Era era;
  std::string migration;
  std::string target;  ///< conninfo without secrets, so that later commands find the target
  std::string target_schema;
  std::vector<TablePlan> tables;
  /// Nothing if an older lockstep installed it: then new tables are not followed.
  std::optional<TableChoice> choice = {};
  OnBadValue on_bad_value = OnBadValue::stop;  ///< of columns that are made later
  /// How many rows each table had when it was looked at first, by id: what progress is measured by.
  /// Empty if an older lockstep installed it.
  std::map<std::uint32_t, std::int64_t> census_rows{};
  /// schema_version at which this process saw triggers and shapes in place last; not kept in the
  /// source. -1: not known.
  std::int64_t seen_in_place = -1;
  /// What tells a table that was made anew from the one that was followed then, by id; in memory.
  std::map<std::uint32_t, std::string> incarnations{};
  /// Tables that were made anew with all that was there before: read anew, and forgotten then. Not
  /// kept in the source either.
  std::vector<std::uint32_t> rebuilt = {};
  SchemaWatch schema_watch = {};  ///< what this process saw of the schema; in memory
};

/// Of one table; 0: not known.
[[nodiscard]] std::int64_t census_rows(const Installed& installed, std::uint32_t table);

/// Nothing if the source has no lockstep tables. Throws LS-S326 if a lockstep of another format
/// wrote them.
[[nodiscard]] std::optional<Installed> read_installed(sqlite::Database& database);

/// The same; LS-R712 if there are none.
[[nodiscard]] Installed require_installed(sqlite::Database& database);

/// One IMMEDIATE transaction: all or nothing, synchronous=EXTRA. Asserts that every look-up and
/// probe is a SEARCH (LS-S327 names the table if not). Call only if read_installed() found nothing.
/// `database` is read_write.
void install(sqlite::Database& database, const Installed& what);

/// Plans of the same tables with other choices (TablePlan::on_bad_value), and the choice for later
/// columns. One IMMEDIATE transaction, synchronous=EXTRA.
/// `database` is read_write.
void keep_choices(sqlite::Database& database, const Installed& what);

/// Takes every trigger and table of ours out in one IMMEDIATE transaction, triggers first; what the
/// application gave such a name stays. Returns how many objects went; 0 if there were none. Needs
/// nothing but the file.
enum class Fence {
  goes,   ///< the application may write here again
  stays,  ///< it went to PostgreSQL for good: only what captures changes goes
};
std::size_t remove(sqlite::Database& database, Fence fence = Fence::goes);

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

/// Puts lost triggers back, if no table of `tables` was altered, and logs a mark for each table
/// that had lost some: a change with the table's number negated and no key says that everything of
/// the table may have changed. One IMMEDIATE transaction, synchronous=EXTRA. Returns the names of
/// these tables; throws LS-S306 if a table was altered. `database` is read_write.
std::vector<std::string> reinstall_triggers(sqlite::Database& database,
                                            const std::vector<TablePlan>& tables);

/// The schema_version at which the target knew the rowids of tables without a key; -1: never
/// recorded.
[[nodiscard]] std::int64_t recorded_rowids_version(sqlite::Database& database);
void record_rowids_version(sqlite::Database& database, std::int64_t schema_version);

/// Which target this source was applied to last ("system/database/timeline"); empty: not known.
/// The source keeps it because a target that went back in time cannot know.
[[nodiscard]] std::string recorded_target(sqlite::Database& database);
void record_target(sqlite::Database& database, std::string_view identity);

/// The last change: the newest position of the source. Throws LS-S328 if the change table is gone
/// or empty.
[[nodiscard]] Position newest_position(sqlite::Database& database, const Era& era);
/// The first row that is left: before anything was pruned, the position from which a copy may
/// start.
[[nodiscard]] Position first_position(sqlite::Database& database, const Era& era);

/// The identity of a change; nothing: it is not there, or not any more.
[[nodiscard]] std::optional<std::int64_t> identity_of_change(sqlite::Database& database,
                                                             std::int64_t seq);

/// The caller's transaction: from now on positions are of a new era, which begins at the last
/// change and is returned. What is on its way in the era before fits nowhere any more (I4).
[[nodiscard]] Position begin_era(sqlite::Database& database);

/// A random UUID from the operating system's generator, through SQLite's randomblob().
[[nodiscard]] Era random_era(sqlite::Database& database);

}  // namespace lockstep::capture
