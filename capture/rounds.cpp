#include "capture/rounds.hpp"

#include <algorithm>
#include <utility>

namespace lockstep::capture {

namespace {

// Keys that came since the last settling, at least: sorting fewer at a time would cost more than
// the doubles hold.
constexpr std::size_t kUnsortedKeys = 4096;

std::size_t held(std::string_view key) {
  return sizeof(std::string) + key.size();
}

}  // namespace

Rounds::Rounds(std::int64_t from) : scanned_(from) {}

bool Rounds::Table::in_run(std::string_view key) const {
  const auto begin = run.begin() + static_cast<std::ptrdiff_t>(head);
  return begin != run.end() && std::binary_search(begin, run.end(), key, std::less<>{});
}

// Sorts what came last into what is sorted, each key once.
void Rounds::Table::settle() {
  const auto tail = logged.begin() + static_cast<std::ptrdiff_t>(sorted);
  if (tail == logged.end()) return;
  std::sort(tail, logged.end());
  std::inplace_merge(logged.begin(), tail, logged.end());
  logged.erase(std::unique(logged.begin(), logged.end()), logged.end());
  sorted = logged.size();
  bytes = 0;
  for (std::size_t i = head; i < run.size(); ++i) bytes += held(run[i]);
  for (const std::string& key : logged) bytes += held(key);
}

bool Rounds::log(std::int64_t seq, std::uint32_t table, std::string_view key) {
  if (seq != scanned_ + 1) return false;
  scanned_ = seq;
  Table& keys = tables_[table];
  if (keys.in_run(key)) return true;
  if (keys.logged.size() > keys.sorted && keys.logged.back() == key) return true;
  keys.logged.emplace_back(key);
  keys.bytes += held(key);
  // Twice as much each time, so that a hot key logged a million times is held a few thousand times
  // at most, and the sorting stays n log n in all.
  if (keys.logged.size() - keys.sorted >= std::max(kUnsortedKeys, keys.sorted)) keys.settle();
  return true;
}

std::optional<Rounds::Key> Rounds::take() {
  if (tables_.empty()) return std::nullopt;
  auto at = tables_.find(taking_);
  if (at == tables_.end()) at = tables_.begin();
  Table& keys = at->second;
  if (keys.head == keys.run.size()) {
    keys.settle();
    keys.run = std::exchange(keys.logged, {});
    keys.head = keys.sorted = 0;
  }
  taking_ = at->first;
  Key key{taking_, std::move(keys.run[keys.head++])};
  keys.bytes -= held(key.bytes);
  if (keys.count() == 0) tables_.erase(at);
  return key;
}

std::size_t Rounds::pending_count() const {
  std::size_t count = 0;
  for (const auto& [id, keys] : tables_) count += keys.count();
  return count;
}

std::size_t Rounds::pending_bytes() const {
  std::size_t bytes = 0;
  for (const auto& [id, keys] : tables_) bytes += keys.bytes;
  return bytes;
}

bool Rounds::end_slice(std::int64_t newest, bool scans_done) {
  ++slices_;
  if (scans_done) {
    count_progress(newest - scanned_ + static_cast<std::int64_t>(pending_count()));
  } else {
    rests_count_ = no_progress_ = 0;
  }
  return scans_done && !pending() && scanned_ == newest;
}

// A burst between slices raises the rest once; it counts as progress again when it has left the
// ring, and so before `stalled`, if reading is faster than the writer. Bursts that keep coming
// leave a lower rest in the ring each time, and so do stall.
void Rounds::count_progress(std::int64_t rest) {
  const auto known = std::min(rests_count_, rests_.size());
  const auto end = rests_.begin() + static_cast<std::ptrdiff_t>(known);
  const bool shrunk = known == 0 || rest < *std::min_element(rests_.begin(), end);
  no_progress_ = shrunk ? 0 : no_progress_ + 1;
  rests_[rests_count_++ % rests_.size()] = rest;
}

}  // namespace lockstep::capture
