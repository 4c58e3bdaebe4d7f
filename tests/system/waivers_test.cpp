// Differences that somebody answers for, in reports and at the gates of a switch.
#include "tests/system/shop.hpp"

namespace lockstep::test {

TEST_CASE("what somebody answers for shuts no gate, until the waiver's last day", "[system]") {
  Shop shop("waived");
  const TempDir folder;
  const std::string config = folder.file("waived.json");
  const auto waive = [&](int rows, const std::string& until) {
    std::ofstream(config) << fmt::format(
        R"({{ "version": 1, "waivers": [ {{ "check": "LS-V501", "table":
      "ord*", "max_rows": {}, "reason": "a test row", "by": "kim", "until": "{}" }} ] }})",
        rows, until);
  };
  const auto asked = [&](const std::string& command, std::vector<std::string> more) {
    more.insert(more.begin(), {command, shop.file(), "--config", config});
    return lockstep(more);
  };
  const auto compared = [&](const std::string& direction) {
    const Outcome dry = asked(direction, {"--dry-run", "--json", "--verify-max-age", "1h"});
    for (const std::string& line : Shop::lines(dry.output)) {
      const auto object = nlohmann::json::parse(line);
      if (object["type"] != "gates") continue;
      for (const auto& each : object["gates"])
        if (each["name"] == "compared")
          return fmt::format("{}: {}", each["open"].get<bool>() ? "open" : "shut",
                             each["found"].get<std::string>());
    }
    return everything(dry);
  };
  sqlite(shop.file(), "INSERT INTO orders(token, n) VALUES ('second', 2)");
  wait_caught_up(shop.file());
  server().query("SET session_replication_role = replica; UPDATE orders SET n = 7", "waived");
  waive(2, "2999-12-31");
  require_code(asked("verify", {}), 9);
  using Catch::Contains;
  CHECK_THAT(compared("cutover"),
             Contains("open: equal but for waivers, ") &&
                 Contains("waived: orders (2 rows; waived until 2999-12-31 by kim: a test row)"));
  waive(1, "2999-12-31");
  CHECK_THAT(compared("cutover"), Contains("shut: different: orders (2 rows; the waiver of kim is "
                                           "for 1 row(s), these are 2)"));
  waive(2, "2020-12-31");
  CHECK_THAT(compared("cutover"), Contains("shut: different: orders (2 rows; the waiver of kim "
                                           "ended with 2020-12-31)"));
  require_code(asked("verify", {}), 4);
  const std::vector<std::string> now{"--confirm", "shop", "--max-pause", "5s"};
  require_code(asked("cutover", now), 3);
  CHECK(shop.sqlite_role() == "primary");
  // It is no proof: who waits for that goes on waiting.
  waive(2, "2999-12-31");
  require_code(asked("wait", {"--for", "verified", "--timeout", "200ms"}), 6);
  require_code(asked("cutover", now), 0);
  REQUIRE(wait_until([&] { return shop.settled(); }, 20s, 20ms));

  // The gates of rollback know it as well.
  REQUIRE(wait_until([&] { return asked("verify", {}).status.code == 9; }, 20s, 50ms));
  CHECK_THAT(compared("rollback"), Contains("open: ") && Contains("waived: orders (2 rows; "));
  waive(2, "2020-12-31");
  CHECK_THAT(compared("rollback"),
             Contains("shut: different: orders (2 rows; the waiver of kim ended with 2020-12-31)"));
  require_code(asked("rollback", now), 3);
  waive(2, "2999-12-31");
  REQUIRE(wait_until([&] { return asked("rollback", now).status.code == 0; }, 20s, 50ms));
  CHECK(shop.sqlite_role() == "primary");
}

}  // namespace lockstep::test
