#include "switchover/rowids.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include "capture/triggers.hpp"
#include "link/sqlite/statement.hpp"

namespace lockstep::switchover {

namespace {

constexpr char kRecorded[] = "reverse_rowids";  // in the meta table: nothing is altered for it

// VACUUM moves schema_version. A file that was made from a dump may have the same one, and is
// another inode; the device is left out, for a restart of the machine may number it anew.
std::string rowids_now(sqlite::Database& database) {
  struct stat about {};
  const bool there = ::stat(database.path().c_str(), &about) == 0;
  return fmt::format("{} {}", database.pragma_int("schema_version"), there ? about.st_ino : 0);
}

std::string recorded(sqlite::Database& database) {
  sqlite::Statement row(database,
                        fmt::format("SELECT value FROM {} WHERE name = ?", capture::kMetaTable));
  row.bind(1, std::string_view(kRecorded));
  return row.step() ? row.text(0) : std::string();
}

}  // namespace

void record_rowids(sqlite::Database& database) {
  const std::string now = rowids_now(database);
  sqlite::Statement keep(database, fmt::format("INSERT OR REPLACE INTO {}(name, value) VALUES "
                                               "(?, ?)",
                                               capture::kMetaTable));
  keep.bind(1, std::string_view(kRecorded)).bind(2, std::string_view(now)).run();
}

std::vector<std::string> renumbered_tables(sqlite::Database& database,
                                           const std::vector<TablePlan>& plans) {
  std::vector<std::string> names;
  for (const TablePlan& plan : plans)
    if (plan.shape.keyed_by_rowid) names.push_back(plan.name());
  if (!names.empty() && recorded(database) == rowids_now(database)) names.clear();
  return names;
}

}  // namespace lockstep::switchover
