#include "model/shape.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cctype>

namespace lockstep {

namespace {

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::string upper(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return out;
}

}  // namespace

Affinity affinity_of(std::string_view declared_type) {
  const std::string type = upper(declared_type);
  if (contains(type, "INT")) return Affinity::integer;
  if (contains(type, "CHAR") || contains(type, "CLOB") || contains(type, "TEXT"))
    return Affinity::text;
  if (type.empty() || contains(type, "BLOB")) return Affinity::blob;
  if (contains(type, "REAL") || contains(type, "FLOA") || contains(type, "DOUB"))
    return Affinity::real;
  return Affinity::numeric;
}

std::optional<std::size_t> TableShape::column_named(std::string_view column) const {
  for (std::size_t i = 0; i < columns.size(); ++i)
    if (columns[i].name == column) return i;
  return std::nullopt;
}

const Index* TableShape::key_index() const {
  for (const Index& index : indexes)
    if (index.origin == IndexOrigin::primary_key) return &index;
  if (rowid_alias || keyed_by_rowid) return nullptr;
  for (const Index& index : indexes) {
    if (!index.unique || index.partial) continue;
    if (std::equal(index.terms.begin(), index.terms.end(), key.begin(), key.end(),
                   [](const IndexTerm& term, std::size_t column) { return term.column == column; }))
      return &index;
  }
  return nullptr;
}

bool TableShape::keyed_by_index() const {
  const Index* index = key_index();
  return index != nullptr && index->origin != IndexOrigin::primary_key;
}

ColumnSpelling TablePlan::spelling(std::size_t column) const {
  return column < spellings.size() ? spellings[column] : ColumnSpelling{};
}

const std::string& TablePlan::target_column(std::size_t column) const {
  if (column < rules.columns.size() && !rules.columns[column].rename.empty())
    return rules.columns[column].rename;
  return shape.columns[column].name;
}

bool TablePlan::is_converted(std::size_t column) const {
  return column < rules.columns.size() && rules.columns[column].changes_values();
}

bool TablePlan::is_personal(std::size_t column) const {
  return column < personal.size() && personal[column];
}

bool TablePlan::became_text(std::size_t column) const {
  return on_bad_value_of(column) == OnBadValue::text && column < rules.columns.size() &&
         rules.columns[column].cast == Cast::text;
}

OnBadValue TablePlan::on_bad_value_of(std::size_t column) const {
  return column < on_bad_value.size() ? on_bad_value[column] : OnBadValue::stop;
}

bool TablePlan::is_key(std::size_t column) const {
  return std::find(shape.key.begin(), shape.key.end(), column) != shape.key.end();
}

std::string fingerprint(const TableShape& shape) {
  std::string text = shape.name + '\0';
  for (const Column& column : shape.columns)
    text += fmt::format("{}\1{}\1{}\1{}\2", column.name, column.declared_type, column.not_null,
                        static_cast<int>(column.generated));
  for (const std::size_t key : shape.key) text += fmt::format("{},", key);
  for (const Index& index : shape.indexes) {
    text += fmt::format("\3{}\1{}{}", index.name, index.unique, index.partial);
    for (const IndexTerm& term : index.terms)
      text += fmt::format("\1{}\1{}\1{}", term.column ? static_cast<int>(*term.column) : -1,
                          upper(term.collation), term.descending);
    // Of unique ones only: triggers depend on them, and plans made by 0.1.0 lack these texts.
    if (!index.unique) continue;
    if (!index.where_sql.empty()) text += "\4" + index.where_sql;
    for (const IndexTerm& term : index.terms)
      if (!term.expression.empty()) text += "\5" + term.expression;
  }
  return fmt::format("{:016x}", XXH3_64bits(text.data(), text.size()));
}

std::string_view to_string(ColumnType type) {
  switch (type) {
    case ColumnType::bigint:
      return "bigint";
    case ColumnType::double_precision:
      return "double precision";
    case ColumnType::text:
      return "text";
    case ColumnType::bytea:
      return "bytea";
    case ColumnType::numeric:
      return "numeric";
    case ColumnType::boolean:
      return "boolean";
    case ColumnType::date:
      return "date";
    case ColumnType::timestamp:
      return "timestamp without time zone";
    case ColumnType::timestamp_ms:
      return "timestamp(3) without time zone";
    case ColumnType::timestamptz:
      return "timestamp with time zone";
    case ColumnType::uuid:
      return "uuid";
    case ColumnType::json:
      return "json";
  }
  return "?";
}

std::optional<ColumnType> parse_column_type(std::string_view text) {
  for (const ColumnType type :
       {ColumnType::bigint, ColumnType::double_precision, ColumnType::text, ColumnType::bytea,
        ColumnType::numeric, ColumnType::boolean, ColumnType::date, ColumnType::timestamp,
        ColumnType::timestamptz, ColumnType::timestamp_ms, ColumnType::uuid, ColumnType::json})
    if (to_string(type) == text) return type;
  return std::nullopt;
}

}  // namespace lockstep
