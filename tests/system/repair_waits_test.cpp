// What a repair waits for, and what it leaves alone.
#include <sstream>
#include <thread>

#include "link/postgres/connection.hpp"
#include "tests/system/dual_shop.hpp"

namespace lockstep::test {
namespace {

using Catch::Contains;

/// A world with one wrong row on the target, which somebody keeps locked there.
class Held {
 public:
  explicit Held(const std::string& name) : both(name, server().create_database(name)) {
    both.start_and_catch_up();
    server().query("UPDATE b SET n = 99 WHERE k = 'a'", name);
    holder_.emplace(postgres::Connection::open(postgres::parse_dsn(both.dsn()), "test"));
    holder_->exec("BEGIN; SELECT FROM public.b WHERE k = 'a' FOR UPDATE");
  }
  /// Starts a repair, and returns when its rows are logged in the source.
  std::unique_ptr<Process> repair() {
    const std::string logged = "SELECT max(seq) FROM _lockstep_changes";
    const auto before = sqlite(both.file(), logged);
    auto repairing = start_lockstep({"verify", both.file(), both.dsn(), "--repair", "--yes"});
    REQUIRE(wait_until([&] { return sqlite(both.file(), logged) != before; }, 30s));
    return repairing;
  }
  void let_go() { holder_.reset(); }
  /// The words of one that has given up.
  static std::string gave_up(Process& repairing, std::chrono::seconds patience) {
    const ExitStatus status = repairing.wait_or_throw(patience);
    INFO(repairing.output() + repairing.error_output());
    CHECK(status == ExitStatus{.code = 6});
    REQUIRE_THAT(repairing.error_output(), Contains("error[LS-V535]"));
    return repairing.error_output();
  }

  Followed both;

 private:
  std::optional<postgres::Connection> holder_;
};

}  // namespace

TEST_CASE("a repair whose lockstep ends meanwhile says so, and comes with the next", "[system]") {
  Held held("ended");
  const auto repairing = held.repair();
  held.both.process().kill_hard();
  CHECK_THAT(Held::gave_up(*repairing, 30s),
             Contains("the lockstep that follows has ended meanwhile"));
  CHECK(server().value("SELECT n FROM b WHERE k = 'a'", "ended") == "99");
  held.let_go();
  held.both.start_and_catch_up();
  require_code(lockstep({"verify", held.both.file(), held.both.dsn()}), 0);
  held.both.stop();
}

// It waits for a minute.
TEST_CASE("a repair that is not applied says so after a minute, and comes later", "[.][soak]") {
  Held held("slow");
  const auto repairing = held.repair();
  CHECK_THAT(Held::gave_up(*repairing, 90s),
             Contains("the lockstep that follows has not applied it yet"));
  held.let_go();
  held.both.caught_up();
  require_code(lockstep({"verify", held.both.file(), held.both.dsn()}), 0);
  held.both.stop();
}

// Of another table every row would be read anew as soon as more of them differ than a pass keeps: a
// batch with all of it, which settles rows that the application is just writing on both sides.
TEST_CASE("a dual-written table is never read anew", "[system]") {
  DualShop shop("never_anew");
  shop.here(
      "WITH RECURSIVE c(x) AS (SELECT 1000 UNION ALL SELECT x + 1 FROM c WHERE x < 12999) INSERT "
      "INTO orders SELECT x, 't' || x, 0, 1 FROM c; DELETE FROM orders WHERE id < 1000");
  shop.start(R"({"orders": "source"})");
  shop.caught_up();
  shop.begun("orders");
  shop.there("UPDATE orders SET n = 7");
  const Outcome repaired = shop.verify({"--table", "orders", "--repair", "--yes", "--json"});
  INFO(everything(repaired));
  require_code(repaired, 0);
  std::vector<int> rows;
  std::istringstream lines(repaired.output);
  for (std::string text; std::getline(lines, text);) {
    const auto one = nlohmann::json::parse(text);
    if (one["type"] != "repair") continue;
    rows.push_back(one["rows"]);
    CHECK(one["anew"].empty());
  }
  CHECK(rows == std::vector<int>{10'000, 2'000});
  CHECK(sqlite(shop.file(), "SELECT count(*) FROM _lockstep_changes WHERE tbl < 0") ==
        std::vector<std::string>{"0"});
  CHECK(shop.seen("SELECT count(*) FROM orders WHERE n = 0") == "12000");
  CHECK(shop.conflicts("orders") == "12000");
  shop.stop();
}

}  // namespace lockstep::test
