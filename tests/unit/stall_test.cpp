#include "ops/stall.hpp"

#include <catch2/catch.hpp>

#include "ops/status.hpp"

namespace lockstep::ops {

using namespace std::chrono_literals;

TEST_CASE("silence beyond the bound is stalled, and says who is silent and what was last seen") {
  constexpr std::int64_t kNow = 1'000'000'000;
  constexpr std::int64_t kSecond = 1'000'000;
  const Reports well{kNow - kSecond, kNow - kSecond, kNow - kSecond, "streaming", "e/1/2"};
  CHECK_FALSE(stalled(well, kNow, 30s));
  CHECK_FALSE(stalled(well, kNow, 1s));  // the bound itself is not beyond it

  Reports stopped = well;
  stopped.updated_us = kNow - 31 * kSecond;
  const auto process = stalled(stopped, kNow, 30s);
  REQUIRE(process);
  CHECK(process->since_us == stopped.updated_us);
  CHECK(process->what ==
        "the process (stopped?) has not reported since; last seen: streaming, applied e/1/2");

  Reports apply = well;
  apply.target_us = kNow - 31 * kSecond;
  REQUIRE(stalled(apply, kNow, 30s));
  CHECK(stalled(apply, kNow, 30s)->what.starts_with("apply has"));
  apply.phase = "indexing";
  CHECK_FALSE(stalled(apply, kNow, 30s));

  Reports capture = well;
  capture.source_us = kNow - 31 * kSecond;
  REQUIRE(stalled(capture, kNow, 30s));
  CHECK(stalled(capture, kNow, 30s)->what.starts_with("capture has"));
  capture.source_us = 0;  // it is another process, or has not begun
  CHECK_FALSE(stalled(capture, kNow, 30s));
}

TEST_CASE("that a worker was seen again is no news, all else is") {
  Status before;
  before.tables = {{.id = 1, .name = "orders"}};
  Status now = before;
  now.source_seen_us = 1;
  now.target_seen_us = 2;
  CHECK(is_nothing_new(now, before));
  now.tables[0].verified.rows = 1;
  CHECK_FALSE(is_nothing_new(now, before));
  now = before;
  now.awaited = Awaited{"LS-T201", "the target", 5};
  CHECK_FALSE(is_nothing_new(now, before));
}

}  // namespace lockstep::ops
