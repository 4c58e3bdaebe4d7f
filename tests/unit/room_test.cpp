#include "capture/room.hpp"

#include <catch2/catch.hpp>

namespace lockstep::capture {

TEST_CASE("a low disk matters when our changes take it, and then the application comes first") {
  const RoomLimits limits;
  const auto judge = [&](std::int64_t free_mib, std::int64_t our_mib) {
    return judge_room(free_mib * kMiB, our_mib * kMiB, limits);
  };
  CHECK(judge(2'048, 100'000) == Room::fine);
  CHECK(judge(2'047, 64) == Room::warn);
  CHECK(judge(512, 64) == Room::warn);
  CHECK(judge(511, 64) == Room::give_up);
  CHECK(judge(0, 64) == Room::give_up);
  // Somebody else's disk: giving up would free next to nothing.
  CHECK(judge(2'047, 63) == Room::fine);
  CHECK(judge(300, 63) == Room::fine);
  // A small disk: ours is as much as what is left.
  CHECK(judge(63, 63) == Room::give_up);
  CHECK(judge(64, 63) == Room::fine);
  CHECK(judge(1, 0) == Room::fine);
  // A full disk, and a batch that is under way: a new copy would be the price of nothing.
  CHECK(judge(0, 0) == Room::fine);
  CHECK(judge_room(0, 1'000 * kBytesPerChange, limits) == Room::fine);
  CHECK(judge_room(0, 1'400 * kBytesPerChange, limits) == Room::give_up);
}

}  // namespace lockstep::capture
