#include "capture/batch.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "capture/tail.hpp"
#include "link/sqlite/row_bytes.hpp"
#include "model/failpoint.hpp"

namespace lockstep::capture {

namespace {

using sqlite::Statement;

constexpr std::size_t kEntriesPerClockLook = 16;
constexpr std::size_t kSpoolPieceBytes = 1u << 20;
constexpr Milliseconds kNoEnd{std::int64_t{365} * 24 * 3'600 * 1'000};
constexpr int kFirstKeyColumn = 3;  // of Tail's query of the change table: seq, identity, tbl, k1..

// PostgreSQL takes 0.0 and -0.0 for one key, so a batch names it once.
ValueView same_for_postgres(ValueView value) {
  if (value.kind == ValueClass::real && !(value.real < 0 || value.real > 0) &&
      value.real == value.real)
    value.real = 0.0;
  return value;
}

bool same_key(const ValueView& a, const ValueView& b) {
  return same_value(same_for_postgres(a), same_for_postgres(b));
}

std::string key_bytes(const Statement& change, std::size_t columns) {
  std::string entry;
  EntryWriter writer(entry);
  writer.begin(0, false);
  for (std::size_t i = 0; i < columns; ++i)
    writer.put(same_for_postgres(change.value(kFirstKeyColumn + static_cast<int>(i))));
  writer.end();
  EntryReader reader;
  reader.feed(entry);
  return std::string(reader.next()->values);
}

std::vector<ValueView> key_values(std::string_view bytes) {
  std::vector<ValueView> values;
  ValueCursor cursor(bytes);
  while (const auto value = cursor.next()) values.push_back(*value);
  return values;
}

[[noreturn]] void throw_missing(std::int64_t seq, std::int64_t due) {
  throw Error({.code = "LS-S311",
               .exit = ExitCode::stopped,
               .what = "changes are missing from the change table",
               .why = fmt::format("change {} follows change {}", seq, due - 1),
               .data = "stopped before the batch was applied; the target is as it was",
               .todo = "lockstep remove SOURCE TARGET, then run again: a new copy is needed"});
}

[[noreturn]] void throw_null_key(const TablePlan& plan, std::size_t column) {
  throw Error(
      {.code = "LS-D412",
       .exit = ExitCode::stopped,
       .what = fmt::format("a row of {} has NULL in its key column {}", plan.name(),
                           plan.shape.columns[column].name),
       .why = "SQLite allows that in a primary key, PostgreSQL does not; the row has no address",
       .data = "applied up to the batch before it; nothing is lost",
       .todo = "give the row a key; lockstep goes on from there when it is run again"});
}

}  // namespace

BatchReader::BatchReader(Tail& tail, const Position& from, const Position& seen, BatchLimits limits)
    : tail_(tail),
      from_(from),
      limits_(limits),
      rounds_(from.seq),
      seen_(seen),
      pace_(tail.reading_->database, limits.pace),
      patient_until_(steady_now() + limits.long_read_after) {}

std::vector<Slice> BatchReader::next() {
  if (!spooled_.empty()) return unspooled();
  slices_.clear();
  const bool gathers = !tail_.reading_->database.in_wal_mode();
  const Deadline gather(limits_.gather_max);
  do {
    read_view();
  } while (gathers && !slice().end && spooled_.empty() && !full() && !gather.passed());
  // In journal mode a view that is kept would keep writers waiting for the disk.
  if (tail_.reading_->durability.needs_after_view()) view_.reset();
  if (!view_) tail_.reading_->durability.after_view();
  LOCKSTEP_FAILPOINT("cap.synced");
  if (!spooled_.empty()) return unspooled();
  return std::exchange(slices_, {});
}

void BatchReader::read_view() {
  // Slices of a millisecond come to that soon; then it is too early to keep a writer waiting.
  const bool to_the_end = rounds_.stalled() && steady_now() >= patient_until_;
  if (to_the_end) ++long_reads_;
  pace_.let_writer_pass();
  tail_.reading_->durability.await_turn();
  auto view = std::make_unique<sqlite::Transaction>(tail_.reading_->database,
                                                    sqlite::Transaction::Mode::deferred);
  const std::int64_t wall_us = wall_now_us();
  const Position newest = tail_.newest();
  LOCKSTEP_FAILPOINT("cap.tx_begun");
  // Rows were read as of the newest change of the last view, not only as of what was taken in: a
  // source that went back behind it would never log their way back.
  if (rounds_.slices() == 0) tail_.prove_here(from_);
  tail_.prove_here(seen_);
  seen_ = newest;
  slices_.emplace_back();
  begin_resets(tail_.take_stale());
  const Deadline deadline(to_the_end ? kNoEnd : pace_.slice());
  // By turns, each at least a step: else a writer that logs a slice's worth between two slices
  // would keep a table from ever being read anew.
  bool changes_next = rounds_.slices() % 2 == 0 || resets_.empty();
  for (bool more = true; more && (to_the_end || !full());) {
    if (changes_next)
      read_changes(newest, deadline);
    else
      read_resets(deadline);
    changes_next = !changes_next;
    more = rounds_.pending() || rounds_.scanned() < newest.seq || !resets_.empty();
    if (deadline.passed()) break;
    if (to_the_end && full()) spool();
  }
  LOCKSTEP_FAILPOINT("cap.values_read");
  tail_.reading_->durability.in_view();
  if (rounds_.end_slice(newest.seq, resets_.empty()))
    slice().end = wire::BatchEnd{newest, wall_us, entries_};
  if (slice().end && keep_view_ && spooled_.empty()) view_ = std::move(view);
  if (spooled_.empty()) return;
  spooled_end_ = slice().end;
  spool();
}

std::optional<View> BatchReader::take_view() {
  if (!view_) return std::nullopt;
  View view;
  view.position_ = seen_;
  view.transaction_ = std::move(view_);
  view.reading_ = tail_.exchange_reading();
  return view;
}

bool BatchReader::full() const {
  std::size_t bytes = 0;
  for (const Slice& slice : slices_) bytes += slice.entries.size();
  return bytes >= limits_.slice_bytes_max;
}

void BatchReader::cut() {
  if (!slice().entries.empty()) slices_.emplace_back();
}

void BatchReader::spool() {
  for (Slice& slice : std::exchange(slices_, std::vector<Slice>(1))) {
    spooled_.push_back({std::move(slice.resets), slice.entries.size()});
    spool_.append(slice.entries);
  }
}

std::vector<Slice> BatchReader::unspooled() {
  Spooled& next = spooled_.front();
  std::vector<Slice> slices(1);
  slices[0].resets = std::exchange(next.resets, {});
  slices[0].entries = spool_.take(std::min<std::uint64_t>(next.bytes, kSpoolPieceBytes));
  next.bytes -= slices[0].entries.size();
  if (next.bytes == 0) spooled_.pop_front();
  if (spooled_.empty()) slices[0].end = spooled_end_;
  return slices;
}

// What was looked up before a scan can be found in the log again by that scan, and a table that is
// read anew has the same rows: each begins a slice, so that the later read wins.
void BatchReader::read_changes(const Position& newest, const Deadline& deadline) {
  cut();
  for (std::size_t taken = 1; !full(); ++taken) {
    if (taken % kEntriesPerClockLook == 0 && deadline.passed()) return;
    if (const auto key = rounds_.take()) {
      append_entry(slice().entries, *key);
      continue;
    }
    if (rounds_.scanned() == newest.seq) return;
    cut();
    scan_changes();
  }
}

// Log rows never change, so what was taken in stays right in later read transactions.
void BatchReader::scan_changes() {
  Statement& change = tail_.reading_->changes;
  const sqlite::ResetAtEnd reset(change);
  change.bind(1, rounds_.scanned()).bind(2, limits_.scan_rows);
  std::vector<std::uint32_t> marked;
  while (change.step()) {
    const std::int64_t seq = change.integer(0);
    const std::int64_t number = change.integer(2);
    // A number below zero says: everything of that table may have changed (capture/install.hpp).
    const auto id = static_cast<std::uint32_t>(number < 0 ? -number : number);
    const TablePlan* plan = tail_.find_plan(id);  // none: a table that is no longer followed
    const bool whole = number < 0 || plan == nullptr;
    const bool follows =
        rounds_.log(seq, id, whole ? std::string() : key_bytes(change, plan->shape.key.size()));
    if (!follows) throw_missing(seq, rounds_.scanned() + 1);
    if (number < 0 && plan != nullptr) marked.push_back(id);
  }
  begin_resets(marked);
  LOCKSTEP_FAILPOINT("cap.log_read");
}

void BatchReader::begin_resets(const std::vector<std::uint32_t>& tables) {
  for (const std::uint32_t table : tables) {
    slice().resets.push_back(table);
    resets_.erase(table);
    resets_.try_emplace(table, tail_.reading_->database, tail_.plan(table).shape, std::nullopt,
                        sqlite::SliceLimits{});
  }
}

void BatchReader::read_resets(const Deadline& deadline) {
  for (auto at = resets_.begin(); at != resets_.end() && !full();) {
    cut();
    std::string& entries = slice().entries;
    const TablePlan& plan = tail_.plan(at->first);
    const auto columns = static_cast<int>(plan.shape.columns.size());
    RuleReader carried(plan.rules, plan.shape.key);
    const auto visit = [&](const Statement& row) {
      for (const std::size_t column : plan.shape.key)
        if (row.is_null(static_cast<int>(column))) throw_null_key(plan, column);
      const std::size_t before = entries.size();
      EntryWriter entry(entries);
      entry.begin(plan.id, true);
      for (int column = 0; column < columns; ++column) {
        const ValueView value = row.value(column);
        sqlite::make_room(entries, plan, row, column, value.bytes.size());
        entry.put(carried(static_cast<std::size_t>(column), value));
      }
      entry.end();
      ++entries_;
      return entries.size() - before;
    };
    if (at->second.read(visit, deadline, limits_.slice_bytes_max)) return;
    at = resets_.erase(at);
    if (deadline.passed()) return;
  }
}

void BatchReader::append_entry(std::string& out, const Rounds::Key& key) {
  const std::vector<ValueView> values = key_values(key.bytes);
  if (values.empty()) return;  // the mark of a reset
  const TablePlan& plan = tail_.plan(key.table);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i].kind != ValueClass::null) continue;
    // The target never had a row with NULL in its key: unless one is there now, there is nothing to
    // say.
    if (tail_.has_row_with_nulls(plan, values)) throw_null_key(plan, plan.shape.key[i]);
    return;
  }
  Statement& row = tail_.lookup(plan);
  const sqlite::ResetAtEnd reset(row);
  for (std::size_t i = 0; i < values.size(); ++i) row.bind(static_cast<int>(i) + 1, values[i]);
  // The index may be looser than bytes (NOCASE, 1 = 1.0): then the row found carries another
  // spelling of the key, and the spelling asked for is gone.
  bool present = row.step();
  for (std::size_t i = 0; present && i < values.size(); ++i)
    present = same_key(row.value(static_cast<int>(plan.shape.key[i])), values[i]);
  RuleReader carried(plan.rules, plan.shape.key);
  EntryWriter entry(out);
  entry.begin(plan.id, present);
  if (present) {
    for (int column = 0; column < row.columns(); ++column) {
      const ValueView value = row.value(column);
      sqlite::make_room(out, plan, row, column, value.bytes.size());
      entry.put(carried(static_cast<std::size_t>(column), value));
    }
  } else {
    for (std::size_t i = 0; i < values.size(); ++i)
      entry.put(carried(plan.shape.key[i], values[i]));
  }
  entry.end();
  ++entries_;
}

}  // namespace lockstep::capture
