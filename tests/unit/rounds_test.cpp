#include "capture/rounds.hpp"

#include <catch2/catch.hpp>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/seed.hpp"

namespace lockstep::capture {
namespace {

using Keys = std::vector<Rounds::Key>;
using namespace std::string_literals;

Keys take_all(Rounds& rounds) {
  Keys keys;
  while (auto key = rounds.take()) keys.push_back(std::move(*key));
  return keys;
}

void log_all(Rounds& rounds, const Keys& keys) {
  for (const Rounds::Key& key : keys)
    REQUIRE(rounds.log(rounds.scanned() + 1, key.table, key.bytes));
}

TEST_CASE("a row of the change table that is not the next one is refused and leaves no trace") {
  Rounds rounds(10);
  CHECK_FALSE(rounds.log(10, 1, "a"));
  CHECK_FALSE(rounds.log(12, 1, "a"));
  CHECK(rounds.scanned() == 10);
  CHECK_FALSE(rounds.pending());
  CHECK(rounds.log(11, 1, "a"));
  CHECK_FALSE(rounds.log(11, 1, "b"));
  CHECK(rounds.scanned() == 11);
  CHECK(take_all(rounds) == Keys{{1, "a"}});
}

TEST_CASE("keys come once each, those of a table together and in byte order") {
  Rounds rounds(0);
  log_all(rounds, {{2, "b"},
                   {1, "\x80"},
                   {1, "a"},
                   {2, "b"},
                   {1, ""},
                   {1, "a"},
                   {2, "a"},
                   {1, "a\0"s},
                   {1, "aa"},
                   {1, "\x80"}});
  CHECK(take_all(rounds) ==
        Keys{{1, ""}, {1, "a"}, {1, "a\0"s}, {1, "aa"}, {1, "\x80"}, {2, "a"}, {2, "b"}});
  CHECK_FALSE(rounds.pending());
  CHECK(rounds.pending_count() == 0);
  CHECK(rounds.pending_bytes() == 0);
}

TEST_CASE("a key that was taken and is logged again is pending again") {
  Rounds rounds(0);
  log_all(rounds, {{1, "a"}});
  CHECK(take_all(rounds) == Keys{{1, "a"}});
  log_all(rounds, {{1, "a"}});
  CHECK(take_all(rounds) == Keys{{1, "a"}});
}

TEST_CASE("what is logged while a table is being taken comes behind it, and not twice") {
  Rounds rounds(0);
  log_all(rounds, {{2, "c"}, {2, "b"}, {2, "d"}});
  CHECK(rounds.take() == Rounds::Key{2, "b"});
  log_all(rounds, {{2, "d"}, {2, "b"}, {1, "z"}, {2, ""}, {2, "c"}});
  CHECK(rounds.pending_count() == 5);
  CHECK(take_all(rounds) == Keys{{2, "c"}, {2, "d"}, {2, ""}, {2, "b"}, {1, "z"}});
}

TEST_CASE("the bytes of pending keys are those of the keys that are left") {
  Rounds rounds(0);
  log_all(rounds, {{1, std::string(100, 'a')}, {1, std::string(1'000, 'b')}});
  CHECK(rounds.pending_bytes() >= 1'100);
  static_cast<void>(rounds.take());
  CHECK(rounds.pending_bytes() >= 1'000);
  CHECK(rounds.pending_bytes() < 1'100);
  static_cast<void>(rounds.take());
  CHECK(rounds.pending_bytes() == 0);
}

TEST_CASE("a batch ends in a slice that has read all it could see, and in no other") {
  Rounds rounds(5);
  CHECK(rounds.slices() == 0);
  log_all(rounds, {{1, "a"}, {1, "b"}});
  static_cast<void>(rounds.take());
  CHECK_FALSE(rounds.end_slice(7, true));  // b is pending
  static_cast<void>(rounds.take());
  CHECK_FALSE(rounds.end_slice(8, true));  // 8 is not scanned
  log_all(rounds, {{1, "a"}});
  CHECK_FALSE(rounds.end_slice(8, true));  // a is pending again
  static_cast<void>(rounds.take());
  CHECK_FALSE(rounds.end_slice(8, false));  // a table is being scanned
  CHECK_FALSE(rounds.end_slice(7, true));   // the source went back in time
  CHECK(rounds.end_slice(8, true));
  CHECK(rounds.slices() == 6);
}

TEST_CASE("a batch without changes ends in its first slice") {
  Rounds rounds(5);
  CHECK(rounds.end_slice(5, true));
}

TEST_CASE("a key logged a million times is held a few thousand times at most") {
  Rounds rounds(0);
  std::size_t count = 0;
  std::size_t bytes = 0;
  for (int i = 0; i < 1'000'000; ++i) {
    if (!rounds.log(i + 1, 1, i % 2 == 0 ? "even" : "odd")) FAIL("a gap");
    count = std::max(count, rounds.pending_count());
    bytes = std::max(bytes, rounds.pending_bytes());
  }
  CHECK(count <= 5'000);
  CHECK(bytes <= 5'000 * 64);
  CHECK(take_all(rounds) == Keys{{1, "even"}, {1, "odd"}});
  CHECK(rounds.pending_bytes() == 0);
}

TEST_CASE("keys that are logged and taken in any order are those of a plain set") {
  std::mt19937_64 random(test::test_seed());
  for (int run = 0; run < 200; ++run) {
    const std::uint64_t spread = run % 4 == 3 ? 1'000'000 : 10 + random() % 1'000;
    Rounds rounds(0);
    std::set<std::pair<std::uint32_t, std::string>> pending;
    const int steps = run % 20 == 3 ? 20'000 : 300;
    std::uint64_t logging = 1;  // of 10: how many steps log
    for (int step = 0; step < steps; ++step) {
      if (step % 100 == 0) logging = 1 + random() % 10;
      if (random() % 10 < logging) {
        const auto table = static_cast<std::uint32_t>(1 + random() % 3);
        std::string key = std::to_string(random() % spread);
        if (random() % 2 == 0) key += "; too long for a string without memory of its own";
        REQUIRE(rounds.log(rounds.scanned() + 1, table, key));
        pending.emplace(table, key);
      } else if (const auto key = rounds.take()) {
        REQUIRE(pending.erase({key->table, key->bytes}) == 1);
      } else {
        REQUIRE(pending.empty());
      }
      REQUIRE(rounds.pending() == !pending.empty());
      REQUIRE(rounds.pending_count() >= pending.size());
    }
    for (const Rounds::Key& key : take_all(rounds))
      REQUIRE(pending.erase({key.table, key.bytes}) == 1);
    REQUIRE(pending.empty());
    REQUIRE(rounds.pending_bytes() == 0);
  }
}

/// Slices that end with these rests (nothing pending, so many seqs not scanned); after how many of
/// them the batch was stalled, 0 if never.
std::size_t stalled_after(const std::vector<std::int64_t>& rests, bool scans_done = true) {
  Rounds rounds(0);
  for (std::size_t i = 0; i < rests.size(); ++i) {
    REQUIRE_FALSE(rounds.end_slice(rests[i], scans_done));
    if (rounds.stalled()) return i + 1;
  }
  return 0;
}

TEST_CASE("a rest that does not shrink stalls after so many slices, neither sooner nor later") {
  CHECK(stalled_after(std::vector<std::int64_t>(100, 7)) == kSlicesWithoutProgress + 1);
  std::vector<std::int64_t> growing;
  for (std::int64_t rest = 1; rest <= 100; ++rest) growing.push_back(rest);
  CHECK(stalled_after(growing) == kSlicesWithoutProgress + 1);
}

TEST_CASE("a pending key is part of the rest") {
  Rounds rounds(0);
  log_all(rounds, {{1, "a"}});
  for (std::size_t i = 0; i < kSlicesWithoutProgress; ++i) {
    CHECK_FALSE(rounds.end_slice(1, true));
    CHECK_FALSE(rounds.stalled());
  }
  CHECK_FALSE(rounds.end_slice(1, true));
  CHECK(rounds.stalled());
  CHECK(rounds.take());
  CHECK(rounds.end_slice(1, true));
  CHECK_FALSE(rounds.stalled());
}

TEST_CASE("a rest that shrinks slowly, or after one burst of writes, does not stall") {
  std::vector<std::int64_t> rests;
  for (std::int64_t rest = 1'000; rest > 900; --rest) rests.push_back(rest);
  for (std::int64_t rest = 100'000; rest > 99'800; --rest) rests.push_back(rest);
  CHECK(stalled_after(rests) == 0);
}

TEST_CASE("bursts that keep coming stall even though the rest shrinks between them") {
  std::vector<std::int64_t> rests;
  for (std::int64_t slice = 0; slice < 200; ++slice)
    rests.push_back(1'000 + 60 * (slice / 5) - 10 * slice);
  CHECK(stalled_after(rests) > 0);
}

TEST_CASE("slices that scan a table do not stall") {
  CHECK(stalled_after(std::vector<std::int64_t>(100, 7), false) == 0);
  Rounds rounds(0);
  for (std::size_t i = 0; i < kSlicesWithoutProgress; ++i)
    static_cast<void>(rounds.end_slice(7, true));
  static_cast<void>(rounds.end_slice(7, false));
  static_cast<void>(rounds.end_slice(7, true));
  CHECK_FALSE(rounds.stalled());
}

}  // namespace
}  // namespace lockstep::capture
