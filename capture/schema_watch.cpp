#include "capture/schema_watch.hpp"

#include <algorithm>
#include <set>

#include "link/sqlite/statement.hpp"

namespace lockstep::capture {

namespace {

using Object = SchemaLook::Object;
using Objects = std::map<std::pair<std::string, std::string>, Object>;

std::set<std::string> tables_only_in(const Objects& some, const Objects& others) {
  std::set<std::string> names;
  for (const auto& [key, object] : some)
    if (key.first == "table" && !key.second.starts_with("sqlite_") && !others.contains(key))
      names.insert(key.second);
  return names;
}

bool is_virtual(const Object& object) {
  return object.rootpage == 0;
}

// DROP TABLE of a virtual table takes its shadow tables along.
std::int64_t dropped_tables(const Objects& before, const std::set<std::string>& gone) {
  const auto is_shadow = [&](const std::string& name) {
    return std::any_of(gone.begin(), gone.end(), [&](const std::string& other) {
      return is_virtual(before.at({"table", other})) && name.starts_with(other + "_");
    });
  };
  return std::count_if(gone.begin(), gone.end(),
                       [&](const std::string& name) { return !is_shadow(name); });
}

bool analyzed(const Objects& before, const Objects& now) {
  const auto statistics = [](const Objects& objects) {
    return std::count_if(objects.begin(), objects.end(), [](const auto& each) {
      return each.first.second.starts_with("sqlite_stat");
    });
  };
  return statistics(before) != statistics(now);
}

// Indexes, triggers and views that are only on one side, other than by what became of their table.
std::int64_t only_in(const Objects& some, const Objects& others,
                     const std::set<std::string>& gone) {
  std::int64_t statements = 0;
  for (const auto& [key, object] : some)
    if (key.first != "table" && !object.sql.empty() && !others.contains(key) &&
        !gone.contains(object.table))
      ++statements;
  return statements;
}

// Of a table that was made anew, the usual way takes three, and one for each of its indexes and
// triggers. Who renames a table or column rewrites the texts of others: these count for nothing
// then.
std::int64_t changed(const Objects& before, const Objects& now, bool renamed) {
  std::int64_t statements = 0;
  bool rewritten = false;
  std::set<std::string> made_anew;
  for (const auto& [key, object] : now) {
    const auto was = before.find(key);
    if (key.first != "table" || was == before.end() || object.sql.empty()) continue;
    if (was->second.rootpage != object.rootpage) {
      made_anew.insert(key.second);
      statements += 3;
    } else if (was->second.columns != object.columns) {
      statements += std::abs(object.columns - was->second.columns);
    } else if (was->second.sql != object.sql) {
      rewritten = true;
    }
  }
  if (rewritten && !renamed) ++statements;
  for (const auto& [key, object] : now) {
    const auto was = before.find(key);
    if (key.first == "table" || was == before.end() || object.sql.empty()) continue;
    if (made_anew.contains(object.table))
      ++statements;
    else if (was->second.sql != object.sql && !renamed && !rewritten)
      statements += 2;
  }
  return statements;
}

}  // namespace

SchemaLook look_at(sqlite::Database& database) {
  SchemaLook look{.version = database.pragma_int("schema_version")};
  sqlite::Statement rows(
      database,
      "SELECT type, name, tbl_name, coalesce(sql, ''), rootpage, CASE WHEN type = 'table' AND "
      "rootpage > 0 THEN (SELECT count(*) FROM pragma_table_xinfo(m.name)) ELSE 0 END FROM "
      "main.sqlite_master AS m WHERE name NOT LIKE '\\_lockstep\\_%' ESCAPE '\\'");
  while (rows.step())
    look.objects.emplace(std::pair(rows.text(0), rows.text(1)), Object{.table = rows.text(2),
                                                                       .sql = rows.text(3),
                                                                       .rootpage = rows.integer(4),
                                                                       .columns = rows.integer(5)});
  return look;
}

std::int64_t statements_explained(const SchemaLook& before, const SchemaLook& now) {
  const auto came = tables_only_in(now.objects, before.objects);
  const auto gone = tables_only_in(before.objects, now.objects);
  const bool renamed = !came.empty() && !gone.empty();
  return std::max(static_cast<std::int64_t>(came.size()), dropped_tables(before.objects, gone)) +
         only_in(now.objects, before.objects, {}) + only_in(before.objects, now.objects, gone) +
         changed(before.objects, now.objects, renamed) +
         (analyzed(before.objects, now.objects) ? 1 : 0);
}

bool may_have_missed(const SchemaLook& before, const SchemaLook& now) {
  if (before.version < 0 || now.version == before.version) return false;
  return now.version < before.version ||
         now.version - before.version >= statements_explained(before, now) + 2;
}

void SchemaWatch::look(sqlite::Database& database) {
  if (last_.version >= 0 && database.pragma_int("schema_version") == last_.version) return;
  SchemaLook now = look_at(database);
  in_doubt_ = in_doubt_ || may_have_missed(last_, now);
  last_ = std::move(now);
}

}  // namespace lockstep::capture
