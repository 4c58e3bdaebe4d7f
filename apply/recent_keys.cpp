#include "apply/recent_keys.hpp"

#include <algorithm>

namespace lockstep::apply {

namespace {

constexpr std::size_t kSegments = 32;  // at least, once there are keys_max
constexpr std::size_t kHeadBytes = 8;  // table, length

}  // namespace

void RecentKeys::resume(const Position& at) {
  const std::lock_guard lock(mutex_);
  if (newest_ != at) forget(at);
}

void RecentKeys::forget(const Position& at) {
  segments_.clear();
  resets_.clear();
  ++forgotten_;
  keys_ = bytes_ = 0;
  floor_ = newest_ = resets_from_ = at;
}

void RecentKeys::begin(const Position& from) {
  pending_.clear();
  pending_keys_ = 0;
  pending_resets_.clear();
  overflow_ = false;
  resume(from);
}

void RecentKeys::reset(std::uint32_t table) {
  pending_resets_.insert(table);
}

void RecentKeys::touch(const TablePlan& table, const EntryView& entry) {
  if (overflow_ || pending_resets_.contains(table.id)) return;
  const std::size_t begin = pending_.size();
  put_u32(pending_, table.id);
  put_u32(pending_, 0);
  if (!entry.present) {
    pending_ += entry.values;
  } else {
    std::vector<ValueView> row;
    for (ValueCursor values(entry.values); const auto value = values.next();) row.push_back(*value);
    EntryWriter writer(pending_);
    const std::size_t at = pending_.size();
    writer.begin(table.id, false);
    const std::size_t head = pending_.size() - at;
    for (const std::size_t column : table.shape.key)
      if (column < row.size()) writer.put(row[column]);
    writer.end();
    pending_.erase(at, head);
  }
  std::string length;
  put_u32(length, static_cast<std::uint32_t>(pending_.size() - begin - kHeadBytes));
  pending_.replace(begin + 4, 4, length);
  ++pending_keys_;
  overflow_ = pending_keys_ > limits_.keys_max || pending_.size() > limits_.bytes_max;
  if (overflow_) std::string().swap(pending_);
}

void RecentKeys::committed(const Position& to) {
  const std::lock_guard lock(mutex_);
  if (overflow_) return forget(to);
  for (const std::uint32_t table : pending_resets_) resets_[table] = to.seq, ++times_[table];
  if (pending_keys_ > 0) append(to);
  newest_ = to;
  if (pending_.capacity() > limits_.segment_bytes) std::string().swap(pending_);
  while (keys_ > limits_.keys_max || bytes_ > limits_.bytes_max) forget_oldest();
}

void RecentKeys::append(const Position& to) {
  const auto full = [&](const Segment& segment) {
    return segment.bytes.size() >= limits_.segment_bytes ||
           segment.keys >= std::max<std::size_t>(limits_.keys_max / kSegments, 1);
  };
  if (segments_.empty() || full(*segments_.back()))
    segments_.push_back(std::make_shared<Segment>());
  Segment& segment = *segments_.back();
  segment.bytes += pending_;
  segment.keys += pending_keys_;
  segment.marks.push_back({to.seq, segment.bytes.size()});
  segment.newest = to;
  keys_ += pending_keys_;
  bytes_ += pending_.size();
}

void RecentKeys::forget_oldest() {
  const Segment& oldest = *segments_.front();
  keys_ -= oldest.keys;
  bytes_ -= oldest.bytes.size();
  floor_ = oldest.newest;
  segments_.pop_front();
}

bool RecentKeys::read_anew_since(std::uint32_t table, const Position& position) const {
  const std::lock_guard lock(mutex_);
  if (!resets_from_ || position.era != resets_from_->era || position.seq < resets_from_->seq)
    return true;
  const auto reset = resets_.find(table);
  return reset != resets_.end() && reset->second >= position.seq;
}

std::uint64_t RecentKeys::times_read_anew(std::uint32_t table) const {
  const std::lock_guard lock(mutex_);
  const auto times = times_.find(table);
  return forgotten_ + (times == times_.end() ? 0 : times->second);
}

RecentKeys::Since RecentKeys::since(const Position& position) const {
  Since found;
  {
    const std::lock_guard lock(mutex_);
    found.from = floor_;
    if (!floor_ || !newest_ || position.era != newest_->era || position.seq < floor_->seq ||
        position.seq > newest_->seq)
      return found;
    found.complete = true;
    found.behind_ = position.seq;
    for (const auto& [table, seq] : resets_)
      if (seq > position.seq) found.anew.insert(table);
    for (const auto& segment : segments_)
      if (segment->newest.seq > position.seq) found.segments_.push_back(segment);
    // The last one is still written to.
    if (!found.segments_.empty())
      found.segments_.back() = std::make_shared<Segment>(*segments_.back());
  }
  found.each([&](std::uint32_t table, std::string_view) { found.tables.insert(table); });
  return found;
}

void RecentKeys::Since::each(
    const std::function<void(std::uint32_t, std::string_view)>& take) const {
  for (const auto& segment : segments_) {
    const std::string_view bytes = segment->bytes;
    std::size_t at = 0;
    for (const Mark& mark : segment->marks) {
      if (mark.seq <= behind_) at = mark.end;
      while (at < mark.end) {
        const std::uint32_t length = get_u32(bytes.data() + at + 4);
        take(get_u32(bytes.data() + at), bytes.substr(at + kHeadBytes, length));
        at += kHeadBytes + length;
      }
    }
  }
}

void RecentKeys::Since::each_key(std::uint32_t table,
                                 const std::function<void(std::string_view)>& take) const {
  each([&](std::uint32_t of, std::string_view key) {
    if (of == table) take(key);
  });
}

}  // namespace lockstep::apply
