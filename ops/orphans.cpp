#include "ops/orphans.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>

#include "link/sqlite/statement.hpp"

namespace lockstep::ops {

namespace {

constexpr std::uint64_t kCountMax = 1'000;
constexpr std::size_t kExamplesMax = 3;
constexpr std::uint64_t kRowsMaxInJournalMode = 100'000;

Finding warning(const std::string& table, std::string what) {
  return {
      .severity = Severity::warning, .code = "LS-A110", .table = table, .what = std::move(what)};
}

std::optional<Finding> orphans_of(sqlite::Database& database, const std::string& table) {
  sqlite::Statement rows(database,
                         fmt::format("PRAGMA foreign_key_check({})", sqlite::quoted(table)));
  std::map<std::string, std::uint64_t> parents;
  std::vector<std::string> examples;
  std::uint64_t count = 0;
  while (count < kCountMax && rows.step()) {
    ++count;
    ++parents[rows.text(2)];
    if (examples.size() < kExamplesMax)
      examples.push_back(rows.is_null(1)
                             ? fmt::format("a row of a table without rowid, to {}", rows.text(2))
                             : fmt::format("rowid={}, to {}", rows.integer(1), rows.text(2)));
  }
  if (count == 0) return std::nullopt;
  std::vector<std::string> parts;
  for (const auto& [parent, orphans] : parents)
    parts.push_back(fmt::format("{} to {}", orphans, parent));
  Finding finding = warning(
      table, fmt::format("{}{} row(s) with foreign keys that point at nothing: {}",
                         count == kCountMax ? "at least " : "", count, fmt::join(parts, ", ")));
  finding.examples = std::move(examples);
  return finding;
}

}  // namespace

std::vector<Finding> orphans_in(sqlite::Database& database, const Assessment& assessment) {
  std::vector<Finding> findings;
  const bool wal = database.in_wal_mode();
  for (const TableFacts& table : assessment.tables) {
    if (table.shape.foreign_keys == 0) continue;
    const std::string& name = table.shape.name;
    if (!wal && (table.census.rows > kRowsMaxInJournalMode || !table.census.whole)) {
      findings.push_back(warning(name,
                                 "its foreign keys were not checked: in rollback-journal mode the "
                                 "application would have to wait for that"));
      continue;
    }
    try {
      if (auto finding = orphans_of(database, name)) findings.push_back(std::move(*finding));
    } catch (const Error& error) {
      findings.push_back(warning(name, "its foreign keys cannot be checked: " + error.facts().why));
    }
  }
  return findings;
}

}  // namespace lockstep::ops
