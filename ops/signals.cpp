#include "ops/signals.hpp"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

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

constexpr int kShellsSignalCode = 128;  // what a shell says of a command that a signal ended

void end_at_once(int signal) {
  ::_exit(kShellsSignalCode + signal);
}
}  // namespace

Signals::Signals() {
  const sigset_t set = stop_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) ::signal(number, end_at_once);
}

Signals::Through::Through() {
  const sigset_t set = stop_signals();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

Signals::Through::~Through() {
  const sigset_t set = stop_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
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
