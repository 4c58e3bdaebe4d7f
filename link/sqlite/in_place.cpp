#include "link/sqlite/in_place.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

namespace lockstep::sqlite {

void require_in_place(Database& database) {
  int moved = 0;
  const int code = sqlite3_file_control(database.handle(), "main", SQLITE_FCNTL_HAS_MOVED, &moved);
  if (code != SQLITE_OK) throw_sqlite_error(database.handle(), code, "looking at its own file");
  if (moved == 0) return;
  throw Error({.code = "LS-S312",
               .exit = ExitCode::stopped,
               .what = fmt::format("{} is no longer the file that is open", database.path()),
               .why = "it was moved away, deleted, or another one was put in its place",
               .data = "stopped; what was written into the file that is open counts as not there",
               .todo = "put the file back and run again"});
}

}  // namespace lockstep::sqlite
