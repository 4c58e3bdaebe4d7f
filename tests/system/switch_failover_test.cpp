// PostgreSQL fails over to an asynchronous standby in the middle of a switch, which has not got the
// newest steps (the owner said --accept-async-standby): a switch that can go on goes on, and what
// no longer fits is named, with a way out. Nothing is opened by guess.
#include <fmt/format.h>

#include <random>

#include "tests/support/fault.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/standby.hpp"
#include "tests/system/shop.hpp"

namespace lockstep::test {
namespace {

/// The standby has everything up to the first failpoint, the primary dies at the second.
struct Failover {
  std::string direction, kept, died;
  std::string sqlite, postgres;  ///< the roles in the end
  std::string code = {};         ///< what it is called, if it cannot go on
};

const std::vector<Failover> kFailovers{
    {"cutover", "cut.installed", "cut.prepared", "primary", "replica"},
    {"cutover", "cut.installed", "cut.fenced", "fenced", "replica", "LS-X617"},
    {"cutover", "cut.installed", "cut.handed_over", "replica", "replica", "LS-X617"},
    {"cutover", "cut.prepared", "cut.drained", "primary", "replica"},
    {"cutover", "cut.prepared", "cut.fenced", "replica", "primary"},
    {"cutover", "cut.fenced", "cut.committed", "replica", "primary"},
    {"cutover", "cut.fenced", "cut.handed_over", "replica", "replica", "LS-X617"},
    {"cutover", "cut.committed", "cut.handed_over", "replica", "primary"},
    {"rollback", "cut.prepared", "rb.held", "replica", "primary"},
    {"rollback", "rb.held", "rb.drained", "replica", "primary"},
    {"rollback", "rb.drained", "rb.fenced", "replica", "primary"},
    {"rollback", "rb.fenced", "rb.committed", "primary", "replica"},
    {"rollback", "rb.drained", "rb.committed", "primary", "primary", "LS-X617"},
    {"rollback", "rb.drained", "rb.handed_over", "primary", "primary", "LS-X617"},
    {"rollback", "rb.committed", "rb.handed_over", "primary", "replica"}};

class Pair {
 public:
  Pair() { primary_->query("SELECT 1"); }

  void fail_over(const Failover& each) {
    INFO(each.direction << ", the standby has what was before " << each.kept << ", failover at "
                        << each.died);
    make_standby(*standby_, *primary_);
    const Shop::OnServer place{new_database()};
    Shop shop(place);
    begin(shop, each.direction);
    std::vector<std::string> command{
        each.direction, shop.file(), "--confirm",    "shop",
        "--max-pause",  "20s",       "--when-ready", "--accept-async-standby"};
    command.insert(command.end(), {"--verify-max-age", "0"});
    const auto coordinator =
        start_lockstep(command, {.environment = {fmt::format("LOCKSTEP_FAILPOINTS={}=stop;{}=stop",
                                                             each.kept, each.died)}});
    require_stopped(*coordinator);
    REQUIRE(replayed(*primary_, *standby_));
    standby_->stop_fast();  // what comes now it will never get
    coordinator->signal(SIGCONT);
    REQUIRE(wait_until([&] { return !is_stopped(*coordinator); }, 5s, 1ms));
    require_stopped(*coordinator);
    primary_->kill_hard();
    standby_->start();
    standby_->query("SELECT pg_promote()");
    std::swap(primary_, standby_);
    coordinator->signal(SIGCONT);
    const ExitStatus ended = coordinator->wait_or_throw(30s);
    INFO("coordinator: " << coordinator->output() << coordinator->error_output());
    const bool as_expected = wait_until(
        [&] { return shop.sqlite_role() == each.sqlite && shop.postgres_role() == each.postgres; },
        20s, 20ms);
    INFO(shop.sqlite_role() << " " << shop.postgres_role()
                            << ", run: " << shop.run().error_output());
    CHECK(as_expected);
    if (each.code.empty()) {
      const bool moved = (each.sqlite == "primary") == (each.direction == "rollback");
      CHECK((ended == ExitStatus{.code = 0}) == moved);
    } else {
      CHECK(ended == ExitStatus{.code = 7});
      CHECK_THAT(coordinator->error_output(), Catch::Contains("error[" + each.code + "]"));
      // The way out, here for an owner who believes SQLite.
      shop.run().kill_hard();
      require_code(lockstep({"remove", shop.file(), shop.dsn(), "--confirm", "shop"}), 0);
    }
    if (!each.code.empty() || each.sqlite == "primary") {
      sqlite(shop.file(), "INSERT INTO orders(token, n) VALUES ('after', 1)");
      CHECK(sqlite(shop.file(), "SELECT count(*) FROM orders WHERE token IN ('here', 'after')") ==
            std::vector<std::string>{"2"});
    }
    if (each.code.empty()) shop.equal();
    // Sequences that the standby has not got were set anew: no number is given twice.
    if (each.code.empty() && each.postgres == "primary")
      CHECK_NOTHROW(static_cast<void>(
          query(shop.dsn(), "INSERT INTO orders(token, n) VALUES ('next', 1)", Guard::met)));
  }

 private:
  std::string new_database() {
    const std::string name = fmt::format("switch{}", ++number_);
    primary_->query("CREATE DATABASE " + name);
    return fmt::format("host={},{} dbname={} user=postgres target_session_attrs=read-write",
                       one_.folder().string(), two_.folder().string(), name);
  }
  static void begin(Shop& shop, const std::string& direction) {
    if (direction == "cutover") {
      sqlite(shop.file(), "INSERT INTO orders(token, n) VALUES ('here', 1)");
      return;
    }
    require_code(shop.move("cutover", {"--when-ready", "--accept-async-standby"}), 0);
    REQUIRE(wait_until([&] { return shop.settled(); }, 30s, 20ms));
    static_cast<void>(
        query(shop.dsn(), "INSERT INTO orders(token, n) VALUES ('here', 1)", Guard::met));
  }
  static void require_stopped(Process& process) {
    const bool came =
        wait_until([&] { return is_stopped(process) || !process.running(); }, 30s, 2ms);
    INFO(process.output() << process.error_output());
    REQUIRE(came);
    REQUIRE(is_stopped(process));
  }

  PostgresServer one_, two_;
  PostgresServer *primary_ = &one_, *standby_ = &two_;
  int number_ = 0;
};

}  // namespace

TEST_CASE("a failover in the middle of a switch is survived, or named", "[system]") {
  Pair pair;
  std::mt19937_64 dice(test_seed());
  pair.fail_over(kFailovers[dice() % kFailovers.size()]);
  pair.fail_over(kFailovers[dice() % kFailovers.size()]);
  saw_fault("A27", "GO or HALT: the switch ends on one side or stops by name; no write is lost");
}

TEST_CASE("a failover at whichever step of a switch, with whichever steps lost", "[.][soak]") {
  Pair pair;
  for (const Failover& each : kFailovers) pair.fail_over(each);
}

}  // namespace lockstep::test
