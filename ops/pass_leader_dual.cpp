// Tables that the application writes on both sides: a row that differs at a barrier may be one
// that the application has written on PostgreSQL only so far. Such rows, and no others, are looked
// at again at later barriers, and are equal if they are at one of them.
#include <algorithm>
#include <set>
#include <thread>
#include <utility>

#include "link/wire/control.hpp"
#include "model/failpoint.hpp"
#include "ops/pass_leader.hpp"
#include "verify/range.hpp"
#include "verify/source_rows.hpp"
#include "verify/values.hpp"

namespace lockstep::ops {

using wire::Kind;

namespace {

// With pauses that double: 3 s in all, for an application between its two writes.
constexpr int kLooks = 7;
// A key that the source spells otherwise is found by reading the table.
constexpr int kLooksByScan = 3;
constexpr Milliseconds kFirstPause{50};
// More than that of one range is no application between two writes.
constexpr std::size_t kLookedAtMax = 2'000;
// At one barrier: request and answer fit a message.
constexpr std::size_t kLookedAtOnce = 200;
constexpr std::size_t kLookBytesMax = 1u << 20;
constexpr std::size_t kValueBytes = 12;  // a hash, and no text
constexpr std::size_t kRowBytes = 12;

std::size_t bytes_looked_at(const verify::RowDifference& one, std::size_t columns) {
  return one.key.size() + kRowBytes + columns * kValueBytes;
}

// As many as one barrier takes, from `at` on.
std::size_t end_of_look(const std::vector<verify::RowDifference>& open, std::size_t at,
                        std::size_t columns) {
  std::size_t bytes = 0, end = at;
  while (end < open.size() && end - at < kLookedAtOnce) {
    bytes += bytes_looked_at(open[end], columns);
    if (end > at && bytes > kLookBytesMax) break;
    ++end;
  }
  return end;
}

bool same_row(const wire::ShownRow& source, const std::optional<verify::TargetRow>& target) {
  if (source.there != target.has_value()) return false;
  if (!target) return true;
  if (target->values.size() != source.values.size()) return false;
  for (std::size_t i = 0; i < target->values.size(); ++i)
    if (verify::value_hash(target->values[i]) != source.values[i].hash) return false;
  return std::none_of(target->wrong.begin(), target->wrong.end(),
                      [](const auto& each) { return each.has_value(); });
}

void pause_for(Milliseconds time, const std::stop_token& stop) {
  const Deadline deadline(time);
  while (!stop.stop_requested() && !deadline.passed())
    std::this_thread::sleep_for(std::min(Milliseconds{20}, deadline.left()));
}

}  // namespace

// Whatever came of the quarantine is not looked at again: there both sides may lack the row.
void PassLeader::look_again(std::size_t table, const std::set<std::string>& keys,
                            std::vector<verify::RowDifference>& found,
                            verify::TableRecord& record) {
  std::vector<verify::RowDifference> rest, open;
  for (verify::RowDifference& one : found) {
    const bool again = keys.contains(one.key) && open.size() < kLookedAtMax &&
                       !verify::has_null(verify::parse_key_bytes(one.key));
    (again ? open : rest).push_back(std::move(one));
  }
  const TablePlan& plan = plan_of(table);
  // Where rows are known to differ already, waiting for others changes nothing.
  const int looks = record.different() > 0            ? 1
                    : verify::has_respelled_key(plan) ? kLooksByScan
                                                      : kLooks;
  Milliseconds pause = kFirstPause;
  for (int look = 0; look < looks && !open.empty(); ++look, pause *= 2) {
    LOCKSTEP_FAILPOINT("dual.look_again");
    if (look > 0) pause_for(pause, stop_);
    std::vector<verify::RowDifference> still;
    for (std::size_t at = 0, end = 0; at < open.size(); at = end) {
      end = end_of_look(open, at, plan.types.size());
      look_at_some(table,
                   {open.begin() + static_cast<std::ptrdiff_t>(at),
                    open.begin() + static_cast<std::ptrdiff_t>(end)},
                   still, record);
    }
    open = std::move(still);
  }
  rest.insert(rest.end(), open.begin(), open.end());
  std::sort(rest.begin(), rest.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
  found = std::move(rest);
}

// At one barrier. Those that differ there, too, come behind `still`.
void PassLeader::look_at_some(std::size_t table, const std::vector<verify::RowDifference>& open,
                              std::vector<verify::RowDifference>& still,
                              verify::TableRecord& record) {
  wire::BarrierWanted wanted;
  wanted.barrier = new_barrier(ahead_);
  wanted.table = records_[table].id;
  wanted.shape = verify::compared_shape(plan_of(table));
  for (const verify::RowDifference& one : open) wanted.keys.push_back(one.key);
  parts_.mail.request(Kind::barrier_wanted, wire::encode_barrier_wanted(wanted));
  const Position position = await(wanted.barrier, Kind::barrier).position;
  const wire::ShownRows rows =
      wire::decode_shown_rows(await(wanted.barrier, Kind::shown_rows).body);
  postgres::Connection& view = view_of(wanted.barrier);
  for (std::size_t i = 0; i < open.size(); ++i) {
    const bool equal =
        i < rows.rows.size() &&
        same_row(rows.rows[i], verify::read_target_row(view, parts_.target.schema, plan_of(table),
                                                       verify::parse_key_bytes(open[i].key)));
    if (!equal) {
      still.push_back(open[i]);
      continue;
    }
    ++record.converged;
    if (!record.converged_at || position.seq > record.converged_at->seq)
      record.converged_at = position;
    if (!record.newest || position.seq > record.newest->seq) record.newest = position;
  }
  view.exec("ROLLBACK");
}

}  // namespace lockstep::ops
