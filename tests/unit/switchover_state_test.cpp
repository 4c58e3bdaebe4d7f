// The rows of both sides as compare-and-set leaves them, under coordinators that begin, stop and
// die anywhere: at most one side is open at every moment, and whoever comes last opens one.
#include "switchover/state.hpp"

#include <catch2/catch.hpp>
#include <random>
#include <vector>

#include "tests/support/seed.hpp"

namespace lockstep::switchover {
namespace {

/// What each durable step does to the rows, as sqlite_side and postgres_side do it in SQL; and the
/// number of the last write on each side, so that "behind" can be told.
struct World {
  Sides sides;
  std::int64_t sqlite_writes = 0, postgres_has = 0;  // forward
  std::int64_t postgres_writes = 0, sqlite_has = 0;  // reverse

  Side& gains(Direction direction) {
    return direction == Direction::forward ? sides.postgres : sides.sqlite;
  }
  Side& loses(Direction direction) {
    return direction == Direction::forward ? sides.sqlite : sides.postgres;
  }
  [[nodiscard]] bool drained(Direction direction) const {
    return direction == Direction::forward ? postgres_has == sqlite_writes
                                           : sqlite_has == postgres_writes;
  }
  bool prepare(Direction direction, std::int64_t attempt) {
    Side& side = gains(direction);
    if (side.role != Role::replica || side.decision == Decision::pending || side.attempt >= attempt)
      return false;
    side.attempt = attempt;
    side.decision = Decision::pending;
    return true;
  }
  bool fence(Direction direction, std::int64_t attempt) {
    Side& side = loses(direction);
    const bool may = side.role != Role::replica &&
                     (side.fence < attempt || (side.fence == attempt && side.role == Role::fenced));
    if (may) side.fence = attempt, side.role = Role::fenced;
    return may;
  }
  bool commit(Direction direction, std::int64_t attempt) {
    Side& side = gains(direction);
    if (side.decision != Decision::pending || side.attempt != attempt ||
        side.role != Role::replica || !drained(direction))
      return false;
    side.decision = Decision::committed;
    side.role = Role::primary;
    return true;
  }
  void abort(Direction direction, std::int64_t attempt) {
    Side& side = gains(direction);
    if (side.attempt == attempt && side.decision == Decision::pending)
      side.decision = Decision::aborted;
  }
  void unfence(Direction direction, std::int64_t attempt) {
    Side& side = loses(direction);
    if (side.role != Role::replica && side.fence <= attempt)
      side.fence = attempt, side.role = Role::primary;
  }
  void hand_over(Direction direction, std::int64_t attempt) {
    Side& side = loses(direction);
    if (side.role == Role::fenced && side.fence == attempt) side.role = Role::replica;
  }
  [[nodiscard]] bool both_open() const {
    return sides.sqlite.role == Role::primary && sides.postgres.role == Role::primary;
  }
};

/// One that may stop between any two steps and go on much later, with what it knew.
struct Coordinator {
  enum class At { idle, prepared, fenced, aborting, unfencing, committed } at = At::idle;
  Direction direction = Direction::forward;
  std::int64_t attempt = 0;

