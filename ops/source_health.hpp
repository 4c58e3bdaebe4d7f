// What can go wrong around the source's file while it is followed, and shows in no read of it.
#pragma once

#include <optional>
#include <string>

#include "capture/room.hpp"
#include "capture/tail.hpp"
#include "link/sqlite/file_guard.hpp"
#include "ops/board.hpp"

namespace lockstep::ops {

/// Looks five times a second. One thread; Board must outlive it.
class SourceHealth {
 public:
  SourceHealth(const std::string& path, capture::RoomLimits limits, Board& board)
      : path_(path), limits_(limits), board_(board), guard_(path) {}

  /// Connections were opened anew; `first` is the oldest change that is left.
  void reopened(const Position& first);

  /// False: the disk is low because of the changes that wait for the target, so give_up() is due.
  /// Throws LS-S312, LS-S313 (other files).
  [[nodiscard]] bool look(capture::Tail& tail, const std::optional<Position>& acked);

  /// Takes triggers and change table out of the source, then throws LS-S308: a new copy is needed.
  /// No other connection of this process may be open. What fails is thrown instead, to be tried
  /// again.
  [[noreturn]] void give_up();

 private:
  std::string path_;
  capture::RoomLimits limits_;
  Board& board_;
  sqlite::FileGuard guard_;
  std::int64_t first_seq_ = 0;
  bool warned_ = false;
  SteadyTime next_look_{};
};

}  // namespace lockstep::ops
