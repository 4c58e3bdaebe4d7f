#include "capture/triggers.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
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

// SQLite makes a number of such a column's text, where it looks like one, in the OLD and NEW of
// AFTER triggers: a foreign key of a numeric column that has an index was looked up with it in
// place (3.40; foreign_keys = ON). BEFORE triggers run before that.
bool may_be_misread(const Column& column) {
  return column.affinity == Affinity::text || column.affinity == Affinity::blob;
}

bool key_may_be_misread(const TableShape& shape) {
  return std::any_of(shape.key.begin(), shape.key.end(),
                     [&](std::size_t column) { return may_be_misread(shape.columns[column]); });
}

std::string new_key(const TableShape& shape) {
  std::vector<std::string> values;
  for (const std::size_t column : shape.key) values.push_back(new_key_value(shape, column));
  return fmt::format("{}", fmt::join(values, ", "));
}

// "The row has this key", as the key's index compares: PRIMARY KEY(k COLLATE NOCASE).
template <typename Value>
std::vector<std::string> key_terms(const TableShape& shape, Value value) {
  std::vector<std::string> terms;
  const Index* index = shape.key_index();
  for (std::size_t i = 0; i < shape.key.size(); ++i) {
    const Column& column = shape.columns[shape.key[i]];
    std::string term = fmt::format("{} = {}", sqlite::source_name(shape, shape.key[i]), value(i));
    if (index != nullptr && index->terms[i].collation != column.collation)
      term += " COLLATE " + index->terms[i].collation;
    terms.push_back(std::move(term));
  }
  return terms;
}

// "Some of it looks like a number to SQLite", which its comparison with a number tries.
std::string looks_like_number(const TableShape& shape) {
  std::vector<std::string> terms;
  for (const std::size_t column : shape.key)
    if (may_be_misread(shape.columns[column]))
      terms.push_back(fmt::format("{} <= CAST(9e999 AS REAL)", new_key_value(shape, column)));
  return fmt::format("{}", fmt::join(terms, " OR "));
}

std::string log_key(std::uint32_t table_id, const TableShape& shape, std::string_view prefix) {
  return fmt::format("  {} VALUES ({}, {});\n", log_into(shape), table_id,
                     key_columns(shape, prefix));
}

std::string log_new_key(std::uint32_t table_id, const TableShape& shape,
                        const std::string& condition) {
  return fmt::format("  {} SELECT {}, {} WHERE {};\n", log_into(shape), table_id, new_key(shape),
                     condition);
}

std::string log_found(std::uint32_t table_id, const TableShape& shape,
                      const std::string& condition) {
  return fmt::format("  {} SELECT {}, {} FROM {} WHERE {};\n", log_into(shape), table_id,
                     key_columns(shape, ""), probed_table(shape), condition);
}

// The key as the row has it now, whatever NEW says.
std::string written_body(std::uint32_t table_id, const TableShape& shape) {
  if (!shape.without_rowid)
    return log_found(table_id, shape, fmt::format("{0} = NEW.{0}", shape.rowid_name));
  const auto terms = key_terms(
      shape, [&](std::size_t i) { return "+NEW." + sqlite::source_name(shape, shape.key[i]); });
  return log_found(table_id, shape, fmt::format("{}", fmt::join(terms, " AND ")));
}

std::string probe_body(std::uint32_t table_id, const TableShape& shape, ProbeEvent event) {
  const bool misread = key_may_be_misread(shape), update = event == ProbeEvent::update;
  std::string body;
  if (misread && update) body += log_key(table_id, shape, "OLD.");
  // UPDATE OR REPLACE of a key: the victim's foreign keys may delete the very row that is updated,
  // and then no AFTER trigger runs. Where equal keys may differ, the key's index is probed anyway.
  if (update && key_is_exact(shape))
    body += log_new_key(table_id, shape, key_changes(shape));
  else if (misread && shape.without_rowid)  // written_body() does not find it by a NEW misread
    body += log_new_key(table_id, shape, looks_like_number(shape));
  for (const Probe& probe : probes(shape, event))
    body += log_found(table_id, shape, probe.condition);
  return body;
}

std::string after_update_body(std::uint32_t table_id, const TableShape& shape) {
  std::string body = log_key(table_id, shape, "OLD.");
  body += fmt::format("  {} SELECT {}, {}", log_into(shape), table_id, key_columns(shape, "NEW."));
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
  if (key_may_be_misread(shape)) {
    add("insert", "AFTER INSERT", written_body(table_id, shape));
    add("delete", "BEFORE DELETE", log_key(table_id, shape, "OLD."));
    add("update", fmt::format("AFTER UPDATE OF {}", key_columns(shape, "")),
        written_body(table_id, shape));
  } else {
    add("insert", "AFTER INSERT", log_key(table_id, shape, "NEW."));
    add("delete", "AFTER DELETE", log_key(table_id, shape, "OLD."));
    add("update", "AFTER UPDATE", after_update_body(table_id, shape));
  }
  if (const std::string body = probe_body(table_id, shape, ProbeEvent::insert); !body.empty())
    add("probe_insert", "BEFORE INSERT", body);
  if (const std::string body = probe_body(table_id, shape, ProbeEvent::update); !body.empty())
    add("probe_update", "BEFORE UPDATE", body);
  return triggers;
}

std::string lookup_sql(const TableShape& shape) {
  std::vector<std::string> columns;
  for (std::size_t i = 0; i < shape.columns.size(); ++i)
    columns.push_back(sqlite::source_name(shape, i));
  const auto terms = key_terms(shape, [](std::size_t i) { return fmt::format("?{}", i + 1); });
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
