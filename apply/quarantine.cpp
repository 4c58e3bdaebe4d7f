#include "apply/quarantine.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <xxhash.h>

#include <utility>

#include "link/postgres/quarantine.hpp"
#include "link/wire/control.hpp"
#include "link/wire/held_row.hpp"
#include "model/entry_key.hpp"

namespace lockstep::apply {

namespace {

using postgres::Connection;
using postgres::Result;

constexpr std::size_t kStepBytesMax = std::size_t{1} << 20;
constexpr std::size_t kKnownMax = 4 * kHeldRowsMax;  // 8 bytes each, and as much around them

// The value* part of an absent entry.
template <class Values>
void put_key(std::string& out, const Values& key) {
  std::string entry;
  EntryWriter writer(entry);
  writer.begin(0, false);
  for (const ValueView& value : key) writer.put(value);
  writer.end();
  EntryReader reader;
  reader.feed(entry);
  out = reader.next().value().values;
}

std::uint64_t hash_of(const std::string& key_values) {
  return XXH3_64bits(key_values.data(), key_values.size());
}

}  // namespace

bool quarantine_exists(Connection& connection) {
  return connection.exec("SELECT to_regclass('lockstep.quarantine') IS NOT NULL").boolean(0, 0);
}

QuarantineCounts count_quarantine(Connection& connection, const std::string& migration) {
  if (!quarantine_exists(connection)) return {};
  const Result counted = connection.query(
      "SELECT count(*) FILTER (WHERE state = 'held'), count(*) FILTER (WHERE state = 'skipped') "
      "FROM lockstep.quarantine WHERE migration = $1",
      {migration});
  return {counted.integer(0, 0), counted.integer(0, 1)};
}

std::vector<QuarantinedRow> read_quarantine(Connection& connection, const std::string& migration) {
  std::vector<QuarantinedRow> rows;
  if (!quarantine_exists(connection)) return rows;
  const Result read = connection.query(
      "SELECT number, id, name, key, column_name, value, bytes, code, reason, coalesce(position, "
      "''), to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), state = 'skipped' "
      "FROM lockstep.quarantine WHERE migration = $1 ORDER BY number",
      {migration});
  for (int row = 0; row < read.rows(); ++row) {
    QuarantinedRow& one = rows.emplace_back();
    one.number = read.integer(row, 0);
    one.row = {.table = static_cast<std::uint32_t>(read.integer(row, 1)),
               .table_name = std::string(read.value(row, 2)),
               .key = std::string(read.value(row, 3)),
               .column = std::string(read.value(row, 4)),
               .value = std::string(read.value(row, 5)),
               .bytes = static_cast<std::uint64_t>(read.integer(row, 6)),
               .code = std::string(read.value(row, 7)),
               .reason = std::string(read.value(row, 8))};
    one.position = read.value(row, 9);
    one.since = read.value(row, 10);
    one.skipped = read.boolean(row, 11);
  }
  return rows;
}

std::vector<std::string> read_quarantined_keys(Connection& connection, const std::string& migration,
                                               std::uint32_t table) {
  std::vector<std::string> keys;
  if (!quarantine_exists(connection)) return keys;
  const Result rows = connection.query(
      "SELECT key FROM lockstep.quarantine WHERE migration = $1 AND id = $2::integer",
      {migration, std::to_string(table)});
  for (int row = 0; row < rows.rows(); ++row) keys.emplace_back(rows.value(row, 0));
  return keys;
}

std::int64_t set_skipped(Connection& connection, const std::string& migration,
                         const std::vector<std::int64_t>& numbers, bool skipped) {
  if (numbers.empty()) return 0;
  return connection
      .query(
          "UPDATE lockstep.quarantine SET state = $3 WHERE migration = $1 AND number = "
          "ANY($2::bigint[])",
          {migration, fmt::format("{{{}}}", fmt::join(numbers, ",")),
           std::string(skipped ? "skipped" : "held")})
      .affected();
}

Quarantine::Quarantine(Connection& connection, std::string migration)
    : connection_(connection), migration_(std::move(migration)) {
  load();
}

void Quarantine::recount() {
  counts_ = count_quarantine(connection_, migration_);
}

void Quarantine::load() {
  known_.clear();
  known_count_ = 0;
  counts_ = count_quarantine(connection_, migration_);
  if (counts_.empty()) return;
  const Result read = connection_.query(
      "SELECT id, key FROM lockstep.quarantine WHERE migration = $1", {migration_});
  for (int row = 0; row < read.rows(); ++row) {
    std::vector<ValueView> views;
    const std::vector<Value> key = wire::decode_key(read.value(row, 1));
    for (const Value& value : key) views.push_back(value.view());
    put_key(key_values_, views);
    known_[static_cast<std::uint32_t>(read.integer(row, 0))].insert(hash_of(key_values_));
    ++known_count_;
  }
}

void Quarantine::begin() {
  steps_.clear();
  step_bytes_ = 0;
  touched_ = false;
  if (known_count_ > kKnownMax) load();
}

std::uint64_t Quarantine::remember_key(const TablePlan& plan, const EntryView& entry) {
  put_key(key_values_, key_of(plan, entry));
  return hash_of(key_values_);
}

void Quarantine::add(Step step, std::size_t bytes) {
  constexpr std::size_t kAround = 256;
  steps_.push_back(std::move(step));
  step_bytes_ += bytes + kAround;
  touched_ = true;
}

std::string_view Quarantine::hold(const TablePlan& plan, const EntryView& entry,
                                  const postgres::BadValue& bad) {
  if (known_[plan.id].insert(remember_key(plan, entry)).second) ++known_count_;
  HeldRow row = wire::held_row(plan, entry, bad.column, bad.reason);
  const std::size_t bytes = row.key.size() + row.value.size();
  add(std::move(row), bytes);
  return key_values_;
}

void Quarantine::passes(const TablePlan& plan, const EntryView& entry) {
  const auto known = known_.find(plan.id);
  if (known == known_.end() || !known->second.contains(remember_key(plan, entry))) return;
  std::string key = wire::encode_key_of(plan, entry);
  const std::size_t bytes = key.size();
  add(Released{plan.id, std::move(key)}, bytes);
}

void Quarantine::reset(const TablePlan& plan) {
  if (known_.contains(plan.id)) add(Reset{plan.id}, 0);
}

bool Quarantine::full() const {
  return step_bytes_ >= kStepBytesMax;
}

void Quarantine::write(const HeldRow& row) {
  postgres::hold_row(connection_, migration_, row);
}

void Quarantine::write(const Released& row) {
  connection_.query(
      "DELETE FROM lockstep.quarantine WHERE migration = $1 AND id = $2::integer AND key_digest = "
      "sha256(convert_to($3, 'UTF8'))",
      {migration_, std::to_string(row.table), row.key});
}

// What is not held again by the end of the batch is no longer there. Its number and `skipped` have
// to outlive the reading.
void Quarantine::write(const Reset& table) {
  connection_.query(
      "UPDATE lockstep.quarantine SET stale = true WHERE migration = $1 AND id = $2::integer",
      {migration_, std::to_string(table.table)});
}

void Quarantine::write() {
  for (const Step& step : std::exchange(steps_, {}))
    std::visit([this](const auto& what) { write(what); }, step);
  step_bytes_ = 0;
}

void Quarantine::finish(const Position& to) {
  if (!touched_) return;
  write();
  connection_.query("DELETE FROM lockstep.quarantine WHERE migration = $1 AND stale", {migration_});
  postgres::settle_held_rows(connection_, migration_, to);
}

void Quarantine::committed() {
  if (!std::exchange(touched_, false)) return;
  counts_ = count_quarantine(connection_, migration_);
  if (!counts_.empty()) return;
  known_.clear();
  known_count_ = 0;
}

}  // namespace lockstep::apply
