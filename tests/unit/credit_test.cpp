#include "link/wire/credit.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <deque>
#include <limits>
#include <random>

#include "link/wire/message.hpp"
#include "tests/support/seed.hpp"

namespace lockstep::wire {
namespace {

TEST_CASE("nothing may be sent before credit was granted") {
  CreditAccount account;
  CHECK_FALSE(account.may_send());
  account.grant({100, 0});
  CHECK_FALSE(account.may_send());
  account.grant({0, 1});
  CHECK(account.may_send());
}

TEST_CASE("the last message may overdraw the bytes, and the debt is paid before the next") {
  CreditAccount account;
  account.grant({10, 5});
  account.spend(1000);
  CHECK_FALSE(account.may_send());
  account.grant({990, 0});
  CHECK_FALSE(account.may_send());
  account.grant({1, 0});
  CHECK(account.may_send());
}

TEST_CASE("messages run out like bytes do") {
  CreditAccount account;
  account.grant({1000, 2});
  account.spend(1);
  CHECK(account.may_send());
  account.spend(1);
  CHECK_FALSE(account.may_send());
}

TEST_CASE("a new session starts without credit") {
  CreditAccount account;
  account.grant({1000, 10});
  account.reset();
  CHECK_FALSE(account.may_send());
}

TEST_CASE("an absurd grant, given again and again, overflows nothing") {
  constexpr std::uint64_t kAll = std::numeric_limits<std::uint64_t>::max();
  CreditAccount account;
  for (int i = 0; i < 10; ++i) {
    account.grant({kAll, kAll});
    CHECK(account.may_send());
    account.spend(kBodyBytesMax);
  }
}

TEST_CASE("credit is granted again in lumps of half the window") {
  CreditWindow window({1000, 100});
  const Credit first = window.open();
  CHECK(first.bytes == 1000);
  CHECK(first.messages == 100);

  const Credit none = window.consumed(499);
  CHECK(none.bytes == 0);
  CHECK(none.messages == 0);
  const Credit half = window.consumed(1);
  CHECK(half.bytes == 500);
  CHECK(half.messages == 2);

  for (int i = 0; i < 49; ++i) CHECK(window.consumed(1).messages == 0);
  CHECK(window.consumed(1).messages == 50);
}

TEST_CASE("what an old session had consumed is not granted to the new one") {
  CreditWindow window({1000, 100});
  static_cast<void>(window.open());
  static_cast<void>(window.consumed(499));
  static_cast<void>(window.open());
  CHECK(window.consumed(499).bytes == 0);
}

TEST_CASE("sender and receiver never wait for each other, and never hold more than the window") {
  std::mt19937_64 dice(test::test_seed());
  for (int run = 0; run < 200; ++run) {
    const Credit size{1 + dice() % 5000, 1 + dice() % 20};
    CreditWindow window(size);
    CreditAccount account;
    account.grant(window.open());
    std::deque<std::size_t> under_way;
    std::uint64_t bytes_under_way = 0;
    for (int sent = 0; sent < 500;) {
      if (account.may_send() && dice() % 3 != 0) {
        const std::size_t bytes = dice() % 2000;
        account.spend(bytes);
        under_way.push_back(bytes);
        bytes_under_way += bytes;
        ++sent;
        REQUIRE(under_way.size() <= size.messages);
        // The last one overdraws; before it the window had at least one byte left.
        REQUIRE(bytes_under_way < size.bytes + 2000);
      } else if (!under_way.empty()) {
        account.grant(window.consumed(under_way.front()));
        bytes_under_way -= under_way.front();
        under_way.pop_front();
      } else {
        REQUIRE(account.may_send());
      }
    }
  }
}

}  // namespace
}  // namespace lockstep::wire
