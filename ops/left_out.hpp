// Tables of the source that nobody follows: a cutover would leave their rows behind.
#pragma once

#include <string>
#include <vector>

#include "capture/install.hpp"
#include "link/sqlite/database.hpp"

namespace lockstep::ops {

struct LeftOut {
  std::vector<std::string> not_followed;  ///< nobody wanted that
  std::vector<std::string> by_choice;     ///< --exclude, tables.exclude, lockstep ddl accept
};

/// Ordinary tables alone, in name order: virtual ones were told of at the start.
[[nodiscard]] LeftOut left_out_of(sqlite::Database& database, const capture::Installed& installed);

/// The same from the file; nothing where it is not there, or is not followed. Never throws for what
/// the world does: a status is no place to stop at.
[[nodiscard]] LeftOut left_out_of(const std::string& path) noexcept;

/// "notes, parts"
[[nodiscard]] std::string listed(const std::vector<std::string>& tables);

}  // namespace lockstep::ops
