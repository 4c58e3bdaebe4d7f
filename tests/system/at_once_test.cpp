// Several commands for one switch: they may race, and what they make on PostgreSQL takes turns.
#include "tests/system/shop.hpp"

namespace lockstep::test {

TEST_CASE("cutovers and rollbacks that are begun at once do not trip over each other", "[system]") {
  Shop shop("at_once");
  shop.stop_following();
  for (int i = 0; i < 10; ++i)
    sqlite(shop.file(), "CREATE TABLE t" + std::to_string(i) + "(id INTEGER PRIMARY KEY, v TEXT)");
  shop.follow();
  require_caught_up(shop.run(), shop.file());
  int moved = 0;
  for (int round = 0; round < 3; ++round)
    for (const std::string direction : {"cutover", "rollback"}) {
      INFO(direction << " " << round);
      REQUIRE(wait_until(
          [&] {
            return lockstep({direction, shop.file(), "--dry-run", "--verify-max-age", "0"})
                       .status.code == 0;
          },
          30s, 20ms));
      std::vector<std::unique_ptr<Process>> racing;
      for (int i = 0; i < 3; ++i)
        racing.push_back(start_lockstep({direction, shop.file(), "--confirm", "shop", "--max-pause",
                                         "5s", "--verify-max-age", "0"}));
      for (const auto& each : racing) {
        const ExitStatus status = each->wait_or_throw(60s);
        const std::string said = each->output() + each->error_output();
        INFO(said);
        if (status == ExitStatus{.code = 0}) ++moved;
        // Whoever comes late finds another at it, or the writers there already, or on their way.
        for (const char* const tripped : {"LS-T211", "XX000", "23505", "42P07", "LS-X614"})
          CHECK(said.find(tripped) == std::string::npos);
      }
      REQUIRE(wait_until([&] { return shop.settled(); }, 30s, 20ms));
      // The next direction begins where this one ended, whoever of the three ended it.
      if ((direction == "cutover") == (shop.sqlite_role() == "primary")) shop.moved(direction);
    }
  CHECK(moved > 0);
  shop.equal();
}

}  // namespace lockstep::test
