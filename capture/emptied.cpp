#include "capture/emptied.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <xxhash.h>

#include <algorithm>
#include <optional>
#include <string_view>

#include "capture/triggers.hpp"
#include "link/sqlite/shape.hpp"
#include "link/sqlite/sql_text.hpp"
#include "link/sqlite/statement.hpp"

namespace lockstep::capture {

namespace {

using sqlite::Database;
using sqlite::Statement;

constexpr std::int64_t kRowsMin =
    1'000;  // with any luck two are enough; some columns have few values
constexpr std::int64_t kChangesMax =
    5'000;  // more than one look to the next brings: nothing is told

std::uint64_t hash(const ValueView& value) {
  const auto seed = static_cast<XXH64_hash_t>(value.kind);
  switch (value.kind) {
    case ValueClass::null:
      return 0;
    case ValueClass::integer:
      return XXH3_64bits_withSeed(&value.integer, sizeof value.integer, seed);
    case ValueClass::real:
      return XXH3_64bits_withSeed(&value.real, sizeof value.real, seed);
    case ValueClass::text:
    case ValueClass::blob:
      return XXH3_64bits_withSeed(value.bytes.data(), value.bytes.size(), seed);
  }
  return 0;
}

// The change behind `since` may be pruned, and others with it: then nobody can count.
std::optional<std::int64_t> changes_of(Database& database, std::uint32_t table,
                                       std::int64_t since) {
  Statement first(database, fmt::format("SELECT min(seq), max(seq) FROM {}", kChangeTable));
  if (!first.step() || first.integer(0) > since + 1) return std::nullopt;
  if (first.integer(1) - since > kChangesMax) return std::nullopt;
  Statement count(database,
                  fmt::format("SELECT count(*) FROM {} WHERE seq > ? AND tbl = ?", kChangeTable));
  count.bind(1, since).bind(2, static_cast<std::int64_t>(table));
  check(count.step(), "count() returns a row");
  return count.integer(0);
}

std::string values_sql(const TableShape& shape, std::size_t column, std::string_view direction) {
  std::vector<std::string> order;
  if (!shape.without_rowid && !shape.rowid_name.empty()) {
    order.push_back(fmt::format("{} {}", shape.rowid_name, direction));
  } else {
    for (const std::size_t key : shape.key)
      order.push_back(fmt::format("{} {}", sqlite::source_name(shape, key), direction));
  }
  return fmt::format("SELECT {} FROM {} ORDER BY {} LIMIT ?", sqlite::source_name(shape, column),
                     sqlite::quoted(shape.name), fmt::join(order, ", "));
}

enum class Told { cleared, all_read, more_rows };

Told read_one_end(Database& database, const std::string& sql, std::int64_t changes) {
  const std::int64_t rows_max = kRowsMin + 2 * changes;
  Statement values(database, sql);
  values.bind(1, rows_max);
  ValueCounts counts;
  while (values.step()) {
    counts.add(values.value(0));
    if (counts.differ_in_more_than(changes)) return Told::cleared;
  }
  if (counts.rows() == 0) return Told::cleared;  // whatever was there, its going was logged
  return counts.rows() == rows_max ? Told::more_rows : Told::all_read;
}

// Each end alone: a row that is at both must not count twice.
Told look_at_values(Database& database, const TablePlan& plan, const TableShape& shape,
                    std::size_t column, std::int64_t since) {
  const sqlite::Transaction view(database, sqlite::Transaction::Mode::deferred);
  const auto changes = changes_of(database, plan.id, since);
  if (!changes) return Told::more_rows;
  const Told told = read_one_end(database, values_sql(shape, column, "ASC"), *changes);
  if (told != Told::more_rows) return told;
  return read_one_end(database, values_sql(shape, column, "DESC"), *changes);
}

}  // namespace

void ValueCounts::add(const ValueView& value) {
  ++rows_;
  most_ = std::max(most_, ++counts_[hash(value)]);
}

// What comes by ADD COLUMN stands behind all that was there, so the last one of these came if any
// did. SQLite refuses it for columns of a key, for NOT NULL without a DEFAULT and for stored
// generated ones as long as there are rows; virtual ones have no values of their own.
std::optional<std::size_t> column_that_may_come_again(const TableShape& shape) {
  for (std::size_t i = shape.columns.size(); i-- > 0;) {
    const Column& column = shape.columns[i];
    if (column.is_rowid || column.generated != Generated::no) continue;
    if (shape.rowid_alias == i || (column.not_null && column.default_sql.empty()))
      return std::nullopt;
    const bool declared_unique =
        std::any_of(shape.indexes.begin(), shape.indexes.end(), [&](const Index& index) {
          return index.origin != IndexOrigin::created &&
                 std::any_of(index.terms.begin(), index.terms.end(),
                             [&](const IndexTerm& term) { return term.column == i; });
        });
    if (declared_unique) return std::nullopt;
    return i;
  }
  return std::nullopt;
}

Emptied possibly_emptied(Database& database, const std::vector<TablePlan>& tables,
                         std::int64_t since) {
  Emptied found;
  const std::vector<sqlite::TableName> there = sqlite::list_tables(database);
  for (const TablePlan& plan : tables) {
    if (std::none_of(there.begin(), there.end(),
                     [&](const sqlite::TableName& table) { return table.name == plan.name(); }))
      continue;
    const TableShape shape = sqlite::read_shape(database, plan.name(), &plan.shape);
    const auto column = column_that_may_come_again(shape);
    if (!column) continue;
    const Told told = look_at_values(database, plan, shape, *column, since);
    if (told == Told::cleared) continue;
    found.all.insert(plan.name());
    if (told == Told::more_rows) found.large.insert(plan.name());
  }
  return found;
}

}  // namespace lockstep::capture
