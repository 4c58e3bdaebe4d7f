#include "link/wire/bell.hpp"

#include <poll.h>

#include <catch2/catch.hpp>
#include <thread>

using lockstep::wire::Bell;

namespace {
bool rung(const Bell& bell, int patience_ms) {
  pollfd waiting{bell.descriptor(), POLLIN, 0};
  return ::poll(&waiting, 1, patience_ms) == 1;
}
}  // namespace

TEST_CASE("a bell that was not rung wakes nobody", "[unit]") {
  const Bell bell;
  CHECK_FALSE(rung(bell, 0));
}

TEST_CASE("a bell rung in another thread ends a wait, and stays rung", "[unit]") {
  Bell bell;
  const std::jthread ringer([&] { bell.ring(); });
  CHECK(rung(bell, 10'000));
  CHECK(rung(bell, 0));
}
