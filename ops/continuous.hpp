// Passes of verification that follow each other without being asked for.
#pragma once

#include "model/clock.hpp"
#include "verify/pace.hpp"

namespace lockstep::ops {

/// What the defaults cost an application: bench/run.sh verify.
struct ContinuousPasses {
  bool on = true;
  Milliseconds every{1'800'000};  ///< from the end of one to the begin of the next
  Milliseconds first{60'000};     ///< after following began, if the last one is older than `every`
  verify::PaceLimits pace{.rows_per_second = 0, .busy_share = 0.05, .lag_max = Milliseconds{5'000}};
};

}  // namespace lockstep::ops
