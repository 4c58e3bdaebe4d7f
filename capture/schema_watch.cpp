#include "capture/schema_watch.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>

#include "capture/triggers.hpp"
#include "link/sqlite/own_objects.hpp"
#include "link/sqlite/statement.hpp"

namespace lockstep::capture {

namespace {

constexpr int kReadLargeAnewMax = 3;  // of one process, in doubt

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
    if (key.first != "table" && object.text != 0 && !others.contains(key) &&
        !gone.contains(object.table))
      ++statements;
  return statements;
}

// A table that is made anew comes behind all others in SQLite's list. VACUUM writes that list anew
// as well, tables first, in their order: it moves none of them back.
bool is_made_anew(const Object& was, const Object& is) {
  return !is_virtual(is) && is.rowid > was.rowid;
}

std::set<std::string> made_anew(const Objects& before, const Objects& now) {
  std::set<std::string> names;
  for (const auto& [key, object] : now)
    if (const auto was = before.find(key);
        key.first == "table" && was != before.end() && is_made_anew(was->second, object))
      names.insert(key.second);
  return names;
}

// Tables of which a trigger of ours is in another place: it was away, or VACUUM moved it.
std::set<std::string> with_moved_triggers(const Objects& before, const Objects& now) {
  std::set<std::string> names;
  for (const auto& [key, object] : now)
    if (const auto was = before.find(key);
        key.first == "trigger" && was != before.end() && was->second.rowid != object.rowid &&
        sqlite::own_trigger_name(key.second) == sqlite::Own::capture)
      names.insert(object.table);
  return names;
}

// Of a table that was made anew, the usual way takes three, and one for each of its indexes and
// triggers. Who renames a table or column rewrites the texts of others: these count for nothing
// then.
std::int64_t changed(const Objects& before, const Objects& now, const std::set<std::string>& anew,
                     bool renamed) {
  std::int64_t statements = 0;
  bool rewritten = false;
  for (const auto& [key, object] : now) {
    const auto was = before.find(key);
    if (key.first != "table" || was == before.end() || object.text == 0) continue;
    if (anew.contains(key.second)) {
      statements += 3;
    } else if (was->second.columns != object.columns) {
      statements += std::abs(object.columns - was->second.columns);
    } else if (was->second.text != object.text) {
      rewritten = true;
    }
  }
  if (rewritten && !renamed) ++statements;
  for (const auto& [key, object] : now) {
    const auto was = before.find(key);
    if (key.first == "table" || was == before.end() || object.text == 0) continue;
    if (anew.contains(object.table))
      ++statements;
    else if (was->second.text != object.text && !renamed && !rewritten)
      statements += 2;
  }
  return statements;
}

std::int64_t newest_seq(sqlite::Database& database, const SchemaLook& look) {
  if (!look.objects.contains({"table", std::string(kChangeTable)})) return -1;
  sqlite::Statement newest(database, fmt::format("SELECT max(seq) FROM {}", kChangeTable));
  return newest.step() ? newest.integer(0) : -1;
}

}  // namespace

SchemaLook look_at(sqlite::Database& database) {
  SchemaLook look{.version = database.pragma_int("schema_version")};
  sqlite::Statement rows(
      database,
      "SELECT type, name, tbl_name, coalesce(sql, ''), rootpage, CASE WHEN type = 'table' AND "
      "rootpage > 0 THEN (SELECT count(*) FROM pragma_table_xinfo(m.name)) ELSE 0 END, rowid FROM "
      "main.sqlite_master AS m");
  while (rows.step()) {
    const std::string sql = rows.text(3);
    look.objects.emplace(std::pair(rows.text(0), rows.text(1)),
                         Object{.table = rows.text(2),
                                .text = sql.empty() ? 0 : XXH3_64bits(sql.data(), sql.size()) | 1,
                                .rootpage = rows.integer(4),
                                .columns = rows.integer(5),
                                .rowid = rows.integer(6)});
  }
  return look;
}

