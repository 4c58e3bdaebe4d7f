#include "switchover/lost_columns.hpp"

#include <algorithm>
#include <string>

#include "link/sqlite/sql_text.hpp"
#include "link/sqlite/statement.hpp"

namespace lockstep::switchover {

namespace {

std::vector<std::string> columns_now(sqlite::Database& database, const std::string& table) {
  sqlite::Statement rows(database, "SELECT name FROM pragma_table_xinfo(?1, 'main')");
  rows.bind(1, std::string_view(table));
  std::vector<std::string> names;
  while (rows.step()) names.push_back(rows.text(0));
  return names;
}

}  // namespace

std::vector<CannotGoBack> lost_columns(sqlite::Database& database,
                                       const std::vector<TablePlan>& plans) {
  std::vector<CannotGoBack> lost;
  for (const TablePlan& plan : plans) {
    const std::vector<std::string> now = columns_now(database, plan.name());
    if (now.empty()) {
      lost.push_back({plan.name(), "", "SQLite has no such table any more"});
      continue;
    }
    for (const Column& column : plan.shape.columns) {
      const auto same = [&](const std::string& name) {
        return sqlite::same_name(name, column.name);
      };
      if (!column.is_rowid && std::none_of(now.begin(), now.end(), same))
        lost.push_back({plan.name(), column.name, "SQLite has no such column any more"});
    }
  }
  return lost;
}

}  // namespace lockstep::switchover
