// lockstep-compare SQLITE_FILE CONNINFO [--schema S] [--tables a,b] [--config FILE] [--quarantine]
//
// Compares every row of a SQLite database with PostgreSQL, both at rest. It judges lockstep and
// therefore shares nothing with it: only sqlite3, libpq and a reader of JSON. Both sides are read
// in key order and merged, so memory stays small; but tables with rules that change values are held
// in memory. --config: names and values are what lockstep's configuration of that file makes of
// them.
// --quarantine: rows in lockstep.quarantine are absent, and no others. Exit: 0 equal, 4 different,
// 1 trouble.
#include <algorithm>
#include <compare>
#include <cstdint>
#include <cstdio>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/tools/compare_cells.hpp"
#include "tests/tools/compare_rules.hpp"
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
  /// `held`: keys of rows that wait in quarantine.
  TableComparison(Source& source, Target& target, const Rules& rules, std::string schema,
                  std::string table, std::set<std::string> held)
      : source_(source),
        target_(target),
        schema_(std::move(schema)),
        table_(std::move(table)),
        target_table_(rules.target_table(table_)),
        added_(rules.added(table_)),
        rules_(rules),
        held_(std::move(held)),
        in_memory_(!held_.empty()) {}

  /// True if the sides are equal. Prints.
  bool run() {
    const auto types = target_.columns(schema_, target_table_);
    bool complete = !types.empty();
    if (!complete) remarks_.push_back("the table is missing on the target");
    std::set<std::string> known;
    for (Column& column : source_columns(types)) {
      ColumnRule rule = rules_.column(table_, column.name);
      column.target = rule.rename;
      known.insert(column.target_name());
      const auto type = types.find(column.target_name());
      if (type == types.end()) {
        if (!types.empty())
          remarks_.push_back("column " + column.target_name() + " is missing on the target");
        complete = false;
        continue;
      }
      if (rule.may_be_text && rule.type.empty() && column.key == 0 && type->second == "text")
        rule.type = "text";
      column.kind = kind_of_rule(rule.type).value_or(kind_of(type->second));
      column.reals = column.real_affinity && type->second == "numeric" && rule.type.empty();
      target_terms_.push_back(target_order_term(column, type->second));
      columns_.push_back(column);
      columns_rules_.push_back(rule);
      in_memory_ = in_memory_ || rule.changes_values();
    }
    for (const auto& [name, type] : types)
      if (!known.contains(name) && !added_.contains(name))
        remarks_.push_back("note: column " + name + " is on the target only");
    for (const auto& [name, constant] : added_) complete = has_constant(name, types) && complete;
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

  /// A column that only the target has holds the constant of the configuration in each row.
  bool has_constant(const std::string& name, const std::map<std::string, std::string>& types) {
    std::string others = "all";
    if (types.contains(name)) {
      const Result found = target_.query("SELECT count(*) FROM " + identifier(schema_) + "." +
                                             identifier(target_table_) + " WHERE " +
                                             identifier(name) + "::text IS DISTINCT FROM $1",
                                         {added_.at(name)});
      others = PQgetvalue(found.get(), 0, 0);
    }
    if (others != "0") remarks_.push_back(others + " rows do not have the constant of " + name);
    return others == "0";
  }

  [[nodiscard]] std::string from_source() const { return " FROM main." + identifier(table_); }

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
    // SQLite sorts moments by how they are spelled.
    in_memory_ =
        in_memory_ || std::any_of(columns_.begin(), columns_.end(),
                                  [](const Column& each) { return each.kind == Kind::instant; });
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
    target_.start_rows("SELECT " + names + " FROM " + identifier(schema_) + "." +
                       identifier(target_table_) + " ORDER BY " + target_order);
    if (in_memory_) hold_rows();
    for (Row* row : {&source_row_, &source_last_, &target_row_, &target_last_})
      row->resize(columns_.size());
    bool source_more = next_source();
    bool target_more = next_target();
    while (source_more || target_more) {
      const auto order = !target_more   ? std::strong_ordering::less
                         : !source_more ? std::strong_ordering::greater
                                        : order_of(source_row_, target_row_, key_);
      const bool held = order <= 0 && held_.erase(source_key_) > 0;
      if (order < 0 && !held) found(counts_.missing, "missing", source_row_);
      if (order > 0 || (order == 0 && held)) found(counts_.extra, "extra", target_row_);
      if (order == 0 && !held) compare_row();
      if (order <= 0) source_more = next_source();
      if (order >= 0) target_more = next_target();
    }
    counts_.extra += held_.size();
    for (const auto& key : held_) remarks_.push_back("in quarantine, but no row: " + key);
  }

  /// By the order of what the rules make of the values.
  void hold_rows() {
    for (Row row(columns_.size()); source_.step(statement_.get());) {
      read_source(row);
      source_rows_.push_back({row, held_.empty() ? "" : key_text()});
    }
    for (Row row(columns_.size()); const Result result = target_.next_row();) {
      read_target(result.get(), row);
      target_rows_.push_back(row);
    }
    // From the end, where taking one costs nothing.
    std::sort(source_rows_.begin(), source_rows_.end(),
              [&](const auto& a, const auto& b) { return order_of(a.first, b.first, key_) > 0; });
    std::sort(target_rows_.begin(), target_rows_.end(),
              [&](const Row& a, const Row& b) { return order_of(a, b, key_) > 0; });
  }

  /// Of the row that the statement is at, as Target::held_keys() spells it.
  [[nodiscard]] std::string key_text() const {
    std::map<int, std::string> parts;
    for (std::size_t place = 0; place < columns_.size(); ++place)
      if (columns_[place].key > 0)
        parts[columns_[place].key] =
            value_text(source_value(statement_.get(), static_cast<int>(place)));
    std::string text;
    for (const auto& [place, part] : parts) text += part;
    return text;
  }

  void read_source(Row& row) {
    for (std::size_t place = 0; place < columns_.size(); ++place) {
      const int index = static_cast<int>(place);
      const Column& column = columns_[place];
      if (columns_rules_[place].changes_values())
        apply_rule(columns_rules_[place], source_value(statement_.get(), index), column.key > 0,
                   column.kind, row[place]);
      else
        read_source_cell(statement_.get(), index, column, row[place]);
    }
  }

  void read_target(const PGresult* result, Row& row) {
    for (std::size_t place = 0; place < columns_.size(); ++place)
      read_target_cell(result, static_cast<int>(place), columns_[place], row[place]);
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
    if (in_memory_) {
      if (source_rows_.empty()) return false;
      std::tie(source_row_, source_key_) = std::move(source_rows_.back());
      source_rows_.pop_back();
    } else {
      if (!source_.step(statement_.get())) return false;
      read_source(source_row_);
    }
    require_order(source_last_, source_row_, counts_.source_rows++, "source");
    return true;
  }

  bool next_target() {
    target_row_.swap(target_last_);
    if (in_memory_) {
      if (target_rows_.empty()) return false;
      target_row_ = std::move(target_rows_.back());
      target_rows_.pop_back();
    } else {
      const Result row = target_.next_row();
      if (!row) return false;
      read_target(row.get(), target_row_);
    }
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
  std::string table_, target_table_;
  std::map<std::string, std::string> added_;
  const Rules& rules_;
  std::set<std::string> held_;
  bool in_memory_;
  std::vector<Column> columns_;
  std::vector<ColumnRule> columns_rules_;
  std::vector<std::string> target_terms_;
  std::vector<std::size_t> key_;
  Statement statement_;
  Row source_row_, source_last_, target_row_, target_last_;
  std::string source_key_;
  std::vector<std::pair<Row, std::string>> source_rows_;
  std::vector<Row> target_rows_;
  Counts counts_;
  int differences_ = 0;
  std::vector<std::string> remarks_;
};

