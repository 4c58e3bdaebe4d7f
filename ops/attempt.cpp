#include "ops/attempt.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <thread>

#include "model/clock.hpp"

namespace lockstep::ops {

bool may_prepare_again(const Error& error, bool connected) {
  constexpr std::array<std::string_view, 4> kOfSessions{"LS-T201", "LS-T212", "LS-T233", "LS-R701"};
  if (error.retry() == Retry::same_session) return error.code().starts_with("LS-T");
  return connected && error.retry() == Retry::new_session &&
         std::find(kOfSessions.begin(), kOfSessions.end(), error.code()) != kOfSessions.end();
}

std::string waiting_note(const Error& error) {
  return fmt::format("waiting   {} {}: {}; it is tried again", error.code(), error.what(),
                     error.facts().why);
}

void prepare_again_and_again(const std::function<void(Attempt&)>& prepare,
                             const std::function<void(const Error&)>& wait, Screen& screen,
                             bool begun) {
  Backoff backoff(Milliseconds{50}, Milliseconds{5'000}, static_cast<std::uint64_t>(wall_now_us()));
  Attempt attempt;
  screen.tell_once(true);
  while (true) {
    try {
      prepare(attempt);
      screen.tell_once(false);
      return;
    } catch (const Error& error) {
      const bool mends = begun && error.retry() != Retry::never;
      if (!mends && !may_prepare_again(error, attempt.connected)) throw;
      attempt.connected = false;
      wait(error);
    }
    std::this_thread::sleep_for(backoff.next());
  }
}

}  // namespace lockstep::ops
