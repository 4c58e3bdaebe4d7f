// A connection that brings another side's rows into the application's file, and what SQLite says
// when it refuses one.
#pragma once

#include "link/sqlite/database.hpp"

namespace lockstep::sqlite {

/// From now on this connection writes rows as they are elsewhere: no trigger runs (the fence, ours,
/// the application's, whose work has been done there), foreign keys and CHECKs are not looked at
/// (what they would refuse is there already, and must be here as well), and a COMMIT that answers
/// survives a power loss in every journal mode. It still never checkpoints by itself.
void become_replica_writer(Database& database);

/// A UNIQUE index, a primary key or a rowid is taken.
[[nodiscard]] bool is_unique_conflict(const Error& error);
/// Any constraint: NOT NULL, the types of STRICT tables, and those above.
[[nodiscard]] bool is_refusal(const Error& error);

/// The -wal file back into the database, if it has grown beyond `bytes_max`. SQLite holds the locks
/// of writers and of checkpoints for it, so no other connection does either at the same time
/// (SQLite up to 3.51.2 can corrupt a database then); if somebody writes just now, nothing is done.
/// Waits up to `patience` for readers of older states. False: not all of it, this time.
bool checkpoint_alone(Database& database, std::int64_t bytes_max, Milliseconds patience);

}  // namespace lockstep::sqlite
