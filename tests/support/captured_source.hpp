// A SQLite file under capture, and a replica in memory that only its batches keep up to date.
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "capture/drift.hpp"
#include "capture/install.hpp"
#include "capture/tail.hpp"
#include "capture/take_over.hpp"
#include "capture/triggers.hpp"
#include "link/sqlite/shape.hpp"
#include "link/wire/control.hpp"
#include "snapshot/census.hpp"
#include "snapshot/plan.hpp"
#include "tests/support/application.hpp"
#include "tests/support/temp_dir.hpp"

namespace lockstep::test {

/// Rows of one table by key, both as the bytes of the wire: equal only if every bit is.
using KeyedRows = std::map<std::string, std::string>;
using Replica = std::map<std::uint32_t, KeyedRows>;

inline std::string key_bytes(const TablePlan& plan, const EntryView& entry) {
  ValueCursor cursor(entry.values);
  std::vector<ValueView> values;
  while (const auto value = cursor.next()) values.push_back(*value);
  std::string key;
  EntryWriter writer(key);
  // As for PostgreSQL, 0.0 and -0.0 are one key; that of the row tells them apart.
  const auto put = [&](ValueView value) {
    if (value.kind == ValueClass::real && std::abs(value.real) <= 0) value.real = 0.0;
    writer.put(value);
  };
  writer.begin(0, true);
  if (entry.present)
    for (const std::size_t column : plan.shape.key) put(values.at(column));
  else
    for (const ValueView& value : values) put(value);
  writer.end();
  return key;
}

/// As a target does it: every touched key goes, every row found comes.
inline void apply_entries(Replica& replica, const std::vector<TablePlan>& plans,
                          std::string_view bytes) {
  EntryReader reader;
  reader.feed(bytes);
  while (const auto entry = reader.next()) {
    const TablePlan& plan = plans.at(entry->table - 1);
    const std::string key = key_bytes(plan, *entry);
    if (entry->present)
      replica[entry->table][key] = entry->values;
    else
      replica[entry->table].erase(key);
  }
  if (!reader.at_boundary()) throw std::runtime_error("the stream ends inside an entry");
}

/// The tables as they are, read without capture, snapshot or key order.
inline Replica read_tables(sqlite::Database& database, const std::vector<TablePlan>& plans) {
  Replica found;
  for (const TablePlan& plan : plans) {
    const std::string rowid = plan.shape.keyed_by_rowid ? ", " + plan.shape.rowid_name : "";
    sqlite::Statement rows(database, "SELECT *" + rowid + " FROM " + sqlite::quoted(plan.name()));
    std::string bytes;
    EntryWriter writer(bytes);
    while (rows.step()) {
      writer.begin(plan.id, true);
      for (int column = 0; column < rows.columns(); ++column) writer.put(rows.value(column));
      writer.end();
    }
    apply_entries(found, plans, bytes);
  }
  return found;
}

inline std::string shown(std::string_view entry_values) {
  std::string text;
  ValueCursor cursor(entry_values);
  while (const auto value = cursor.next()) text += (text.empty() ? "" : ", ") + describe(*value);
  return text;
}

/// What differs, one line per row; empty: nothing.
inline std::string difference(const Replica& source, const Replica& replica,
                              const std::vector<TablePlan>& plans) {
  std::string text;
  const auto rows_of = [](const Replica& all, std::uint32_t id) {
    const auto found = all.find(id);
    return found == all.end() ? KeyedRows{} : found->second;
  };
  for (const TablePlan& plan : plans) {
    const KeyedRows left = rows_of(source, plan.id), right = rows_of(replica, plan.id);
    for (const auto& [key, row] : left)
      if (const auto other = right.find(key); other == right.end() || other->second != row)
        text += fmt::format("{}: ({}) is not on the replica\n", plan.name(), shown(row));
    for (const auto& [key, row] : right)
      if (!left.contains(key))
        text += fmt::format("{}: ({}) is only on the replica\n", plan.name(), shown(row));
  }
  return text;
}

/// Plans for every table of the file, in name order, numbered from 1; types by census.
inline std::vector<TablePlan> plan_everything(sqlite::Database& database, const RuleSet& rules = {},
                                              OnBadValue choice = OnBadValue::stop) {
  std::vector<TablePlan> plans;
  for (const sqlite::TableName& table : sqlite::list_tables(database)) {
    const TableShape shape = sqlite::read_shape(database, table.name);
    for (const std::string& problem : capture::capture_problems(shape))
      throw std::runtime_error(table.name + ": " + problem);
    const TableRules own = rules_of(rules, shape);
    const TableCensus census = snapshot::take_census(
        database, shape, {}, [](std::uint64_t) {}, own);
    snapshot::Planned planned =
        snapshot::plan_table(static_cast<std::uint32_t>(plans.size() + 1), shape, census,
                             sqlite::read_sequence(database, table.name), own,
                             std::vector<OnBadValue>(shape.columns.size(), choice));
    // Capture alone does not mind; where a target takes part the test sees to its values.
    planned.plan.types.resize(shape.columns.size(), ColumnType::text);
    plans.push_back(std::move(planned.plan));
  }
  return plans;
}

struct Batch {
  wire::BatchBegin begin;
  std::vector<capture::Slice> slices;
  wire::BatchEnd end;
  std::uint64_t long_reads = 0;
};

/// Slice by slice: what was read later counts, and a table that was reset is what came since.
inline void apply_batch(Replica& replica, const std::vector<TablePlan>& plans, const Batch& batch) {
  std::string entries;  // an entry may go on in the next slice, but not over a reset
  for (const capture::Slice& slice : batch.slices) {
    if (!slice.resets.empty()) apply_entries(replica, plans, std::exchange(entries, {}));
    for (const std::uint32_t table : slice.resets) replica[table].clear();
    entries += slice.entries;
  }
  apply_entries(replica, plans, entries);
}

class CapturedSource {
 public:
  explicit CapturedSource(const std::string& schema, const std::string& journal_mode = "WAL")
      : path_(folder_.file("app.db")), app_(path_) {
    app_.exec("PRAGMA journal_mode=" + journal_mode);
    app_.exec(schema);
  }

