#include "ops/signals.hpp"

#include <pthread.h>
#include <signal.h>

#include <ctime>

namespace lockstep::ops {

namespace {
sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGHUP);
  return set;
}
}  // namespace

Signals::Signals() {
  const sigset_t set = stop_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
}

std::optional<int> Signals::wait(Milliseconds patience) {
  const sigset_t set = stop_signals();
  timespec time{};
  time.tv_sec = patience.count() / 1'000;
  time.tv_nsec = (patience.count() % 1'000) * 1'000'000;
  const int signal = ::sigtimedwait(&set, nullptr, &time);
  if (signal <= 0) return std::nullopt;
  return signal;
}

}  // namespace lockstep::ops
