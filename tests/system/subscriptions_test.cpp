// A subscription that writes to a followed table on PostgreSQL: a gate of cutover and rollback.
#include "tests/system/moved_world.hpp"

namespace lockstep::test {
namespace {

using Catch::Contains;
using Json = nlohmann::json;

Json subscriptions(const Moved& moved, const std::string& command) {
  const Json gates = object_of(
      lockstep({command, moved.file(), "--dry-run", "--json", "--verify-max-age", "0"}), "gates");
  for (const Json& each : gates["gates"])
    if (each["name"] == "subscriptions") return each;
  return {};
}

}  // namespace

TEST_CASE("a subscription keeps a cutover waiting, and a rollback tells of it", "[system]") {
  const std::string elsewhere = server().create_database("publisher");
  query(elsewhere,
        "CREATE TABLE t (id bigint PRIMARY KEY, v text); CREATE PUBLICATION p FOR TABLE t");
  const Moved moved(
      "subscribed", R"({"continuous": false})", "WAL",
      "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT); CREATE TABLE o(id INTEGER PRIMARY KEY)",
      [&](const Moved& now) {
        CHECK(subscriptions(now, "cutover").is_null());
        now.write("CREATE SUBSCRIPTION s CONNECTION '" + elsewhere +
                  "' PUBLICATION p WITH (copy_data = false, create_slot = false, slot_name = "
                  "'missing', enabled = false)");
        CHECK(subscriptions(now, "cutover")["open"] == true);
        now.write("ALTER SUBSCRIPTION s ENABLE");
        const Json shut = subscriptions(now, "cutover");
        CHECK(shut["open"] == false);
        CHECK(shut["found"] == "s writes to t");
        require_code(
            lockstep({"cutover", now.file(), "--confirm", "moved", "--verify-max-age", "0"}), 3);
        now.write("ALTER SUBSCRIPTION s DISABLE");
      });
  moved.write("ALTER SUBSCRIPTION s ENABLE");
  const Json told = subscriptions(moved, "rollback");
  CHECK(told["open"] == true);
  CHECK_THAT(told["found"].get<std::string>(), Contains("s writes to t; behind the rollback"));
  moved.write("ALTER SUBSCRIPTION s DISABLE");
  moved.write("ALTER SUBSCRIPTION s SET (slot_name = NONE)");
  moved.write("DROP SUBSCRIPTION s");
}

}  // namespace lockstep::test
