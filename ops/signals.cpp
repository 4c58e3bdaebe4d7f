#include "ops/signals.hpp"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <ctime>

namespace lockstep::ops {

namespace {
constexpr std::array<int, 3> kStopSignals{SIGINT, SIGTERM, SIGHUP};

// What whoever started us had ignored stays ignored: nohup lets a process outlive its terminal, a
// shell's `&` the Ctrl-C that is meant for others. It must not be blocked either: a signal that is
// blocked waits, ignored or not.
sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : kStopSignals) {
    struct sigaction action {};
    if (sigaction(number, nullptr, &action) == 0 && action.sa_handler != SIG_IGN)
      sigaddset(&set, number);
  }
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
  for (const int number : kStopSignals)
    if (sigismember(&set, number) == 1) ::signal(number, end_at_once);
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
