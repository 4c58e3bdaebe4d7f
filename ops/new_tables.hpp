// When tables that nobody follows yet are to be followed.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "capture/install.hpp"
#include "model/clock.hpp"

namespace lockstep::ops {

/// Whether new tables have stood long enough to be followed: an ORM that rebuilds a table in
/// several transactions makes one that is gone soon. One thread.
class NewTables {
 public:
  explicit NewTables(std::string path) : path_(std::move(path)) {}

  /// Looks when the schema has moved. True once for tables that have stood for a second; a table
  /// that was dropped and made again is another one.
  [[nodiscard]] bool due(std::int64_t schema_version, const capture::Installed& installed);

 private:
  std::string path_;
  std::int64_t schema_version_ = -1;
  struct Standing {
    std::string made;  ///< its place in SQLite's list, and its text
    SteadyTime since{};
  };
  std::map<std::string, Standing> standing_;
  std::map<std::string, std::string> told_;  ///< and which table of that name it was
};

}  // namespace lockstep::ops
