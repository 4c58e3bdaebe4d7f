#include "verify/sample.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "link/postgres/copy.hpp"
#include "link/postgres/names.hpp"
#include "verify/range_sql.hpp"
#include "verify/source_rows.hpp"
#include "verify/values.hpp"

namespace lockstep::verify {

namespace {

constexpr std::uint64_t kRanges = 8;         // the start, the end, and random places between
constexpr double kRowsToChooseFrom = 1'000;  // of the random places

std::vector<Key> read_keys(postgres::Connection& target, const TablePlan& plan,
                           const std::string& sql) {
  std::vector<Key> keys;
  postgres::CopyOut rows(target, fmt::format("COPY ({}) TO STDOUT (FORMAT binary)", sql));
  std::vector<std::optional<std::string_view>> fields;
  while (rows.next(fields)) {
    Key& key = keys.emplace_back(plan.shape.key.size());
    for (std::size_t i = 0; i < key.size(); ++i)
      read_target(key[i], fields[i], plan, plan.shape.key[i]);
  }
  return keys;
}

std::string key_columns(const TablePlan& plan) {
  std::vector<std::string> columns;
  for (const std::size_t column : plan.shape.key) columns.push_back(shown_column(plan, column));
  return fmt::format("{}", fmt::join(columns, ", "));
}

// Blocks of the table are drawn, not rows: a sample must not read it whole.
std::string random_keys_sql(postgres::Connection& target, const std::string& table,
                            const TablePlan& plan) {
  const double rows = static_cast<double>(
      target.query("SELECT reltuples::bigint FROM pg_class WHERE oid = $1::regclass", {table})
          .integer(0, 0));
  const double percent = rows > kRowsToChooseFrom ? kRowsToChooseFrom / rows * 100 : 100;
  return fmt::format("SELECT {} FROM {} TABLESAMPLE SYSTEM ({:.6f}) ORDER BY random() LIMIT {}",
                     key_columns(plan), table, percent, kRanges - 2);
}

std::string key_before_the_end_sql(const std::string& table, const TablePlan& plan,
                                   std::uint32_t rows) {
  std::vector<std::string> order;
  for (const std::size_t column : plan.shape.key)
    order.push_back(target_key_term(plan, column) + " DESC");
  return fmt::format("SELECT {} FROM {} ORDER BY {} OFFSET {} LIMIT 1", key_columns(plan), table,
                     fmt::join(order, ", "), rows);
}

}  // namespace

std::uint32_t sample_range_rows(std::uint64_t rows) {
  constexpr std::uint64_t kRangeRowsMax = 200'000;
  return static_cast<std::uint32_t>(
      std::clamp<std::uint64_t>((rows + kRanges - 1) / kRanges, 1, kRangeRowsMax));
}

std::vector<std::optional<Key>> sample_starts(postgres::Connection& target,
                                              const std::string& schema, const TablePlan& plan,
                                              std::uint64_t rows) {
  std::vector<std::optional<Key>> starts{std::nullopt};
  if (has_respelled_key(plan)) return starts;
  const std::string table = postgres::qualified(schema, plan.target_name());
  std::vector<Key> keys = read_keys(target, plan, random_keys_sql(target, table, plan));
  for (Key& key :
       read_keys(target, plan, key_before_the_end_sql(table, plan, sample_range_rows(rows))))
    keys.push_back(std::move(key));
  std::sort(keys.begin(), keys.end(),
            [](const Key& a, const Key& b) { return key_order(a, b) < 0; });
  starts.insert(starts.end(), keys.begin(), keys.end());
  return starts;
}

}  // namespace lockstep::verify
