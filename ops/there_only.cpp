#include "ops/there_only.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "link/sqlite/shape.hpp"
#include "link/sqlite/sql_text.hpp"
#include "link/sqlite/statement.hpp"
#include "snapshot/existing.hpp"

namespace lockstep::ops {

namespace {

using Names = std::vector<std::string>;

// What one read transaction sorts in about a second; in rollback-journal mode writers wait for it.
constexpr std::uint64_t kSortedRowsMax = 1'000'000, kSortedRowsMaxInJournalMode = 20'000;
constexpr int kCollisionsShown = 3;

// The source's columns of a unique key. Nothing: a column comes from elsewhere, or a rule may make
// one value of two. Those that rules add are the same in every row.
std::optional<std::vector<std::size_t>> source_columns_of(const TablePlan& plan,
                                                          const Names& unique) {
  std::vector<std::size_t> columns;
  for (const std::string& name : unique) {
    const auto is_it = [&](const AddedColumn& each) { return each.name == name; };
    if (std::any_of(plan.rules.added.begin(), plan.rules.added.end(), is_it)) continue;
    std::size_t i = 0;
    while (i < plan.shape.columns.size() && plan.target_column(i) != name) ++i;
    const bool ruled = i < plan.rules.columns.size() && !plan.rules.columns[i].is_injective();
    if (i == plan.shape.columns.size() || ruled) return std::nullopt;
    columns.push_back(i);
  }
  if (columns.empty()) return std::nullopt;
  return columns;
}

// Values, how often, and the smallest and largest key of the rows that have them.
std::string collisions_sql(const TablePlan& plan, const std::vector<std::size_t>& columns) {
  Names named, filled, grouped;
  for (const std::size_t column : columns) {
    const std::string name = sqlite::source_name(plan.shape, column);
    named.push_back(name);
    filled.push_back(name + " IS NOT NULL");
    grouped.push_back(name + " COLLATE BINARY");
  }
  const std::string key = sqlite::source_name(plan.shape, plan.shape.key.front());
  return fmt::format(
      "SELECT {0}, count(*), min({1}), max({1}) FROM main.{2} WHERE {3} GROUP BY {4} HAVING "
      "count(*) > 1 LIMIT {5}",
      fmt::join(named, ", "), key, sqlite::quoted(plan.name()), fmt::join(filled, " AND "),
      fmt::join(grouped, ", "), kCollisionsShown);
}

bool is_shown(const TablePlan& plan, const std::vector<std::size_t>& columns) {
  return std::none_of(columns.begin(), columns.end(),
                      [&](std::size_t column) { return plan.is_personal(column); });
}

std::string collision(const sqlite::Statement& row, const TablePlan& plan,
                      const std::vector<std::size_t>& columns) {
  const int count = static_cast<int>(columns.size());
  Names values;
  for (int i = 0; i < count; ++i) values.push_back(describe(row.value(i)));
  std::string text = fmt::format("{} rows", row.integer(count));
  if (is_shown(plan, columns)) text += fmt::format(" with ({})", fmt::join(values, ", "));
  if (plan.shape.key.size() == 1 && is_shown(plan, plan.shape.key))
    text += fmt::format(", {0}={1} and {0}={2} among them",
                        plan.shape.columns[plan.shape.key.front()].name,
                        describe(row.value(count + 1)), describe(row.value(count + 2)));
  return text;
}

// CHECKs, and unique indexes with WHERE or expressions, each with its definition.
constexpr char kThere[] = R"(
SELECT 'c', o.conname, pg_catalog.pg_get_constraintdef(o.oid) FROM pg_catalog.pg_constraint AS o
JOIN pg_catalog.pg_class AS c ON c.oid = o.conrelid JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE o.contype = 'c' AND n.nspname = $1 AND c.relname = $2
UNION ALL
SELECT 'u', i.relname, pg_catalog.pg_get_indexdef(i.oid) FROM pg_catalog.pg_index AS x
JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid JOIN pg_catalog.pg_class AS c ON c.oid = x.indrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE x.indisunique AND (x.indpred IS NOT NULL OR x.indexprs IS NOT NULL) AND n.nspname = $1 AND c.relname = $2
ORDER BY 1, 2)";

bool has_index(const TablePlan& plan, std::string_view name) {
  return std::any_of(plan.shape.indexes.begin(), plan.shape.indexes.end(), [&](const Index& index) {
    return index.unique && sqlite::same_name(index.name, name);
  });
}

void tell_unchecked(const postgres::Result& there, const TablePlan& plan,
                    std::vector<TableWarning>& found) {
  std::vector<sqlite::CheckText> checks = sqlite::read_checks(plan.shape.sql);
  Names other;
  for (int row = 0; row < there.rows(); ++row) {
    const std::string name(there.value(row, 1)), definition(there.value(row, 2));
    if (there.value(row, 0) == "u") {
      if (!has_index(plan, name))
        found.push_back({plan.name(), "LS-T220",
                         fmt::format("index {} keeps rows unique there only, and no row is held "
                                     "against it before the copy: {}",
                                     name, definition)});
      continue;
    }
    const auto same = std::find_if(checks.begin(), checks.end(), [&](const auto& check) {
      return sqlite::same_name(check.name, name);
    });
    if (same == checks.end())
      other.push_back(fmt::format("{} {}", name, definition));
    else
      checks.erase(same);
  }
  const auto nameless = std::count_if(checks.begin(), checks.end(),
                                      [](const auto& check) { return check.name.empty(); });
  if (other.size() > static_cast<std::size_t>(nameless))
    found.push_back({plan.name(), "LS-T220",
                     fmt::format("{} CHECK(s) are there only{}, and no row is held against these "
                                 "before the copy: {}",
                                 other.size() - static_cast<std::size_t>(nameless),
                                 nameless > 0 ? ", some of" : "", fmt::join(other, "; "))});
}

}  // namespace

void hold_rows_against(sqlite::Database& database, snapshot::Planned& planned,
                       const CatalogTable& there, std::uint64_t rows) {
  const TablePlan& plan = planned.plan;
  const bool wal = database.in_wal_mode();
  const bool takes_long = rows > (wal ? kSortedRowsMax : kSortedRowsMaxInJournalMode);
  for (const Names& unique : snapshot::unproven_keys(plan, there)) {
    const auto columns = source_columns_of(plan, unique);
    if (!columns) continue;
    if (takes_long) {
      planned.warnings.push_back(
          {"LS-T220", fmt::format("({}) is unique there only, and no row is held against it before "
                                  "the copy: {}",
                                  fmt::join(unique, ", "),
                                  wal ? "the table is large, and one long read would keep the -wal"
                                      : "in rollback-journal mode the application would have to "
                                        "wait for that")});
      continue;
    }
    sqlite::Statement each(database, collisions_sql(plan, *columns));
    Names examples;
    while (each.step()) examples.push_back(collision(each, plan, *columns));
    if (examples.empty()) continue;
    planned.problems.push_back(
        fmt::format("LS-T261 ({}) is unique there only, and rows here agree in it: {}",
                    fmt::join(unique, ", "), fmt::join(examples, "; ")));
  }
}

void add_unchecked(postgres::Connection& connection, const std::string& schema,
                   Assessment& assessment) {
  for (const TablePlan& plan : assessment.plans)
    if (plan.existing)
      tell_unchecked(connection.query(kThere, {schema, plan.target_name()}), plan,
                     assessment.warnings);
}

}  // namespace lockstep::ops
