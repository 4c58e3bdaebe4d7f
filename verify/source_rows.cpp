#include "verify/source_rows.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>

#include "link/sqlite/shape.hpp"
#include "model/error.hpp"
#include "model/spelling.hpp"
#include "verify/values.hpp"

namespace lockstep::verify {

namespace {

constexpr char kSorted[] = "temp._lockstep_sorted";

std::string source_sql(const TablePlan& plan, bool in_order) {
  std::vector<std::string> columns, order;
  for (std::size_t i = 0; i < plan.shape.columns.size(); ++i)
    columns.push_back(sqlite::source_name(plan.shape, i));
  for (const std::size_t key : plan.shape.key)
    order.push_back(sqlite::source_name(plan.shape, key) + " COLLATE BINARY");
  const std::string sql =
      fmt::format("SELECT {} FROM main.{}", fmt::join(columns, ", "), sqlite::quoted(plan.name()));
  return in_order ? fmt::format("{} ORDER BY {}", sql, fmt::join(order, ", ")) : sql;
}

bool holds_instants(const TablePlan& plan, std::size_t column) {
  const ColumnType type = plan.types[column];
  return type == ColumnType::timestamp || type == ColumnType::timestamptz;
}

// Of a table that was there: what its values travel as has the order of the type that it has.
bool has_order_of_its_type(const TablePlan& plan, std::size_t column) {
  if (!plan.existing) return true;
  const TargetKind kind = plan.existing->columns[column].holds.kind;
  return kind == TargetKind::uuid ||
         (holds_instants(plan, column) &&
          (kind == TargetKind::timestamp || kind == TargetKind::timestamptz));
}

// One spelling has one width; one that goes on with a fraction comes behind the one without, as the
// instant does.
bool is_in_order(const ColumnSpelling& spelling, ColumnType type) {
  if (!spelling.bound || spelling.found == 0) return false;
  if (std::popcount(spelling.found) == 1) return true;
  if (type == ColumnType::uuid) return false;
  constexpr std::string_view kSeconds = ":SS", kFraction = ".ffffff";
  std::string_view begins;
  std::string first;
  for (unsigned each = 0; each < spellings_of(type); ++each) {
    if ((spelling.found >> each & 1) == 0) continue;
    const std::string name = spelling_name(type, each);
    if (begins.empty()) {
      first = name.substr(0, name.find('.'));
      begins = first;
    }
    if (!begins.ends_with(kSeconds) || !name.starts_with(begins) ||
        !kFraction.starts_with(std::string_view(name).substr(begins.size())))
      return false;
  }
  return true;
}

bool column_keeps_order(const TablePlan& plan, std::size_t column) {
  if (plan.is_converted(column)) return false;
  if (!is_respelled(plan, column)) return true;
  return has_order_of_its_type(plan, column) &&
         is_in_order(plan.spelling(column), plan.types[column]);
}

}  // namespace

bool keeps_order(const TablePlan& plan) {
  return std::all_of(plan.shape.key.begin(), plan.shape.key.end(),
                     [&](std::size_t column) { return column_keeps_order(plan, column); });
}

bool has_converted_key(const TablePlan& plan) {
  return std::any_of(plan.shape.key.begin(), plan.shape.key.end(),
                     [&](std::size_t column) { return plan.is_converted(column); });
}

bool has_respelled_key(const TablePlan& plan) {
  return std::any_of(plan.shape.key.begin(), plan.shape.key.end(), [&](std::size_t column) {
    return plan.is_converted(column) || is_respelled(plan, column);
  });
}

SourceRows::SourceRows(sqlite::Database& database, const TablePlan& plan)
    : database_(database),
      plan_(plan),
      carried_(plan.rules, plan.shape.key),
      sorted_(!keeps_order(plan)) {
  if (sorted_)
    sort();
  else
    rows_.emplace(database_, source_sql(plan_, true));
}

SourceRows::~SourceRows() {
  if (!sorted_) return;
  rows_.reset();
  try {
    database_.exec(fmt::format("DROP TABLE IF EXISTS {}", kSorted));
  } catch (const Error&) {  // it goes with the connection
  }
}

void SourceRows::sort() {
  std::vector<std::string> keys, marks;
  for (std::size_t i = 0; i < plan_.shape.key.size(); ++i) {
    keys.push_back(fmt::format("k{}", i));
    marks.emplace_back("?");
  }
  database_.exec(fmt::format("CREATE TABLE {} ({}, row)", kSorted, fmt::join(keys, ", ")));
  {
    sqlite::Statement rows(database_, source_sql(plan_, false));
    sqlite::Statement insert(
        database_, fmt::format("INSERT INTO {} VALUES ({}, ?)", kSorted, fmt::join(marks, ", ")));
    const int columns = static_cast<int>(plan_.types.size());
    std::string bytes;
    while (rows.step()) {
      bytes.clear();
      EntryWriter entry(bytes);
      entry.begin(plan_.id, true);
      for (int column = 0; column < columns; ++column)
        entry.put(carried_(static_cast<std::size_t>(column), rows.value(column)));
      entry.end();
      insert.reset();
      for (std::size_t i = 0; i < keys.size(); ++i) {
        const std::size_t key = plan_.shape.key[i];
        Value value(carried_(key, rows.value(static_cast<int>(key))));
        respell(value, plan_, key);
        insert.bind(static_cast<int>(i) + 1, value.view());
      }
      insert
          .bind(static_cast<int>(keys.size()) + 1,
                ValueView{.kind = ValueClass::blob, .bytes = bytes})
          .run();
    }
  }
  rows_.emplace(database_,
                fmt::format("SELECT row FROM {} ORDER BY {}", kSorted, fmt::join(keys, ", ")));
}

bool SourceRows::next(std::vector<Value>& row) {
  if (sorted_) return next_sorted(row);
  if (!rows_->step()) return false;
  for (std::size_t i = 0; i < row.size(); ++i)
    row[i].assign(carried_(i, rows_->value(static_cast<int>(i))));
  return true;
}

bool SourceRows::next_sorted(std::vector<Value>& row) {
  if (!rows_->step()) return false;
  const ValueView bytes = rows_->value(0);
  EntryReader reader;
  reader.feed(bytes.bytes);
  const auto entry = reader.next();
  check(entry.has_value(), "what was sorted is a row");
  ValueCursor values(entry->values);
  for (Value& value : row) value.assign(*values.next());
  return true;
}

}  // namespace lockstep::verify
