// Which range of which table comes next: all of them, or those of a sample.
#include <utility>

#include "ops/pass_leader.hpp"
#include "switchover/reverse_watch.hpp"
#include "verify/record_ranges.hpp"
#include "verify/sample.hpp"
#include "verify/values.hpp"

namespace lockstep::ops {

std::optional<PassLeader::Range> PassLeader::first_range(std::size_t from_table) {
  for (std::size_t table = from_table; table < records_.size(); ++table) {
    const verify::TableRecord& record = records_[table];
    if (record.done) continue;
    if (pass_.request.sample > 0) return sample_range(table, record.cursor);
    return Range{0, table, record.cursor, record.source_cursor, {}, verify::rows_at_once(pace_)};
  }
  return std::nullopt;
}

std::optional<PassLeader::Range> PassLeader::range_after(const Range& range,
                                                         const wire::Digests& digests) {
  const wire::DigestBlock& last = digests.blocks.back();
  if (!last.last) return first_range(range.table + 1);
  const verify::Key until = verify::parse_key_bytes(*last.last);
  if (pass_.request.sample == 0)
    return Range{0,     range.table,
                 until, verify::parse_key_bytes(*digests.resume),
                 {},    verify::rows_at_once(pace_)};
  if (auto more = sample_range(range.table, until)) return more;
  return first_range(range.table + 1);
}

// Ranges do not overlap: one that would begin inside of what was compared begins behind it.
std::optional<PassLeader::Range> PassLeader::sample_range(
    std::size_t table, const std::optional<verify::Key>& behind) {
  if (sampled_ != table) {
    starts_ =
        verify::sample_starts(ledger(), parts_.target.schema, plan_of(table), pass_.request.sample);
    sampled_ = table;
  }
  while (!starts_.empty()) {
    std::optional<verify::Key> start = std::move(starts_.front());
    starts_.erase(starts_.begin());
    if (behind && (!start || verify::key_order(*start, *behind) < 0)) {
      if (!start) continue;
      start = behind;
    }
    // The last one goes to the end: what only the source has there shows, too.
    const bool to_end = start && starts_.empty();
    return Range{0,     table, start,
                 start, {},    to_end ? 0 : verify::sample_range_rows(pass_.request.sample)};
  }
  return std::nullopt;
}

void PassLeader::remember_numbers(const Range& range) {
  if (range.after && numbers_.contains(range.table)) return;
  const verify::TableRecord& record = records_[range.table];
  const std::uint64_t times = parts_.recent.times_read_anew(record.id);
  // Taken up in its middle: the process that began it may have been another one.
  const bool known =
      !range.after || (record.oldest && !parts_.recent.read_anew_since(record.id, *record.oldest));
  numbers_[range.table] = known ? std::optional(times) : std::nullopt;
}

// VACUUM, for instance: rows behind the cursor may be some that were before it, and were never
// compared. The batch that reads them anew comes before a barrier that sees them.
bool PassLeader::is_numbered_anew(const Range& range) const {
  if (goes_back() || pass_.request.sample > 0 || !range.after) return false;
  const auto numbers = numbers_.find(range.table);
  return plan_of(range.table).shape.keyed_by_rowid && numbers != numbers_.end() &&
         numbers->second != parts_.recent.times_read_anew(records_[range.table].id);
}

void PassLeader::begin_anew(std::size_t table) {
  parts_.connections.views.end_all();
  ahead_ = 0;
  verify::forget_table(ledger(), pass_.id, records_[table].id);
  verify::TableRecord anew;
  anew.id = records_[table].id;
  anew.name = records_[table].name;
  anew.whole = records_[table].whole;
  const auto marks = switchover::table_marks(ledger(), parts_.target.migration,
                                             parts_.target.schema, {plan_of(table)});
  if (const auto mark = marks.find(anew.id); mark != marks.end()) anew.seen = mark->second;
  records_[table] = std::move(anew);
}

}  // namespace lockstep::ops
