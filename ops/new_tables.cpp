#include "ops/new_tables.hpp"

#include <string_view>

#include "link/sqlite/database.hpp"
#include "link/sqlite/statement.hpp"
#include "ops/schema_follower.hpp"

namespace lockstep::ops {

namespace {

using sqlite::Database;
using sqlite::OpenMode;

constexpr Milliseconds kTableStands{1'000};

// VACUUM changes it as well; then the table is looked at once more.
std::string how_made(Database& database, const std::string& table) {
  sqlite::Statement row(database,
                        "SELECT rowid || ' ' || sql FROM main.sqlite_master WHERE type = 'table' "
                        "AND name = ?");
  row.bind(1, std::string_view(table));
  return row.step() ? row.text(0) : std::string();
}

}  // namespace

bool NewTables::due(std::int64_t schema_version, const capture::Installed& installed) {
  const SteadyTime now = steady_now();
  if (schema_version != schema_version_) {
    Database reading = Database::open(path_, OpenMode::read_only);
    std::map<std::string, Standing> standing;
    for (const std::string& name : unfollowed_tables(reading, installed)) {
      std::string made = how_made(reading, name);
      const auto before = standing_.find(name);
      const bool still = before != standing_.end() && before->second.made == made;
      standing.emplace(name, Standing{std::move(made), still ? before->second.since : now});
    }
    standing_ = std::move(standing);
    std::erase_if(told_, [&](const auto& told) { return !standing_.contains(told.first); });
    schema_version_ = schema_version;
  }
  bool due = false;
  for (const auto& [name, table] : standing_) {
    if (now - table.since < kTableStands || told_[name] == table.made) continue;
    told_[name] = table.made;
    due = true;
  }
  return due;
}

}  // namespace lockstep::ops
