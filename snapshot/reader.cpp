#include "snapshot/reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "model/row_stream.hpp"

namespace lockstep::snapshot {

Reader::Reader(sqlite::Database database, std::vector<TablePlan> tables, ReaderLimits limits)
    : database_(std::move(database)),
      durability_(database_),
      tables_(std::move(tables)),
      limits_(limits) {}

void Reader::request(std::vector<wire::CopyRequest> requests) {
  requests_ = std::move(requests);
  at_ = 0;
  scan_.reset();
  for (const wire::CopyRequest& wanted : requests_) {
    const bool known = std::any_of(tables_.begin(), tables_.end(), [&](const TablePlan& table) {
      return table.id == wanted.table;
    });
    if (known) continue;
    throw Error({.code = "LS-W505",
                 .exit = ExitCode::stopped,
                 .what = fmt::format("a copy of table number {} was asked for", wanted.table),
                 .why = "the source has no such table in its plan",
                 .data = "nothing was sent",
                 .todo = "source and target belong to different migrations: check both paths"});
  }
}

const TablePlan& Reader::plan() const {
  return *std::find_if(tables_.begin(), tables_.end(),
                       [&](const TablePlan& table) { return table.id == requests_[at_].table; });
}

// A sync covers every commit before it, so what earlier slices saw is durable too.
void Reader::make_durable() {
  const sqlite::Transaction view(database_, sqlite::Transaction::Mode::deferred);
  sqlite::Statement read(database_, "SELECT count(*) FROM main.sqlite_master");
  check(read.step(), "count(*) returns a row");
  durability_.make_durable();
}

Reader::Slice Reader::slice() {
  check(!done(), "a slice is asked for only while tables are left");
  const TablePlan& table = plan();
  if (!scan_) {
    scan_.emplace(database_, table.shape, requests_[at_].after, limits_.slice);
    chunk_bytes_ = 0;
    chunk_rows_before_ = 0;
  }
  Slice slice;
  const int columns = static_cast<int>(table.shape.columns.size());
  const Scan::Visit visit = [&](const sqlite::Statement& row) {
    const std::size_t before = slice.entries.size();
    EntryWriter entry(slice.entries);
    entry.begin(table.id, true);
    for (int column = 0; column < columns; ++column) entry.put(row.value(column));
    entry.end();
    return slice.entries.size() - before;
  };
  const Deadline deadline(limits_.gather_max);
  bool more = true;
  while (more && slice.entries.size() < limits_.slice.bytes_max && !deadline.passed())
    more = scan_->slice(visit);
  make_durable();
  chunk_bytes_ += slice.entries.size();
  if (more && chunk_bytes_ < limits_.chunk_bytes_target) return slice;
  wire::ChunkEnd end;
  end.table = table.id;
  if (scan_->cursor()) end.last = *scan_->cursor();
  end.rows = scan_->rows() - chunk_rows_before_;
  end.table_done = !more;
  slice.chunk_end = std::move(end);
  chunk_rows_before_ = scan_->rows();
  chunk_bytes_ = 0;
  if (!more) {
    scan_.reset();
    ++at_;
  }
  return slice;
}

}  // namespace lockstep::snapshot
