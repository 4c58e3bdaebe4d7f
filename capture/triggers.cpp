#include "capture/triggers.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

#include "link/sqlite/database.hpp"

namespace lockstep::capture {

namespace {

using sqlite::quoted;

bool built_in_collation(std::string_view name) {
  return name == "BINARY" || name == "NOCASE" || name == "RTRIM";
}

const Index* primary_key_index(const TableShape& shape) {
  for (const Index& index : shape.indexes)
    if (index.origin == IndexOrigin::primary_key) return &index;
  return nullptr;
}

// True if two keys that are equal for the index are equal byte for byte. Not so for NOCASE and
// RTRIM (an INTEGER column can hold texts), nor for columns without affinity, where 1 = 1.0: there
// the key's own index has victims too.
bool key_is_exact(const TableShape& shape) {
  if (shape.rowid_alias) return true;
  const Index* index = primary_key_index(shape);
  if (index == nullptr) return false;
  return std::all_of(index->terms.begin(), index->terms.end(), [&](const IndexTerm& term) {
    if (!term.column) return false;
    const Column& column = shape.columns[*term.column];
    return (column.affinity == Affinity::integer || column.affinity == Affinity::text) &&
           term.collation == "BINARY" && column.collation == "BINARY";
  });
}

std::vector<const Index*> probed_indexes(const TableShape& shape) {
  std::vector<const Index*> probed;
  for (const Index& index : shape.indexes) {
    if (!index.unique) continue;
    if (index.origin == IndexOrigin::primary_key && key_is_exact(shape)) continue;
    probed.push_back(&index);
  }
  return probed;
}

std::string key_columns(const TableShape& shape, std::string_view prefix) {
  std::vector<std::string> names;
  for (const std::size_t column : shape.key)
    names.push_back(fmt::format("{}{}", prefix, quoted(shape.columns[column].name)));
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string log_into(const TableShape& shape) {
  std::string names = "tbl";
  for (std::size_t i = 1; i <= shape.key.size(); ++i) names += fmt::format(", k{}", i);
  return fmt::format("INSERT INTO {}({})", kChangeTable, names);
}

// The text from an opening quote on is one string literal and nothing else.
bool one_string(std::string_view sql) {
  std::size_t at = 1;
  while ((at = sql.find('\'', at)) != std::string_view::npos && at + 1 < sql.size() &&
         sql[at + 1] == '\'')
    at += 2;
  return at != std::string_view::npos && at + 1 == sql.size();
}

// A constant that the parser takes as a literal; nothing for expressions, whose value may differ
// between probe and row.
bool constant_default(std::string_view sql) {
  if (sql.empty()) return true;
  if (sql.front() == '\'') return one_string(sql);
  if ((sql.front() == 'x' || sql.front() == 'X') && sql.size() > 1 && sql[1] == '\'')
    return one_string(sql.substr(1));
  const std::size_t start = sql.find_first_not_of("+- ");
  return start != std::string_view::npos &&
         (std::isdigit(static_cast<unsigned char>(sql[start])) != 0 || sql[start] == '.') &&
         sql.find_first_not_of("0123456789.eExXabcdefABCDEF+-", start) == std::string_view::npos;
}

// What the column will hold once NOT NULL defaults are in: OR REPLACE puts the default in place of
// a NULL after the BEFORE trigger has run.
std::string new_value(const Column& column, std::string_view value) {
  if (!column.not_null || column.default_sql.empty()) return std::string(value);
  return fmt::format("coalesce({}, {})", value, column.default_sql);
}

// `value_of(column)` is the SQL for the proposed row's column: NEW."x", or a parameter.
template <class ValueOf>
std::string index_condition(const TableShape& shape, const Index& index, ValueOf value_of) {
  std::vector<std::string> terms;
  for (const IndexTerm& term : index.terms) {
    const Column& column = shape.columns[*term.column];
    terms.push_back(fmt::format("{} = {} COLLATE {}", quoted(column.name),
                                new_value(column, value_of(column)), term.collation));
  }
  return fmt::format("{}", fmt::join(terms, " AND "));
}

// Only an UPDATE that changes an indexed value can meet a victim in that index.
std::string changed_condition(const TableShape& shape, const Index& index) {
  std::vector<std::string> terms;
  for (const IndexTerm& term : index.terms) {
    const std::string name = quoted(shape.columns[*term.column].name);
    terms.push_back(fmt::format("NEW.{0} IS NOT OLD.{0} COLLATE {1}", name, term.collation));
  }
  return fmt::format("({})", fmt::join(terms, " OR "));
}

bool probes_rowid(const TableShape& shape) {
  return !shape.without_rowid && !shape.rowid_alias && !shape.rowid_name.empty();
}

std::string probe_body(std::uint32_t table_id, const TableShape& shape, bool update) {
  const std::string head = fmt::format("  {} SELECT {}, {} FROM {} WHERE ", log_into(shape),
                                       table_id, key_columns(shape, ""), quoted(shape.name));
  std::string body;
  for (const Index* index : probed_indexes(shape)) {
    body += head + index_condition(shape, *index, [](const Column& column) {
              return "NEW." + quoted(column.name);
            });
    if (update) body += " AND " + changed_condition(shape, *index);
    body += ";\n";
  }
  if (probes_rowid(shape)) {
    // INSERT OR REPLACE INTO t(rowid, ..) and UPDATE OR REPLACE t SET rowid = .. have victims too.
    body += fmt::format("{}{} = NEW.{}", head, shape.rowid_name, shape.rowid_name);
    if (update) body += fmt::format(" AND NEW.{0} IS NOT OLD.{0}", shape.rowid_name);
    body += ";\n";
  }
  return body;
}

std::string after_update_body(std::uint32_t table_id, const TableShape& shape) {
  const std::string log = log_into(shape);
  std::string body =
      fmt::format("  {} VALUES ({}, {});\n", log, table_id, key_columns(shape, "OLD."));
  body += fmt::format("  {} SELECT {}, {}", log, table_id, key_columns(shape, "NEW."));
  if (key_is_exact(shape)) {
    std::vector<std::string> changed;
    for (const std::size_t column : shape.key) {
      const std::string name = quoted(shape.columns[column].name);
      changed.push_back(fmt::format("NEW.{0} IS NOT OLD.{0}", name));
    }
    body += fmt::format(" WHERE {}", fmt::join(changed, " OR "));
  }
  return body + ";\n";
}

}  // namespace

std::vector<std::string> capture_problems(const TableShape& shape) {
  std::vector<std::string> problems;
  if (shape.key.empty())
    problems.emplace_back("it has no primary key, so a change cannot be matched to its row yet");
  if (!shape.without_rowid && !shape.rowid_alias && shape.rowid_name.empty())
    problems.emplace_back(
        "its columns take all names of the rowid (rowid, oid, _rowid_), so it cannot be read in "
        "slices");
  for (const Index* probed : probed_indexes(shape)) {
    const Index& index = *probed;
    for (const IndexTerm& term : index.terms) {
      if (!term.column) {
        problems.push_back(
            fmt::format("unique index {} is on an expression: rows that REPLACE removes through it "
                        "cannot be seen yet",
                        index.name));
        continue;
      }
      const Column& column = shape.columns[*term.column];
      if (!built_in_collation(term.collation))
        problems.push_back(
            fmt::format("unique index {} uses collation {}, which only the application has",
                        index.name, term.collation));
      if (column.generated != Generated::no)
        problems.push_back(
            fmt::format("unique index {} is on generated column {}: its victims cannot be seen yet",
                        index.name, column.name));
      if (column.not_null && !constant_default(column.default_sql))
        problems.push_back(fmt::format(
            "unique index {}: the default of {} is an expression, which a probe cannot repeat",
            index.name, column.name));
    }
    if (index.partial)
      problems.push_back(fmt::format(
          "unique index {} is partial: rows that REPLACE removes through it cannot be seen yet",
          index.name));
  }
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
                                          quoted(shape.name), body)});
  };
  const std::string log = log_into(shape);
  const std::string new_key =
      fmt::format("  {} VALUES ({}, {});\n", log, table_id, key_columns(shape, "NEW."));
  const std::string old_key =
      fmt::format("  {} VALUES ({}, {});\n", log, table_id, key_columns(shape, "OLD."));
  add("insert", "AFTER INSERT", new_key);
  add("delete", "AFTER DELETE", old_key);
  add("update", "AFTER UPDATE", after_update_body(table_id, shape));
  if (const std::string body = probe_body(table_id, shape, false); !body.empty())
    add("probe_insert", "BEFORE INSERT", body);
  if (const std::string body = probe_body(table_id, shape, true); !body.empty())
    add("probe_update", "BEFORE UPDATE", body);
  return triggers;
}

