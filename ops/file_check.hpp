// SQLite's own look at its file, where the application's collations are not known.
#pragma once

#include <string>

#include "link/sqlite/database.hpp"

namespace lockstep::ops {

struct FileCheck {
  std::string found;  ///< "ok", or the first damage
  std::string
      left_out;  ///< tables that were not looked into, each with SQLite's reason; empty: none
  [[nodiscard]] bool ok() const { return found == "ok"; }
};

/// PRAGMA quick_check: a read transaction as long as it takes. Where a table needs what only the
/// application has, the others are looked into one by one. Throws as reading does, if the file
/// cannot be read.
[[nodiscard]] FileCheck quick_check(sqlite::Database& file);

}  // namespace lockstep::ops
