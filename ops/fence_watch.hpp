// SQLite after a cutover: a migration of an application that was left behind can take its fence
// away, for triggers go with their table.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "link/postgres/connection.hpp"
#include "link/sqlite/database.hpp"
#include "model/shape.hpp"
#include "ops/board.hpp"

namespace lockstep::ops {

class FenceWatch {
 public:
  FenceWatch(std::string migration, Board& board);

  /// Cheap unless SQLite's schema has changed. Where tables had no fence, or are no longer what
  /// they were: asks for a comparison, without which there is no rollback, makes the fence whole,
  /// and says so (a note LS-X664) with the processes that have the file open. Both connections are
  /// in no transaction. Throws LS-S309 if SQLite is locked: call it again.
  void look(sqlite::Database& sqlite, postgres::Connection& postgres,
            const std::vector<TablePlan>& plans);

 private:
  std::string migration_;
  Board& board_;
  std::int64_t schema_version_ = -1;  ///< that was looked at
};

}  // namespace lockstep::ops
