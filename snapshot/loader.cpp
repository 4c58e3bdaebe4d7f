#include "snapshot/loader.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "link/postgres/encode.hpp"
#include "link/postgres/entry_check.hpp"
#include "link/postgres/names.hpp"
#include "link/postgres/quarantine.hpp"
#include "link/wire/held_row.hpp"
#include "model/failpoint.hpp"

namespace lockstep::snapshot {

namespace {

constexpr std::size_t kLumpBytes = 128u << 10;
constexpr std::size_t kKeptBytes = 1u << 20;  // of a lump that had a large value

std::string copy_sql(const std::string& schema, const TablePlan& table) {
  std::vector<std::string> columns;
  for (std::size_t i = 0; i < table.types.size(); ++i)
    if (table.shape.columns[i].computed_as.empty())
      columns.push_back(postgres::quoted(table.target_column(i)));
  // Where constraints are, rows that never existed together would meet them.
  return fmt::format("COPY {} ({}) FROM STDIN (FORMAT binary)",
                     table.existing ? postgres::copy_table(schema, table.id)
                                    : postgres::qualified(schema, table.target_name()),
                     fmt::join(columns, ", "));
}

[[noreturn]] void throw_not_whole(const TablePlan& table, const std::string& why) {
  throw Error({.code = "LS-W501",
               .exit = ExitCode::stopped,
               .what = fmt::format("a chunk of {} on the wire is not whole", table.name()),
               .why = why,
               .data = "nothing of the chunk was kept; chunks before it are in the ledger",
               .todo = "nothing; the session starts again by itself",
               .retry = Retry::new_session});
}

}  // namespace

Loader::Loader(postgres::Connection& connection, std::string migration, std::string schema,
               const TablePlan& table, std::uint32_t part, std::string cursor)
    : connection_(connection),
      migration_(std::move(migration)),
      schema_(std::move(schema)),
      table_(table),
      part_(part),
      cursor_(std::move(cursor)),
      written_(static_cast<std::size_t>(
          std::count_if(table.shape.columns.begin(), table.shape.columns.end(),
                        [](const Column& column) { return column.computed_as.empty(); }))),
      relation_(postgres::find_relations(connection_, schema_, {table.target_name()})) {}

Loader::~Loader() {
  copy_.reset();
  connection_.abort();
}

// A chunk's commit need not wait for the disk: rows and cursor are lost together or not at all,
// nothing is acked for them, and the batch that ends the copy, later in the same log, does wait.
void Loader::begin() {
  connection_.exec("BEGIN; SET LOCAL synchronous_commit TO off");
}

void Loader::open() {
  if (connection_.idle()) begin();
  copy_ = std::make_unique<postgres::CopyIn>(connection_, copy_sql(schema_, table_));
}

void Loader::rows(std::string_view fragment) {
  reader_.feed(fragment);
  while (const auto entry = reader_.next()) take(*entry);
}

void Loader::take(const EntryView& entry) {
  if (entry.table != table_.id || !entry.present)
    throw_not_whole(table_, "a row of another table came");
  ++rows_;
  if (const auto bad = postgres::check_entry(table_, entry)) return hold(entry, *bad);
  if (!copy_) open();
  postgres::append_tuple_head(lump_, written_);
  ValueCursor values(entry.values);
  for (std::size_t i = 0; i < table_.types.size(); ++i) {
    const auto value = values.next();
    if (table_.shape.columns[i].computed_as.empty())
      postgres::append_field(lump_, *value, table_.types[i]);
    // Value by value: a row of large ones is not put together once more.
    if (lump_.size() < kLumpBytes) continue;
    copy_->put(lump_);
    if (lump_.capacity() > kKeptBytes) std::string().swap(lump_);
    lump_.clear();
  }
}

void Loader::hold(const EntryView& entry, const postgres::BadValue& bad) {
  constexpr std::size_t kHeldBytesMax = std::size_t{1} << 20;
  held_.push_back(wire::held_row(table_, entry, bad.column, bad.reason));
  held_bytes_ += held_.back().key.size() + held_.back().value.size();
  ++held_rows_;
  if (held_bytes_ >= kHeldBytesMax) write_held();
}

// No other statement can run while a COPY does.
void Loader::write_held() {
  end_copy();
  for (const HeldRow& row : held_) postgres::hold_row(connection_, migration_, row);
  held_.clear();
  held_bytes_ = 0;
}

// A transaction is open behind it in any case.
void Loader::end_copy() {
  if (!copy_) {
    if (connection_.idle()) begin();
    return;
  }
  if (!lump_.empty()) copy_->put(lump_);
  lump_.clear();
  copied_ += copy_->finish();
  copy_.reset();
}

void Loader::chunk_end(const wire::ChunkEnd& end) {
  if (!reader_.at_boundary() || rows_ != end.rows)
    throw_not_whole(table_, fmt::format("{} rows came, {} were announced", rows_, end.rows));
  write_held();
  // Where rows wait beside a table of an ORM's making, nobody else has anything to do.
  if (!table_.existing) postgres::check_unmeddled(connection_, schema_, relation_, false);
  check(copied_ == static_cast<std::int64_t>(rows_ - held_rows_),
        "the server counted the rows that were sent");
  if (held_rows_ > 0) postgres::settle_held_rows(connection_, migration_, end.as_of);
  LOCKSTEP_FAILPOINT("snap.chunk_written");
  record(end);
  rows_ = 0;
  held_rows_ = 0;
  copied_ = 0;
}

void Loader::record(const wire::ChunkEnd& end) {
  const std::string next = end.last.empty() ? cursor_ : wire::encode_key(end.last);
  const auto text_or_null = [](const std::string& text) {
    return text.empty() ? std::nullopt : std::optional<std::string>(text);
  };
  const postgres::Result moved = connection_.query(
      "UPDATE lockstep.ledger_parts SET cursor = $3, rows = rows + $4::bigint, copied = "
      "$5::boolean, as_of = coalesce($8, as_of) WHERE migration = $1 AND id = $2::integer AND part "
      "= $7::integer AND NOT copied "
      "AND cursor IS NOT DISTINCT FROM $6",
      {migration_, std::to_string(table_.id), text_or_null(next), std::to_string(end.rows),
       std::string(end.done ? "true" : "false"), text_or_null(cursor_), std::to_string(part_),
       end.as_of ? std::optional<std::string>(to_string(*end.as_of)) : std::nullopt});
  if (moved.affected() != 1)
    throw Error(
        {.code = "LS-R706",
         .exit = ExitCode::busy,
         .what = fmt::format("the copy of {} is not where this chunk starts", table_.name()),
         .why = "another loader is at work, or the chunk came twice",
         .data = "the chunk was refused as a whole (compare-and-set)",
         .todo = "nothing; lockstep reads the ledger and goes on from there",
         .retry = Retry::new_session});
  if (connection_.commit() != postgres::CommitOutcome::committed)
    throw Error(
        {.code = "LS-T212",
         .exit = ExitCode::unreachable,
         .what = fmt::format("a chunk of {} may or may not be on the target", table_.name()),
         .why = "the connection ended, or the server was stopped, while the commit was on its way",
         .data =
             "safe: rows and cursor are one transaction, and the ledger is read before going on",
         .todo = "nothing; lockstep connects again by itself",
         .retry = Retry::new_session});
  cursor_ = next;
  LOCKSTEP_FAILPOINT("snap.chunk_committed");
}

}  // namespace lockstep::snapshot
