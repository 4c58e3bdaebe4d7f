#include "snapshot/loader.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>
#include <vector>

#include "link/postgres/encode.hpp"
#include "link/postgres/entry_check.hpp"
#include "link/postgres/names.hpp"
#include "model/failpoint.hpp"

namespace lockstep::snapshot {

namespace {

constexpr std::size_t kLumpBytes = 128u << 10;

std::string copy_sql(const std::string& schema, const TablePlan& table) {
  std::vector<std::string> columns;
  for (std::size_t i = 0; i < table.types.size(); ++i)
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
      cursor_(std::move(cursor)) {}

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
  begin();
  copy_ = std::make_unique<postgres::CopyIn>(connection_, copy_sql(schema_, table_));
}

void Loader::rows(std::string_view fragment) {
  reader_.feed(fragment);
  while (const auto entry = reader_.next()) take(*entry);
}

void Loader::take(const EntryView& entry) {
  if (entry.table != table_.id || !entry.present)
    throw_not_whole(table_, "a row of another table came");
  postgres::check_entry(table_, entry);
  if (!copy_) open();
  postgres::append_tuple_head(lump_, table_.types.size());
  ValueCursor values(entry.values);
  for (const ColumnType type : table_.types) postgres::append_field(lump_, *values.next(), type);
  ++rows_;
  if (lump_.size() < kLumpBytes) return;
  copy_->put(lump_);
  lump_.clear();
}

void Loader::chunk_end(const wire::ChunkEnd& end) {
  if (!reader_.at_boundary() || rows_ != end.rows)
    throw_not_whole(table_, fmt::format("{} rows came, {} were announced", rows_, end.rows));
  if (copy_) {
    if (!lump_.empty()) copy_->put(lump_);
    lump_.clear();
    const std::int64_t copied = copy_->finish();
    copy_.reset();
    check(copied == static_cast<std::int64_t>(rows_), "the server counted the rows that were sent");
  } else {
    begin();
  }
  LOCKSTEP_FAILPOINT("snap.chunk_written");
  record(end);
  rows_ = 0;
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
