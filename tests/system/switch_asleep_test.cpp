// Coordinators that sleep in the middle of a switch, and others that have to get by.
#include <random>

#include "link/postgres/connection.hpp"
#include "switchover/fence_sql.hpp"
#include "tests/support/seed.hpp"
#include "tests/system/open_sides.hpp"
#include "tests/system/shop.hpp"

namespace lockstep::test {
namespace {

/// Where a coordinator falls asleep, and what another one can do meanwhile.
struct Sleep {
  std::string direction, failpoint;
  bool holds_a_lock = false;  ///< that every writer of the loser needs: the other one runs in vain
  bool holds_the_gainer = false;  ///< SQLite is locked behind PostgreSQL's fence: nobody can go on
};
const std::vector<Sleep> kSleeps{{"cutover", "cut.installed=stop"},
                                 {"cutover", "cut.commit_sent=stop"},
                                 {"cutover", "cut.prepared=stop"},
                                 {"cutover", "cut.locked=stop", true},
                                 {"cutover", "cut.drained=stop", true},
                                 {"cutover", "cut.fenced=stop"},
                                 {"cutover", "cut.commit_sent=stop@2"},
                                 {"cutover", "cut.committed=stop"},
                                 {"cutover", "cut.handed_over=stop"},
                                 {"rollback", "cut.prepared=stop"},
                                 {"rollback", "rb.held=stop", true},
                                 {"rollback", "rb.drained=stop", true},
                                 {"rollback", "rb.fenced=stop", false, true},
                                 {"rollback", "rb.committed=stop"},
                                 {"rollback", "rb.handed_over=stop"}};

void sleep_through(Shop& shop, const Sleep& where) {
  INFO(where.direction << " " << where.failpoint);
  const bool forward = where.direction == "cutover";
  const std::string from = forward ? "primary" : "replica",
                    gainer = forward ? "replica" : "primary";
  if (shop.sqlite_role() != from) shop.moved(forward ? "rollback" : "cutover");
  REQUIRE(wait_until([&] { return shop.sqlite_role() == from && shop.settled(); }, 30s, 20ms));
  std::vector<std::string> command{where.direction, shop.file(), "--confirm", "shop",
                                   "--when-ready"};
  command.insert(command.end(), {"--verify-max-age", "0"});
  const auto sleeper =
      start_lockstep(command, {.environment = {"LOCKSTEP_FAILPOINTS=" + where.failpoint}});
  REQUIRE(wait_until([&] { return is_stopped(*sleeper); }, 30s, 5ms));
  // Its session keeps the lead, which is a hint: whoever comes asks for it in vain and goes on.
  if (where.holds_a_lock || where.holds_the_gainer) {
    // The other one takes it for dead, ends its attempt, and waits for the lock.
    const auto other = start_lockstep(command);
    if (where.holds_a_lock)
      CHECK(wait_until([&] { return shop.decision(forward) == "aborted"; }, 30s, 5ms));
    sleeper->signal(SIGCONT);
    REQUIRE(sleeper->wait(30s).has_value());
    REQUIRE(other->wait(30s).has_value());
    INFO("the sleeper: " << sleeper->error_output() << " the other: " << other->error_output());
    REQUIRE(wait_until([&] { return shop.settled() && shop.sqlite_decision() != "pending"; }, 30s,
                       20ms));
    return;
  }
  shop.moved(where.direction);
  sleeper->signal(SIGCONT);
  REQUIRE(sleeper->wait(30s).has_value());
  INFO("the sleeper: " << sleeper->output() << sleeper->error_output());
  REQUIRE(
      wait_until([&] { return shop.settled() && shop.sqlite_decision() != "pending"; }, 30s, 20ms));
  CHECK(shop.sqlite_role() == gainer);
}

/// On the side that has the writers: refused by nothing.
bool writes_there(Shop& shop, bool postgres) {
  const std::string sql = "UPDATE notes SET v = 'touched' WHERE k = 'a'";
  if (postgres)
    static_cast<void>(query(shop.dsn(), sql, Guard::met));
  else
    sqlite(shop.file(), sql);
  return true;
}

}  // namespace

TEST_CASE("a coordinator that slept through another's switch does no harm", "[system]") {
  Shop shop("sleeper");
  MovingWriter writer(shop.file(), shop.dsn(), 100);
  shop.moved("cutover");
  shop.moved("rollback");
  const OpenSides sides(shop.file(), shop.dsn());
  // In CI right before the gainer's COMMIT, and two others.
  std::mt19937_64 dice(test_seed());
  sleep_through(shop, kSleeps[5]);
  sleep_through(shop, kSleeps[dice() % kSleeps.size()]);
  sleep_through(shop, kSleeps[dice() % kSleeps.size()]);
  CHECK(sides.both() == 0);
  shop.judge(writer.stop());
  shop.equal();
}

TEST_CASE("a coordinator that sleeps at whichever step does no harm", "[.][soak]") {
  Shop shop("sleepers");
  MovingWriter writer(shop.file(), shop.dsn(), 100);
  const OpenSides sides(shop.file(), shop.dsn());
  for (const Sleep& where : kSleeps) sleep_through(shop, where);
  CHECK(sides.both() == 0);
  shop.judge(writer.stop());
  shop.equal();
}

// What PostgreSQL is given is made in turns; one whose owner sleeps is not waited for.
TEST_CASE("a turn whose owner sleeps is waited for some seconds and no longer", "[system]") {
  Shop shop("turns");
  auto sleeper = postgres::Connection::open(postgres::parse_dsn(shop.dsn()), "sleeper");
  sleeper.exec("SELECT pg_advisory_lock(" + switchover::install_lock("shop") + ")");
  for (const std::string direction : {"cutover", "rollback"}) {
    INFO(direction);
    const auto began = std::chrono::steady_clock::now();
    shop.moved(direction);
    CHECK(std::chrono::steady_clock::now() - began > 2s);
  }
  shop.equal();
}

// Nobody waits for the rows that say who writes while writers can go on.
TEST_CASE("rows that others keep locked cost a switch some seconds, and nothing else", "[system]") {
  Shop shop("rows_locked");
  auto holder = postgres::Connection::open(postgres::parse_dsn(shop.dsn()), "holder");
  shop.moved("cutover");
  shop.moved("rollback");
  for (const std::string direction : {"cutover", "rollback"}) {
    INFO(direction);
    REQUIRE(wait_until([&] { return shop.move(direction, {"--dry-run"}).status.code == 0; }, 30s,
                       20ms));
    holder.exec("BEGIN; SELECT FROM lockstep.switchover FOR UPDATE");
    const Outcome refused = shop.move(direction);
    INFO(everything(refused));
    CHECK(refused.status.code == 6);
    CHECK_THAT(refused.error_output, Catch::Contains("LS-T213"));
    CHECK(writes_there(shop, direction == "rollback"));
    holder.exec("ROLLBACK");
    shop.moved(direction);
  }
  shop.equal();
}

}  // namespace lockstep::test
