#include "ops/stop_limit.hpp"

#include <condition_variable>
#include <mutex>
#include <stop_token>

#include "link/postgres/open_connections.hpp"

namespace lockstep::ops {

namespace {

// A statement that was cancelled has ended by then; longer waits are for a server that is gone.
constexpr Milliseconds kCleanEnd{1'000};

bool is_for_good(const Ending& ending) {
  return !ending.turned || ending.signal || ending.failure;
}

}  // namespace

void StopLimit::begin(const Ending& ending) {
  watching_ = std::jthread([this, for_good = is_for_good(ending)](const std::stop_token& over) {
    std::mutex mutex;
    std::condition_variable_any ended;
    std::unique_lock lock(mutex);
    const auto never = [] { return false; };
    ended.wait_for(lock, over, kCleanEnd, never);
    if (over.stop_requested()) return;
    if (for_good) {
      // `timeout` and others send theirs twice at once: that is one wish, and it is being met.
      while (signals_.wait(Milliseconds{0})) {
      }
      postgres::end_all_connections();
    }
    const Signals::Through through;
    ended.wait(lock, over, never);
  });
}

}  // namespace lockstep::ops
