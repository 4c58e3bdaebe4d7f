// After a cutover the schema stands still: an application that was left behind alters SQLite and
// opens its fence, and people ask for what is not followed.
#include <fmt/format.h>

#include "link/postgres/connection.hpp"
#include "tests/system/moved_shop.hpp"

namespace lockstep::test {
namespace {

using Catch::Contains;
using Json = nlohmann::json;

constexpr char kRebuild[] =
    "BEGIN; CREATE TABLE a_new(id INTEGER PRIMARY KEY, n INT, t TEXT); INSERT INTO a_new SELECT * "
    "FROM a; DROP TABLE a; ALTER TABLE a_new RENAME TO a; INSERT INTO a VALUES ({}, 9, 'stale'); "
    "COMMIT";

}  // namespace

TEST_CASE("a migration of a stale application opens no fence for long, and no rollback",
          "[system]") {
  Moved moved("stale", R"({"continuous": false})", "WAL", kShop);
  CHECK(gate_in(dry(moved), "fence")["open"] == true);
  Application stale(moved.file());
  stale.exec(fmt::format(kRebuild, 99));
  CHECK(run_says(moved, "LS-X664"));
  CHECK_THAT(moved.run().error_output(), Contains("a had no fence") && Contains("pid "));
  CHECK_THROWS_WITH(stale.exec("UPDATE a SET n = 0"), Contains("LOCKSTEP-FENCED"));
  stale.exec("CREATE TABLE fresh(x)");
  CHECK(run_says(moved, "fresh had no fence"));
  CHECK_THROWS_WITH(stale.exec("INSERT INTO fresh VALUES (1)"), Contains("LOCKSTEP-FENCED"));
  // It was compared without anybody asking; the row is named, and goes when somebody says so.
  REQUIRE(wait_until([&] { return moved.state_of("a") == "mismatch"; }, 15s, 20ms));
  CHECK(gate_in(dry(moved), "fence")["open"] == false);
  require_code(lockstep({"rollback", moved.file(), "--confirm", "moved"}), 3);
  CHECK(sqlite(moved.file(), "SELECT t FROM a WHERE id = 99").size() == 1);
  require_code(moved.verify({"--repair", "--yes"}), 0);
  require_code(moved.verify(), 0);
  CHECK(gate_in(dry(moved), "fence")["open"] == true);

  // The same behind the gates, while lockstep run sleeps.
  const auto rollback = start_lockstep(
      {"rollback", moved.file(), "--confirm", "moved", "--when-ready", "--max-pause", "5s"},
      {.environment = {"LOCKSTEP_FAILPOINTS=cut.prepared=stop"}});
  REQUIRE(wait_until(
      [&] {
        return contents("/proc/" + std::to_string(rollback->pid()) + "/stat").find(") T ") !=
               std::string::npos;
      },
      30s, 5ms));
  moved.run().signal(SIGSTOP);
  stale.exec(fmt::format(kRebuild, 98));
  rollback->signal(SIGCONT);
  CHECK(rollback->wait_or_throw(30s) == ExitStatus{.code = 3});
  CHECK_THAT(rollback->error_output(), Contains("LS-X664"));
  CHECK(moved.value("SELECT role FROM lockstep.switchover") == "primary");
  moved.run().signal(SIGCONT);
  REQUIRE(wait_until([&] { return moved.state_of("a") == "mismatch"; }, 15s, 20ms));
  require_code(moved.verify({"--repair", "--yes"}), 0);
  require_code(moved.verify(), 0);
  const Outcome back = lockstep({"rollback", moved.file(), "--confirm", "moved", "--when-ready",
                                 "--max-pause", "5s", "--json"});
  require_code(back, 0);
  CHECK(sqlite(moved.file(), "SELECT count(*) FROM a WHERE t = 'stale'").at(0) == "0");
}

TEST_CASE("after a cutover ddl says that no change of the schema is followed", "[system]") {
  Moved moved("ddl_after", R"({"continuous": false})", "WAL", kShop);
  moved.write("ALTER TABLE a ADD COLUMN extra text");
  for (const char* const verb : {"hold", "accept", "status"}) {
    const Outcome refused = lockstep({"ddl", verb, moved.file()});
    require_code(refused, 3);
    CHECK_THAT(everything(refused), Contains("LS-X683") && Contains("LS-X613"));
  }
  CHECK(moved.value("SELECT bool_or(guard_held) FROM lockstep.ledger") == "f");
}

TEST_CASE("behind a rollback ddl hold opens PostgreSQL for a migration, and accept closes it") {
  Moved moved("migrating", R"({"continuous": false})", "WAL", kShop);
  require_code(lockstep({"rollback", moved.file(), "--confirm", "moved", "--when-ready",
                         "--max-pause", "5s", "--verify-max-age", "0"}),
               0);
  REQUIRE(wait_until([&] { return moved.status()["phase"] == "streaming"; }, 30s, 20ms));
  const auto refused = [&]() -> std::string {
    try {
      query(moved.dsn(), "UPDATE a SET n = n + 0", Guard::met);
      return {};
    } catch (const std::exception& error) {
      return error.what();
    }
  };
  CHECK_THAT(refused(), Contains("LOCKSTEP-FENCED:"));
  require_code(lockstep({"ddl", "hold", moved.file()}), 0);
  CHECK(refused().empty());
  require_code(lockstep({"ddl", "accept", moved.file()}), 0);
  CHECK_THAT(refused(), Contains("LOCKSTEP-FENCED:"));
}

// SQLite takes "z" for a string where no column is called so: each row of g would have it.
TEST_CASE("a column that SQLite has lost is equal to nothing, and shuts the gate", "[system]") {
  Moved moved("lost", R"({"continuous": false})", "WAL", kShop, [](const Moved& before) {
    sqlite(before.file(), "ALTER TABLE w ADD COLUMN z TEXT; UPDATE w SET z = 'z'");
  });
  require_code(moved.verify(), 0);
  sqlite(moved.file(), "ALTER TABLE w DROP COLUMN z");
  const auto says_lost = [&] {
    return moved.status()["cannot_go_back"].dump().find("no such column") != std::string::npos;
  };
  CHECK(wait_until([&] { return says_lost(); }, 15s, 20ms));
  const Outcome live = moved.verify();
  INFO(everything(live));
  CHECK(live.status != ExitStatus{.code = 0});
  const Outcome gates = dry(moved);
  CHECK(gate_in(gates, "columns")["open"] == false);
  CHECK_THAT(gate_in(gates, "columns")["found"].get<std::string>(),
             Contains("w.z: SQLite has no such column any more"));
  CHECK(gate_in(gates, "fence")["open"] == false);
  stop(moved);
  const Outcome rested = moved.verify();
  require_code(rested, 3);
  CHECK_THAT(everything(rested), Contains("LS-X682") && Contains("w.z"));
  // The way out that it names.
  sqlite(moved.file(), "ALTER TABLE w ADD COLUMN z TEXT");
  moved.follow();
  require_code(moved.wait("caught-up"), 0);
  CHECK(wait_until([&] { return !says_lost(); }, 15s, 20ms));
  static_cast<void>(moved.verify({"--repair", "--yes"}));
  CHECK(sqlite(moved.file(), "SELECT group_concat(z, '') FROM w").at(0) == "zzz");
  require_code(moved.verify(), 0);
  CHECK(gate_in(dry(moved), "columns")["open"] == true);
}

// It has PostgreSQL's row of the switch locked, FOR SHARE.
TEST_CASE("a long transaction there holds up no round when SQLite's schema moves", "[system]") {
  Moved moved("long_reader", R"({"continuous": false})", "WAL", kShop);
  auto application = postgres::Connection::open(postgres::parse_dsn(moved.dsn()), "application");
  application.exec(
      "SET lockstep.applier = off; BEGIN ISOLATION LEVEL REPEATABLE READ; UPDATE public.a SET n = "
      "n WHERE id = 1");
  Application(moved.file()).exec("CREATE TABLE stale(id INTEGER PRIMARY KEY)");
  CHECK(run_says(moved, "LS-X664"));
  moved.write("INSERT INTO w VALUES (9, NULL)");
  CHECK(wait_until(
      [&] { return sqlite(moved.file(), "SELECT count(*) FROM w WHERE id = 9").at(0) == "1"; }, 15s,
      20ms));
  application.exec("COMMIT");
  require_code(moved.wait("caught-up"), 0);
}

}  // namespace lockstep::test
