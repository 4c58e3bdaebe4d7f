#include "capture/tail.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "capture/drift.hpp"
#include "capture/install.hpp"
#include "capture/take_over.hpp"
#include "capture/triggers.hpp"
#include "link/sqlite/shape.hpp"

namespace lockstep::capture {

namespace {

using sqlite::Statement;

[[noreturn]] void throw_other_history(const Position& position, const std::string& why) {
  throw Error(
      {.code = "LS-S310",
       .exit = ExitCode::stopped,
       .what = "the source does not have a change that the target has",
       .why = fmt::format("{} (position {})", why, to_string(position)),
       .data = "stopped before anything was sent; the target is as it was",
       .todo =
           "an older copy of the file was put back, it is another file, or the target is one from "
           "before a lockstep remove (a standby that was behind): lockstep remove SOURCE TARGET, "
           "then run again"});
}

std::string row_sql() {
  return fmt::format("SELECT identity FROM {} WHERE seq = ?", kChangeTable);
}

void prove_identity(Statement& row, const Position& position) {
  row.reset();
  row.bind(1, position.seq);
  const bool there = row.step();
  const std::int64_t identity = there ? row.integer(0) : 0;
  row.reset();
  if (!there) throw_other_history(position, fmt::format("change {} is not there", position.seq));
  if (identity != position.identity)
    throw_other_history(position, fmt::format("change {} has identity {}", position.seq, identity));
}

bool by_rowid(const TablePlan& plan) {
  return plan.shape.keyed_by_rowid;
}

// As link/sqlite/scan does.
bool is_scanned_by_rowid(const TablePlan& plan) {
  return !plan.shape.rowid_alias && !plan.shape.rowid_name.empty();
}

std::size_t most_key_columns(const std::vector<TablePlan>& tables) {
  std::size_t most = 1;
  for (const TablePlan& plan : tables) most = std::max(most, plan.shape.key.size());
  return most;
}

}  // namespace

Reading::Reading(sqlite::Database opened, std::size_t key_columns)
    : database(std::move(opened)),
      durability(database),
      newest(database,
             fmt::format("SELECT seq, identity FROM {} ORDER BY seq DESC LIMIT 1", kChangeTable)),
      row(database, row_sql()),
      changes(database, changes_sql(key_columns)) {}

Tail::Tail(sqlite::Database database, Era era, std::vector<TablePlan> tables, BatchLimits limits)
    : path_(database.path()),
      key_columns_(most_key_columns(tables)),
      era_(era),
      tables_(std::move(tables)),
      limits_(limits) {
  static_cast<void>(newest_position(database, era_));  // LS-S328 if there is no change table
  reading_ = std::make_unique<Reading>(std::move(database), key_columns_);
}

std::unique_ptr<Reading> Tail::exchange_reading() {
  if (!spare_)
    spare_ = std::make_unique<Reading>(sqlite::Database::open(path_, sqlite::OpenMode::read_only),
                                       key_columns_);
  return std::exchange(reading_, std::move(spare_));
}

std::optional<View> Tail::hand_over(const Position& position) {
  auto transaction = std::make_unique<sqlite::Transaction>(reading_->database,
                                                           sqlite::Transaction::Mode::deferred);
  if (newest() != position || schema_moved() || has_stale()) return std::nullopt;
  prove_here(position);
  View view;
  view.position_ = position;
  view.transaction_ = std::move(transaction);
  view.reading_ = exchange_reading();
  return view;
}

void Tail::take_back(View view) {
  view.transaction_.reset();
  spare_ = std::move(view.reading_);
}

Position Tail::newest() {
  sqlite::Statement& newest = reading_->newest;
  const bool there = newest.step();
  const Position position{era_, there ? newest.integer(0) : -1, there ? newest.integer(1) : 0};
  newest.reset();
  if (!there) return newest_position(reading_->database, era_);  // throws LS-S328
  return position;
}

std::int64_t Tail::schema_version() {
  return reading_->database.pragma_int("schema_version");
}

// The newest change first: if the schema has not moved behind it, it had not there.
bool Tail::schema_moved() {
  const std::int64_t newest_seen = newest().seq;
  if (schema_version() != schema_version_) return true;
  schema_watch_.unmoved_at(newest_seen);
  return false;
}

bool Tail::schema_accepted() {
  return schema_hold(reading_->database) == SchemaHold::accepted;
}

std::optional<std::int64_t> Tail::rowids_version() const {
  if (std::none_of(tables_.begin(), tables_.end(), by_rowid)) return std::nullopt;
  return rowids_version_;
}

void Tail::prove_here(const Position& position) {
  if (position.era != era_) throw_other_history(position, "it belongs to another era");
  prove_identity(reading_->row, position);
  check_drift();
}

// Application frameworks rebuild tables, which drops our triggers silently or brings them back, and
// DROP COLUMN rewrites rows without firing any; VACUUM renumbers rowids. schema_version is read in
// the transaction of the batch, so what it says holds for this very state.
void Tail::check_drift() {
  const std::int64_t version = reading_->database.pragma_int("schema_version");
  if (version != schema_version_) {
    const SchemaLook before = schema_watch_.last();
    schema_watch_.look(reading_->database);
    // A cutover's fence, for instance: nothing is to be read anew in front of its lock.
    if (rowids_version_ == before.version && nothing_but_created(before, schema_watch_.last()))
      rowids_version_ = version;
    std::vector<Drift> found = drift(reading_->database, tables_);
    for (Drift& each : in_question(schema_watch_, tables_)) found.push_back(std::move(each));
    if (!found.empty()) throw_drift(found, Retry::new_session);
    if (schema_watch_.in_doubt() || schema_watch_.unseen_since()) throw_unseen();
    look_for_new_tables();
    schema_version_ = version;
  }
}

bool Tail::has_stale() const {
  const auto rowids = rowids_version();
  return copied_elsewhere_ || (rowids && *rowids != schema_version_);
}

std::vector<std::uint32_t> Tail::take_stale() {
  std::vector<std::uint32_t> stale;
  const bool moved = std::exchange(rowids_version_, schema_version_) != schema_version_;
  const bool copied = std::exchange(copied_elsewhere_, false);
  for (const TablePlan& plan : tables_)
    if ((moved && by_rowid(plan)) || (copied && is_scanned_by_rowid(plan)))
      stale.push_back(plan.id);
  return stale;
}

void Tail::look_for_new_tables() {
  std::set<std::string> now;
  for (const sqlite::TableName& table : sqlite::list_tables(reading_->database))
    now.insert(table.name);
  if (known_tables_)
    std::set_difference(now.begin(), now.end(), known_tables_->begin(), known_tables_->end(),
                        std::back_inserter(new_tables_));
  known_tables_ = std::move(now);
}

void Tail::prove(const Position& position) {
  const sqlite::Transaction view(reading_->database, sqlite::Transaction::Mode::deferred);
  prove_here(position);
}

void Tail::check_schema() {
  const sqlite::Transaction view(reading_->database, sqlite::Transaction::Mode::deferred);
  check_drift();
}

std::unique_ptr<BatchReader> Tail::next(const Position& after,
                                        const std::optional<Position>& seen) {
  const Position& last = seen && seen->seq > after.seq ? *seen : after;
  if (newest() == after && last == after && !has_stale() && !schema_moved()) return nullptr;
  return std::make_unique<BatchReader>(*this, after, last, limits_);
}

Position newest_after(sqlite::Database& database, const Era& era,
                      const std::optional<Position>& seen) {
  const Position newest = newest_position(database, era);
  if (!seen || newest == *seen) return newest;
  Statement row(database, row_sql());
  prove_identity(row, *seen);
  return newest;
}

const TablePlan& Tail::plan(std::uint32_t id) const {
  const TablePlan* found = find_plan(id);
  check(found != nullptr, "every change belongs to an installed table");
  return *found;
}

const TablePlan* Tail::find_plan(std::uint32_t id) const {
  const auto found = std::find_if(tables_.begin(), tables_.end(),
                                  [&](const TablePlan& table) { return table.id == id; });
  return found == tables_.end() ? nullptr : &*found;
}

Statement& Tail::lookup(const TablePlan& plan) {
  std::unique_ptr<Statement>& statement = reading_->lookups[plan.id];
  if (!statement)
    statement = std::make_unique<Statement>(reading_->database, lookup_sql(plan.shape));
  statement->reset();
  return *statement;
}

bool Tail::has_row_with_nulls(const TablePlan& plan, const std::vector<ValueView>& key) {
  std::vector<std::string> terms;
  for (std::size_t i = 0; i < key.size(); ++i)
    terms.push_back(
        fmt::format("{} IS ?{}", sqlite::source_name(plan.shape, plan.shape.key[i]), i + 1));
  Statement row(reading_->database,
                fmt::format("SELECT 1 FROM {} WHERE {}", sqlite::quoted(plan.name()),
                            fmt::join(terms, " AND ")));
  for (std::size_t i = 0; i < key.size(); ++i) row.bind(static_cast<int>(i) + 1, key[i]);
  return row.step();
}

}  // namespace lockstep::capture
