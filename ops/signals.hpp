// SIGINT and SIGTERM as something to ask for, so that a stop is a clean stop.
#pragma once

#include <optional>

#include "model/clock.hpp"

namespace lockstep::ops {

/// Blocks SIGINT, SIGTERM and SIGHUP, unless they are ignored already (nohup), in this thread and
/// all it starts later, and ignores SIGPIPE. Make it in main, before any thread.
class Signals {
 public:
  Signals();
  /// Waits up to `patience`; the signal's number if one came.
  [[nodiscard]] std::optional<int> wait(Milliseconds patience);

  /// While one lives, a stop signal ends the process at once, with 128 + its number: for work that
  /// kill -9 does not harm either, and whose end nobody may have to wait for. For the calling
  /// thread and those it starts meanwhile.
  class Through {
   public:
    Through();
    ~Through();
    Through(const Through&) = delete;
    Through& operator=(const Through&) = delete;
  };
};

}  // namespace lockstep::ops
