#include "switchover/rowids.hpp"

#include <fmt/format.h>

#include "capture/triggers.hpp"
#include "link/sqlite/file_state.hpp"
#include "link/sqlite/statement.hpp"

namespace lockstep::switchover {

namespace {

constexpr char kRecorded[] = "reverse_rowids";  // in the meta table: nothing is altered for it

// VACUUM moves schema_version; a file that was made from a dump may have the same one.
std::string rowids_now(sqlite::Database& database) {
  return fmt::format("{} {}", database.pragma_int("schema_version"),
                     sqlite::file_identity(database.path()));
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
