// Tables that the application made on PostgreSQL after the cutover: SQLite has none of them, and
// nothing brings their rows there.
#pragma once

#include <string>
#include <vector>

#include "link/postgres/connection.hpp"
#include "switchover/going_back.hpp"

namespace lockstep::switchover {

/// Before a cutover: what the target's schema has now is no business of the way back. Does nothing
/// once PostgreSQL has the writers. In no transaction.
void remember_present(postgres::Connection& connection, const std::string& migration,
                      const std::string& schema);

struct MadeSince {
  std::string table;
  bool empty = false;  ///< false also if it cannot be read
};

/// Tables of the target's schema that are neither followed nor were there at the cutover,
/// partitions and those of extensions left out, in name order. By number, so one that was renamed
/// is no new one. If an older lockstep led the cutover, nobody knows, and each that is not followed
/// counts. In no transaction; a table that is locked for longer than a second counts as not empty.
[[nodiscard]] std::vector<MadeSince> made_since(postgres::Connection& connection,
                                                const std::string& migration,
                                                const std::string& schema);

/// Those with rows, as entries of what cannot go back; they block nothing.
[[nodiscard]] std::vector<CannotGoBack> as_cannot_go_back(const std::vector<MadeSince>& tables);

}  // namespace lockstep::switchover
