#include "snapshot/reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "link/sqlite/row_bytes.hpp"
#include "model/failpoint.hpp"
#include "model/row_stream.hpp"

namespace lockstep::snapshot {

Reader::Reader(sqlite::Database database, std::vector<TablePlan> tables, ReaderLimits limits,
               SeeNewest see_newest)
    : database_(std::move(database)),
      durability_(database_),
      tables_(std::move(tables)),
      limits_(limits),
      see_newest_(std::move(see_newest)) {}

namespace {

/// Why the part cannot be read from this table; empty: it can. A request comes from another
/// process.
std::string objection(const TablePlan& plan, const wire::CopyRequest& wanted) {
  const std::size_t values = sqlite::scan_query(plan.shape, std::nullopt).cursor_columns.size();
  if (wanted.after && wanted.after->size() != values)
    return fmt::format("its cursor has {} values, not {}", values, wanted.after->size());
  return {};
}

[[noreturn]] void refuse(const wire::CopyRequest& wanted, const std::string& why) {
  throw Error({.code = "LS-W505",
               .exit = ExitCode::stopped,
               .what = fmt::format("a copy of table number {} was asked for", wanted.table),
               .why = why,
               .data = "nothing was sent",
               .todo = "source and target belong to different migrations: check both paths"});
}

}  // namespace

void Reader::request(std::vector<wire::CopyRequest> requests) {
  requests_.clear();
  next_ = 0;
  open_.clear();
  for (const wire::CopyRequest& wanted : requests) {
    const auto plan = std::find_if(tables_.begin(), tables_.end(), [&](const TablePlan& table) {
      return table.id == wanted.table;
    });
    if (plan == tables_.end()) refuse(wanted, "the source has no such table in its plan");
    if (const std::string why = objection(*plan, wanted); !why.empty()) refuse(wanted, why);
  }
  requests_ = std::move(requests);
}

void Reader::open_parts() {
  while (open_.size() < limits_.parts_at_once && next_ < requests_.size()) {
    const wire::CopyRequest& request = requests_[next_];
    const TablePlan& plan =
        *std::find_if(tables_.begin(), tables_.end(),
                      [&](const TablePlan& table) { return table.id == request.table; });
    open_.push_back(
        {static_cast<std::uint32_t>(next_), &plan,
         sqlite::Scan(database_, plan.shape, request.after, limits_.slice, request.until)});
    ++next_;
  }
}

bool Reader::read(Part& part, std::string& entries) {
  const int columns = static_cast<int>(part.plan->shape.columns.size());
  RuleReader carried(part.plan->rules, part.plan->shape.key);
  const sqlite::Scan::Visit visit = [&](const sqlite::Statement& row) {
    const std::size_t before = entries.size();
    EntryWriter entry(entries);
    entry.begin(part.plan->id, true);
    for (int column = 0; column < columns; ++column) {
      const ValueView value = row.value(column);
      sqlite::make_room(entries, *part.plan, row, column, value.bytes.size());
      entry.put(carried(static_cast<std::size_t>(column), value));
    }
    entry.end();
    return entries.size() - before;
  };
  const Deadline deadline(limits_.gather_max);
  bool more = true;
  do {
    durability_.await_turn();
    more = part.scan.slice(visit, [&] {
      if (see_newest_) part.as_of = see_newest_(database_);
      durability_.in_view();
    });
  } while (more && entries.size() < limits_.slice.bytes_max && !deadline.passed());
  return more;
}

Reader::Slice Reader::slice() {
  check(!done(), "a slice is asked for only while parts are left");
  open_parts();
  Part part = std::move(open_.front());
  open_.pop_front();
  Slice slice;
  slice.part = part.number;
  const bool more = read(part, slice.entries);
  durability_.after_view();
  LOCKSTEP_FAILPOINT("snap.chunk_read");
  part.chunk_bytes += slice.entries.size();
  if (!more || part.chunk_bytes >= limits_.chunk_bytes_target) {
    wire::ChunkEnd end;
    end.part = part.number;
    if (part.scan.cursor()) end.last = *part.scan.cursor();
    end.rows = part.scan.rows() - part.rows_before;
    end.done = !more;
    end.as_of = part.as_of;
    slice.chunk_end = std::move(end);
    part.rows_before = part.scan.rows();
    part.chunk_bytes = 0;
  }
  if (more) open_.push_back(std::move(part));
  return slice;
}

std::vector<std::int64_t> split_points(sqlite::Database& database, const TableShape& shape) {
  constexpr std::uint64_t kRowidsPerPart = 100'000;
  constexpr std::uint64_t kPartsMax = 8;
  const auto ends = sqlite::rowid_ends(database, shape);
  if (!ends) return {};
  // The span of two 64-bit numbers fits only unsigned.
  const auto first = static_cast<std::uint64_t>(ends->first);
  const std::uint64_t span = static_cast<std::uint64_t>(ends->last) - first;
  const std::uint64_t parts = std::min(span / kRowidsPerPart, kPartsMax);
  std::vector<std::int64_t> points;
  for (std::uint64_t i = 1; i < parts; ++i)
    points.push_back(static_cast<std::int64_t>(first + span / parts * i));
  return points;
}

}  // namespace lockstep::snapshot
