#include "apply/foreign_keys.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "apply/target_schema.hpp"
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
        if (!index.unique || index.partial || !type_obstacle(parent, index).empty()) return false;
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

// As CONSTRAINT .. says, if the plan carries that and nothing else has it; else empty.
std::string declared_key_name(const TablePlan& plan, const Columns& columns,
                              std::set<std::string>& taken) {
  for (const sqlite::KeyText& key : sqlite::read_keys(plan.shape.sql)) {
    const auto written = columns_named(plan.shape, key.columns);
    const auto& carried = plan.carried_indexes;
    if (key.kind == sqlite::KeyText::Kind::foreign && written == columns &&
        std::find(carried.begin(), carried.end(), key.name) != carried.end() &&
        postgres::relation_name_problem(key.name).empty() && taken.insert(key.name).second)
      return key.name;
  }
  return {};
}

std::string free_name(const TablePlan& plan, const Columns& columns, std::set<std::string>& taken) {
  if (std::string declared = declared_key_name(plan, columns, taken); !declared.empty())
    return declared;
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

ForeignKeySql impossible(std::string why) {
  ForeignKeySql key;
  key.why = std::move(why);
  return key;
}

std::string actions_sql(const ForeignKey& key) {
  std::string sql;
  for (const auto& [when, action] :
       {std::pair("UPDATE", &key.on_update), std::pair("DELETE", &key.on_delete)}) {
    static constexpr std::string_view kActions[] = {"CASCADE", "RESTRICT", "SET NULL",
                                                    "SET DEFAULT"};
    if (std::find(std::begin(kActions), std::end(kActions), *action) != std::end(kActions))
      sql += fmt::format(" ON {} {}", when, *action);
  }
  if (key.deferred) sql += " DEFERRABLE INITIALLY DEFERRED";
  return sql;
}

// Of the rows of a child: its key, and what references.
std::vector<std::string> shown_columns(const TablePlan& child, const Columns& columns) {
  std::vector<std::string> names;
  for (const std::size_t column : child.shape.key)
    names.push_back(postgres::quoted(child.target_column(column)));
  for (const std::size_t column : columns)
    if (!child.is_key(column)) names.push_back(postgres::quoted(child.target_column(column)));
  return names;
}

// One row: how many there are, and the first three.
std::string orphans_sql(const std::string& table, const TablePlan& child, const Columns& columns,
                        const std::string& parent_table, const TablePlan& parent,
                        const Columns& referenced) {
  std::vector<std::string> present, same;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const std::string name = postgres::quoted(child.target_column(columns[i]));
    present.push_back(fmt::format("c.{} IS NOT NULL", name));
    same.push_back(
        fmt::format("p.{} = c.{}", postgres::quoted(parent.target_column(referenced[i])), name));
  }
  return fmt::format(
      "SELECT count(*), coalesce(string_agg(shown, ', ') FILTER (WHERE place <= 3), '') FROM "
      "(SELECT ROW(c.{})::text AS shown, row_number() OVER () AS place FROM {} AS c WHERE {} "
      "AND NOT EXISTS (SELECT 1 FROM {} AS p WHERE {})) AS o",
      fmt::join(shown_columns(child, columns), ", c."), table, fmt::join(present, " AND "),
      parent_table, fmt::join(same, " AND "));
}

// Why PostgreSQL could not have it; empty: it can.
std::string problem(const TablePlan& plan, const Columns& columns, const TablePlan& parent,
                    const Columns& referenced) {
  if (!are_unique(parent, referenced)) return "the parent's columns are not unique";
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (plan.types[columns[i]] != parent.types[referenced[i]])
      return fmt::format("on PostgreSQL {} is {} and {}.{} is {}",
                         plan.shape.columns[columns[i]].name, to_string(plan.types[columns[i]]),
                         parent.name(), parent.shape.columns[referenced[i]].name,
                         to_string(parent.types[referenced[i]]));
    if (plan.is_converted(columns[i]) != parent.is_converted(referenced[i]))
      return "a rule changes the values of one side";
    if (parent.shape.columns[referenced[i]].collation != "BINARY" &&
        parent.types[referenced[i]] == ColumnType::text)
      return "SQLite compares it by another collation";
  }
  return {};
}

