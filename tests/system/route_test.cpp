// The file that tells applications where to write never sends them to an old copy.
#include <filesystem>

#include "tests/system/shop.hpp"

namespace lockstep::test {
namespace {

namespace fs = std::filesystem;

/// In place of the file, without what belongs to the one before.
void put_back(const std::string& copy, const std::string& file) {
  for (const char* beside : {"-wal", "-shm"}) fs::remove(file + beside);
  fs::copy_file(copy, file, fs::copy_options::overwrite_existing);
}

}  // namespace

TEST_CASE("an older SQLite file that is put back does not change the route", "[system]") {
  Shop shop("older");
  const TempDir folder;
  const std::string before = folder.file("before.db"), after = folder.file("after.db");
  sqlite(shop.file(), "VACUUM INTO '" + before + "'");
  shop.moved("cutover");
  CHECK(shop.route() == "postgres");
  shop.stop_following();
  sqlite(shop.file(), "VACUUM INTO '" + after + "'");
  put_back(before, shop.file());
  for (const std::vector<std::string>& more :
       {std::vector<std::string>{}, std::vector<std::string>{"readers", "sqlite"}}) {
    std::vector<std::string> command{"route", shop.file()};
    command.insert(command.end(), more.begin(), more.end());
    const Outcome refused = lockstep(command);
    require_code(refused, 7);
    CHECK_THAT(refused.error_output, Catch::Contains("LS-X675"));
    CHECK(shop.route() == "postgres");
  }
  put_back(after, shop.file());
  require_code(lockstep({"route", shop.file()}), 0);
  CHECK(shop.route() == "postgres");
  // A file that could not be written is put right.
  fs::remove(shop.file() + "-lockstep-route");
  require_code(lockstep({"route", shop.file()}), 0);
  CHECK(shop.route() == "postgres");
}

TEST_CASE("the route outlives the migration where PostgreSQL has the writers", "[system]") {
  Shop shop("outlives");
  shop.moved("cutover");
  shop.stop_following();
  require_code(lockstep({"complete", shop.file(), "--confirm", "shop"}), 0);
  CHECK(shop.route() == "postgres");
  const Outcome removed = lockstep({"remove", shop.file(), "--confirm", "shop"});
  require_code(removed, 0);
  CHECK_THAT(removed.output, Catch::Contains("-lockstep-route: who reads it"));
  CHECK(shop.route() == "postgres");
}

TEST_CASE("in the middle of a switch the route is what it was", "[system]") {
  Shop shop("middle");
  shop.moved("cutover");
  shop.moved("rollback");
  CHECK(shop.route() == "sqlite");
  shop.stop_following();
  shop.follow();
  REQUIRE(
      wait_until([&] { return shop.move("cutover", {"--dry-run"}).status.code == 0; }, 30s, 20ms));
  shop.run().signal(SIGSTOP);
  const auto sleeper = start_lockstep(
      {"cutover", shop.file(), "--confirm", "shop", "--max-pause", "5s", "--verify-max-age", "0"},
      {.environment = {"LOCKSTEP_FAILPOINTS=cut.fenced=stop"}});
  shop.run().signal(SIGCONT);
  REQUIRE(wait_until([&] { return is_stopped(*sleeper); }, 30s, 5ms));
  shop.run().signal(SIGSTOP);  // it would go on with the switch
  const Outcome asked = lockstep({"route", shop.file()});
  CHECK(shop.route() == "sqlite");
  CHECK_THAT(asked.output, Catch::Contains("nowhere"));
  shop.run().signal(SIGCONT);
  sleeper->signal(SIGCONT);
  REQUIRE(sleeper->wait(30s).has_value());
  REQUIRE(wait_until([&] { return shop.settled(); }, 30s, 20ms));
  REQUIRE(wait_until([&] { return shop.route() == "postgres"; }, 30s, 20ms));
  shop.moved("rollback");
  shop.stop_following();
  require_code(lockstep({"remove", shop.file(), shop.dsn()}), 0);
  CHECK_FALSE(fs::exists(shop.file() + "-lockstep-route"));
}

// What it opens on PostgreSQL would be open behind the switch.
TEST_CASE("no writers move while the schema is held, and a rollback ends a hold", "[system]") {
  Shop shop("held");
  require_code(lockstep({"ddl", "hold", shop.file()}), 0);
  const Outcome refused = shop.move("cutover");
  require_code(refused, 3);
  CHECK_THAT(everything(refused), Catch::Contains("ddl hold, on both sides"));
  require_code(lockstep({"ddl", "accept", shop.file()}), 0);
  shop.moved("cutover");
  // One that came when no gate was asked any more.
  REQUIRE(
      wait_until([&] { return shop.move("rollback", {"--dry-run"}).status.code == 0; }, 30s, 20ms));
  const auto sleeper = start_lockstep(
      {"rollback", shop.file(), "--confirm", "shop", "--max-pause", "5s", "--verify-max-age", "0"},
      {.environment = {"LOCKSTEP_FAILPOINTS=rb.held=stop"}});
  REQUIRE(wait_until([&] { return is_stopped(*sleeper); }, 30s, 5ms));
  static_cast<void>(query(shop.dsn(), "UPDATE lockstep.ledger SET guard_held = true"));
  sleeper->signal(SIGCONT);
  CHECK(sleeper->wait_or_throw(30s) == ExitStatus{.code = 0});
  CHECK(postgres_value(shop.dsn(), "SELECT guard_held FROM lockstep.ledger") == "f");
  CHECK_THROWS_WITH(query(shop.dsn(), "UPDATE notes SET v = 'x'", Guard::met),
                    Catch::Contains("LOCKSTEP-FENCED"));
  shop.equal();
}

}  // namespace lockstep::test
