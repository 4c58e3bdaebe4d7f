// How long the writers have been waiting, of how long they may.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

#include "model/clock.hpp"

namespace lockstep::switchover {

class Pause {
 public:
  explicit Pause(Milliseconds max) : max_(max) {}
  void begin() { begun_ = steady_now(); }
  void end() { ended_ = steady_now(); }
  [[nodiscard]] Milliseconds max() const { return max_; }
  /// Never negative. begin() comes first.
  [[nodiscard]] Milliseconds left() const {
    const auto gone = std::chrono::duration_cast<Milliseconds>(steady_now() - *begun_);
    return std::max(max_ - gone, Milliseconds{0});
  }
  /// So far, if it has not ended.
  [[nodiscard]] double ms() const {
    if (!begun_) return 0;
    return std::chrono::duration<double, std::milli>(ended_.value_or(steady_now()) - *begun_)
        .count();
  }

 private:
  Milliseconds max_;
  std::optional<SteadyTime> begun_, ended_;
};

}  // namespace lockstep::switchover
