#include "verify/range.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "link/postgres/copy.hpp"
#include "link/postgres/names.hpp"
#include "link/sqlite/shape.hpp"
#include "link/sqlite/statement.hpp"
#include "model/rule.hpp"
#include "verify/range_sql.hpp"
#include "verify/shown_key.hpp"
#include "verify/source_rows.hpp"
#include "verify/values.hpp"

namespace lockstep::verify {

namespace {

Key key_of(const TablePlan& plan, const std::vector<Value>& row) {
  Key key;
  key.reserve(plan.shape.key.size());
  for (const std::size_t column : plan.shape.key) key.push_back(row[column]);
  return key;
}

void read_columns(std::vector<Value>& row, const TablePlan& plan, RuleReader& carried,
                  const sqlite::Statement& rows) {
  for (std::size_t i = 0; i < row.size(); ++i) {
    row[i].assign(carried(i, rows.value(static_cast<int>(i))));
    respell(row[i], plan, i);
  }
}

Key raw_key(const TablePlan& plan, const sqlite::Statement& rows) {
  Key key;
  for (const std::size_t column : plan.shape.key)
    key.emplace_back(rows.value(static_cast<int>(column)));
  return key;
}

Error out_of_order(const TablePlan& plan, const Key& before, const Key& after) {
  return Error({.code = "LS-V509",
                .exit = ExitCode::stopped,
                .what = fmt::format("keys of {} do not come in their order", plan.name()),
                .why = fmt::format("{} comes before {}", describe_key(plan, before),
                                   describe_key(plan, after)),
                .data = "nothing is claimed of this table; replication goes on",
                .todo = "PRAGMA integrity_check on the source: its index may be damaged"});
}

Error too_large_to_sort(const TablePlan& plan) {
  return Error(
      {.code = "LS-V508",
       .exit = ExitCode::precondition,
       .what = fmt::format("{} cannot be compared while it is written", plan.name()),
       .why = "its key has another order on PostgreSQL than on SQLite (a rule or a type spells "
              "it otherwise), so it is compared as a whole, and it is too large for that",
       .data = "nothing is claimed of this table; replication goes on",
       .todo = "stop lockstep at a quiet moment and verify then: at rest there is no limit"});
}

// Blocks as the rows come. A key that does not fit is on the source only, and in no order: it is of
// the block that it comes in, and ends none.
class BlockWriter {
 public:
  explicit BlockWriter(const TablePlan& plan) : plan_(plan) {}

  void add(const std::vector<Value>& row) {
    Key key = key_of(plan_, row);
    range.rows.add(key, row_hash(row, scratch_));
    fits_ = target_may_have(plan_, key);
    if (!fits_) return;
    if (last_ && key_order(*last_, key) >= 0) throw out_of_order(plan_, *last_, key);
    last_ = std::move(key);
  }
  /// Its newest row has a key that the target can be asked for.
  [[nodiscard]] bool range_may_end() const { return fits_; }
  /// `open`: to the end of the table. Before the first key that fits stands one without columns.
  void end_block(bool open) {
    range.rows.end_block();
    const std::size_t block = range.rows.blocks() - 1;
    range.blocks.push_back({open ? std::nullopt : std::optional(last_.value_or(Key{})),
                            range.rows.rows_of(block), range.rows.digest_of(block)});
  }

  SourceRange range{};

