// The end of a command that follows has a limit: a server that does not answer must not hold it up.
#pragma once

#include <thread>

#include "ops/follow.hpp"
#include "ops/signals.hpp"

namespace lockstep::ops {

/// Make it before what is to end, begin() when that is asked to; its own end says that it is over.
/// After a second without that, a stop signal ends the process at once; and unless changes go on in
/// the other direction, every connection to PostgreSQL is ended. Neither harms the data more than
/// kill -9 does.
class StopLimit {
 public:
  explicit StopLimit(Signals& signals) : signals_(signals) {}
  void begin(const Ending& ending);

 private:
  Signals& signals_;
  std::jthread watching_;
};

}  // namespace lockstep::ops
