#include "capture/tail.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "capture/install.hpp"
#include "capture/triggers.hpp"

namespace lockstep::capture {

namespace {

using sqlite::Statement;

[[noreturn]] void throw_other_history(const Position& position, const std::string& why) {
  throw Error(
      {.code = "LS-S310",
       .exit = ExitCode::stopped,
       .what = "the source does not have the change that the target has applied last",
       .why = fmt::format("{} (position {})", why, to_string(position)),
       .data = "stopped before anything was sent; the target is as it was",
       .todo =
           "an older copy of the file was put back, or it is another file: lockstep remove SOURCE "
           "TARGET, then run again"});
}

// PostgreSQL takes 0.0 and -0.0 for one key, and so does the GROUP BY that leaves each key once in
// a batch.
bool same_key(const ValueView& a, const ValueView& b) {
  if (a.kind == ValueClass::real && b.kind == ValueClass::real)
    return !(a.real < b.real || b.real < a.real);
  return same_value(a, b);
}

std::size_t widest_key(const std::vector<TablePlan>& tables) {
  std::size_t widest = 1;
  for (const TablePlan& plan : tables) widest = std::max(widest, plan.shape.key.size());
  return widest;
}

}  // namespace

Tail::Tail(sqlite::Database database, Era era, std::vector<TablePlan> tables)
    : database_(std::move(database)),
      durability_(database_),
      era_(era),
      tables_(std::move(tables)),
      key_columns_(widest_key(tables_)) {
  static_cast<void>(newest_position(database_, era_));  // LS-S328 if there is no change table
  newest_ = std::make_unique<Statement>(
      database_,
      fmt::format("SELECT seq, identity FROM {} ORDER BY seq DESC LIMIT 1", kChangeTable));
  row_ = std::make_unique<Statement>(
      database_, fmt::format("SELECT identity FROM {} WHERE seq = ?", kChangeTable));
  count_ = std::make_unique<Statement>(
      database_, fmt::format("SELECT count(*) FROM {} WHERE seq > ? AND seq <= ?", kChangeTable));
}

Position Tail::newest() {
  const bool there = newest_->step();
  const Position position{era_, there ? newest_->integer(0) : -1, there ? newest_->integer(1) : 0};
  newest_->reset();
  if (!there) return newest_position(database_, era_);  // throws LS-S328
  return position;
}

void Tail::prove_in_transaction(const Position& position) {
  if (position.era != era_) throw_other_history(position, "it belongs to another era");
  row_->reset();
  row_->bind(1, position.seq);
  const bool there = row_->step();
  const std::int64_t identity = there ? row_->integer(0) : 0;
  row_->reset();
  if (!there) throw_other_history(position, fmt::format("change {} is not there", position.seq));
  if (identity != position.identity)
    throw_other_history(position, fmt::format("change {} has identity {}", position.seq, identity));
}

// Application frameworks rebuild tables, which drops our triggers silently.
// schema_version is read in the transaction of the batch, so what it says holds for this very
// state.
void Tail::check_drift() {
  const std::int64_t version = database_.pragma_int("schema_version");
  if (version == schema_version_) return;
  const std::vector<std::string> found = drift(database_, tables_);
  if (found.empty()) {
    schema_version_ = version;
    return;
  }
  throw Error({.code = "LS-S306",
               .exit = ExitCode::stopped,
               .what = "the source's schema changed under replication",
               .why = fmt::format("{}", fmt::join(found, "; ")),
               .data = "changes of these tables since then may not have been captured; the target "
                       "is stale, not "
                       "wrong: nothing of it was applied",
               .todo = "lockstep remove SOURCE TARGET, drop the copied tables, then run again: a "
                       "new copy is needed"});
}

void Tail::prove(const Position& position) {
  const sqlite::Transaction view(database_, sqlite::Transaction::Mode::deferred);
  prove_in_transaction(position);
  check_drift();
}

void Tail::check_gapless(const Position& after, const Position& to) {
  count_->reset();
  count_->bind(1, after.seq).bind(2, to.seq);
  check(count_->step(), "count(*) returns a row");
  const std::int64_t missing = to.seq - after.seq - count_->integer(0);
  count_->reset();
  if (missing == 0) return;
  throw Error(
      {.code = "LS-S311",
       .exit = ExitCode::stopped,
       .what = "changes are missing from the change table",
       .why = fmt::format("{} of {} after {}", missing, to.seq - after.seq, to_string(after)),
       .data = "stopped before anything was sent; the target is as it was",
       .todo = "lockstep remove SOURCE TARGET, then run again: a new copy is needed"});
}

std::optional<BatchReader> Tail::next(const Position& after) {
  auto view = std::make_unique<sqlite::Transaction>(database_, sqlite::Transaction::Mode::deferred);
  const Position to = newest();
  prove_in_transaction(after);
  check_drift();
  if (to.seq == after.seq) return std::nullopt;
  check_gapless(after, to);
  durability_.make_durable();
  return BatchReader(std::move(view), database_, tables_, after, to, key_columns_);
}

BatchReader::BatchReader(std::unique_ptr<sqlite::Transaction> view, sqlite::Database& database,
                         std::vector<TablePlan>& tables, Position from, Position to,
                         std::size_t key_columns)
    : view_(std::move(view)),
      database_(database),
      tables_(tables),
      from_(from),
      to_(to),
      keys_(database, distinct_keys_sql(key_columns)),
      lookups_(tables.size()) {
  keys_.bind(1, from.seq).bind(2, to.seq);
}

Statement& BatchReader::lookup(std::size_t table) {
  if (!lookups_[table])
    lookups_[table] = std::make_unique<Statement>(database_, lookup_sql(tables_[table].shape));
  lookups_[table]->reset();
  return *lookups_[table];
}

// True if the key has a NULL and no row has it any more: the target never had one, so there is
// nothing to say.
bool BatchReader::is_void(const TablePlan& plan) {
  const std::vector<std::size_t>& key = plan.shape.key;
  std::size_t null = 0;
  while (null < key.size() && !keys_.is_null(static_cast<int>(null) + 1)) ++null;
  if (null == key.size()) return false;
  std::vector<std::string> terms;
  for (std::size_t i = 0; i < key.size(); ++i)
    terms.push_back(
        fmt::format("{} IS ?{}", sqlite::quoted(plan.shape.columns[key[i]].name), i + 1));
  Statement row(database_, fmt::format("SELECT 1 FROM {} WHERE {}", sqlite::quoted(plan.name()),
                                       fmt::join(terms, " AND ")));
  for (std::size_t i = 0; i < terms.size(); ++i)
    row.bind(static_cast<int>(i) + 1, keys_.value(static_cast<int>(i) + 1));
  if (!row.step()) return true;
  throw Error(
      {.code = "LS-D412",
       .exit = ExitCode::stopped,
       .what = fmt::format("a row of {} has NULL in its key column {}", plan.name(),
                           plan.shape.columns[key[null]].name),
       .why = "SQLite allows that in a primary key, PostgreSQL does not; the row has no address",
       .data = "applied up to the batch before it; nothing is lost",
       .todo = "give the row a key; lockstep goes on from there when it is run again"});
}

void BatchReader::append_entry(std::string& out) {
  const auto id = static_cast<std::uint32_t>(keys_.integer(0));
  const auto plan = std::find_if(tables_.begin(), tables_.end(),
                                 [&](const TablePlan& table) { return table.id == id; });
  check(plan != tables_.end(), "every change belongs to an installed table");
  const std::vector<std::size_t>& key = plan->shape.key;
  Statement& row = lookup(static_cast<std::size_t>(plan - tables_.begin()));
  if (is_void(*plan)) return;
  for (std::size_t i = 0; i < key.size(); ++i)
    row.bind(static_cast<int>(i) + 1, keys_.value(static_cast<int>(i) + 1));
  // The index may be looser than bytes (NOCASE, 1 = 1.0): then the row found carries another
  // spelling of the key, and the spelling asked for is gone.
  bool present = row.step();
  for (std::size_t i = 0; present && i < key.size(); ++i)
    present = same_key(row.value(static_cast<int>(key[i])), keys_.value(static_cast<int>(i) + 1));
  EntryWriter entry(out);
  entry.begin(id, present);
  if (present) {
    for (int column = 0; column < row.columns(); ++column) entry.put(row.value(column));
  } else {
    for (std::size_t i = 0; i < key.size(); ++i) entry.put(keys_.value(static_cast<int>(i) + 1));
  }
  entry.end();
  row.reset();
  ++entries_;
}

bool BatchReader::next(std::string& out, std::size_t bytes_target) {
  while (out.size() < bytes_target) {
    if (!keys_.step()) return false;
    append_entry(out);
  }
  return true;
}

}  // namespace lockstep::capture
