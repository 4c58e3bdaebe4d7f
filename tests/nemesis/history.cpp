#include "tests/nemesis/history.hpp"

#include <fmt/format.h>

#include <optional>
#include <set>
#include <unordered_map>

namespace lockstep::nemesis {

namespace {

class Judge {
 public:
  explicit Judge(const History& history) : history_(history) {
    source_states_[history.first_n].insert(history.first_hash);
    for (const Transaction& transaction : history.transactions)
      if (transaction.answer != Answer::refused)
        source_states_[transaction.n].insert(transaction.hash);
  }

  Verdict run() {
    transactions();
    for (const auto& reader : history_.sightings) looks(reader);
    verdict_.states = seen_.size();
    if (!had(history_.final_n, history_.final_hash))
      complain(verdict_.torn,
               fmt::format("the target ends in a state that the source never had (n {})",
                           history_.final_n));
    return verdict_;
  }

 private:
  void complain(std::uint64_t& counter, std::string text) {
    ++counter;
    if (verdict_.first.empty()) verdict_.first = std::move(text);
  }

  [[nodiscard]] bool had(std::int64_t n, std::uint64_t hash) const {
    const auto state = source_states_.find(n);
    return state != source_states_.end() && state->second.contains(hash);
  }

  void transactions() {
    std::unordered_map<std::int64_t, std::int64_t> possible;
    for (const Transaction& transaction : history_.transactions) {
      const auto found = history_.final_ops.find(transaction.op);
      const bool there = found != history_.final_ops.end() && found->second == transaction.n;
      if (transaction.answer != Answer::refused) possible.emplace(transaction.op, transaction.n);
      if (transaction.answer == Answer::unknown) ++verdict_.unknown;
      if (transaction.answer != Answer::acknowledged) continue;
      ++verdict_.acknowledged;
      if (!there)
        complain(verdict_.lost,
                 fmt::format("op {} (n {}) was acknowledged and is not on the target",
                             transaction.op, transaction.n));
    }
    for (const auto& [op, n] : history_.final_ops) {
      const auto found = possible.find(op);
      if (found == possible.end() || found->second != n)
        complain(verdict_.invented,
                 fmt::format("op {} (n {}) is on the target, and nobody made it", op, n));
    }
  }

  void looks(const std::vector<Sighting>& sightings) {
    std::optional<Sighting> before;
    for (const Sighting& now : sightings) {
      ++verdict_.looks;
      if (now.held > 0) ++verdict_.looks_at_held;
      seen_.insert(now.n);
      if (!had(now.n, now.hash))
        complain(verdict_.torn,
                 fmt::format(
                     "at position {} the target showed a state of n {} that the source never had",
                     now.seq, now.n));
      if (before && (now.seq < before->seq || now.n < before->n))
        complain(verdict_.backward,
                 fmt::format("the target went back from position {} to {} (n {} to {})",
                             before->seq, now.seq, before->n, now.n));
      if (before && now.seq == before->seq && now != *before)
        complain(verdict_.backward, fmt::format("position {} showed two states", now.seq));
      before = now;
    }
  }

  const History& history_;
  /// More than one state of one n: a transaction whose answer is unknown, and the one that took its
  /// number.
  std::unordered_map<std::int64_t, std::set<std::uint64_t>> source_states_;
  std::set<std::int64_t> seen_;
  Verdict verdict_;
};

}  // namespace

Verdict judge(const History& history) {
  return Judge(history).run();
}

}  // namespace lockstep::nemesis
