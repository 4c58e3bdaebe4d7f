// How fast a pass of verification may go.
#include "verify/pace.hpp"

#include <catch2/catch.hpp>

namespace lockstep::verify {

using namespace std::chrono_literals;

TEST_CASE("a pass without limits never rests") {
  CHECK_FALSE(PaceLimits{}.any());
  CHECK(rest_after({}, 1'000'000, 5'000ms) == 0ms);
  CHECK(rows_at_once({}) == 0);
}

TEST_CASE("a pass works its share of the time and no more") {
  const PaceLimits tenth{.rows_per_second = 0, .busy_share = 0.1, .lag_max = 0ms};
  CHECK(tenth.any());
  CHECK(rest_after(tenth, 1'000, 100ms) == 900ms);
  CHECK(rest_after(tenth, 0, 0ms) == 0ms);
  CHECK(rest_after({.rows_per_second = 0, .busy_share = 0.5, .lag_max = 0ms}, 9, 70ms) == 70ms);
  // However small the share and however slow the range: it goes on some day.
  CHECK(rest_after({.rows_per_second = 0, .busy_share = 0.0, .lag_max = 0ms}, 9, 70'000ms) ==
        60'000ms);
}

TEST_CASE("a pass compares no more rows in a second than it may") {
  const PaceLimits limits{.rows_per_second = 10'000, .busy_share = 1, .lag_max = 0ms};
  CHECK(rest_after(limits, 5'000, 100ms) == 400ms);
  CHECK(rest_after(limits, 500, 100ms) == 0ms);  // slower than allowed anyway
  // Whichever asks for more.
  CHECK(rest_after({.rows_per_second = 10'000, .busy_share = 0.1, .lag_max = 0ms}, 5'000, 100ms) ==
        900ms);
  // Ranges are small enough for rests to come often.
  CHECK(rows_at_once(limits) == 2'500);
  CHECK(rows_at_once({.rows_per_second = 1, .busy_share = 1, .lag_max = 0ms}) == 1);
}

TEST_CASE("a pass rests while changes come too late") {
  const PaceLimits limits{.rows_per_second = 0, .busy_share = 0.1, .lag_max = 5'000ms};
  CHECK(PaceLimits{.rows_per_second = 0, .busy_share = 1, .lag_max = 1ms}.any());
  CHECK_FALSE(is_too_late(limits, std::nullopt));
  CHECK_FALSE(is_too_late(limits, 5'000.0));
  CHECK(is_too_late(limits, 5'000.5));
  CHECK_FALSE(is_too_late({.rows_per_second = 0, .busy_share = 0.1, .lag_max = 0ms}, 1e9));
}

}  // namespace lockstep::verify
