// Loads parts of tables side by side: each lane is a thread with a session of its own on the
// target.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "apply/ledger.hpp"
#include "link/postgres/connection.hpp"
#include "link/wire/control.hpp"
#include "ops/board.hpp"
#include "snapshot/loader.hpp"

namespace lockstep::ops {

/// One part of a table that is still to be copied.
struct PartToCopy {
  const apply::LedgerTable* table = nullptr;
  const apply::LedgerPart* part = nullptr;
};

struct CopyTarget {
  postgres::Dsn dsn;
  std::string migration;
  std::string schema;
};

/// rows(), chunk_end(), finished() and the destructor belong to one thread; cancel() to any. Each
/// throws the first Error that a lane met. Parts are numbered by their place in `parts`; a lane
/// takes a part with its first message and keeps it to its end, so no more parts than lanes may be
/// under way at once.
class CopyLanes {
 public:
  /// Sessions are opened here. `parts` point into what the caller keeps; Board must outlive it.
  CopyLanes(const CopyTarget& target, std::vector<PartToCopy> parts, std::size_t lanes,
            Board& board);
  /// Ends COPYs that are under way: nothing is left of their chunks.
  ~CopyLanes();
  CopyLanes(const CopyLanes&) = delete;
  CopyLanes& operator=(const CopyLanes&) = delete;

  /// Waits while the lane has more than kQueueBytesMax before it.
  void rows(std::uint32_t part, std::string fragment);
  void chunk_end(const wire::ChunkEnd& end);

  /// Waits until something was loaded, at most for `patience`. True: every part is loaded.
  [[nodiscard]] bool finished(Milliseconds patience);

  void cancel();

 private:
  static constexpr std::size_t kQueueBytesMax = std::size_t{8} << 20;

  struct Rows {
    std::uint32_t part = 0;
    std::string fragment;
  };
  using Work = std::variant<Rows, wire::ChunkEnd>;

  struct Lane {
    explicit Lane(postgres::Connection session) : connection(std::move(session)) {}
    postgres::Connection connection;
    std::deque<Work> queue;
    std::size_t queued_bytes = 0;
    std::optional<std::uint32_t> serves;  // as the queue's end will have it
    std::jthread thread;
  };

  [[nodiscard]] Lane& lane_of(std::uint32_t part);
  void enqueue(Lane& lane, Work work, std::size_t bytes, std::unique_lock<std::mutex>& lock);
  void run(Lane& lane);
  void load(Lane& lane);
  [[nodiscard]] std::optional<Work> next_work(Lane& lane);
  void note_loaded(const wire::ChunkEnd& end);
  void throw_failure() const;

  CopyTarget target_;
  std::vector<PartToCopy> parts_;
  Board& board_;
  std::map<std::uint32_t, std::size_t> parts_left_;  // by table
  std::mutex mutex_;
  std::condition_variable work_came_, room_came_, loaded_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::size_t unfinished_ = 0;
  bool stopping_ = false;
  std::optional<Error> failure_;
};

}  // namespace lockstep::ops
