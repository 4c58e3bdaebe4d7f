// Capture's end of a comparison: reads ranges of the source at barriers, beside the tail.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "capture/tail.hpp"
#include "link/sqlite/read_guard.hpp"
#include "link/wire/bell.hpp"
#include "link/wire/message.hpp"
#include "link/wire/verification.hpp"
#include "verify/range.hpp"

namespace lockstep::ops {

/// A thread `verify-0` reads; every method belongs to capture's thread. What is kept of a range
/// (keys and hashes) stays until apply says that its blocks are settled, at most of two ranges.
class SourceVerifier {
 public:
  SourceVerifier();
  ~SourceVerifier();
  SourceVerifier(const SourceVerifier&) = delete;
  SourceVerifier& operator=(const SourceVerifier&) = delete;

  /// A new session: nothing of an earlier one is wanted or kept any more.
  void reset();

  void want(wire::BarrierWanted wanted);
  /// True if a view of the source is wanted now: the last one has been read.
  [[nodiscard]] bool wants_view() const;
  /// What the view is wanted for; nothing unless wants_view().
  [[nodiscard]] std::optional<wire::BarrierWanted> next() const;
  /// No view can be had for that; whoever wanted it was told.
  void drop_next();
  /// Reads what was wanted in this view, for at most `patience`. Returns the body of the message
  /// that is to be sent at once.
  [[nodiscard]] std::string begin(capture::View view, const std::vector<TablePlan>& tables,
                                  Milliseconds patience);

  struct Reply {
    wire::Kind kind = wire::Kind::digests;
    std::string body;
  };
  /// The rows of the blocks, if they are still kept.
  [[nodiscard]] std::vector<Reply> narrow(const wire::Narrow& narrow);

  struct Finished {
    std::uint64_t barrier = 0;
    std::optional<Reply> reply;  ///< nothing: it was of an earlier session
    capture::View view;          ///< for Tail::take_back()
  };
  /// What has been read meanwhile.
  [[nodiscard]] std::vector<Finished> take_finished();

  /// Readable when take_finished() has something.
  [[nodiscard]] int descriptor() const { return bell_.descriptor(); }

 private:
  struct Job {
    capture::View view;
    wire::BarrierWanted wanted;
    std::optional<TablePlan> plan;                // nothing: no such table
    std::vector<sqlite::ReadableTable> readable;  // of queries
    Milliseconds patience{0};
    std::uint64_t session = 0;
  };
  void work(const std::stop_token& stop);
  [[nodiscard]] Reply read(Job& job);
  [[nodiscard]] Reply read_range(Job& job);
  [[nodiscard]] Reply show_rows(Job& job);
  [[nodiscard]] static Reply answer_queries(Job& job);

  wire::Bell bell_;
  mutable std::mutex mutex_;
  std::condition_variable_any came_;
  std::deque<wire::BarrierWanted> wanted_;
  std::optional<Job> job_;
  bool reading_ = false;
  std::uint64_t session_ = 0;
  std::vector<Finished> finished_;
  std::map<std::uint64_t, verify::RangeRows> kept_;  // by barrier
  std::jthread thread_;                              // last: it uses the others
};

}  // namespace lockstep::ops
