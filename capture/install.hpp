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
  /// What was seen of the schema: by this process, or what the source says was seen by the last.
  SchemaWatch schema_watch = {};
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

/// The schema_version at which the target knew the rowids of tables without a key; -1: never
/// recorded, or the file is another one now: `.dump` and its like number rows anew.
[[nodiscard]] std::int64_t recorded_rowids_version(sqlite::Database& database);
void record_rowids_version(sqlite::Database& database, std::int64_t schema_version);
/// Another file has the source's place since then.
[[nodiscard]] bool is_other_file(sqlite::Database& database);

/// Which target this source was applied to last ("system/database/timeline"); empty: not known.
/// The source keeps it because a target that went back in time cannot know.
[[nodiscard]] std::string recorded_target(sqlite::Database& database);
void record_target(sqlite::Database& database, std::string_view identity);
/// Where `run` applies what `capture` installed, which knew no target: later commands find it
/// there.
void record_place(sqlite::Database& database, std::string_view target, std::string_view schema);

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
