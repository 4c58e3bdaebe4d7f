// What a batch that takes many slices still has to look up, and when it ends. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep::capture {

/// So many slices without a new low mean that reading does not overtake the writer: 6.4 s of slices
/// of 200 ms. Less would take a burst of writes for a writer that is too fast.
inline constexpr std::size_t kSlicesWithoutProgress = 32;

/// The decisions of one batch (from, to] that is read in slices, each in a short read transaction
/// of its own: which keys are pending, and which slice ends the batch (capture/README.md, Rounds).
/// One thread.
///
/// In a slice the caller does, while its budget lasts: take() a key and look it up; if nothing is
/// pending, log() some more rows of the change table, as the same read transaction sees it; then
/// end_slice(). A source that went back in time is the caller's to find: in each slice it
/// proves the newest seq of the slice before.
class Rounds {
 public:
  explicit Rounds(std::int64_t from);

  /// A row of the change table, in seq order; its key is pending once, however often it is logged.
  /// False: `seq` is not the one after the last; nothing was changed.
  [[nodiscard]] bool log(std::int64_t seq, std::uint32_t table, std::string_view key);

  /// The last seq whose key was made pending; `from` at first.
  [[nodiscard]] std::int64_t scanned() const { return scanned_; }

  struct Key {
    std::uint32_t table = 0;
    std::string bytes;
    friend bool operator==(const Key&, const Key&) = default;
  };

  /// The next key to look up, no longer pending; nothing if none is. Keys of one table come
  /// together, in byte order; what was logged after the first of them comes behind them, in byte
  /// order again.
  [[nodiscard]] std::optional<Key> take();

  [[nodiscard]] bool pending() const { return !tables_.empty(); }
  /// At most so many: a key that was logged more than once may count more than once until its table
  /// is next sorted.
  [[nodiscard]] std::size_t pending_count() const;
  /// About what the pending keys hold in memory, in bytes; as exact as pending_count().
  [[nodiscard]] std::size_t pending_bytes() const;

  /// Ends a slice; `newest` is the newest seq of the slice's own read transaction, `scans_done`
  /// says that no scan of a whole table is under way. True: the batch ends here, `to` = `newest`.
  [[nodiscard]] bool end_slice(std::int64_t newest, bool scans_done);

  /// Slices that have ended: the number of the one being read, from 0. Entries keep it; the read
  /// with the higher number wins.
  [[nodiscard]] std::uint64_t slices() const { return slices_; }

  /// True if in kSlicesWithoutProgress slices in a row the rest (seqs not scanned and keys pending)
  /// was not below the lowest of as many slices before: time for one long read. Slices with a scan
  /// under way do not count: there, no progress in the log is no sign.
  [[nodiscard]] bool stalled() const { return no_progress_ >= kSlicesWithoutProgress; }

 private:
  /// Keys of one table. `run` is being taken, from `head` on; `logged` waits: its first `sorted`
  /// keys are sorted and distinct, the others are as they came. No key of `logged` is left in
  /// `run`.
  struct Table {
    std::vector<std::string> run, logged;
    std::size_t head = 0, sorted = 0, bytes = 0;
    [[nodiscard]] std::size_t count() const { return run.size() - head + logged.size(); }
    [[nodiscard]] bool in_run(std::string_view key) const;
    void settle();
  };

  void count_progress(std::int64_t rest);

  std::int64_t scanned_;
  std::map<std::uint32_t, Table> tables_;  ///< only tables with a pending key
  std::uint32_t taking_ = 0;               ///< table of the last key taken
  std::uint64_t slices_ = 0;
  std::array<std::int64_t, kSlicesWithoutProgress - 1> rests_{};  ///< of the last slices, a ring
  std::size_t rests_count_ = 0;
  std::size_t no_progress_ = 0;
};

}  // namespace lockstep::capture
