// One batch: every key logged since a position, with its row as it is now, read in slices.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "capture/rounds.hpp"
#include "capture/spool.hpp"
#include "link/sqlite/scan.hpp"
#include "link/wire/control.hpp"
#include "model/position.hpp"
#include "model/row_stream.hpp"
#include "model/shape.hpp"

namespace lockstep::capture {

class Tail;
class View;

struct BatchLimits {
  sqlite::PaceLimits pace{};
  std::size_t slice_bytes_max = 4u << 20;  ///< of entries in memory; one row may exceed it
  std::int64_t scan_rows = 20'000;         ///< of the change table taken into memory at a time
  /// In rollback-journal mode a slice is a millisecond and a sync is several: slices are gathered
  /// before one sync.
  Milliseconds gather_max{20};
  Milliseconds long_read_after{5'000};  ///< of a batch that does not come to its end in slices
};

/// What was read of a batch at one time: a key is in it once.
struct Slice {
  std::vector<std::uint32_t> resets;  ///< tables that are read anew from here on, before `entries`
  /// Entry stream (model/README.md). What a long read spooled comes in pieces of a megabyte, as
  /// slices of their own: there an entry may go on in the next one.
  std::string entries;
  std::optional<wire::BatchEnd> end;  ///< of the batch: this was its last slice
};

/// Reads a batch in short read transactions; between two of them none is open, so a slow target
/// holds nobody up. A key may come again in a later slice; then the later one counts.
/// Only the whole is a state the source had: all slices up to the end, applied at once. One thread;
/// the Tail must outlive it and does nothing else meanwhile.
class BatchReader {
 public:
  /// `seen` is `from`, or what was seen since; both are proven in the first slice.
  BatchReader(Tail& tail, const Position& from, const Position& seen, BatchLimits limits);

  [[nodiscard]] const Position& from() const { return from_; }

  /// The next slices, made durable: those of one read transaction, or of as many as gather_max
  /// allows in rollback-journal mode.
  /// The last one has `end`; do not call again after it. Throws what Tail::prove() throws, LS-S311
  /// (a change is missing), LS-D412 (a row has a NULL in its key).
  [[nodiscard]] std::vector<Slice> next();

  /// The read transaction in which the batch comes to its end stays open, for take_view(). Not
  /// where the end was spooled: that was long ago when it is sent. Not in rollback-journal mode.
  void keep_view() { keep_view_ = true; }
  /// After the last slice: the view of the source at the batch's end, if it was kept. The tail goes
  /// on with another connection.
  [[nodiscard]] std::optional<View> take_view();

  [[nodiscard]] std::uint64_t slices() const { return rounds_.slices(); }
  /// How often the rest did not shrink, so that one read transaction went on to the end.
  [[nodiscard]] std::uint64_t long_reads() const { return long_reads_; }

 private:
  struct Spooled {
    std::vector<std::uint32_t> resets;
    std::uint64_t bytes = 0;  // of entries, in the spool
  };

  void read_view();
  void read_changes(const Position& newest, const Deadline& deadline);
  void read_resets(const Deadline& deadline);
  void scan_changes();
  void begin_resets(const std::vector<std::uint32_t>& tables);
  void append_entry(std::string& out, const Rounds::Key& key);
  /// The slice that is being filled; a key is in it once.
  [[nodiscard]] Slice& slice() { return slices_.back(); }
  void cut();
  [[nodiscard]] bool full() const;
  void spool();
  [[nodiscard]] std::vector<Slice> unspooled();

  Tail& tail_;
  Position from_;
  BatchLimits limits_;
  Rounds rounds_;
  Position seen_;                                 ///< the newest change of the last view
  std::vector<Slice> slices_;                     ///< read and not yet handed out
  std::map<std::uint32_t, sqlite::Scan> resets_;  ///< of tables that are being read anew
  sqlite::Pace pace_;
  SteadyTime patient_until_;
  Spool spool_;
  std::deque<Spooled> spooled_;
  std::optional<wire::BatchEnd> spooled_end_;
  std::uint64_t entries_ = 0;
  std::uint64_t long_reads_ = 0;
  bool keep_view_ = false;
  std::unique_ptr<sqlite::Transaction> view_;
};

}  // namespace lockstep::capture