  void recover(World& world) {
    const Unfinished what = unfinished(world.sides);
    direction = what.direction;
    attempt = what.attempt;
    if (what.step == Step::decide) at = what.fenced ? At::fenced : At::aborting;
    if (what.step == Step::unfence) at = At::unfencing;
    if (what.step == Step::hand_over) at = At::committed;
  }
  void begin(World& world, Direction wanted) {
    if (!may_begin(world.sides, wanted)) return;
    direction = wanted;
    attempt = next_attempt(world.sides);
    if (world.prepare(direction, attempt)) at = At::prepared;
  }
  void step(World& world) {
    switch (at) {
      case At::idle:
        return;
      case At::prepared:
        at = world.fence(direction, attempt) ? At::fenced : At::aborting;
        return;
      case At::fenced:
        at = world.commit(direction, attempt) ? At::committed : At::aborting;
        return;
      case At::aborting:
        world.abort(direction, attempt);
        at = world.gains(direction).decision == Decision::aborted &&
                     world.gains(direction).attempt == attempt
                 ? At::unfencing
                 : At::idle;
        return;
      case At::unfencing:
        world.unfence(direction, attempt);
        at = At::idle;
        return;
      case At::committed:
        world.hand_over(direction, attempt);
        at = At::idle;
        return;
    }
  }
};

}  // namespace

TEST_CASE("what a failover has taken back is explained by no attempt", "[unit]") {
  const Side fenced{.role = Role::fenced, .fence = 3}, gone{.role = Role::replica, .fence = 3};
  const Side knows_nothing{.role = Role::replica, .attempt = 2, .decision = Decision::aborted};
  CHECK(at_odds({fenced, knows_nothing}));
  CHECK(at_odds({gone, knows_nothing}));
  const Side gained{.fence = 2, .attempt = 3, .decision = Decision::committed};
  const Side open_again{.attempt = 2, .decision = Decision::committed};
  CHECK(at_odds({gained, open_again}));
  CHECK_FALSE(at_odds({}));
  const Side pending{.role = Role::replica, .attempt = 3, .decision = Decision::pending};
  CHECK_FALSE(at_odds({fenced, pending}));
}

TEST_CASE("at most one side is ever open, and one is in the end, whoever dies where", "[unit]") {
  std::mt19937_64 random{test::test_seed()};
  const auto one_of = [&](std::uint64_t n) { return random() % n; };
  int moved = 0, aborted = 0;
  for (int run = 0; run < 3'000; ++run) {
    World world;
    std::vector<Coordinator> coordinators(3);
    for (int turn = 0; turn < 120; ++turn) {
      Coordinator& one = coordinators[one_of(coordinators.size())];
      switch (one_of(8)) {
        case 0:
          if (world.sides.sqlite.role == Role::primary) ++world.sqlite_writes;
          if (world.sides.postgres.role == Role::primary) ++world.postgres_writes;
          break;
        case 1:  // the batches arrive
          if (world.sides.postgres.role == Role::replica) world.postgres_has = world.sqlite_writes;
          if (world.sides.sqlite.role == Role::replica) world.sqlite_has = world.postgres_writes;
          break;
        case 2:
          one = {};  // kill -9
          break;
        case 3:
          if (one.at == Coordinator::At::idle) one.recover(world);
          break;
        case 4:
          if (one.at == Coordinator::At::idle)
            one.begin(world, one_of(2) == 0 ? Direction::forward : Direction::reverse);
          break;
        default:
          one.step(world);
      }
      REQUIRE_FALSE(world.both_open());
      REQUIRE_FALSE(at_odds(world.sides));
      // Nothing that was written is missing where the application goes on.
      if (world.sides.postgres.role == Role::primary && world.sides.sqlite.role != Role::primary)
        REQUIRE(world.postgres_has == world.sqlite_writes);
      if (world.sides.sqlite.role == Role::primary && world.sides.postgres.role == Role::replica &&
          world.sides.sqlite.decision == Decision::committed)
        REQUIRE(world.sqlite_has == world.postgres_writes);
    }
    // The last one, alone: it ends in a few steps, with a side open.
    Coordinator last;
    for (int turn = 0; turn < 12; ++turn) {
      if (last.at == Coordinator::At::idle) last.recover(world);
      last.step(world);
    }
    REQUIRE(unfinished(world.sides).step == Step::none);
    REQUIRE(writers(world.sides).has_value());
    moved += world.sides.postgres.decision == Decision::committed;
    aborted += world.sides.postgres.decision == Decision::aborted;
  }
  CHECK(moved > 300);
  CHECK(aborted > 300);
}

TEST_CASE("what is unfinished follows from the two rows alone", "[unit]") {
  const Side open{.role = Role::primary};
  const Side replica{.role = Role::replica};
  CHECK(unfinished({open, replica}) == Unfinished{});
  CHECK(may_begin({open, replica}, Direction::forward));
  CHECK_FALSE(may_begin({open, replica}, Direction::reverse));
  const Side pending{.role = Role::replica, .attempt = 3, .decision = Decision::pending};
  CHECK(unfinished({open, pending}) == Unfinished{Step::decide, Direction::forward, 3, false});
  CHECK_FALSE(may_begin({open, pending}, Direction::forward));
  const Side fenced{.role = Role::fenced, .fence = 3};
  CHECK(unfinished({fenced, pending}) == Unfinished{Step::decide, Direction::forward, 3, true});
  const Side committed{.role = Role::primary, .attempt = 3, .decision = Decision::committed};
  CHECK(unfinished({fenced, committed}) ==
        Unfinished{Step::hand_over, Direction::forward, 3, true});
  const Side aborted{.role = Role::replica, .attempt = 3, .decision = Decision::aborted};
  CHECK(unfinished({fenced, aborted}) == Unfinished{Step::unfence, Direction::forward, 3, true});
  // A2 poisons: a fence of attempt 3 that comes late must be refused.
  CHECK(unfinished({open, aborted}) == Unfinished{Step::unfence, Direction::forward, 3, false});
  const Side poisoned{.role = Role::primary, .fence = 3};
  CHECK(unfinished({poisoned, aborted}) == Unfinished{});
  CHECK(next_attempt({poisoned, aborted}) == 4);
  const Side gone{.role = Role::replica, .fence = 3};
  CHECK(unfinished({gone, committed}) == Unfinished{});
  CHECK(flow({gone, committed}) == Direction::reverse);
  CHECK(writers({gone, committed}) == Engine::postgres);
  CHECK(writers({fenced, pending}) == std::nullopt);
  CHECK(may_begin({gone, committed}, Direction::reverse));
}

TEST_CASE("roles and decisions are spelled as they are stored", "[unit]") {
  for (const Role role : {Role::primary, Role::fenced, Role::replica})
    CHECK(parse_role(to_string(role)) == role);
  CHECK_FALSE(parse_role("Primary").has_value());
  for (const Decision decision :
       {Decision::none, Decision::pending, Decision::committed, Decision::aborted})
    CHECK(parse_decision(to_string(decision)) == decision);
  CHECK_FALSE(parse_decision("").has_value());
}

}  // namespace lockstep::switchover
