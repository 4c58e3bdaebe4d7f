// lockstep-compare SQLITE_FILE CONNINFO [--schema S] [--tables a,b]
//
// Compares every row of a SQLite database with PostgreSQL, both at rest. It judges lockstep and
// therefore shares nothing with it: only sqlite3 and libpq. Both sides are read in key order and
// merged, so memory stays small. Exit: 0 equal, 4 different, 1 trouble.
#include <algorithm>
#include <compare>
#include <cstdint>
#include <cstdio>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/tools/compare_cells.hpp"
#include "tests/tools/compare_sides.hpp"

namespace compare {
namespace {

constexpr int kDifferencesShown = 5;

struct Counts {
  std::uint64_t source_rows = 0;
  std::uint64_t target_rows = 0;
  std::uint64_t missing = 0;
  std::uint64_t extra = 0;
  std::uint64_t differ = 0;
};

/// Compares one table; keeps the first differences for printing after the table's line.
class TableComparison {
 public:
  TableComparison(Source& source, Target& target, std::string schema, std::string table)
      : source_(source), target_(target), schema_(std::move(schema)), table_(std::move(table)) {}

  /// True if the sides are equal. Prints.
  bool run() {
    const auto types = target_.columns(schema_, table_);
    bool complete = !types.empty();
    if (!complete) remarks_.push_back("the table is missing on the target");
    std::set<std::string> known;
    for (Column& column : source_columns(types)) {
      known.insert(column.name);
      const auto type = types.find(column.name);
      if (type == types.end()) {
        if (!types.empty())
          remarks_.push_back("column " + column.name + " is missing on the target");
        complete = false;
        continue;
      }
      column.kind = kind_of(type->second);
      target_terms_.push_back(target_order_term(column, type->second));
      columns_.push_back(column);
    }
    for (const auto& [name, type] : types)
      if (!known.contains(name))
        remarks_.push_back("note: column " + name + " is on the target only");
    if (columns_.empty())
      counts_.source_rows = counts_.missing =
          std::stoull(source_.first("SELECT count(*)" + from_source()));
    else
      merge();
    print();
    return complete && counts_.missing + counts_.extra + counts_.differ == 0;
  }

 private:
  /// The source's columns. Where it has no key and the target keeps the rowid, the rowid is one
  /// more, and the key: rows that are equal otherwise must be as many on both sides.
  std::vector<Column> source_columns(const std::map<std::string, std::string>& target) {
    std::vector<Column> columns = source_.columns(table_);
    const bool keyed = std::any_of(columns.begin(), columns.end(),
                                   [](const Column& column) { return column.key > 0; });
    const std::string rowid = keyed ? "" : rowid_name(columns);
    if (rowid.empty()) return columns;
    for (const auto& [name, type] : target) {
      const bool ours = name.starts_with("_lockstep_rowid") &&
                        name.find_first_not_of('_', 15) == std::string::npos;
      if (ours && !has_column(columns, name))
        columns.push_back({.name = name, .sql = rowid, .key = 1});
    }
    return columns;
  }

  [[nodiscard]] std::string from_source() const { return " FROM main." + quoted(table_); }

  /// The primary key; all columns if there is none, or if it does not tell rows apart because it
  /// holds NULLs.
  void choose_key() {
    for (std::size_t place = 0; place < columns_.size(); ++place)
      if (columns_[place].key > 0) key_.push_back(place);
    std::sort(key_.begin(), key_.end(),
              [&](std::size_t a, std::size_t b) { return columns_[a].key < columns_[b].key; });
    bool usable = !key_.empty() && columns_[key_.front()].key == 1 &&
                  columns_[key_.back()].key == static_cast<int>(key_.size());
    for (const std::size_t place : key_)
      usable = usable && source_.first("SELECT EXISTS (SELECT 1" + from_source() + " WHERE " +
                                       columns_[place].source_sql() + " IS NULL)") == "0";
    if (usable) return;
    key_.resize(columns_.size());
    for (std::size_t place = 0; place < key_.size(); ++place) key_[place] = place;
  }

  void merge() {
    choose_key();
    std::string names;
    std::string source_names;
    std::string source_order;
    std::string target_order;
    for (const Column& column : columns_) {
      names += (names.empty() ? "" : ", ") + target_name(column);
      source_names += (source_names.empty() ? "" : ", ") + column.source_sql();
    }
    for (const std::size_t place : key_) {
      source_order += (source_order.empty() ? "" : ", ") + source_.order_term(columns_[place]);
      target_order += (target_order.empty() ? "" : ", ") + target_terms_[place];
    }
    statement_ =
        source_.prepare("SELECT " + source_names + from_source() + " ORDER BY " + source_order);
    target_.start_rows("SELECT " + names + " FROM " + quoted(schema_) + "." + quoted(table_) +
                       " ORDER BY " + target_order);
    for (Row* row : {&source_row_, &source_last_, &target_row_, &target_last_})
      row->resize(columns_.size());
    bool source_more = next_source();
    bool target_more = next_target();
    while (source_more || target_more) {
      const auto order = !target_more   ? std::strong_ordering::less
                         : !source_more ? std::strong_ordering::greater
                                        : order_of(source_row_, target_row_, key_);
      if (order < 0) found(counts_.missing, "missing", source_row_);
      if (order > 0) found(counts_.extra, "extra", target_row_);
      if (order == 0) compare_row();
      if (order <= 0) source_more = next_source();
      if (order >= 0) target_more = next_target();
    }
  }

