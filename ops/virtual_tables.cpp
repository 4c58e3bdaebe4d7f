#include "ops/virtual_tables.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "link/sqlite/sql_text.hpp"
#include "link/sqlite/statement.hpp"

namespace lockstep::ops {

namespace {

// SQLite tells shadow tables by their names: the virtual table's, an underscore, and a word.
bool is_named_after(const std::string& table, const std::string& owner) {
  return table.size() > owner.size() + 1 &&
         sqlite::same_name(table.substr(0, owner.size() + 1), owner + "_");
}

bool is_module_known(sqlite::Database& database, const std::string& table) {
  sqlite::Statement text(database,
                         "SELECT sql FROM main.sqlite_master WHERE type = 'table' AND name = ?");
  text.bind(1, std::string_view(table));
  if (!text.step()) return true;
  const std::string sql = text.text(0);
  const std::vector<sqlite::SqlToken> tokens = sqlite::tokens_of(sql);
  std::size_t at = 0;
  while (at < tokens.size() && !sqlite::is_word(tokens[at], "USING")) ++at;
  if (at + 1 >= tokens.size()) return true;
  const std::string module = sqlite::unquoted(tokens[at + 1]);
  sqlite::Statement known(database,
                          "SELECT 1 FROM pragma_module_list WHERE name = ? COLLATE NOCASE");
  known.bind(1, std::string_view(module));
  return known.step();
}

}  // namespace

std::string skipped_virtual(const std::string& name, const std::vector<sqlite::TableName>& all) {
  const auto shadows = std::count_if(all.begin(), all.end(), [&](const sqlite::TableName& other) {
    return other.kind == sqlite::TableKind::shadow && is_named_after(other.name, name);
  });
  return fmt::format(
      "{}: a virtual table{}; PostgreSQL needs an index of its own for that", name,
      shadows > 0 ? fmt::format(", with the {} tables it keeps its data in", shadows) : "");
}

std::map<std::string, std::string> maybe_shadows(sqlite::Database& database,
                                                 const std::vector<sqlite::TableName>& all) {
  std::map<std::string, std::string> found;
  for (const sqlite::TableName& owner : all) {
    if (owner.kind != sqlite::TableKind::virtual_table || is_module_known(database, owner.name))
      continue;
    for (const sqlite::TableName& table : all)
      if (table.kind == sqlite::TableKind::ordinary && is_named_after(table.name, owner.name))
        found.emplace(table.name, owner.name);
  }
  return found;
}

}  // namespace lockstep::ops
