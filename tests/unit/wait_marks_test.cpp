// How far a clean comparison of all tables reaches.
#include "ops/wait_marks.hpp"

#include <catch2/catch.hpp>

namespace lockstep::ops {
namespace {

Position at(std::int64_t seq, std::uint8_t era = 1) {
  Position position{};
  position.era.bytes.fill(era);
  position.seq = seq;
  position.identity = seq * 7;
  return position;
}

verify::TableRecord compared(const Position& oldest, const Position& newest) {
  verify::TableRecord record;
  record.done = true;
  record.oldest = oldest;
  record.newest = newest;
  return record;
}

}  // namespace

TEST_CASE("a comparison reaches as far as the oldest look of any of its tables") {
  verify::PassResult pass{.id = 4, .state = verify::PassState::equal};
  const std::vector<verify::TableRecord> records{compared(at(20), at(90)), compared(at(12), at(30)),
                                                 compared(at(50), at(50))};
  const auto reached = verified_up_to(pass, records);
  REQUIRE(reached);
  CHECK(reached->position == at(12));
  CHECK(reached->pass == 4);
}

TEST_CASE("what is no proof of every row of every table reaches nowhere") {
  const verify::PassResult pass{.id = 4, .state = verify::PassState::equal};
  const std::vector<verify::TableRecord> records{compared(at(20), at(90)),
                                                 compared(at(12), at(30))};
  REQUIRE(verified_up_to(pass, records));
  CHECK_FALSE(verified_up_to(pass, {}));
  for (const verify::PassState state : {verify::PassState::different, verify::PassState::failed,
                                        verify::PassState::running, verify::PassState::requested}) {
    verify::PassResult other = pass;
    other.state = state;
    CHECK_FALSE(verified_up_to(other, records));
  }
  verify::PassResult chosen = pass;
  chosen.all = false;
  CHECK_FALSE(verified_up_to(chosen, records));
  for (const std::size_t one : {0U, 1U}) {
    std::vector<verify::TableRecord> unfinished = records;
    unfinished[one].done = false;
    CHECK_FALSE(verified_up_to(pass, unfinished));
    std::vector<verify::TableRecord> not_compared = records;
    not_compared[one].problem = "its key has another order";
    CHECK_FALSE(verified_up_to(pass, not_compared));
    std::vector<verify::TableRecord> nowhere = records;
    nowhere[one].oldest.reset();
    CHECK_FALSE(verified_up_to(pass, nowhere));
    std::vector<verify::TableRecord> of_another_era = records;
    of_another_era[one].oldest = at(12, 2);
    CHECK_FALSE(verified_up_to(pass, of_another_era));
  }
}

}  // namespace lockstep::ops
