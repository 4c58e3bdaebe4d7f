#include "switchover/going_back.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace lockstep::switchover {

namespace {

constexpr std::size_t kColumnsTold = 100;  // that are told apart
constexpr std::size_t kKeysMax = 3;        // of each
constexpr std::size_t kNamedMax = 10;      // columns in one sentence

std::string what_of(const std::string& table, const std::string& key,
                    const std::vector<RowRefused::Column>& columns) {
  std::vector<std::string> names;
  for (const RowRefused::Column& column : columns)
    if (!column.name.empty()) names.push_back(column.name);
  return fmt::format("a row of PostgreSQL cannot go back into SQLite: table {}, key ({}){}{}",
                     table, key,
                     names.empty()       ? ""
                     : names.size() == 1 ? ", column "
                                         : ", columns ",
                     fmt::join(names, ", "));
}

std::string why_of(const std::vector<RowRefused::Column>& columns) {
  if (columns.size() == 1) return columns.front().why;
  std::vector<std::string> reasons;
  for (const RowRefused::Column& column : columns)
    reasons.push_back(fmt::format("{}: {}", column.name, column.why));
  return fmt::format("{}", fmt::join(reasons, "; "));
}

}  // namespace

std::string place_of(const CannotGoBack& one) {
  return one.column.empty() ? one.table : fmt::format("{}.{}", one.table, one.column);
}

std::string sentence(const CannotGoBack& one) {
  return fmt::format("{}: {}", place_of(one), one.why);
}

std::vector<std::string> sentences(const std::vector<CannotGoBack>& all) {
  std::vector<std::string> list;
  for (const CannotGoBack& one : all) list.push_back(sentence(one));
  return list;
}

std::string counted(const CannotGoBack& one) {
  if (!one.rows) return sentence(one);
  std::vector<std::string> keys;
  for (const std::string& key : one.keys) keys.push_back(fmt::format("({})", key));
  if (*one.rows > static_cast<std::int64_t>(keys.size()) && !keys.empty()) keys.emplace_back("…");
  return fmt::format("{}: {} row{}{}{}: {}", place_of(one), *one.rows, *one.rows == 1 ? "" : "s",
                     keys.empty() ? "" : ", key ", fmt::join(keys, ", "), one.why);
}

RowRefused::RowRefused(std::string table, std::string key, std::vector<Column> columns)
    : Error({.code = "LS-X606",
             .exit = ExitCode::stopped,
             .what = what_of(table, key, columns),
             .why = why_of(columns),
             .data = "nothing of this round is in SQLite, and nothing is lost: PostgreSQL keeps "
                     "the row and the record that it changed; SQLite stays at the state before",
             .todo = "change the row on PostgreSQL to what SQLite can hold, or SQLite's schema so "
                     "that it can; lockstep then goes on by itself",
             .retry = Retry::same_session}),
      table_(std::move(table)),
      key_(std::move(key)),
      columns_(std::move(columns)) {}

CannotGoBack& RefusedRows::entry(const std::string& table, const std::string& column,
                                 const std::string& why) {
  const auto place = std::pair(table, column);
  if (const auto known = columns_.find(place); known != columns_.end()) return known->second;
  if (columns_.size() < kColumnsTold)
    return columns_.try_emplace(place, CannotGoBack{table, column, why}).first->second;
  others_.table = "more columns";
  others_.why = "see these when those above are mended";
  return others_;
}

void RefusedRows::add(const RowRefused& row) {
  if (!first_) first_ = row;
  ++rows_;
  for (const RowRefused::Column& column : row.columns()) {
    CannotGoBack& one = entry(row.table(), column.name, column.why);
    one.rows = one.rows.value_or(0) + 1;
    if (one.keys.size() < kKeysMax && &one != &others_) one.keys.push_back(row.key());
  }
}

void RefusedRows::add(const std::string& table, const Error& error) {
  if (!first_) first_ = error;
  ++tables_;
  entry(table, "", error.facts().why);
}

std::vector<CannotGoBack> RefusedRows::by_column() const {
  std::vector<CannotGoBack> all;
  for (const auto& [place, one] : columns_) all.push_back(one);
  if (!others_.table.empty()) all.push_back(others_);
  return all;
}

Error RefusedRows::error() const {
  ErrorFacts facts = first_->facts();
  if (rows_ + tables_ == 1) return Error(facts);
  std::vector<std::string> named;
  const std::vector<CannotGoBack> all = by_column();
  for (const CannotGoBack& one : all) {
    if (named.size() == kNamedMax) {
      named.push_back(fmt::format("and {} more columns", all.size() - kNamedMax));
      break;
    }
    named.push_back(one.rows ? fmt::format("{}: {}", place_of(one), *one.rows)
                             : fmt::format("{}: all", place_of(one)));
  }
  facts.what = fmt::format("{} rows cannot go back ({}); the first: {}", rows_,
                           fmt::join(named, ", "), facts.what);
  return Error(facts);
}

}  // namespace lockstep::switchover
