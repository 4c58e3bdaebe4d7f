// Waits for something that will become true, up to a deadline.
#pragma once

#include <chrono>
#include <thread>

namespace lockstep::test {

/// Asks `condition` every `pause` until it says yes or `patience` is over. Returns its last answer,
/// so a test can REQUIRE it. The condition is asked at least once, and once more after the time is
/// over.
template <class Condition>
[[nodiscard]] bool wait_until(Condition&& condition, std::chrono::milliseconds patience,
                              std::chrono::milliseconds pause = std::chrono::milliseconds{2}) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= deadline) return static_cast<bool>(condition());
    std::this_thread::sleep_for(pause);
  }
  return true;
}

}  // namespace lockstep::test
