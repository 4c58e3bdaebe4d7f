// SQLite is the replica and took writes of the application all the same, or its schema was changed:
// what is owed before the writers may go back to it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "link/postgres/connection.hpp"
#include "link/sqlite/database.hpp"

namespace lockstep::switchover {

/// Tables of SQLite that install_fence() would give triggers to. Reads only; on any connection.
[[nodiscard]] std::vector<std::string> unfenced(sqlite::Database& database,
                                                const std::string& migration);

/// No rollback before this pass of all tables, or a later one, has found them equal.
void require_comparison(postgres::Connection& connection, const std::string& migration,
                        std::int64_t pass);
/// A cutover begins: what was before it is settled.
void require_no_comparison(postgres::Connection& connection, const std::string& migration);
/// True until it was found. In a transaction or outside.
[[nodiscard]] bool owes_comparison(postgres::Connection& connection, const std::string& migration);

/// Throws LS-X664 if a table of SQLite is without its fence, may have got other rows by its schema
/// (reverse_schema.hpp), or a comparison is owed. Returns the schema_version that this is true of.
/// Outside a transaction of `database`.
std::int64_t require_fence_was_whole(sqlite::Database& database, postgres::Connection& connection,
                                     const std::string& migration);

}  // namespace lockstep::switchover
