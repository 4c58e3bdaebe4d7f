// An application that writes some tables on both sides at once: what is between its two writes is
// no difference when both sides are compared.
#include <fmt/format.h>

#include <atomic>
#include <fstream>
#include <sstream>

#include "tests/system/dual_shop.hpp"

namespace lockstep::test {

using Catch::Contains;
using Json = nlohmann::json;

TEST_CASE("rows between the two writes converge, and those that do not differ", "[system]") {
  DualShop shop("dual_converges");
  const std::string go_on = shop.in_folder("go on"), trace = shop.in_folder("trace");
  shop.start(R"({"orders": "source", "visits": "source"})",
             {.environment = {"LOCKSTEP_FAILPOINTS=dual.look_again=block:" + go_on + "@1",
                              "LOCKSTEP_FAILPOINT_TRACE=" + trace}},
             R"(, "on_bad_value": "text")");  // it is part of what both sides have to agree on
  shop.caught_up();
  shop.begun("visits");
  const auto looks = [&] {
    const std::string text = contents(trace);
    std::size_t found = 0;
    for (std::size_t at = 0; (at = text.find("dual.look_again\n", at)) != std::string::npos; ++at)
      ++found;
    return found;
  };
  const std::string visit =
      "INSERT INTO visits VALUES ('ffeeddccbbaa99887766554433221100', '2026-01-01 00:00:00', '{}')";
  shop.there(
      "INSERT INTO orders VALUES (700, 'first there', 1, 1); UPDATE orders SET n = 3 WHERE "
      "id = 2; DELETE FROM orders WHERE id = 3");
  const std::string html = shop.in_folder("verify.html");
  Process verifying({LOCKSTEP_BINARY, "verify", shop.file(), shop.dsn(), "--json", "--html", html},
                    clean());
  REQUIRE(wait_until([&] { return looks() == 1; }, 30s, 5ms));
  shop.here(
      "INSERT INTO orders VALUES (700, 'first there', 1, 1); UPDATE orders SET n = 3 WHERE "
      "id = 2; DELETE FROM orders WHERE id = 3");
  std::ofstream(go_on) << "now";
  CHECK(verifying.wait_or_throw(60s) == ExitStatus{.code = 0});
  Json line;
  std::istringstream lines(verifying.output());
  for (std::string text; std::getline(lines, text);)
    if (const Json one = Json::parse(text); one["type"] == "table" && one["table"] == "orders")
      line = one;
  INFO(verifying.output());
  CHECK(line["converged"] == 3);
  const std::string at = line["converged_at"].get<std::string>();
  CHECK_THAT(contents(html), Contains(at) && Contains("orders converged at " + at));
  REQUIRE(wait_until([&] { return shop.table("orders")["verified"]["converged_at"] == at; }, 20s,
                     20ms));
  CHECK(shop.table("orders")["verified"]["state"] == "clean");
  CHECK(shop.table("visits")["verified"]["converged_at"].is_null());
  CHECK_THAT(lockstep({"status", shop.file()}).output, Contains("converged at " + at));
  // The gate of the cutover takes it for proven.
  const Outcome dry = lockstep({"cutover", shop.file(), "--dry-run", "--json"});
  require_code(dry, 0);

  // What stays different is found; of its key SQLite has another spelling.
  const std::size_t before = looks();
  shop.there(visit);
  const Outcome differs = shop.verify({"--table", "visits"});
  require_code(differs, 4);
  CHECK_THAT(differs.output, Contains("on the target only"));
  CHECK(looks() > before);
  require_code(lockstep({"cutover", shop.file(), "--dry-run", "--json"}), 3);
  shop.here(visit);
  shop.caught_up();
  require_code(shop.verify({"--table", "visits"}), 0);
  // The source's row comes back by a repair, which counts as the conflict that it is.
  shop.there("UPDATE orders SET n = 99 WHERE id = 8");
  require_code(shop.verify({"--table", "orders", "--repair", "--yes"}), 0);
  CHECK(shop.seen("SELECT n FROM orders WHERE id = 8") == "0");
  CHECK(shop.conflicts("orders") == "1");
  // A table that is not dual-written is not looked at again.
  server().query("SET lockstep.guard = off; UPDATE plain SET n = 1", "dual_converges");
  const std::size_t after = looks();
  require_code(shop.verify({"--table", "plain"}), 4);
  CHECK(looks() == after);
  shop.stop();
}

TEST_CASE("rows with long values are looked at again as well", "[system]") {
  DualShop shop("dual_long");
  shop.here(
      "CREATE TABLE wide(id INTEGER PRIMARY KEY, a TEXT, b TEXT, c TEXT, d TEXT, e TEXT, f TEXT);"
      "WITH RECURSIVE r(i, t) AS (SELECT 1, replace(hex(zeroblob(2000)), '0', 'x') UNION ALL "
      "SELECT i + 1, t FROM r WHERE i < 250) INSERT INTO wide SELECT i, t, t, t, t, t, t || i "
      "FROM r;");
  const std::string go_on = shop.in_folder("go on"), trace = shop.in_folder("trace");
  shop.start(R"({"wide": "source"})",
             {.environment = {"LOCKSTEP_FAILPOINTS=dual.look_again=block:" + go_on + "@1",
                              "LOCKSTEP_FAILPOINT_TRACE=" + trace}});
  shop.caught_up();
  shop.begun("wide");
  shop.there("UPDATE wide SET c = c || 'y'");
  Process verifying(
      {LOCKSTEP_BINARY, "verify", shop.file(), shop.dsn(), "--json", "--table", "wide"}, clean());
  REQUIRE(wait_until([&] { return contents(trace).find("dual.look_again\n") != std::string::npos; },
                     30s, 5ms));
  shop.here("UPDATE wide SET c = c || 'y'");
  std::ofstream(go_on) << "now";
  const ExitStatus converged = verifying.wait_or_throw(60s);
  INFO(verifying.output() << verifying.error_output());
  CHECK(converged == ExitStatus{.code = 0});
  CHECK_THAT(verifying.output(), Contains("\"converged\":250"));
  // More of them, and for good; a few are shown.
  shop.there("UPDATE wide SET c = c || 'z'");
  const Outcome differs = shop.verify({"--table", "wide", "--json"});
  require_code(differs, 4);
  CHECK_THAT(differs.output, Contains("\"differ\":250") && Contains("c is 'xxxx"));
  shop.stop();
}

}  // namespace lockstep::test
