#include "switchover/sqlite_writer.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "link/postgres/decode.hpp"
#include "link/postgres/entry_check.hpp"
#include "link/sqlite/replica.hpp"
#include "link/sqlite/shape.hpp"
#include "model/row_stream.hpp"
#include "switchover/lost_columns.hpp"
#include "verify/json_meaning.hpp"
#include "verify/values.hpp"

namespace lockstep::switchover {

namespace {

using sqlite::source_name;

std::string_view collation_of(const TableShape& shape, std::size_t place) {
  for (const Index& index : shape.indexes)
    if (index.origin == IndexOrigin::primary_key && place < index.terms.size())
      return index.terms[place].collation;
  return shape.columns[shape.key[place]].collation;
}

// The key's index finds the row; where it takes other texts for the same, the bytes decide.
std::string key_condition(const TableShape& shape, std::size_t first_parameter) {
  std::vector<std::string> terms;
  for (std::size_t i = 0; i < shape.key.size(); ++i) {
    const std::string name = source_name(shape, shape.key[i]);
    const std::string_view collation = collation_of(shape, i);
    terms.push_back(fmt::format("{} = ?{} COLLATE {}", name, first_parameter + i, collation));
    if (collation != "BINARY")
      terms.push_back(fmt::format("{} = ?{} COLLATE BINARY", name, first_parameter + i));
  }
  return fmt::format("{}", fmt::join(terms, " AND "));
}

std::string parameters(std::size_t count) {
  std::string text;
  for (std::size_t i = 1; i <= count; ++i) text += fmt::format("{}?{}", i == 1 ? "" : ", ", i);
  return text;
}

bool is_jsonb(const TablePlan& plan, std::size_t column) {
  return plan.existing && plan.existing->columns[column].holds.kind == TargetKind::jsonb;
}

}  // namespace

SqliteWriter::SqliteWriter(sqlite::Database& database, const TablePlan& plan)
    : database_(database), plan_(plan), key_(plan.shape.key.size()), row_(plan.types.size()) {
  const TableShape& shape = plan.shape;
  for (std::size_t i = 0; i < shape.columns.size(); ++i)
    if (shape.columns[i].generated == Generated::no) stored_.push_back(i);
  for (const std::size_t column : stored_)
    if (plan.on_bad_value_of(column) == OnBadValue::quarantine) chosen_.push_back(column);
  hidden_rowid_ = !shape.without_rowid && !shape.rowid_alias && !shape.keyed_by_rowid &&
                  !shape.rowid_name.empty();
  try {
    prepare();
  } catch (const Error& error) {
    if (error.code() != "LS-S329") throw;
    const auto lost = sentences(lost_columns(database, {plan}));
    throw Error(
        {.code = "LS-X606",
         .exit = ExitCode::stopped,
         .what = fmt::format("lockstep cannot write rows into SQLite's table {}", plan.name()),
         .why = lost.empty()
                    ? error.facts().why + "; functions and collations of the application "
                                          "are not known here, and columns may have changed"
                    : fmt::format("{}: a migration ran on SQLite after the cutover",
                                  fmt::join(lost, "; ")),
         .data = "nothing of this round is in SQLite, and nothing is lost: PostgreSQL keeps "
                 "the record of what changed",
         .todo = "put the table's schema in SQLite back, or drop the index that needs the "
                 "function or collation; lockstep then goes on by itself",
         .retry = Retry::same_session});
  }
}

void SqliteWriter::prepare() {
  const TableShape& shape = plan_.shape;
  const std::string table = "main." + sqlite::quoted(shape.name);
  std::vector<std::string> names, updates;
  for (const std::size_t column : stored_) {
    names.push_back(source_name(shape, column));
    updates.push_back(fmt::format("{} = ?{}", names.back(), names.size()));
  }
  const std::string rowid = hidden_rowid_ ? ", " + shape.rowid_name : std::string();
  const std::size_t values = stored_.size();
  find_.emplace(database_, fmt::format("SELECT {}{} FROM {} WHERE {}", fmt::join(names, ", "),
                                       rowid, table, key_condition(shape, 1)));
  insert_.emplace(database_, fmt::format("INSERT OR ABORT INTO {} ({}{}) VALUES ({})", table,
                                         fmt::join(names, ", "), rowid,
                                         parameters(values + (hidden_rowid_ ? 1 : 0))));
  // A key column that is written is one more index entry that goes and comes; only 0.0 and -0.0 are
  // one key in two spellings.
  std::vector<std::string> changed;
  for (std::size_t i = 0; i < values; ++i)
    if (!plan_.is_key(stored_[i]) || plan_.types[stored_[i]] == ColumnType::double_precision)
      changed.push_back(updates[i]);
  if (!changed.empty())
    update_.emplace(database_,
                    fmt::format("UPDATE OR ABORT {} SET {} WHERE {}", table,
                                fmt::join(changed, ", "), key_condition(shape, values + 1)));
  delete_.emplace(database_,
                  fmt::format("DELETE FROM {} WHERE {}", table, key_condition(shape, 1)));
}

void SqliteWriter::begin(Pass pass) {
  pass_ = pass;
  whole_ = false;
  if (pass == Pass::upsert || !hidden_rowid_) return;
  if (pass == Pass::put_back) return;
  database_.exec(
      "CREATE TEMP TABLE IF NOT EXISTS _lockstep_rowids (key BLOB PRIMARY KEY, id INTEGER) WITHOUT "
      "ROWID; DELETE FROM temp._lockstep_rowids");
  remember_.emplace(database_, "INSERT OR REPLACE INTO temp._lockstep_rowids VALUES (?1, ?2)");
  recall_.emplace(database_, "SELECT id FROM temp._lockstep_rowids WHERE key = ?1");
  sqlite::Statement last(database_,
                         fmt::format("SELECT max({}) FROM main.{}", plan_.shape.rowid_name,
                                     sqlite::quoted(plan_.name())));
  next_rowid_.reset();
  // What SQLite would choose itself might belong to a row that is still to be put back.
  if (!last.step() || last.is_null(0))
    next_rowid_ = 1;
  else if (last.integer(0) < std::numeric_limits<std::int64_t>::max())
    next_rowid_ = last.integer(0) + 1;
}

void SqliteWriter::touched(Fields key, Fields row) {
  const auto bad = decode_key(key);
  // Such a row has never been here: it was written and deleted again.
  if (bad && row.empty()) return;
  if (bad) refuse({named(bad->column, bad->why)});
  switch (pass_) {
    case Pass::upsert:
      if (!row.empty()) return upsert(row);
      [[fallthrough]];
    case Pass::take_out:
      if (!whole_ || !aside_.empty()) take_out();
      return;
    case Pass::put_back:
      if (!row.empty()) put_back(row);
      return;
  }
}

void SqliteWriter::begin_whole(bool rows_aside) {
  whole_ = true;
  aside_ = rows_aside ? stored_ : chosen_;
  if (pass_ == Pass::put_back) return;
  if (pass_ == Pass::take_out && hidden_rowid_) remember_rowids();
  if (pass_ == Pass::take_out && aside_.empty()) {
    database_.exec("DELETE FROM main." + sqlite::quoted(plan_.name()));
    written_ += database_.changes();
    return;
  }
  database_.exec(
      "CREATE TEMP TABLE IF NOT EXISTS _lockstep_seen (key BLOB PRIMARY KEY) WITHOUT ROWID; DELETE "
      "FROM temp._lockstep_seen");
  if (pass_ == Pass::take_out) return go_but_seen();
  seen_.emplace(database_, "INSERT OR IGNORE INTO temp._lockstep_seen VALUES (?1)");
}

void SqliteWriter::remember_rowids() {
  const TableShape& shape = plan_.shape;
  std::vector<std::string> names;
  for (const std::size_t column : shape.key) names.push_back(source_name(shape, column));
  sqlite::Statement all(database_, fmt::format("SELECT {}, {} FROM main.{}", fmt::join(names, ", "),
                                               shape.rowid_name, sqlite::quoted(shape.name)));
  while (all.step()) {
    for (std::size_t i = 0; i < key_.size(); ++i) key_[i] = Value(all.value(static_cast<int>(i)));
    const std::string bytes = key_bytes();
    remember_->reset();
    remember_->bind(1, ValueView{.kind = ValueClass::blob, .bytes = bytes});
    remember_->bind(2, all.integer(static_cast<int>(key_.size()))).run();
  }
}

void SqliteWriter::end_whole() {
  if (pass_ != Pass::upsert) return;
  go_but_seen();
  whole_ = false;
}

// The columns of aside_ come behind the key.
bool SqliteWriter::was_never_there(const sqlite::Statement& row) {
  RuleReader carried(plan_.rules, plan_.shape.key);
  int at = static_cast<int>(key_.size());
  for (const std::size_t column : aside_)
    if (!postgres::why_unfit(plan_, column, carried(column, row.value(at++))).empty()) return true;
  return false;
}

// First all that go, because a table must not change under the statement that reads it.
void SqliteWriter::go_but_seen() {
  const TableShape& shape = plan_.shape;
  std::vector<std::string> names;
  for (const std::size_t column : shape.key) names.push_back(source_name(shape, column));
  for (const std::size_t column : aside_) names.push_back(source_name(shape, column));
  database_.exec(
      "CREATE TEMP TABLE IF NOT EXISTS _lockstep_gone (key BLOB PRIMARY KEY) WITHOUT ROWID; DELETE "
      "FROM temp._lockstep_gone");
  {
    sqlite::Statement all(database_, fmt::format("SELECT {} FROM main.{}", fmt::join(names, ", "),
                                                 sqlite::quoted(shape.name)));
    sqlite::Statement known(database_, "SELECT 1 FROM temp._lockstep_seen WHERE key = ?1");
    sqlite::Statement gone(database_, "INSERT INTO temp._lockstep_gone VALUES (?1)");
    while (all.step()) {
      for (std::size_t i = 0; i < key_.size(); ++i) key_[i] = Value(all.value(static_cast<int>(i)));
      const std::string bytes = key_bytes();
      const ValueView blob{.kind = ValueClass::blob, .bytes = bytes};
      known.reset();
      if (known.bind(1, blob).step() || was_never_there(all)) continue;
      gone.reset();
      gone.bind(1, blob).run();
    }
  }
  sqlite::Statement gone(database_, "SELECT key FROM temp._lockstep_gone");
  while (gone.step()) {
    EntryReader reader;
    const std::string bytes(gone.value(0).bytes);
    reader.feed(bytes);
    const auto entry = reader.next();
    check(entry.has_value(), "a key that was written is read back");
    ValueCursor cursor(entry->values);
    for (Value& value : key_) value = Value(cursor.next().value());
    take_out();
  }
}

std::optional<SqliteWriter::BadKey> SqliteWriter::decode_key(Fields key) {
  std::optional<BadKey> bad;
  for (std::size_t i = 0; i < key_.size(); ++i) {
    const std::size_t column = plan_.shape.key[i];
    std::string_view why = postgres::decode(key_[i], key[i], plan_, column);
    if (why.empty() && !key[i]) why = "NULL in the key, which finds no row in SQLite";
    if (!why.empty() && !bad) bad = BadKey{column, why};
  }
  return bad;
}

bool SqliteWriter::find() {
  find_->reset();
  for (std::size_t i = 0; i < key_.size(); ++i)
    find_->bind(static_cast<int>(i + 1), key_[i].view());
  return find_->step();
}

void SqliteWriter::take_out() {
  if (pass_ == Pass::take_out && hidden_rowid_ && find()) {
    const std::int64_t rowid = find_->integer(static_cast<int>(stored_.size()));
    const std::string bytes = key_bytes();
    remember_->reset();
    remember_->bind(1, ValueView{.kind = ValueClass::blob, .bytes = bytes}).bind(2, rowid).run();
  }
  find_->reset();
  delete_->reset();
  for (std::size_t i = 0; i < key_.size(); ++i)
    delete_->bind(static_cast<int>(i + 1), key_[i].view());
  run(*delete_);
  written_ += database_.changes();
}

void SqliteWriter::upsert(Fields row) {
  if (!find()) {
    decode_row(row);
    insert(std::nullopt);
  } else if (keep_what_means_the_same(row)) {
    find_->reset();
    if (update_) {
      update_->reset();
      for (std::size_t i = 0; i < stored_.size(); ++i)
        update_->bind(static_cast<int>(i + 1), row_[stored_[i]].view());
      for (std::size_t i = 0; i < key_.size(); ++i)
        update_->bind(static_cast<int>(stored_.size() + i + 1), key_[i].view());
      run(*update_);
      ++written_;
    }
  }
  find_->reset();
  if (!whole_) return;
  const std::string bytes = key_bytes();
  seen_->reset();
  seen_->bind(1, ValueView{.kind = ValueClass::blob, .bytes = bytes}).run();
}

// True if something is left to be written.
bool SqliteWriter::keep_what_means_the_same(Fields row) {
  bool differs = false;
  std::vector<RowRefused::Column> bad;
  for (std::size_t i = 0; i < stored_.size(); ++i) {
    const std::size_t column = stored_[i];
    Value& value = row_[column];
    const ValueView present = find_->value(static_cast<int>(i));
    const std::string_view why = postgres::decode(value, row[column], plan_, column);
    if (why.empty() && same_value(present, value.view())) continue;
    const bool same_json = is_jsonb(plan_, column) && present.kind == ValueClass::text &&
                           value.kind == ValueClass::text &&
                           verify::json_meaning(present.bytes) == verify::json_meaning(value.bytes);
    if (same_json || postgres::still_means(present, row[column], plan_, column)) {
      value = Value(present);
      continue;
    }
    if (!why.empty()) bad.push_back(named(column, why));
    differs = true;
  }
  if (!bad.empty()) refuse(std::move(bad));
  return differs;
}

void SqliteWriter::decode_row(Fields row) {
  std::vector<RowRefused::Column> bad;
  for (const std::size_t column : stored_) {
    const std::string_view why = postgres::decode(row_[column], row[column], plan_, column);
    if (!why.empty()) bad.push_back(named(column, why));
  }
  if (!bad.empty()) refuse(std::move(bad));
}

void SqliteWriter::put_back(Fields row) {
  decode_row(row);
  if (!hidden_rowid_) return insert(std::nullopt);
  const std::string bytes = key_bytes();
  recall_->reset();
  std::optional<std::int64_t> rowid;
  if (recall_->bind(1, ValueView{.kind = ValueClass::blob, .bytes = bytes}).step())
    rowid = recall_->integer(0);
  else if (next_rowid_)
    rowid = (*next_rowid_)++;
  recall_->reset();
  insert(rowid);
}

void SqliteWriter::insert(const std::optional<std::int64_t>& rowid) {
  insert_->reset();
  int parameter = 0;
  for (const std::size_t column : stored_) insert_->bind(++parameter, row_[column].view());
  if (hidden_rowid_)
    insert_->bind(++parameter,
                  rowid ? ValueView{.kind = ValueClass::integer, .integer = *rowid} : ValueView{});
  run(*insert_);
  ++written_;
}

void SqliteWriter::run(sqlite::Statement& statement) {
  try {
    statement.run();
    statement.reset();
  } catch (const Error& error) {
    if (!sqlite::is_refusal(error)) throw;
    if (pass_ == Pass::upsert && sqlite::is_unique_conflict(error)) throw;
    refuse({{"", error.facts().why}});
  }
}

std::string SqliteWriter::key_bytes() const {
  std::string bytes;
  EntryWriter writer(bytes);
  writer.begin(plan_.id, true);
  for (const Value& value : key_) writer.put(value.view());
  writer.end();
  return bytes;
}

std::string SqliteWriter::shown_key() const {
  std::vector<std::string> values;
  for (std::size_t i = 0; i < key_.size(); ++i)
    values.push_back(verify::shown_value(plan_, plan_.shape.key[i], key_[i].view()));
  return fmt::format("{}", fmt::join(values, ", "));
}

RowRefused::Column SqliteWriter::named(std::size_t column, std::string_view why) const {
  return {plan_.shape.columns[column].name, std::string(why)};
}

void SqliteWriter::refuse(std::vector<RowRefused::Column> columns) {
  find_->reset();  // rows that can go back may follow
  throw RowRefused(plan_.name(), shown_key(), std::move(columns));
}

}  // namespace lockstep::switchover
