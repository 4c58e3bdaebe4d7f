#include "capture/lookups.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "capture/triggers.hpp"
#include "link/sqlite/double_quotes.hpp"
#include "link/sqlite/own_objects.hpp"
#include "link/sqlite/sql_text.hpp"
#include "link/sqlite/statement.hpp"

namespace lockstep::capture {

namespace {

// Lines about the rows that stand for NEW and OLD, and about SELECT .. FROM (SELECT NEW."a" ..).
bool reads_new_row(const std::string& line) {
  for (const std::string start :
       {"SCAN NEW", "SCAN OLD", "SCAN CONSTANT ROW", "SCAN _lockstep_new"})
    if (line == start || line.starts_with(start + " ")) return true;
  return false;
}

bool may_scan(const Probe& probe, const std::string& line) {
  if (!probe.single_row) return false;
  return probe.scanned_index.empty() || line.ends_with(" INDEX " + probe.scanned_index);
}

// What is wrong with the query's plan, or with the query; nothing: each row is searched for.
std::optional<std::string> problem_of(sqlite::Database& database, const std::string& query,
                                      const Probe& probe) {
  try {
    const sqlite::DoubleQuotedStrings strings(database);  // it has the application's expressions
    sqlite::Statement plan(database, "EXPLAIN QUERY PLAN " + query);
    std::string said;
    bool searches = true, reads = false;
    while (plan.step()) {
      const std::string line = plan.text(3);
      said += line + "; ";
      if (reads_new_row(line)) continue;
      const bool scans = line.starts_with("SCAN ");
      reads = reads || scans || line.starts_with("SEARCH ");
      searches = searches && (!scans || may_scan(probe, line));
    }
    if (searches && reads) return std::nullopt;
    return fmt::format("SQLite would answer \"{}\" with: {}", query, said);
  } catch (const Error& error) {
    return error.facts().why;
  }
}

bool hides_changes(const std::string& create_trigger) {
  const std::vector<sqlite::SqlToken> tokens = sqlite::tokens_of(create_trigger);
  std::size_t at = 0;
  while (at < tokens.size() && !sqlite::is_word(tokens[at], "AFTER") &&
         !sqlite::is_word(tokens[at], "ON"))
    ++at;
  if (at == tokens.size() || !sqlite::is_word(tokens[at], "AFTER")) return false;
  for (; at + 2 < tokens.size(); ++at)
    if (sqlite::is_word(tokens[at], "RAISE") && sqlite::is_word(tokens[at + 2], "IGNORE"))
      return true;
  return false;
}

}  // namespace

std::vector<std::string> lookup_problems(sqlite::Database& database, const TableShape& shape) {
  std::vector<std::string> problems;
  const auto add = [&](const std::optional<std::string>& problem) {
    if (problem && std::find(problems.begin(), problems.end(), *problem) == problems.end())
      problems.push_back(*problem);
  };
  add(problem_of(database, lookup_sql(shape), {}));
  for (const ProbeQuery& query : probe_queries(shape))
    add(problem_of(database, query.sql, query.probe));
  return problems;
}

std::vector<std::string> hiding_triggers(sqlite::Database& database, const std::string& table) {
  std::vector<std::string> found;
  sqlite::Statement triggers(database,
                             "SELECT name, sql FROM main.sqlite_master WHERE type = 'trigger' AND "
                             "tbl_name = ? COLLATE NOCASE ORDER BY name");
  triggers.bind(1, std::string_view(table));
  while (triggers.step())
    if (hides_changes(triggers.text(1))) found.push_back(triggers.text(0));
  return found;
}

std::string hides(const HidingTrigger& trigger) {
  return fmt::format(
      "trigger {} of table {} says RAISE(IGNORE) after a change and was made after lockstep's, so "
      "it may have hidden changes from them",
      trigger.trigger, trigger.table);
}

std::vector<HidingTrigger> newer_hiding_triggers(sqlite::Database& database) {
  std::vector<HidingTrigger> found;
  std::vector<std::string> ours;  // tables that have triggers of ours, as far as was read
  sqlite::Statement triggers(database,
                             "SELECT tbl_name, name, sql FROM main.sqlite_master WHERE type = "
                             "'trigger' ORDER BY rowid");
  while (triggers.step()) {
    const std::string table = triggers.text(0);
    const auto same = [&](const std::string& other) { return sqlite::same_name(other, table); };
    const bool after_ours = std::any_of(ours.begin(), ours.end(), same);
    // Whatever it is called: ours never say so.
    if (hides_changes(triggers.text(2))) {
      if (after_ours) found.push_back({table, triggers.text(1)});
    } else if (sqlite::own_trigger_name(triggers.text(1)) == sqlite::Own::capture && !after_ours) {
      ours.push_back(table);
    }
  }
  return found;
}

std::vector<ForeignObject> objects_on_ours(sqlite::Database& database) {
  std::vector<ForeignObject> found;
  // An index without text belongs to a key; a trigger's table is spelled as somebody wrote it.
  sqlite::Statement objects(database,
                            "SELECT type, name, lower(tbl_name) FROM main.sqlite_master WHERE type "
                            "IN ('trigger', 'index') AND sql IS NOT NULL AND tbl_name LIKE "
                            "'\\_lockstep\\_%' ESCAPE '\\' ORDER BY name");
  while (objects.step())
    if (sqlite::has_own_table(database, objects.text(2)))
      found.push_back({objects.text(0), objects.text(1), objects.text(2)});
  return found;
}

std::string may_eat(const ForeignObject& object) {
  return fmt::format(
      "{} {} was made on {}, a table of lockstep's own, where it may have taken changes away",
      object.type, object.name, object.table);
}

void drop_objects_on_ours(sqlite::Database& database) {
  for (const ForeignObject& each : objects_on_ours(database))
    database.exec(fmt::format("DROP {} {}", each.type, sqlite::quoted(each.name)));
}

}  // namespace lockstep::capture