ForeignKeySql one(const std::string& schema, const TablePlan& plan, const ForeignKey& key,
                  const std::vector<TablePlan>& plans, std::set<std::string>& taken) {
  const auto parent = std::find_if(plans.begin(), plans.end(), [&](const TablePlan& each) {
    return sqlite::same_name(each.name(), key.parent);
  });
  if (parent == plans.end()) return impossible("its parent is not carried, or is no table");
  if (parent->existing) return impossible("its parent's table was there before lockstep");
  const auto columns = columns_named(plan.shape, key.columns);
  const auto referenced =
      key.parent_columns.empty()
          ? (parent->shape.keyed_by_rowid ? std::nullopt : std::optional(parent->shape.key))
          : columns_named(parent->shape, key.parent_columns);
  if (!columns || !referenced || columns->size() != referenced->size())
    return impossible("its columns do not match the parent's");
  if (std::string why = problem(plan, *columns, *parent, *referenced); !why.empty())
    return impossible(std::move(why));
  ForeignKeySql made;
  made.table = postgres::qualified(schema, plan.target_name());
  made.name = free_name(plan, *columns, taken);
  const std::string parent_table = postgres::qualified(schema, parent->target_name());
  made.definition =
      fmt::format("FOREIGN KEY ({}) REFERENCES {} ({}){}", quoted_list(plan, *columns),
                  parent_table, quoted_list(*parent, *referenced), actions_sql(key));
  made.add = fmt::format("ALTER TABLE {} ADD CONSTRAINT {} {} NOT VALID", made.table,
                         postgres::quoted(made.name), made.definition);
  made.validate =
      fmt::format("ALTER TABLE {} VALIDATE CONSTRAINT {}", made.table, postgres::quoted(made.name));
  made.shown = fmt::format("({})", fmt::join(shown_columns(plan, *columns), ", "));
  made.orphans = orphans_sql(made.table, plan, *columns, parent_table, *parent, *referenced);
  made.child = plan.id;
  made.parent = parent->id;
  return made;
}

}  // namespace

std::vector<ForeignKeySql> foreign_key_sql(const std::string& schema, const TablePlan& plan,
                                           const std::vector<ForeignKey>& keys,
                                           const std::vector<TablePlan>& plans) {
  std::vector<ForeignKeySql> all;
  std::set<std::string> taken;
  all.reserve(keys.size());
  for (const ForeignKey& key : keys) all.push_back(one(schema, plan, key, plans, taken));
  return all;
}

std::vector<ForeignKeySql> own_foreign_keys(const std::string& schema,
                                            const std::vector<TablePlan>& plans) {
  std::vector<ForeignKeySql> all;
  for (const TablePlan& plan : plans) {
    if (plan.existing) continue;
    for (ForeignKeySql& key : foreign_key_sql(schema, plan, plan.shape.references, plans))
      if (!key.add.empty()) all.push_back(std::move(key));
  }
  return all;
}

std::string drop_sql(const ForeignKeySql& key) {
  return fmt::format("ALTER TABLE IF EXISTS {} DROP CONSTRAINT IF EXISTS {}", key.table,
                     postgres::quoted(key.name));
}

std::vector<std::string> foreign_keys_left_out(const TablePlan& plan,
                                               const std::vector<TablePlan>& plans) {
  std::vector<std::string> sentences;
  if (plan.existing) return sentences;
  const std::vector<ForeignKey>& keys = plan.shape.references;
  const std::vector<ForeignKeySql> spelled = foreign_key_sql("s", plan, keys, plans);
  for (std::size_t i = 0; i < keys.size(); ++i)
    if (spelled[i].add.empty())
      sentences.push_back(fmt::format("foreign key ({}) to {}: {}",
                                      fmt::join(keys[i].columns, ", "), keys[i].parent,
                                      spelled[i].why));
  return sentences;
}

std::size_t foreign_keys_carried(const TablePlan& plan, const std::vector<TablePlan>& plans) {
  if (plan.existing) return 0;
  const std::vector<ForeignKeySql> keys = foreign_key_sql("s", plan, plan.shape.references, plans);
  return static_cast<std::size_t>(std::count_if(
      keys.begin(), keys.end(), [](const ForeignKeySql& key) { return !key.add.empty(); }));
}

}  // namespace lockstep::apply
