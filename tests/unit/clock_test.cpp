#include "model/clock.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

using namespace lockstep;
using namespace std::chrono_literals;

TEST_CASE("a back-off doubles up to its greatest step and jitters between half and all of it") {
  for (const std::uint64_t seed : {0ULL, 1ULL, 2ULL, 77ULL, 0xffffffffffffffffULL}) {
    Backoff backoff(10ms, 1'000ms, seed);
    Milliseconds step = 10ms;
    for (int i = 0; i < 40; ++i) {
      const Milliseconds wait = backoff.next();
      INFO("seed " << seed << ", step " << step.count() << ", wait " << wait.count());
      CHECK(wait >= step / 2);
      CHECK(wait <= step);
      step = std::min<Milliseconds>(step * 2, 1'000ms);
    }
    backoff.reset();
    CHECK(backoff.next() <= 10ms);
  }
}

TEST_CASE("two back-offs with other seeds do not knock in step") {
  std::set<std::int64_t> waits;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Backoff backoff(1'000ms, 1'000ms, seed);
    (void)backoff.next();
    waits.insert(backoff.next().count());
  }
  CHECK(waits.size() > 20);
  Backoff one(10ms, 100ms, 5), other(10ms, 100ms, 5);
  for (int i = 0; i < 10; ++i) CHECK(one.next() == other.next());
}

TEST_CASE("a deadline passes and what is left of it is never negative") {
  const Deadline past(-5ms), now(0ms), later(1h);
  CHECK(past.passed());
  CHECK(past.left() == 0ms);
  CHECK(now.passed());
  CHECK_FALSE(later.passed());
  CHECK(later.left() > 59min);
  CHECK(later.left() <= 1h);
  // Or whoever waits for what is left would not wait at all, again and again, until it has passed.
  for (int i = 0; i < 100; ++i) {
    const Deadline soon(1ms);
    const Milliseconds left = soon.left();
    if (!soon.passed()) CHECK(left == 1ms);
  }
}

TEST_CASE("times are printed in UTC to the second") {
  CHECK(rfc3339(0) == "1970-01-01T00:00:00Z");
  CHECK(rfc3339(1'795'197'851'999'999) == "2026-11-20T18:04:11Z");
  CHECK(wall_now_us() > 1'700'000'000'000'000);
}
