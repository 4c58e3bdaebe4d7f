// SQLite's schema after a cutover: the fence refuses writes, and no statement that alters tables.
// DROP COLUMN and ADD COLUMN empty a column, and leave nothing else to be seen.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "link/sqlite/database.hpp"

namespace lockstep::switchover {

/// What SQLite's schema went through since somebody of lockstep looked last.
struct SchemaSince {
  std::int64_t version = 0;  ///< schema_version now
  bool on_record = false;    ///< of this version
  /// Tables that are followed and may have got other rows by it, each a phrase; none: what is seen
  /// explains every step.
  std::vector<std::string> in_question{};
};

/// Against the look on record, by capture/schema_watch. Without one (an older lockstep led the
/// cutover) against the last look of the way there, and without that all tables are in question.
/// Cheap if schema_version is the one on record. Reads only, in the caller's transaction.
[[nodiscard]] SchemaSince schema_since(sqlite::Database& database);
/// The same in a transaction of its own.
[[nodiscard]] SchemaSince schema_now(sqlite::Database& database);

/// What the schema is now counts as looked at: PostgreSQL has the same rows, or a comparison is
/// owed. In the caller's transaction. True if that was not on record yet.
bool record_schema(sqlite::Database& database);
/// The same in a transaction of its own, if it is still at this schema_version. `database` is
/// read_write. Throws LS-S309 if SQLite is locked.
void keep_schema(sqlite::Database& database, std::int64_t version);

}  // namespace lockstep::switchover
