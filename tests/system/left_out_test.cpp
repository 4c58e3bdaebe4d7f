// Tables that nobody follows: everybody who asks is told, and the writers do not move without them
// unless somebody said so.
#include "tests/system/shop.hpp"

namespace lockstep::test {
namespace {

using nlohmann::json;

json left_out(const Shop& shop) {
  const Outcome outcome = lockstep({"status", shop.file(), "--json"});
  require_code(outcome, 0);
  return json::parse(outcome.output).at("left_out");
}

json gate_of(const Shop& shop) {
  const Outcome outcome =
      lockstep({"cutover", shop.file(), "--verify-max-age", "0", "--dry-run", "--json"});
  for (const std::string& line : Shop::lines(outcome.output)) {
    const json object = json::parse(line);
    if (object["type"] != "gates") continue;
    for (const json& each : object["gates"])
      if (each["name"] == "left out") return each;
  }
  return {};
}

// One that cannot be followed: an INTEGER column that holds a text as well.
void make_mixed(const Shop& shop, const std::string& name) {
  sqlite(shop.file(), "BEGIN; CREATE TABLE " + name + "(id INTEGER PRIMARY KEY, v INTEGER);" +
                          "INSERT INTO " + name + " VALUES (1, 5), (2, 'five'); COMMIT");
}

}  // namespace

TEST_CASE("a table that cannot be followed keeps the writers where they are", "[system]") {
  Shop shop("leaves");
  CHECK(left_out(shop) == json::parse(R"({"not_followed": [], "by_choice": []})"));
  CHECK(gate_of(shop)["open"] == true);
  make_mixed(shop, "mixed");
  CHECK(left_out(shop)["not_followed"] == json{"mixed"});
  CHECK_THAT(lockstep({"status", shop.file()}).output,
             Catch::Contains("left out   mixed (not followed: lockstep ddl status"));
  const Outcome asked = lockstep({"ddl", "status", shop.file()});
  require_code(asked, 3);
  CHECK_THAT(asked.output, Catch::Contains("left out  mixed:") && Catch::Contains("ddl accept"));
  CHECK_THAT(lockstep({"verify", shop.file(), shop.dsn()}).output,
             Catch::Contains("not followed and not compared: mixed"));
  const json shut = gate_of(shop);
  CHECK(shut["open"] == false);
  CHECK(shut["found"] == "not followed: mixed");
  require_code(shop.move("cutover"), 3);
  CHECK(shop.sqlite_role() == "primary");
  // Somebody says so.
  const Outcome accepted = lockstep({"ddl", "accept", shop.file()});
  require_code(accepted, 0);
  CHECK_THAT(accepted.output, Catch::Contains("left out  mixed: it stays on SQLite by choice"));
  CHECK(left_out(shop) == json::parse(R"({"not_followed": [], "by_choice": ["mixed"]})"));
  require_code(lockstep({"ddl", "status", shop.file()}), 0);
  const json open = gate_of(shop);
  CHECK(open["open"] == true);
  CHECK(open["found"] == "none; not moved, by choice: mixed");
  require_code(shop.move("cutover", {"--when-ready"}), 0);
  CHECK(shop.sqlite_role() == "replica");
}

TEST_CASE("a table that was made since is left out by --exclude at the next start", "[system]") {
  Shop shop("excludes");
  make_mixed(shop, "mixed");
  make_mixed(shop, "other");
  CHECK(left_out(shop)["not_followed"] == json({"mixed", "other"}));
  shop.stop_following();
  const Outcome again = lockstep(
      {"run", shop.file(), shop.dsn(), "--exclude", "mix*", "--until", "caught-up", "--quiet"});
  require_code(again, 0);
  CHECK(left_out(shop) == json::parse(R"({"not_followed": ["other"], "by_choice": ["mixed"]})"));
}

}  // namespace lockstep::test