std::string lookup_sql(const TableShape& shape) {
  std::vector<std::string> columns, terms;
  for (const Column& column : shape.columns) columns.push_back(quoted(column.name));
  const Index* index = primary_key_index(shape);
  for (std::size_t i = 0; i < shape.key.size(); ++i) {
    const Column& column = shape.columns[shape.key[i]];
    std::string term = fmt::format("{} = ?{}", quoted(column.name), i + 1);
    // The key's index may compare otherwise than its column: PRIMARY KEY(k COLLATE NOCASE).
    if (index != nullptr && index->terms[i].collation != column.collation)
      term += " COLLATE " + index->terms[i].collation;
    terms.push_back(std::move(term));
  }
  return fmt::format("SELECT {} FROM {} WHERE {}", fmt::join(columns, ", "), quoted(shape.name),
                     fmt::join(terms, " AND "));
}

std::vector<std::string> probe_queries(const TableShape& shape) {
  std::vector<std::string> queries;
  for (const Index* index : probed_indexes(shape)) {
    int parameter = 0;
    queries.push_back(fmt::format(
        "SELECT {} FROM {} WHERE {}", key_columns(shape, ""), quoted(shape.name),
        index_condition(shape, *index,
                        [&](const Column&) { return fmt::format("?{}", ++parameter); })));
  }
  return queries;
}

std::string changes_sql(std::size_t key_columns) {
  std::string select = "seq, identity, tbl";
  for (std::size_t i = 1; i <= key_columns; ++i) select += fmt::format(", k{}", i);
  return fmt::format("SELECT {} FROM {} WHERE seq > ?1 ORDER BY seq LIMIT ?2", select,
                     kChangeTable);
}

}  // namespace lockstep::capture
