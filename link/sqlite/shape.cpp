#include "link/sqlite/shape.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "link/sqlite/expression.hpp"
#include "link/sqlite/own_objects.hpp"
#include "link/sqlite/sql_text.hpp"
#include "link/sqlite/statement.hpp"

namespace lockstep::sqlite {

namespace {

// SQLite keeps the spelling of `COLLATE nocase`; its own three have one spelling here.
std::string collation_named(std::string name) {
  for (const std::string_view known : {"BINARY", "NOCASE", "RTRIM"})
    if (same_name(name, known)) return std::string(known);
  return name;
}

void read_columns(Database& database, TableShape& shape) {
  // (place in the key, column): table_xinfo numbers key columns from 1 in key order
  std::vector<std::pair<std::int64_t, std::size_t>> key;
  Statement info(database, fmt::format("PRAGMA main.table_xinfo({})", sqlite::quoted(shape.name)));
  while (info.step()) {
    const std::int64_t hidden = info.integer(6);
    if (hidden == 1) continue;  // hidden column of a virtual table
    Column column;
    column.name = info.text(1);
    column.declared_type = info.text(2);
    column.affinity = affinity_of(column.declared_type);
    column.not_null = info.integer(3) != 0;
    column.default_sql = info.text(4);
    column.generated = hidden == 2   ? Generated::virtual_column
                       : hidden == 3 ? Generated::stored
                                     : Generated::no;
    if (const std::int64_t place = info.integer(5); place > 0)
      key.emplace_back(place, shape.columns.size());
    shape.columns.push_back(std::move(column));
  }
  std::sort(key.begin(), key.end());
  for (const auto& [place, column] : key) shape.key.push_back(column);
}

void read_column_details(Database& database, TableShape& shape) {
  for (std::size_t i = 0; i < shape.columns.size(); ++i) {
    const char* collation = nullptr;
    int autoincrement = 0;
    const int code = sqlite3_table_column_metadata(database.handle(), "main", shape.name.c_str(),
                                                   shape.columns[i].name.c_str(), nullptr,
                                                   &collation, nullptr, nullptr, &autoincrement);
    if (code != SQLITE_OK)
      throw_sqlite_error(database.handle(), code, "reading the columns of " + shape.name);
    if (collation != nullptr) shape.columns[i].collation = collation_named(collation);
    if (autoincrement != 0) shape.autoincrement = true;
  }
}

void read_index_terms(Database& database, Index& index) {
  Statement info(database, fmt::format("PRAGMA main.index_xinfo({})", sqlite::quoted(index.name)));
  while (info.step()) {
    if (info.integer(5) == 0) continue;  // not a key term: the rowid or key columns SQLite appends
    IndexTerm term;
    const std::int64_t column = info.integer(1);
    if (column >= 0) term.column = static_cast<std::size_t>(column);
    term.descending = info.integer(3) != 0;
    term.collation = collation_named(info.text(4));
    index.terms.push_back(std::move(term));
  }
}

// Predicates and expressions are in no PRAGMA.
void read_index_sql(Database& database, Index& index) {
  const bool expressions =
      std::any_of(index.terms.begin(), index.terms.end(),
                  [](const IndexTerm& term) { return !term.column.has_value(); });
  if (!index.partial && !expressions) return;
  Statement sql(database, "SELECT sql FROM main.sqlite_master WHERE type = 'index' AND name = ?");
  sql.bind(1, std::string_view(index.name));
  if (!sql.step()) return;
  const std::string text = sql.text(0);
  const IndexText said = read_index_text(text);
  index.where_sql = said.where;
  if (said.terms.size() != index.terms.size()) return;
  for (std::size_t i = 0; i < index.terms.size(); ++i)
    if (!index.terms[i].column) index.terms[i].expression = said.terms[i];
}

void read_indexes(Database& database, TableShape& shape) {
  Statement list(database, fmt::format("PRAGMA main.index_list({})", sqlite::quoted(shape.name)));
  while (list.step()) {
    Index index;
    index.name = list.text(1);
    index.unique = list.integer(2) != 0;
    const std::string origin = list.text(3);
    index.origin = origin == "pk"  ? IndexOrigin::primary_key
                   : origin == "u" ? IndexOrigin::unique_constraint
                                   : IndexOrigin::created;
    index.partial = list.integer(4) != 0;
    read_index_terms(database, index);
    read_index_sql(database, index);
    shape.indexes.push_back(std::move(index));
  }
  std::sort(shape.indexes.begin(), shape.indexes.end(),
            [](const Index& a, const Index& b) { return a.name < b.name; });
}

// An INTEGER PRIMARY KEY is the rowid itself and has no index of its own; `INT PRIMARY KEY` and
// `INTEGER PRIMARY KEY DESC` have one.
void find_rowid_alias(TableShape& shape) {
  if (shape.without_rowid || shape.key.size() != 1) return;
  if (!same_name(shape.columns[shape.key[0]].declared_type, "INTEGER")) return;
  for (const Index& index : shape.indexes)
    if (index.origin == IndexOrigin::primary_key) return;
  shape.rowid_alias = shape.key[0];
}

void find_rowid_name(TableShape& shape) {
  if (shape.without_rowid) return;
  for (const std::string_view name : {"rowid", "_rowid_", "oid"}) {
    const bool shadowed =
        std::any_of(shape.columns.begin(), shape.columns.end(),
                    [&](const Column& column) { return same_name(column.name, name); });
    if (!shadowed) {
      shape.rowid_name = name;
      return;
    }
  }
}

// What an index tells apart, if it can stand in for a primary key: every row is in it, both sides
// compare its values alike, byte by byte, and no column is in it twice, which no key may say.
std::vector<std::size_t> told_apart(const TableShape& shape, const Index& index) {
  std::vector<std::size_t> columns;
  if (!index.unique || index.partial) return columns;
  for (const IndexTerm& term : index.terms) {
    if (!term.column || term.collation != "BINARY") return {};
    const Column& column = shape.columns[*term.column];
    const bool exact = column.affinity == Affinity::integer || column.affinity == Affinity::text;
    if (!exact || !column.not_null || column.collation != "BINARY" ||
        column.generated != Generated::no ||
        std::find(columns.begin(), columns.end(), *term.column) != columns.end())
      return {};
    columns.push_back(*term.column);
  }
  return columns;
}

std::vector<std::string> names_of(const TableShape& shape, const std::vector<std::size_t>& key) {
  std::vector<std::string> names;
  for (const std::size_t column : key) names.push_back(shape.columns[column].name);
  return names;
}

// Of several the one that was the key, else the one with the fewest columns, else the first by
// name.
void key_by_index(TableShape& shape, const TableShape* followed) {
  if (!shape.key.empty() || (followed != nullptr && followed->keyed_by_rowid)) return;
  for (const Index& index : shape.indexes) {
    const std::vector<std::size_t> columns = told_apart(shape, index);
    if (columns.empty()) continue;
    if (shape.key.empty() || columns.size() < shape.key.size()) shape.key = columns;
    if (followed == nullptr || names_of(shape, columns) != names_of(*followed, followed->key))
      continue;
    shape.key = columns;
    return;
  }
}

// What nothing else tells apart is followed by its rowid, as if that were the last column.
void key_by_rowid(TableShape& shape) {
  if (!shape.key.empty() || shape.rowid_name.empty()) return;
  Column rowid;
  rowid.name = "_lockstep_rowid";
  const auto taken = [&] {
    return std::any_of(shape.columns.begin(), shape.columns.end(),
                       [&](const Column& column) { return same_name(column.name, rowid.name); });
  };
  while (taken()) rowid.name += '_';
  rowid.declared_type = "INTEGER";
  rowid.affinity = Affinity::integer;
  rowid.not_null = true;
  rowid.is_rowid = true;
  shape.key = {shape.columns.size()};
  shape.columns.push_back(std::move(rowid));
  shape.keyed_by_rowid = true;
}

// A count for a report, so words inside comments or strings may mislead it; nothing depends on it.
std::size_t count_checks(std::string_view sql) {
  std::string upper(sql);
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  std::size_t count = 0;
  for (std::size_t at = upper.find("CHECK"); at != std::string::npos;
       at = upper.find("CHECK", at + 5)) {
    const bool starts = at == 0 || std::isalnum(static_cast<unsigned char>(upper[at - 1])) == 0;
    const std::size_t after = upper.find_first_not_of(" \t\r\n", at + 5);
    if (starts && after != std::string::npos && upper[after] == '(') ++count;
  }
  return count;
}

// CHECK (JSON_VALID("c")), or with OR "c" IS NULL beside it.
void find_json_checks(TableShape& shape) {
  using Kind = Expression::Kind;
  for (const CheckText& check : read_checks(shape.sql)) {
    const auto tree = read_expression(check.expression);
    if (!tree) continue;
    const Expression* valid = &*tree;
    if (valid->kind == Kind::binary && valid->text == "OR" &&
        valid->operands[1].kind == Kind::is_null && valid->operands[1].text == "IS NULL")
      valid = valid->operands.data();
    if (valid->kind != Kind::call || valid->text != "json_valid" || valid->operands.size() != 1 ||
        valid->operands[0].kind != Kind::name)
      continue;
    for (Column& column : shape.columns)
      if (same_name(column.name, valid->operands[0].text)) column.json_checked = true;
  }
}

}  // namespace

std::vector<TableName> list_tables(Database& database) {
  std::vector<TableName> tables;
  Statement list(
      database,
      "SELECT l.name, l.type, CASE WHEN l.name LIKE '\\_lockstep\\_%' ESCAPE '\\' THEN (SELECT "
      "sql FROM main.sqlite_master AS m WHERE m.type = 'table' AND m.name = l.name) END FROM "
      "pragma_table_list AS l WHERE l.schema = 'main' AND l.type <> 'view' AND l.name NOT LIKE "
      "'sqlite\\_%' ESCAPE '\\' ORDER BY l.name");
  while (list.step()) {
    if (own_object("table", list.text(0), list.text(2)) != Own::no) continue;
    const std::string kind = list.text(1);
    tables.push_back({list.text(0), kind == "virtual"  ? TableKind::virtual_table
                                    : kind == "shadow" ? TableKind::shadow
                                                       : TableKind::ordinary});
  }
  return tables;
}

TableShape read_shape(Database& database, const std::string& table, const TableShape* followed) {
  TableShape shape;
  shape.name = table;
  Statement about(
      database,
      "SELECT l.wr, l.strict, m.sql FROM pragma_table_list AS l JOIN main.sqlite_master AS m ON "
      "m.name = l.name AND m.type = 'table' WHERE l.schema = 'main' AND l.name = ?");
  about.bind(1, std::string_view(table));
  if (!about.step())
    throw Error(
        {.code = "LS-S325",
         .exit = ExitCode::precondition,
         .what = "table " + table + " is gone from the source",
         .why = "it was dropped or renamed",
         .data = "nothing was touched",
         .todo = "run lockstep again, with --exclude for this table if it is to be left out"});
  shape.without_rowid = about.integer(0) != 0;
  shape.sql = about.text(2);
  read_columns(database, shape);
  // In a STRICT table ANY takes every value as it is; elsewhere it is a name like any other.
  if (about.integer(1) != 0)
    for (Column& column : shape.columns)
      if (same_name(column.declared_type, "ANY")) column.affinity = Affinity::blob;
  read_column_details(database, shape);
  find_json_checks(shape);
  read_indexes(database, shape);
  find_rowid_alias(shape);
  find_rowid_name(shape);
  key_by_index(shape, followed);
  key_by_rowid(shape);
  shape.references = read_foreign_keys(database, shape);
  shape.foreign_keys = shape.references.size();
  shape.checks = count_checks(shape.sql);
  return shape;
}

std::optional<TableShape> by_rowid(const TableShape& shape) {
  if (!shape.keyed_by_index() || shape.rowid_name.empty()) return std::nullopt;
  TableShape other = shape;
  other.key.clear();
  key_by_rowid(other);
  return other;
}

std::string source_name(const TableShape& shape, std::size_t column) {
  const Column& named = shape.columns[column];
  return named.is_rowid ? shape.rowid_name : sqlite::quoted(named.name);
}

std::vector<ForeignKey> read_foreign_keys(Database& database, const TableShape& shape) {
  std::vector<ForeignKey> keys;
  std::int64_t last = -1;
  // The first one declared has the highest id.
  Statement list(database, fmt::format("SELECT id, \"table\", \"from\", \"to\", on_update, "
                                       "on_delete FROM pragma_foreign_key_list({}) ORDER BY id "
                                       "DESC, seq",
                                       literal(shape.name)));
  while (list.step()) {
    if (keys.empty() || list.integer(0) != last)
      keys.push_back({{}, list.text(1), {}, list.text(4), list.text(5), false});
    last = list.integer(0);
    keys.back().columns.push_back(list.text(2));
    if (const std::string to = list.text(3); !to.empty()) keys.back().parent_columns.push_back(to);
  }
  const std::vector<bool> deferred = read_deferred(shape.sql);
  for (std::size_t i = 0; i < keys.size() && deferred.size() == keys.size(); ++i)
    keys[i].deferred = deferred[i];
  return keys;
}

std::int64_t read_sequence(Database& database, const std::string& table) {
  Statement exists(database, "SELECT 1 FROM main.sqlite_master WHERE name = 'sqlite_sequence'");
  if (!exists.step()) return 0;
  Statement sequence(database, "SELECT seq FROM main.sqlite_sequence WHERE name = ?");
  sequence.bind(1, std::string_view(table));
  return sequence.step() ? sequence.integer(0) : 0;
}

}  // namespace lockstep::sqlite
