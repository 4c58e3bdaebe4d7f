// Differences that somebody answers for, in reports and at the gates of a switch.
#include <fmt/format.h>

#include <fstream>

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

// A value that cannot be read any more says nothing about the rest of its table: somebody may
// answer for that, in both directions.
TEST_CASE("what cannot be compared shuts the gate of both ways, until somebody answers for it",
          "[system]") {
  Shop shop("unreadable");
  const TempDir folder;
  const std::string config = folder.file("waived.json");
  const auto waive = [&](const std::string& until) {
    std::ofstream(config) << fmt::format(
        R"({{ "version": 1, "waivers": [ {{ "check": "LS-V534", "table": "notes", "max_rows": 1,
      "reason": "restored on Monday", "by": "kim", "until": "{}" }} ] }})",
        until);
  };
  const auto asked = [&](const std::string& command, std::vector<std::string> more) {
    more.insert(more.begin(), {command, shop.file(), "--config", config});
    return lockstep(more);
  };
  const std::vector<std::string> now{"--confirm", "shop", "--max-pause", "5s"};
  // Not among the first rows, of which a cutover tries whether they can go back.
  sqlite(
      shop.file(),
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) INSERT INTO "
      "notes SELECT 'n' || i, 'x' FROM n");
  wait_caught_up(shop.file());
  sqlite(shop.file(), "INSERT INTO notes VALUES ('long', hex(randomblob(50000)))");
  wait_caught_up(shop.file());
  server().query(
      fmt::format(
          "CREATE SCHEMA surgery; CREATE EXTENSION pg_surgery SCHEMA surgery; SELECT "
          "surgery.heap_force_kill('{}'::regclass, ARRAY['(0,1)']::tid[])",
          server().value("SELECT reltoastrelid::regclass FROM pg_class WHERE relname = 'notes'",
                         "unreadable")),
      "unreadable");
  using Catch::Contains;
  for (const char* direction : {"cutover", "rollback"}) {
    INFO(direction);
    waive("2020-12-31");
    REQUIRE(wait_until([&] { return asked("verify", {}).status.code == 7; }, 20s, 50ms));
    const Outcome shut = asked(direction, now);
    require_code(shut, 3);
    CHECK_THAT(everything(shut), Contains("not compared: notes; the waiver of kim ended with "
                                          "2020-12-31"));
    waive("2999-12-31");
    require_code(asked("verify", {}), 9);
    Outcome opened;
    static_cast<void>(wait_until(
        [&] {
          opened = asked(direction, now);
          return opened.status.code == 0;
        },
        20s, 50ms));
    require_code(opened, 0);
    CHECK_THAT(everything(opened), Contains("equal but for waivers, ") &&
                                       Contains("waived: notes (not compared; waived until "
                                                "2999-12-31 by kim: restored on Monday)"));
    REQUIRE(wait_until([&] { return shop.settled(); }, 20s, 20ms));
  }
  CHECK(shop.sqlite_role() == "primary");
}

}  // namespace lockstep::test
