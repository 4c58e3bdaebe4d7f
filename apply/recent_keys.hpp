// Which rows were written of late: the keys that apply has committed, each with the position of its
// batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "model/position.hpp"
#include "model/row_stream.hpp"
#include "model/shape.hpp"

namespace lockstep::apply {

struct RecentKeysLimits {
  std::size_t keys_max = 1'000'000;     ///< a key counts once for each batch that has it
  std::size_t bytes_max = 32u << 20;    ///< of keys, with 8 bytes for each
  std::size_t segment_bytes = 1 << 20;  ///< so much is forgotten at a time, or 1/32 of the keys
};

/// Bounded: the oldest are forgotten, and what is left is complete from some position on. Only in
/// memory, so a new process begins with nothing.
///
/// resume(), begin(), touch(), reset() and committed() belong to apply's thread; the
/// others may be called from any thread.
class RecentKeys {
  struct Segment;

 public:
  explicit RecentKeys(RecentKeysLimits limits = {}) : limits_(limits) {}

  /// Apply goes on from this position. If that is not where the last batch ended (an answer to a
  /// COMMIT was lost, the target is another one), all is forgotten.
  void resume(const Position& at);
  /// A batch begins; what was noted of one that was not committed goes.
  void begin(const Position& from);
  /// A row of the batch: there or not, by its key as it is carried.
  void touch(const TablePlan& table, const EntryView& entry);
  /// The batch has every row of the table.
  void reset(std::uint32_t table);
  void committed(const Position& to);

  /// What was written behind a position; its own copy.
  class Since {
   public:
    bool complete = false;         ///< false: more was written than is remembered
    std::optional<Position> from;  ///< since which it would be; nothing: nothing is known yet
    std::set<std::uint32_t> anew;  ///< tables that were read anew: every row may have been written
    std::set<std::uint32_t> tables;  ///< that have keys

    /// Keys in key order, as in the entry stream (model/row_stream.hpp); the same may come again.
    void each_key(std::uint32_t table, const std::function<void(std::string_view)>& take) const;

   private:
    friend class RecentKeys;
    void each(const std::function<void(std::uint32_t, std::string_view)>& take) const;
    std::vector<std::shared_ptr<const Segment>> segments_;
    std::int64_t behind_ = 0;
  };
  [[nodiscard]] Since since(const Position& position) const;
  /// True if the table was read anew behind a position, or at it (VACUUM writes nothing that would
  /// move it), and if nobody remembers whether it was.
  [[nodiscard]] bool read_anew_since(std::uint32_t table, const Position& position) const;
  /// Another number each time that the table is read anew, or may have been.
  [[nodiscard]] std::uint64_t times_read_anew(std::uint32_t table) const;

 private:
  struct Mark {
    std::int64_t seq = 0;  // of the batch's end
    std::size_t end = 0;   // of its keys, in bytes
  };
  struct Segment {
    std::string bytes;  // table:u32 length:u32 key
    std::vector<Mark> marks;
    std::size_t keys = 0;
    Position newest;
  };

  void forget(const Position& at);
  void forget_oldest();
  void append(const Position& to);

  RecentKeysLimits limits_;
  // Of the batch that is not committed.
  std::string pending_;
  std::size_t pending_keys_ = 0;
  std::set<std::uint32_t> pending_resets_;
  bool overflow_ = false;  // the batch alone is too much to remember

  mutable std::mutex mutex_;
  // Under mutex_.
  std::deque<std::shared_ptr<Segment>> segments_;
  std::map<std::uint32_t, std::int64_t> resets_;  // table: seq of the batch
  std::optional<Position> resets_from_;           // behind it all of them are remembered
  std::map<std::uint32_t, std::uint64_t> times_;  // that a table was read anew
  std::uint64_t forgotten_ = 0;                   // times that nobody knows of any
  std::size_t keys_ = 0, bytes_ = 0;
  std::optional<Position> floor_, newest_;  // everything in (floor_, newest_] is remembered
};

}  // namespace lockstep::apply
