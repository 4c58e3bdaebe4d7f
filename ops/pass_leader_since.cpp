// A pass over the rows that were written since a position: the keys that apply remembers, compared
// by their digests like a range.
#include <algorithm>
#include <tuple>
#include <utility>

#include "link/postgres/entry_check.hpp"
#include "model/row_stream.hpp"
#include "ops/pass_leader.hpp"
#include "ops/since.hpp"
#include "verify/shown_key.hpp"
#include "verify/source_rows.hpp"

namespace lockstep::ops {

using wire::Kind;

namespace {

// At one barrier; a request fits a message, and a block of its answer does.
constexpr std::size_t kKeysAtOnce = 10'000;
constexpr std::size_t kKeyBytesAtOnce = verify::kBlockKeyBytes;

verify::Key key_from(std::string_view values) {
  verify::Key key;
  for (ValueCursor cursor(values); const auto value = cursor.next();) key.emplace_back(*value);
  return key;
}

}  // namespace

struct PassLeader::TouchedKey {
  std::string shown;  // canonical bytes as both sides show it
  std::string own;    // as the source spells it
  bool fits = true;   // false: the target cannot have it; its row waits in quarantine
};

bool PassLeader::compare_touched() {
  const Position& position = *pass_.request.since;
  if (goes_back()) throw_since_is_forward();
  const apply::RecentKeys::Since since = parts_.recent.since(position);
  if (!since.complete) {
    check(since.from.has_value(), "apply has said where it is before a pass is led");
    verify::refuse_since(ledger(), pass_.id, *since.from);
    throw_cannot_go_back(position, *since.from);
  }
  std::erase_if(records_, [&](const verify::TableRecord& record) {
    return record.barriers == 0 && !since.tables.contains(record.id) &&
           !since.anew.contains(record.id);
  });
  for (std::size_t table = 0; table < records_.size(); ++table) {
    verify::TableRecord& record = records_[table];
    if (record.done) continue;
    if (since.anew.contains(record.id) || verify::has_converted_key(plan_of(table))) {
      // Begun by its keys before it was read anew.
      if (record.cursor && !record.source_cursor) {
        verify::TableRecord anew;
        anew.id = record.id;
        anew.name = record.name;
        record = std::move(anew);
      }
      record.whole = true;
      continue;
    }
    at_ = table;
    try {
      compare_keys(table, touched_keys(since, table));
    } catch (const Error& error) {
      if (!is_of_one_table(error)) throw;
      give_up(table, error);
    }
  }
  return compare_tables();
}

std::vector<PassLeader::TouchedKey> PassLeader::touched_keys(const apply::RecentKeys::Since& since,
                                                             std::size_t table) const {
  const TablePlan& plan = plan_of(table);
  std::vector<TouchedKey> keys;
  since.each_key(plan.id, [&](std::string_view values) {
    const verify::Key own = key_from(values);
    keys.push_back({verify::key_bytes(verify::carried_key(plan, own)), verify::key_bytes(own),
                    postgres::key_fits(plan, {plan.id, false, values})});
  });
  const auto together = [](const TouchedKey& key) { return std::tie(key.shown, key.own); };
  std::sort(keys.begin(), keys.end(),
            [&](const auto& a, const auto& b) { return together(a) < together(b); });
  keys.erase(std::unique(keys.begin(), keys.end(),
                         [&](const auto& a, const auto& b) { return together(a) == together(b); }),
             keys.end());
  // Where a lockstep that ended, or a session, left off.
  if (const auto& cursor = records_[table].cursor) {
    const std::string done = verify::key_bytes(*cursor);
    std::erase_if(keys, [&](const TouchedKey& key) { return key.shown <= done; });
  }
  return keys;
}

void PassLeader::compare_keys(std::size_t table, const std::vector<TouchedKey>& keys) {
  for (std::size_t at = 0; at < keys.size();) {
    parts_.between_ranges(0);
    at = compare_some(table, keys, at);
  }
  if (records_[table].done) return;
  verify::TableRecord record = records_[table];
  record.done = true;
  keep(std::move(record), {}, table);
}

// From keys[from] on, as many as fit; returns the first that is left.
std::size_t PassLeader::compare_some(std::size_t table, const std::vector<TouchedKey>& keys,
                                     std::size_t from) {
  begun_ = steady_now();
  Range range{new_barrier(0), table, std::nullopt, std::nullopt, {}, 0};
  wire::BarrierWanted wanted;
  wanted.barrier = range.barrier;
  wanted.table = records_[table].id;
  wanted.shape = verify::compared_shape(plan_of(table));
  wanted.digest_keys = true;
  std::size_t end = from, bytes = 0;
  // What is spelled in several ways stays together.
  while (end < keys.size() && ((end - from < kKeysAtOnce && bytes < kKeyBytesAtOnce) ||
                               keys[end].shown == keys[end - 1].shown)) {
    bytes += keys[end].own.size();
    wanted.keys.push_back(keys[end++].own);
  }
  parts_.mail.request(Kind::barrier_wanted, wire::encode_barrier_wanted(wanted));
  range.position = await(range.barrier, Kind::barrier).position;
  const wire::Digests digests = wire::decode_digests(await(range.barrier, Kind::digests).body);
  if (digests.resume)
    while (keys[end - 1].shown > *digests.resume) --end;
  std::vector<verify::Key> target;
  std::set<std::string_view> asked;
  std::set<std::string> as_held;
  for (std::size_t i = from; i < end; ++i)
    if (asked.insert(keys[i].shown).second) {
      const verify::Key key = verify::parse_key_bytes(keys[i].shown);
      as_held.insert(verify::held_key_bytes(key));
      if (keys[i].fits) target.push_back(key);
    }
  const std::vector<verify::Block> blocks = blocks_of(digests);
  const verify::RangeRows rows = verify::read_target_keys(
      view_of(range.barrier), parts_.target.schema, plan_of(table), target, blocks);
  verify::TableRecord record = records_[table];
  record.cursor = verify::parse_key_bytes(keys[end - 1].shown);
  record.done = end == keys.size();
  judge(range, blocks, rows, std::move(record), [&](const verify::Key&, const verify::Key& shown) {
    return as_held.contains(verify::held_key_bytes(shown));
  });
  return end;
}

}  // namespace lockstep::ops
