// Can we run here? Looks at both sides without changing either.
#pragma once

#include <string>
#include <vector>

#include "link/postgres/connection.hpp"
#include "link/sqlite/database.hpp"
#include "ops/findings.hpp"

namespace lockstep::ops {

struct Check {
  bool ok = true;
  Severity severity = Severity::warning;  ///< if not ok
  std::string code{};                     ///< if not ok
  std::string what{};
  std::string todo{};
};

/// Of the file, its owner, file system and journal. Throws LS-S314 (a file system of a network).
[[nodiscard]] std::vector<Check> check_source(sqlite::Database& database);

/// Version, rights, room, settings, names that are taken. `plans` are the tables to be carried.
[[nodiscard]] std::vector<Check> check_target(postgres::Connection& connection,
                                              const std::string& schema,
                                              const std::vector<TablePlan>& plans);

/// An error that stands in the way, as a check.
[[nodiscard]] Check failed_check(const ErrorFacts& facts);

/// "3.1 MiB"
[[nodiscard]] std::string readable_bytes(std::uint64_t bytes);

}  // namespace lockstep::ops