std::int64_t statements_explained(const SchemaLook& before, const SchemaLook& now) {
  const auto came = tables_only_in(now.objects, before.objects);
  const auto gone = tables_only_in(before.objects, now.objects);
  const auto anew = made_anew(before.objects, now.objects);
  auto taken_along = gone;  // with their tables
  taken_along.insert(anew.begin(), anew.end());
  const bool renamed = !came.empty() && !gone.empty();
  return std::max(static_cast<std::int64_t>(came.size()), dropped_tables(before.objects, gone)) +
         only_in(now.objects, before.objects, {}) +
         only_in(before.objects, now.objects, taken_along) +
         changed(before.objects, now.objects, anew, renamed) +
         (analyzed(before.objects, now.objects) ? 1 : 0);
}

// Each of these takes a statement of its own. A table may bring others along (sqlite_sequence,
// those of a virtual one): of lockstep's own it is known that they do not.
bool nothing_but_created(const SchemaLook& before, const SchemaLook& now) {
  if (before.version < 0) return false;
  for (const auto& [key, was] : before.objects) {
    const auto is = now.objects.find(key);
    if (is == now.objects.end() || is->second != was) return false;
  }
  std::int64_t statements = 0;
  for (const auto& [key, object] : now.objects) {
    if (before.objects.contains(key) || object.text == 0) continue;
    if (key.first == "table" && !sqlite::is_own_table_name(key.second)) return false;
    ++statements;
  }
  return now.version - before.version == statements;
}

bool may_have_missed(const SchemaLook& before, const SchemaLook& now) {
  if (before.version < 0 || now.version == before.version) return false;
  return now.version < before.version ||
         now.version - before.version >= statements_explained(before, now) + 2;
}

// DROP COLUMN and ADD COLUMN of one table are two steps, and what is left of them explains one at
// most. VACUUM is one step, and a table that is made anew with our triggers takes seven.
std::set<std::string> possibly_rewritten(const SchemaLook& before, const SchemaLook& now) {
  std::set<std::string> names;
  if (before.version < 0) return names;
  const std::int64_t steps = now.version - before.version;
  const std::int64_t unexplained = steps - statements_explained(before, now);
  const bool other_file = steps <= 0;  // or a version that somebody set
  const std::set<std::string> moved = with_moved_triggers(before.objects, now.objects);
  for (const auto& [key, was] : before.objects) {
    if (key.first != "table" || is_virtual(was)) continue;
    const auto found = now.objects.find(key);
    if (found == now.objects.end()) {
      names.insert(key.second);
      continue;
    }
    const Object& is = found->second;
    const bool is_moved =
        moved.contains(key.second) || was.rowid != is.rowid || was.rootpage != is.rootpage;
    const bool altered = was.text != is.text;
    const std::int64_t may_be_else = is.columns > was.columns ? 1 : 0;
    if (is_made_anew(was, is) || is.columns < was.columns ||
        (is_moved && (other_file || unexplained > 1)) ||
        (altered && (other_file || unexplained > may_be_else)))
      names.insert(key.second);
  }
  return names;
}

void SchemaWatch::look(sqlite::Database& database) {
  if (!recorded_ && last_.version >= 0 && database.pragma_int("schema_version") == last_.version) {
    unmoved_at_ = newest_seq(database, last_);
    return;
  }
  SchemaLook now = look_at(database);
  in_question_.merge(possibly_rewritten(last_, now));
  if (may_have_missed(last_, now)) {
    if (!recorded_) {
      doubt_ = Doubt::seen;
      if (!unseen_since_) unseen_since_ = unmoved_at_;
    }
    lost_track_ = lost_track_ || recorded_;
    for (const auto& [key, object] : last_.objects)
      if (recorded_ && key.first == "table") in_question_.insert(key.second);
  }
  recorded_ = false;
  last_ = std::move(now);
  unmoved_at_ = newest_seq(database, last_);
}

void SchemaWatch::weighed(const Emptied& tables) {
  for (const std::string& name : tables.all)
    if (!tables.large.contains(name) || ++weighed_large_[name] <= kReadLargeAnewMax)
      in_question_.insert(name);
  unseen_since_.reset();
}

}  // namespace lockstep::capture
