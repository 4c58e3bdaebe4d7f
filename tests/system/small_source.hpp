// A database that is there, for tests of what is around it.
#pragma once

#include <string>

#include "tests/system/world.hpp"

namespace lockstep::test {

inline std::string small_source(const TempDir& folder) {
  std::string file = folder.file("app.db");
  sqlite(file,
         "PRAGMA journal_mode = WAL; CREATE TABLE notes(id INTEGER PRIMARY KEY, text TEXT);"
         "INSERT INTO notes VALUES (1, 'one')");
  return file;
}

}  // namespace lockstep::test
