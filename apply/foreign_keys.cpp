#include "apply/foreign_keys.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <set>

#include "link/postgres/names.hpp"
#include "link/sqlite/sql_text.hpp"

namespace lockstep::apply {

namespace {

using Columns = std::vector<std::size_t>;

std::optional<Columns> columns_named(const TableShape& shape,
                                     const std::vector<std::string>& names) {
  Columns columns;
  for (const std::string& name : names) {
    const auto found =
        std::find_if(shape.columns.begin(), shape.columns.end(),
                     [&](const Column& column) { return sqlite::same_name(column.name, name); });
    if (found == shape.columns.end()) return std::nullopt;
    columns.push_back(static_cast<std::size_t>(found - shape.columns.begin()));
  }
  return columns;
}

// PostgreSQL wants a unique index over just these columns.
bool are_unique(const TablePlan& parent, const Columns& columns) {
  const std::set<std::size_t> wanted(columns.begin(), columns.end());
  if (!parent.shape.keyed_by_rowid &&
      wanted == std::set<std::size_t>(parent.shape.key.begin(), parent.shape.key.end()))
    return true;
  return std::any_of(
      parent.shape.indexes.begin(), parent.shape.indexes.end(), [&](const Index& index) {
        if (!index.unique || index.partial) return false;
        const bool carried = std::find(parent.carried_indexes.begin(), parent.carried_indexes.end(),
                                       index.name) != parent.carried_indexes.end();
        std::set<std::size_t> own;
        for (const IndexTerm& term : index.terms) {
          if (!term.column || term.collation != "BINARY") return false;
          own.insert(*term.column);
        }
        return carried && own == wanted;
      });
}

std::string quoted_list(const TablePlan& plan, const Columns& columns) {
  std::vector<std::string> names;
  for (const std::size_t column : columns)
    names.push_back(postgres::quoted(plan.target_column(column)));
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string free_name(const TablePlan& plan, const Columns& columns, std::set<std::string>& taken) {
  std::string stem = plan.target_name();
  for (const std::size_t column : columns) stem += "_" + plan.target_column(column);
  for (int attempt = 0;; ++attempt) {
    const std::string tail = attempt == 0 ? "_fkey" : fmt::format("_fkey{}", attempt);
    std::size_t bytes = std::min(stem.size(), postgres::kNameBytesMax - tail.size());
    while (bytes < stem.size() && bytes > 0 &&
           (static_cast<unsigned char>(stem[bytes]) & 0xc0) == 0x80)
      --bytes;
    const std::string name = stem.substr(0, bytes) + tail;
    if (taken.insert(name).second) return name;
  }
}

ForeignKeySql one(const std::string& schema, const TablePlan& plan, const sqlite::ForeignKey& key,
                  const std::vector<TablePlan>& plans, std::set<std::string>& taken) {
  const auto parent = std::find_if(plans.begin(), plans.end(), [&](const TablePlan& each) {
    return sqlite::same_name(each.name(), key.parent);
  });
  if (parent == plans.end()) return {{}, {}, "its parent is not carried, or is no table"};
  const auto columns = columns_named(plan.shape, key.columns);
  const auto referenced =
      key.parent_columns.empty()
          ? (parent->shape.keyed_by_rowid ? std::nullopt : std::optional(parent->shape.key))
          : columns_named(parent->shape, key.parent_columns);
  if (!columns || !referenced || columns->size() != referenced->size())
    return {{}, {}, "its columns do not match the parent's"};
  if (!are_unique(*parent, *referenced)) return {{}, {}, "the parent's columns are not unique"};
  for (std::size_t i = 0; i < columns->size(); ++i) {
    if (plan.types[(*columns)[i]] != parent->types[(*referenced)[i]])
      return {{}, {}, "the types differ on both sides"};
    if (plan.is_converted((*columns)[i]) != parent->is_converted((*referenced)[i]))
      return {{}, {}, "a rule changes the values of one side"};
    if (parent->shape.columns[(*referenced)[i]].collation != "BINARY" &&
        parent->types[(*referenced)[i]] == ColumnType::text)
      return {{}, {}, "SQLite compares it by another collation"};
  }
  const std::string table = postgres::qualified(schema, plan.target_name());
  const std::string name = postgres::quoted(free_name(plan, *columns, taken));
  std::string add = fmt::format(
      "ALTER TABLE {} ADD CONSTRAINT {} FOREIGN KEY ({}) REFERENCES {} ({})", table, name,
      quoted_list(plan, *columns), postgres::qualified(schema, parent->target_name()),
      quoted_list(*parent, *referenced));
  for (const auto& [when, action] :
       {std::pair("UPDATE", &key.on_update), std::pair("DELETE", &key.on_delete)}) {
    static constexpr std::string_view kActions[] = {"CASCADE", "RESTRICT", "SET NULL",
                                                    "SET DEFAULT"};
    if (std::find(std::begin(kActions), std::end(kActions), *action) != std::end(kActions))
      add += fmt::format(" ON {} {}", when, *action);
  }
  if (key.deferred) add += " DEFERRABLE INITIALLY DEFERRED";
  return {
      add + " NOT VALID", fmt::format("ALTER TABLE {} VALIDATE CONSTRAINT {}", table, name), {}};
}

}  // namespace

std::vector<ForeignKeySql> foreign_key_sql(const std::string& schema, const TablePlan& plan,
                                           const std::vector<sqlite::ForeignKey>& keys,
                                           const std::vector<TablePlan>& plans) {
  std::vector<ForeignKeySql> all;
  std::set<std::string> taken;
  all.reserve(keys.size());
  for (const sqlite::ForeignKey& key : keys) all.push_back(one(schema, plan, key, plans, taken));
  return all;
}

}  // namespace lockstep::apply
