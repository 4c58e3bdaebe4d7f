#include "ops/attempt.hpp"

#include <catch2/catch.hpp>

using namespace lockstep;
using namespace lockstep::ops;

TEST_CASE("a start goes on after a cancelled statement, and after a lost session it once had") {
  const auto again = [](const char* code, Retry retry, bool connected) {
    return may_prepare_again(Error({.code = code, .what = "w", .retry = retry}), connected);
  };
  CHECK(again("LS-T211", Retry::same_session, true));
  CHECK(again("LS-T211", Retry::same_session, false));  // cancelled while the session was set up
  CHECK(again("LS-T201", Retry::new_session, true));
  CHECK(again("LS-T212", Retry::new_session, true));
  CHECK(again("LS-R701", Retry::new_session, true));  // a session of its own keeps the lock
  // A server that is not there, full or read-only is said at once, and so is another lockstep.
  CHECK_FALSE(again("LS-T201", Retry::new_session, false));
  CHECK_FALSE(again("LS-T209", Retry::new_session, true));
  CHECK_FALSE(again("LS-T217", Retry::new_session, true));
  CHECK_FALSE(again("LS-R701", Retry::never, true));
  CHECK_FALSE(again("LS-T211", Retry::never, true));
  CHECK_FALSE(again("LS-S309", Retry::same_session, true));
}
