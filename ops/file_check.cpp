#include "ops/file_check.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <optional>
#include <vector>

#include "link/sqlite/statement.hpp"

namespace lockstep::ops {

namespace {

// SQLITE_ERROR, and its extended codes: it is the statement that cannot be run, not the file that
// cannot be read.
bool is_of_the_statement(const Error& error) {
  constexpr long kPrimary = 0xff, kError = 1;
  return (std::strtol(error.foreign().c_str(), nullptr, 10) & kPrimary) == kError;
}

std::vector<std::string> stored_tables(sqlite::Database& file) {
  std::vector<std::string> names;
  sqlite::Statement rows(
      file, "SELECT name FROM main.sqlite_master WHERE type = 'table' AND rootpage > 0");
  while (rows.step()) names.push_back(rows.text(0));
  return names;
}

}  // namespace

FileCheck quick_check(sqlite::Database& file) {
  try {
    return {file.pragma_text("quick_check(1)"), {}};
  } catch (const Error& error) {
    if (!is_of_the_statement(error)) throw;
  }
  FileCheck check{"ok", {}};
  for (const std::string& table : stored_tables(file)) {
    try {
      check.found = file.pragma_text(fmt::format("quick_check({})", sqlite::quoted(table)));
      if (!check.ok()) return check;
    } catch (const Error& error) {
      if (!is_of_the_statement(error)) throw;
      check.left_out +=
          fmt::format("{}{} ({})", check.left_out.empty() ? "" : ", ", table, error.facts().why);
    }
  }
  return check;
}

}  // namespace lockstep::ops
