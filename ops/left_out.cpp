#include "ops/left_out.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <exception>

#include "capture/left_out.hpp"
#include "link/sqlite/shape.hpp"
#include "link/sqlite/sql_text.hpp"
#include "ops/names.hpp"

namespace lockstep::ops {

LeftOut left_out_of(sqlite::Database& database, const capture::Installed& installed) {
  LeftOut out;
  const std::vector<std::string> accepted = capture::accepted_left_out(database);
  const auto is_chosen = [&](const std::string& name) {
    if (std::any_of(accepted.begin(), accepted.end(),
                    [&](const std::string& each) { return sqlite::same_name(each, name); }))
      return true;
    if (!installed.choice) return false;
    const auto& [tables, exclude, rules] = *installed.choice;
    return matches_any(name, exclude) || (!tables.empty() && !matches_any(name, tables));
  };
  for (const sqlite::TableName& table : sqlite::list_tables(database)) {
    if (table.kind != sqlite::TableKind::ordinary) continue;
    if (!left_alone(table.name,
                    installed.choice ? installed.choice->tables : std::vector<std::string>())
             .empty())
      continue;
    const bool followed = std::any_of(
        installed.tables.begin(), installed.tables.end(),
        [&](const TablePlan& plan) { return sqlite::same_name(plan.name(), table.name); });
    if (!followed) (is_chosen(table.name) ? out.by_choice : out.not_followed).push_back(table.name);
  }
  return out;
}

LeftOut left_out_of(const std::string& path) noexcept {
  try {
    sqlite::Database database =
        sqlite::Database::open(path, sqlite::OpenMode::read_only, Milliseconds{200});
    if (const auto installed = capture::read_installed(database))
      return left_out_of(database, *installed);
  } catch (const std::exception&) {  // what cannot be read is told by those who have to read it
  }
  return {};
}

std::string listed(const std::vector<std::string>& tables) {
  return fmt::format("{}", fmt::join(tables, ", "));
}

}  // namespace lockstep::ops
