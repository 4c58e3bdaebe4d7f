#include "link/sqlite/own_objects.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "link/sqlite/sql_text.hpp"
#include "link/sqlite/statement.hpp"

namespace lockstep::sqlite {

namespace {

constexpr std::string_view kPrefix = "_lockstep_";

struct OwnTable {
  std::string_view name, begins;  // SQLite keeps CREATE TABLE as it was written
  Own own;
};

constexpr std::array<OwnTable, 5> kOwnTables{
    {{"_lockstep_changes",
      "CREATE TABLE _lockstep_changes (seq INTEGER PRIMARY KEY, identity INTEGER", Own::capture},
     {"_lockstep_meta", "CREATE TABLE _lockstep_meta (name TEXT PRIMARY KEY, value TEXT)",
      Own::capture},
     {"_lockstep_tables", "CREATE TABLE _lockstep_tables (id INTEGER PRIMARY KEY, name TEXT, plan",
      Own::capture},
     {"_lockstep_switch", "CREATE TABLE _lockstep_switch (one INTEGER PRIMARY KEY", Own::fence},
     {"_lockstep_refused", "CREATE TABLE _lockstep_refused (one INTEGER PRIMARY KEY", Own::fence}}};

constexpr std::array<std::string_view, 5> kTriggerKinds{"insert", "delete", "update",
                                                        "probe_insert", "probe_update"};
constexpr std::array<std::string_view, 3> kFenced{"fence_INSERT_", "fence_UPDATE_",
                                                  "fence_DELETE_"};

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace

bool is_named_like_ours(std::string_view name) {
  return same_name(name.substr(0, kPrefix.size()), kPrefix);
}

Own own_trigger_name(std::string_view name) {
  if (!name.starts_with(kPrefix)) return Own::no;
  name.remove_prefix(kPrefix.size());
  const auto begins = [&](std::string_view begin) { return name.starts_with(begin); };
  if (std::any_of(kFenced.begin(), kFenced.end(), begins)) return Own::fence;
  const std::size_t digits = std::min(name.find_first_not_of("0123456789"), name.size());
  if (digits == 0 || digits == name.size() || name[digits] != '_') return Own::no;
  name.remove_prefix(digits + 1);
  return std::find(kTriggerKinds.begin(), kTriggerKinds.end(), name) != kTriggerKinds.end()
             ? Own::capture
             : Own::no;
}

Own own_object(std::string_view type, std::string_view name, std::string_view sql) {
  if (type == "table") {
    for (const OwnTable& table : kOwnTables)
      if (name == table.name) return sql.starts_with(table.begins) ? table.own : Own::no;
    return Own::no;
  }
  if (type != "trigger") return Own::no;
  const Own own = own_trigger_name(name);
  const std::string_view does = own == Own::fence
                                    ? std::string_view("(SELECT role FROM _lockstep_switch)")
                                    : std::string_view("INSERT INTO _lockstep_changes(tbl");
  return contains(sql, does) ? own : Own::no;
}

bool is_own_table_name(std::string_view name) {
  return std::any_of(kOwnTables.begin(), kOwnTables.end(),
                     [&](const OwnTable& table) { return same_name(name, table.name); });
}

bool needs_own_tables(std::string_view sql) {
  const std::vector<SqlToken> tokens = tokens_of(sql);
  return std::any_of(tokens.begin(), tokens.end(), [](const SqlToken& token) {
    std::string_view name = token.text;
    if (token.kind == SqlToken::Kind::quoted_name && name.size() > 2)
      name = name.substr(1, name.size() - 2);
    else if (token.kind != SqlToken::Kind::word)
      return false;
    return is_own_table_name(name);
  });
}

bool has_own_table(Database& database, std::string_view name) {
  Statement table(database, "SELECT sql FROM main.sqlite_master WHERE type = 'table' AND name = ?");
  table.bind(1, name);
  return table.step() && own_object("table", name, table.text(0)) != Own::no;
}

std::vector<std::string> objects_named_like_ours(Database& database) {
  std::vector<std::string> found;
  Statement rows(database,
                 "SELECT type, name, coalesce(sql, '') FROM main.sqlite_master WHERE name LIKE "
                 "'\\_lockstep\\_%' ESCAPE '\\' ORDER BY type, name");
  while (rows.step())
    if (own_object(rows.text(0), rows.text(1), rows.text(2)) == Own::no)
      found.push_back(fmt::format("{} {}", rows.text(0), rows.text(1)));
  return found;
}

void refuse_names_like_ours(Database& database) {
  const std::vector<std::string> found = objects_named_like_ours(database);
  if (found.empty()) return;
  throw Error({.code = "LS-S336",
               .exit = ExitCode::precondition,
               .what = fmt::format("the source has {} of its own: {}",
                                   found.size() == 1 ? "an object with lockstep's prefix"
                                                     : "objects with lockstep's prefix",
                                   fmt::join(found, ", ")),
               .why =
                   "names that begin with _lockstep_ are kept for what lockstep makes there, and "
                   "these are not lockstep's",
               .data = "nothing was installed; lockstep remove does not touch them either",
               .todo = "rename them (ALTER TABLE .. RENAME TO; make triggers, indexes and views "
                       "anew under another name), then again"});
}

}  // namespace lockstep::sqlite