  /// For every column; before install().
  void choose(OnBadValue choice) { choice_ = choice; }

  /// Installs triggers on every table, copies what is there, and starts to follow.
  void install(const RuleSet& rules = {}) {
    sqlite::Database database = sqlite::Database::open(path_, sqlite::OpenMode::read_write);
    installed_.source_id = to_string(capture::random_era(database));
    installed_.era = capture::random_era(database);
    installed_.migration = "test";
    installed_.target_schema = "public";
    installed_.tables = plan_everything(database, rules, choice_);
    capture::install(database, installed_);
    position_ = capture::newest_position(database, installed_.era);
    replica_ = read_tables(database, installed_.tables);
    reopen();
  }

  /// Slices of about this size, and what happens between two read transactions of a batch.
  void slice(capture::BatchLimits limits, std::function<void()> between_slices) {
    limits_ = limits;
    between_slices_ = std::move(between_slices);
    reopen();
  }

  /// A new tail, as after a restart.
  void reopen() {
    judge_ = std::make_unique<sqlite::Database>(
        sqlite::Database::open(path_, sqlite::OpenMode::read_only));
    tail_ =
        std::make_unique<capture::Tail>(sqlite::Database::open(path_, sqlite::OpenMode::read_only),
                                        installed_.era, installed_.tables, limits_);
    tail_->rowids_known(capture::recorded_rowids_version(*judge_));
  }

  /// Takes tables with lost triggers over and follows with a new tail, as a restart does; the names
  /// of their tables.
  std::vector<std::string> reinstall() {
    sqlite::Database database = sqlite::Database::open(path_, sqlite::OpenMode::read_write);
    std::vector<std::string> names;
    capture::SchemaStep step;
    for (const capture::Drift& each : capture::drift(database, plans())) {
      if (each.altered) capture::throw_drift({each});
      if (!names.empty() && names.back() == each.table) continue;
      names.push_back(each.table);
      for (const TablePlan& plan : plans())
        if (plan.name() == each.table) step.changed.push_back(plan);
    }
    capture::SchemaWatch watch;
    if (!names.empty() &&
        !capture::take_over(database, database.pragma_int("schema_version"), step, watch))
      throw std::runtime_error("the schema moved meanwhile");
    reopen();
    return names;
  }

  /// The next batch, as it would go over the wire; nothing if nothing was written.
  std::optional<Batch> take() {
    const auto reader = tail_->next(position_);
    if (!reader) return std::nullopt;
    Batch batch;
    batch.begin = {reader->from()};
    while (batch.slices.empty() || !batch.slices.back().end) {
      if (!batch.slices.empty() && between_slices_) between_slices_();
      for (capture::Slice& slice : reader->next()) batch.slices.push_back(std::move(slice));
    }
    batch.end = *batch.slices.back().end;
    batch.long_reads = reader->long_reads();
    position_ = batch.end.to;
    return batch;
  }

  /// Takes the next batch, if there is one, and says how the replica then differs from the file.
  std::string follow() {
    if (const auto batch = take()) apply(*batch);
    return difference();
  }
  void apply(const Batch& batch) { apply_batch(replica_, plans(), batch); }
  [[nodiscard]] std::string difference() {
    return test::difference(read_tables(*judge_, plans()), replica_, plans());
  }

  Application& app() { return app_; }
  capture::Tail& tail() { return *tail_; }
  /// A connection for reading, beside the tail's.
  sqlite::Database& judge() { return *judge_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const TempDir& folder() const { return folder_; }
  [[nodiscard]] const Position& position() const { return position_; }
  void set_position(const Position& position) { position_ = position; }
  [[nodiscard]] const capture::Installed& installed() const { return installed_; }
  [[nodiscard]] const std::vector<TablePlan>& plans() const { return installed_.tables; }

 private:
  TempDir folder_;
  std::string path_;
  Application app_;
  OnBadValue choice_ = OnBadValue::stop;
  capture::Installed installed_;
  Position position_;
  Replica replica_;
  capture::BatchLimits limits_;
  std::function<void()> between_slices_;
  std::unique_ptr<capture::Tail> tail_;
  std::unique_ptr<sqlite::Database> judge_;
};

}  // namespace lockstep::test
