#include "capture/triggers.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "link/sqlite/database.hpp"
#include "link/sqlite/shape.hpp"

namespace lockstep::capture {

namespace {

std::string key_columns(const TableShape& shape, std::string_view prefix) {
  std::vector<std::string> names;
  for (const std::size_t column : shape.key)
    names.push_back(fmt::format("{}{}", prefix, sqlite::source_name(shape, column)));
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string log_into(const TableShape& shape) {
  std::string names = "tbl";
  for (std::size_t i = 1; i <= shape.key.size(); ++i) names += fmt::format(", k{}", i);
  return fmt::format("INSERT INTO {}({})", kChangeTable, names);
}

// "The key changes", as SQL over NEW and OLD.
std::string key_changes(const TableShape& shape) {
  std::vector<std::string> changed;
  for (const std::size_t column : shape.key)
    changed.push_back(fmt::format("NEW.{0} IS NOT OLD.{0}", sqlite::source_name(shape, column)));
  return fmt::format("{}", fmt::join(changed, " OR "));
}

std::string probe_body(std::uint32_t table_id, const TableShape& shape, ProbeEvent event) {
  std::string body;
  // UPDATE OR REPLACE of a key: the victim's foreign keys may delete the very row that is updated,
  // and then no AFTER trigger runs. Where equal keys may differ, the key's index is probed anyway.
  if (event == ProbeEvent::update && key_is_exact(shape)) {
    std::vector<std::string> key;
    for (const std::size_t column : shape.key) key.push_back(new_key_value(shape, column));
    body = fmt::format("  {} SELECT {}, {} WHERE {};\n", log_into(shape), table_id,
                       fmt::join(key, ", "), key_changes(shape));
  }
  for (const Probe& probe : probes(shape, event))
    body += fmt::format("  {} SELECT {}, {} FROM {} WHERE {};\n", log_into(shape), table_id,
                        key_columns(shape, ""), probed_table(shape), probe.condition);
  return body;
}

std::string after_update_body(std::uint32_t table_id, const TableShape& shape) {
  const std::string log = log_into(shape);
  std::string body =
      fmt::format("  {} VALUES ({}, {});\n", log, table_id, key_columns(shape, "OLD."));
  body += fmt::format("  {} SELECT {}, {}", log, table_id, key_columns(shape, "NEW."));
  if (key_is_exact(shape)) body += " WHERE " + key_changes(shape);
  return body + ";\n";
}

}  // namespace

std::vector<std::string> capture_problems(const TableShape& shape) {
  std::vector<std::string> problems;
  if (!shape.without_rowid && !shape.rowid_alias && shape.rowid_name.empty())
    problems.emplace_back(
        "its columns take all names of the rowid (rowid, oid, _rowid_), so it cannot be read in "
        "slices");
  const std::vector<std::string> more = probe_problems(shape);
  problems.insert(problems.end(), more.begin(), more.end());
  return problems;
}

std::string change_table_sql(std::size_t key_columns) {
  std::string sql = fmt::format(
      "CREATE TABLE {} (seq INTEGER PRIMARY KEY, identity INTEGER DEFAULT (random()), tbl INTEGER",
      kChangeTable);
  for (std::size_t i = 1; i <= key_columns; ++i) sql += fmt::format(", k{}", i);
  return sql + ")";
}

std::vector<Trigger> triggers_for(std::uint32_t table_id, const TableShape& shape) {
  std::vector<Trigger> triggers;
  const auto add = [&](std::string_view name, std::string_view event, const std::string& body) {
    const std::string full = fmt::format("_lockstep_{}_{}", table_id, name);
    triggers.push_back({full, fmt::format("CREATE TRIGGER {} {} ON {} BEGIN\n{}END", full, event,
                                          sqlite::quoted(shape.name), body)});
  };
  const std::string log = log_into(shape);
  const std::string new_key =
      fmt::format("  {} VALUES ({}, {});\n", log, table_id, key_columns(shape, "NEW."));
  const std::string old_key =
      fmt::format("  {} VALUES ({}, {});\n", log, table_id, key_columns(shape, "OLD."));
  add("insert", "AFTER INSERT", new_key);
  add("delete", "AFTER DELETE", old_key);
  add("update", "AFTER UPDATE", after_update_body(table_id, shape));
  if (const std::string body = probe_body(table_id, shape, ProbeEvent::insert); !body.empty())
    add("probe_insert", "BEFORE INSERT", body);
  if (const std::string body = probe_body(table_id, shape, ProbeEvent::update); !body.empty())
    add("probe_update", "BEFORE UPDATE", body);
  return triggers;
}

std::string lookup_sql(const TableShape& shape) {
  std::vector<std::string> columns, terms;
  for (std::size_t i = 0; i < shape.columns.size(); ++i)
    columns.push_back(sqlite::source_name(shape, i));
  const Index* index = shape.key_index();
  for (std::size_t i = 0; i < shape.key.size(); ++i) {
    const Column& column = shape.columns[shape.key[i]];
    std::string term = fmt::format("{} = ?{}", sqlite::source_name(shape, shape.key[i]), i + 1);
    // The key's index may compare otherwise than its column: PRIMARY KEY(k COLLATE NOCASE).
    if (index != nullptr && index->terms[i].collation != column.collation)
      term += " COLLATE " + index->terms[i].collation;
    terms.push_back(std::move(term));
  }
  return fmt::format("SELECT {} FROM {} WHERE {}", fmt::join(columns, ", "),
                     sqlite::quoted(shape.name), fmt::join(terms, " AND "));
}

std::vector<ProbeQuery> probe_queries(const TableShape& shape) {
  std::vector<ProbeQuery> queries;
  const std::string table = sqlite::quoted(shape.name);
  for (const ProbeEvent event : {ProbeEvent::insert, ProbeEvent::update})
    for (Probe& probe : probes(shape, event))
      queries.push_back(
          {fmt::format("SELECT EXISTS (SELECT {} FROM {} WHERE {}) FROM {} AS NEW, "
                       "{} AS OLD",
                       key_columns(shape, ""), probed_table(shape), probe.condition, table, table),
           std::move(probe)});
  return queries;
}

std::string changes_sql(std::size_t key_columns) {
  std::string select = "seq, identity, tbl";
  for (std::size_t i = 1; i <= key_columns; ++i) select += fmt::format(", k{}", i);
  return fmt::format("SELECT {} FROM {} WHERE seq > ?1 ORDER BY seq LIMIT ?2", select,
                     kChangeTable);
}

}  // namespace lockstep::capture