  void compare_row() {
    std::string text;
    for (std::size_t place = 0; place < columns_.size(); ++place) {
      if (same(source_row_[place], target_row_[place])) continue;
      text += (text.empty() ? ": " : ", ") + columns_[place].name + " is " +
              shown(source_row_[place]) + " at the source, " + shown(target_row_[place]) +
              " at the target";
    }
    if (!text.empty()) found(counts_.differ, "differ", source_row_, text);
  }

  void found(std::uint64_t& count, const char* what, const Row& row, const std::string& text = "") {
    ++count;
    if (++differences_ > kDifferencesShown) return;
    std::string remark = std::string(what) + " (";
    for (const std::size_t place : key_)
      remark +=
          (place == key_.front() ? "" : ", ") + columns_[place].name + "=" + shown(row[place]);
    remarks_.push_back(remark + ")" + text);
  }

  bool next_source() {
    source_row_.swap(source_last_);
    if (!source_.step(statement_.get())) return false;
    for (std::size_t place = 0; place < columns_.size(); ++place)
      read_source_cell(statement_.get(), static_cast<int>(place), columns_[place],
                       source_row_[place]);
    require_order(source_last_, source_row_, counts_.source_rows++, "source");
    return true;
  }

  bool next_target() {
    target_row_.swap(target_last_);
    const Result row = target_.next_row();
    if (!row) return false;
    for (std::size_t place = 0; place < columns_.size(); ++place)
      read_target_cell(row.get(), static_cast<int>(place), columns_[place].kind,
                       target_row_[place]);
    require_order(target_last_, target_row_, counts_.target_rows++, "target");
    return true;
  }

  /// A merge of unordered streams would find nonsense: rather no answer than a wrong one.
  void require_order(const Row& last, const Row& row, std::uint64_t rows_before, const char* side) {
    if (rows_before > 0 && order_of(last, row, key_) > 0)
      throw std::runtime_error(table_ + ": the " + side + " sends its rows in an unexpected order");
  }

  void print() const {
    std::printf("%s %llu %llu %llu %llu %llu\n", table_.c_str(),
                static_cast<unsigned long long>(counts_.source_rows),
                static_cast<unsigned long long>(counts_.target_rows),
                static_cast<unsigned long long>(counts_.missing),
                static_cast<unsigned long long>(counts_.extra),
                static_cast<unsigned long long>(counts_.differ));
    for (const auto& remark : remarks_) std::printf("  %s\n", remark.c_str());
  }

  Source& source_;
  Target& target_;
  std::string schema_;
  std::string table_;
  std::vector<Column> columns_;
  std::vector<std::string> target_terms_;
  std::vector<std::size_t> key_;
  Statement statement_;
  Row source_row_, source_last_, target_row_, target_last_;
  Counts counts_;
  int differences_ = 0;
  std::vector<std::string> remarks_;
};

struct Arguments {
  std::string file;
  std::string conninfo;
  std::string schema = "public";
  std::vector<std::string> tables;
};

Arguments parse(const std::vector<std::string>& words) {
  Arguments arguments;
  std::vector<std::string> plain;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool option = words[i] == "--schema" || words[i] == "--tables";
    if (option && i + 1 == words.size()) throw std::invalid_argument(words[i] + " needs a value");
    if (words[i] == "--schema") {
      arguments.schema = words[++i];
    } else if (words[i] == "--tables") {
      std::string list = words[++i] + ",";
      for (std::size_t comma; (comma = list.find(',')) != std::string::npos;
           list.erase(0, comma + 1))
        if (comma > 0) arguments.tables.push_back(list.substr(0, comma));
    } else {
      plain.push_back(words[i]);
    }
  }
  if (plain.size() != 2)
    throw std::invalid_argument(
        "usage: lockstep-compare SQLITE_FILE CONNINFO [--schema S] [--tables a,b]");
  arguments.file = plain[0];
  arguments.conninfo = plain[1];
  return arguments;
}

}  // namespace
}  // namespace compare

int main(int count, char** words) {
  using namespace compare;
  try {
    Arguments arguments = parse({words + 1, words + count});
    Source source{arguments.file};
    Target target{arguments.conninfo};
    if (arguments.tables.empty()) arguments.tables = source.tables();
    if (arguments.tables.empty()) throw std::runtime_error("there is no table to compare");
    bool equal = true;
    for (const auto& table : arguments.tables)
      equal = TableComparison{source, target, arguments.schema, table}.run() && equal;
    return equal ? 0 : 4;
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "lockstep-compare: %s\n", failure.what());
    return 1;
  }
}
