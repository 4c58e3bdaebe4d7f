#include "apply/index_change.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "link/postgres/names.hpp"

namespace lockstep::apply {

namespace {

using postgres::qualified;

std::map<std::string, IndexStatement> by_name(const KeyStatements& keys) {
  std::map<std::string, IndexStatement> found;
  for (const IndexStatement& index : keys.indexes) found.emplace(index.name, index);
  return found;
}

std::string constraint_of(const KeyStatements& keys, const std::string& name) {
  const std::string adds = fmt::format(" ADD CONSTRAINT {} ", postgres::quoted(name));
  for (const std::string& sql : keys.constraints)
    if (sql.find(adds) != std::string::npos) return sql;
  return {};
}

// What an index is but for its name, and of which constraint: the first mention is the name.
std::string nameless(const KeyStatements& keys, const IndexStatement& index) {
  const std::string name = postgres::quoted(index.name), made = constraint_of(keys, index.name);
  const std::string_view kind = made.empty()                                      ? ""
                                : made.find(" PRIMARY KEY ") != std::string::npos ? "p"
                                                                                  : "u";
  std::string sql = index.sql;
  return sql.erase(sql.find(name), name.size()).append(kind);
}

// By old names: those that are there under another name now. The rows of the batch go by the
// primary key, so it must not go away for its name.
std::map<std::string, std::string> renamed_indexes(const KeyStatements& before,
                                                   const KeyStatements& now) {
  const auto old = by_name(before);
  auto coming = by_name(now);
  std::erase_if(coming, [&](const auto& each) { return old.contains(each.first); });
  std::map<std::string, std::string> renamed;
  const auto present = by_name(now);
  for (const auto& [name, index] : old) {
    if (present.contains(name)) continue;
    const std::string was = nameless(before, index);
    const auto same = std::find_if(coming.begin(), coming.end(), [&](const auto& each) {
      return nameless(now, each.second) == was;
    });
    if (same == coming.end()) continue;
    renamed.emplace(name, same->first);
    coming.erase(same);
  }
  return renamed;
}

}  // namespace

// Dropped ones first: the rows of the batch may be against them. CASCADE is nobody's wish: an index
// that something else needs stops the batch by name.
void change_indexes(const std::string& schema, const KeyStatements& before,
                    const KeyStatements& now, const TablePlan& plan, PlanChange& change) {
  const auto old = by_name(before), present = by_name(now);
  const auto renamed = renamed_indexes(before, now);
  const std::string table = qualified(schema, plan.target_name());
  std::set<std::string> there;
  for (const auto& [name, index] : old) {
    const auto still = present.find(name);
    if (renamed.contains(name) || (still != present.end() && still->second.sql == index.sql))
      continue;
    if (!constraint_of(before, name).empty())
      change.before.push_back(
          fmt::format("ALTER TABLE {} DROP CONSTRAINT {}", table, postgres::quoted(name)));
    else
      change.before.push_back(fmt::format("DROP INDEX IF EXISTS {}", qualified(schema, name)));
  }
  for (const auto& [from, to] : renamed) {
    change.renamed.push_back({schema, from, to});
    there.insert(to);
  }
  for (const auto& [name, index] : present) {
    const auto was = old.find(name);
    if (there.contains(name) || (was != old.end() && was->second.sql == index.sql)) continue;
    change.after.push_back(index.sql);
    if (std::string constraint = constraint_of(now, name); !constraint.empty())
      change.after.push_back(std::move(constraint));
  }
}

}  // namespace lockstep::apply