struct Arguments {
  std::string file;
  std::string conninfo;
  std::string schema = "public";
  std::vector<std::string> tables;
  std::string config;
  bool quarantine = false;
};

Arguments parse(const std::vector<std::string>& words) {
  Arguments arguments;
  std::vector<std::string> plain;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool option = words[i] == "--schema" || words[i] == "--tables" || words[i] == "--config";
    if (option && i + 1 == words.size()) throw std::invalid_argument(words[i] + " needs a value");
    if (words[i] == "--schema") {
      arguments.schema = words[++i];
    } else if (words[i] == "--config") {
      arguments.config = words[++i];
    } else if (words[i] == "--quarantine") {
      arguments.quarantine = true;
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
        "usage: lockstep-compare SQLITE_FILE CONNINFO [--schema S] [--tables a,b] "
        "[--config FILE] [--quarantine]");
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
    const Rules rules = arguments.config.empty() ? Rules() : Rules(arguments.config);
    if (arguments.tables.empty())
      for (const std::string& table : source.tables())
        if (rules.compares(table)) arguments.tables.push_back(table);
    if (arguments.tables.empty()) throw std::runtime_error("there is no table to compare");
    bool equal = true;
    for (const auto& table : arguments.tables)
      equal =
          TableComparison{
              source,
              target,
              rules,
              arguments.schema,
              table,
              arguments.quarantine ? target.held_keys(arguments.schema, table) : std::set<std::string>()}
              .run() &&
          equal;
    return equal ? 0 : 4;
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "lockstep-compare: %s\n", failure.what());
    return 1;
  }
}
