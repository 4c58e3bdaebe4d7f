#include "model/position.hpp"

#include <catch2/catch.hpp>
#include <limits>
#include <string>

using namespace lockstep;

namespace {

Era era(std::uint8_t first) {
  Era made;
  for (std::size_t i = 0; i < made.bytes.size(); ++i)
    made.bytes[i] = static_cast<std::uint8_t>(first + 17 * i);
  return made;
}

constexpr auto kMin = std::numeric_limits<std::int64_t>::min();
constexpr auto kMax = std::numeric_limits<std::int64_t>::max();

}  // namespace

TEST_CASE("a position comes back from its text") {
  const Position position{era(0x6b), 1204, -77120934};
  CHECK(to_string(position) == "6b7c8d9e-afc0-d1e2-f304-15263748596a/1204/-77120934");
  for (const Position& each : {position, Position{era(0), 0, 0}, Position{era(255), kMax, kMin},
                               Position{Era{}, kMin, kMax}}) {
    INFO(to_string(each));
    CHECK(parse_position(to_string(each)) == each);
    CHECK(parse_era(to_string(each.era)) == each.era);
  }
}

TEST_CASE("what is not a position is not taken for one") {
  const std::string good = "6b7c8d9e-afc0-d1e2-f304-15263748596a";
  REQUIRE(parse_position(good + "/1/2"));
  for (const std::string& bad :
       {std::string(), good, good + "/1", good + "/1/", good + "//2", good + "/1/2/3",
        good + "/1/2 ", good + "/ 1/2", good + "/1x/2", good + "/+1/2",
        good + "/9223372036854775808/2", "x" + good + "/1/2", std::string("/1/2"),
        "6b7c8d9e" + good.substr(9) + "/1/2", "6B" + good.substr(2) + "/1/2",
        "g" + good.substr(1) + "/1/2", good.substr(0, 35) + "/1/2",
        "6b7c8d9e0" + good.substr(9) + "/1/2"}) {
    INFO(bad);
    CHECK_FALSE(parse_position(bad));
  }
}

TEST_CASE("positions of one era are ordered by their number") {
  const Position early{era(1), 5, 100}, late{era(1), 6, -100};
  CHECK(early < late);
  CHECK(late > early);
  CHECK(early <= early);
  CHECK(early == Position{era(1), 5, 100});
}

TEST_CASE("positions of other eras are neither before nor after nor equal") {
  const Position here{era(1), 5, 100}, there{era(2), 6, 100};
  CHECK_FALSE(here < there);
  CHECK_FALSE(here > there);
  CHECK_FALSE(here <= there);
  CHECK_FALSE(here >= there);
  CHECK_FALSE(here == there);
}

TEST_CASE("the same number with another identity is another history") {
  const Position here{era(1), 5, 100}, there{era(1), 5, 101};
  CHECK_FALSE(here <= there);
  CHECK_FALSE(here >= there);
  CHECK_FALSE(here == there);
}