 private:
  const TablePlan& plan_;
  std::optional<Key> last_;
  bool fits_ = false;
  std::string scratch_;
};

std::string key_lookup_sql(const TablePlan& plan) {
  std::vector<std::string> terms;
  for (std::size_t i = 0; i < plan.shape.key.size(); ++i)
    terms.push_back(fmt::format("{} = ?{}", source_key_term(plan, plan.shape.key[i]), i + 1));
  return fmt::format("{} WHERE {}", source_select(plan), fmt::join(terms, " AND "));
}

void bind_key(sqlite::Statement& rows, const Key& key) {
  rows.reset();
  for (std::size_t i = 0; i < key.size(); ++i) rows.bind(static_cast<int>(i) + 1, key[i].view());
}

// What capture would carry for a row that is not there; nothing: no such row can have come from it.
std::optional<Key> spelled_for_source(const TablePlan& plan, const Key& shown) {
  Key key;
  for (std::size_t i = 0; i < shown.size(); ++i) {
    auto value = verify::spelled_for_source(plan, plan.shape.key[i], shown[i]);
    if (!value) return std::nullopt;
    key.push_back(std::move(*value));
  }
  return key;
}

SourceRange read_sorted(sqlite::Database& source, const TablePlan& plan,
                        const RangeLimits& limits) {
  SourceRows rows(source, plan);
  BlockWriter blocks(plan);
  std::vector<Value> row(plan.types.size());
  while (rows.next(row)) {
    for (std::size_t i = 0; i < row.size(); ++i) respell(row[i], plan, i);
    blocks.add(row);
    if (blocks.range.rows.rows() > limits.sorted_rows_max ||
        blocks.range.rows.key_bytes() > limits.sorted_key_bytes_max)
      throw too_large_to_sort(plan);
    if (blocks.range.rows.block_full()) blocks.end_block(false);
  }
  blocks.range.done = true;
  blocks.end_block(true);
  return std::move(blocks.range);
}

}  // namespace

std::string compared_shape(const TablePlan& plan) {
  std::string shape = fingerprint(plan.shape);
  for (std::size_t i = 0; i < plan.types.size(); ++i)
    if (plan.on_bad_value_of(i) == OnBadValue::text)
      shape += fmt::format(" {}:{}{}", i, to_string(plan.types[i]),
                           plan.became_text(i) ? " by its rule" : "");
  return shape;
}

SourceRange read_source_range(sqlite::Database& source, const TablePlan& plan,
                              const std::optional<Key>& after, const Deadline& deadline,
                              RangeLimits limits) {
  constexpr std::uint64_t kRowsPerClockLook = 64;
  if (!keeps_order(plan)) return read_sorted(source, plan, limits);
  sqlite::Statement rows(source, source_range_sql(plan, !after));
  if (after)
    for (std::size_t i = 0; i < after->size(); ++i)
      rows.bind(static_cast<int>(i) + 1, (*after)[i].view());
  BlockWriter blocks(plan);
  RuleReader carried(plan.rules, plan.shape.key);
  std::vector<Value> row(plan.types.size());
  bool enough = false;
  while (true) {
    if (!rows.step()) {
      blocks.range.done = true;
      blocks.end_block(true);
      return std::move(blocks.range);
    }
    read_columns(row, plan, carried, rows);
    blocks.add(row);
    const std::uint64_t seen = blocks.range.rows.rows();
    enough = enough || seen >= limits.rows_max ||
             blocks.range.rows.key_bytes() >= limits.key_bytes_max ||
             (seen % kRowsPerClockLook == 0 && deadline.passed());
    const bool ends = enough && blocks.range_may_end();
    if (ends || blocks.range.rows.block_full()) blocks.end_block(false);
    if (!ends) continue;
    blocks.range.resume = raw_key(plan, rows);
    return std::move(blocks.range);
  }
}

RangeRows read_target_range(postgres::Connection& target, const std::string& schema,
                            const TablePlan& plan, const std::optional<Key>& after,
                            const std::vector<Block>& blocks) {
  RangeRows range;
  const std::optional<Key>& until = blocks.back().last;
  if (after) set_bound(target, plan, kAfter, *after);
  if (until) set_bound(target, plan, kUntil, *until);
  const bool nulls = key_may_be_null(target, schema, plan);
  std::vector<std::optional<std::string_view>> fields;
  std::vector<Value> row(plan.types.size());
  std::string scratch;
  std::size_t block = 0;
  const auto add = [&] {
    const WrongConstants wrong = read_target_fields(row, fields, plan);
    const Key key = key_of(plan, row);
    while (block + 1 < blocks.size() && blocks[block].last &&
           key_order(key, *blocks[block].last) > 0) {
      range.end_block();
      ++block;
    }
    range.add(key, target_hash(row, wrong, scratch));
  };
  {
    postgres::CopyOut rows(target, target_range_sql(schema, plan, !after, !until, nulls));
    while (rows.next(fields)) add();
  }
  if (nulls && !until) {
    while (range.blocks() + 1 < blocks.size()) range.end_block();
    block = blocks.size() - 1;
    postgres::CopyOut rows(target, target_null_keys_sql(schema, plan));
    while (rows.next(fields)) add();
  }
  while (range.blocks() < blocks.size()) range.end_block();
  return range;
}

SourceRange read_source_keys(sqlite::Database& source, const TablePlan& plan,
                             const std::vector<Key>& keys, const Deadline& deadline) {
  SourceRange range;
  sqlite::Statement rows(source, key_lookup_sql(plan));
  RuleReader carried(plan.rules, plan.shape.key);
  std::vector<Value> row(plan.types.size());
  std::string before, scratch;
  const auto end_block = [&](bool open) {
    range.rows.end_block();
    const std::size_t block = range.rows.blocks() - 1;
    range.blocks.push_back({open ? std::nullopt : std::optional(parse_key_bytes(before)),
                            range.rows.rows_of(block), range.rows.digest_of(block)});
  };
  for (const Key& key : keys) {
    std::string shown = key_bytes(carried_key(plan, key));
    if (shown != before && !before.empty()) {
      if (deadline.passed()) {
        end_block(false);
        range.resume = range.blocks.back().last;
        return range;
      }
      if (range.rows.block_full()) end_block(false);
    }
    bind_key(rows, key);
    before = std::move(shown);
    if (!rows.step()) continue;
    read_columns(row, plan, carried, rows);
    const Key found = key_of(plan, row);
    // SQLite finds 1.0 by 1: that is another key here, and asked for by itself.
    if (key_bytes(found) == before) range.rows.add(found, row_hash(row, scratch));
  }
  range.done = true;
  end_block(true);
  return range;
}

RangeRows read_target_keys(postgres::Connection& target, const std::string& schema,
                           const TablePlan& plan, const std::vector<Key>& keys,
                           const std::vector<Block>& blocks) {
  RangeRows range;
  const std::string sql = target_keys_sql(schema, plan);
  std::vector<std::optional<std::string_view>> fields;
  std::vector<Value> row(plan.types.size());
  std::string scratch;
  auto key = keys.begin();
  for (const Block& block : blocks) {
    const std::string last = block.last ? key_bytes(*block.last) : std::string();
    std::set<std::string> asked;
    const auto first = key;
    for (; key != keys.end(); ++key) {
      std::string bytes = key_bytes(*key);
      if (block.last && bytes > last) break;
      asked.insert(std::move(bytes));
    }
    if (!asked.empty()) {
      set_keys(target, plan, std::vector<Key>(first, key));
      postgres::CopyOut rows(target, sql);
      while (rows.next(fields)) {
        const WrongConstants wrong = read_target_fields(row, fields, plan);
        const Key found = key_of(plan, row);
        if (asked.contains(key_bytes(found))) range.add(found, target_hash(row, wrong, scratch));
      }
    }
    range.end_block();
  }
  return range;
}

void read_source_rows(sqlite::Database& source, const TablePlan& plan, const std::vector<Key>& keys,
                      const std::function<void(std::size_t, const std::vector<Value>&)>& found) {
  RuleReader carried(plan.rules, plan.shape.key);
  std::vector<Value> row(plan.types.size());
  if (has_respelled_key(plan)) {
    std::map<std::string, std::size_t> wanted;
    for (std::size_t i = 0; i < keys.size(); ++i) wanted.emplace(key_bytes(keys[i]), i);
    sqlite::Statement rows(source, source_select(plan));
    while (rows.step()) {
      read_columns(row, plan, carried, rows);
      if (const auto key = wanted.find(key_bytes(key_of(plan, row))); key != wanted.end())
        found(key->second, row);
    }
    return;
  }
  sqlite::Statement rows(source, key_lookup_sql(plan));
  for (std::size_t at = 0; at < keys.size(); ++at) {
    bind_key(rows, keys[at]);
    if (!rows.step()) continue;
    read_columns(row, plan, carried, rows);
    found(at, row);
  }
}

std::vector<std::optional<Key>> source_keys(sqlite::Database& source, const TablePlan& plan,
                                            const std::vector<Key>& keys) {
  std::vector<std::optional<Key>> found(keys.begin(), keys.end());
  if (!has_respelled_key(plan)) {
    for (auto& key : found)
      if (!source_may_have(*key)) key.reset();
    return found;
  }
  if (has_converted_key(plan)) std::fill(found.begin(), found.end(), std::nullopt);
  std::map<std::string, std::size_t> wanted;
  for (std::size_t i = 0; i < keys.size(); ++i) wanted.emplace(key_bytes(keys[i]), i);
  RuleReader carried(plan.rules, plan.shape.key);
  std::vector<Value> row(plan.types.size());
  sqlite::Statement rows(source, source_select(plan));
  while (rows.step()) {
    read_columns(row, plan, carried, rows);
    const auto key = wanted.find(key_bytes(key_of(plan, row)));
    if (key == wanted.end()) continue;
    found[key->second] = raw_key(plan, rows);
    wanted.erase(key);
  }
  if (has_converted_key(plan)) return found;
  for (const auto& [bytes, at] : wanted) found[at] = spelled_for_source(plan, keys[at]);
  return found;
}

std::optional<TargetRow> read_target_row(postgres::Connection& target, const std::string& schema,
                                         const TablePlan& plan, const Key& key) {
  if (!target_may_have(plan, key)) return std::nullopt;
  set_bound(target, plan, kUntil, key);
  postgres::CopyOut rows(
      target, fmt::format("COPY (SELECT {} FROM {} WHERE {} LIMIT 1) TO STDOUT (FORMAT binary)",
                          target_columns(plan), postgres::qualified(schema, plan.target_name()),
                          target_bound(plan, "=", kUntil)));
  std::vector<std::optional<std::string_view>> fields;
  std::optional<TargetRow> found;
  while (rows.next(fields)) {
    found.emplace();
    found->values.resize(plan.types.size());
    found->wrong = read_target_fields(found->values, fields, plan);
  }
  return found;
}

}  // namespace lockstep::verify
