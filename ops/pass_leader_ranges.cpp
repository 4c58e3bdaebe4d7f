// Which range of which table comes next: all of them, or those of a sample.
#include "ops/pass_leader.hpp"
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

}  // namespace lockstep::ops
