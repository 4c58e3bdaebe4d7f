// A comparison from before lockstep was in doubt, or from before others could write to PostgreSQL,
// opens no gate.
#include <filesystem>
#include <fstream>

#include "link/postgres/connection.hpp"
#include "tests/system/shop.hpp"

namespace lockstep::test {
namespace {

// REPLACE takes the first order away by an index that nobody sees.
constexpr char kDoubt[] =
    "BEGIN; CREATE UNIQUE INDEX once ON orders(n); INSERT OR REPLACE INTO orders(id, token, n) "
    "VALUES (99, 'new', 1); DROP INDEX once; COMMIT";

std::vector<std::string> cutover_of(const Shop& shop) {
  return {"cutover", shop.file(), "--confirm", "shop", "--max-pause", "5s"};
}

void refused(const Outcome& cutover, const std::string& why) {
  CHECK(cutover.status.code == 3);
  CHECK_THAT(everything(cutover), Catch::Contains(why));
}

std::string in_doubt(const Shop& shop) {
  return postgres_value(shop.dsn(), "SELECT coalesce(owed_pass, 0) FROM lockstep.ledger");
}

/// A lockstep that compares only while a file is there.
class Comparing {
 public:
  explicit Comparing(Shop& shop) : allowed_(folder_.file("allowed")) {
    allow();
    shop.stop_following();
    shop.follow({.environment = {"LOCKSTEP_FAILPOINTS=verify.taken_up=block:" + allowed_ + "@0"}});
    require_caught_up(shop.run(), shop.file());
    require_code(lockstep({"verify", shop.file()}), 0);
  }
  void allow() const { std::ofstream(allowed_) << "yes"; }
  void forbid() const { REQUIRE(std::filesystem::remove(allowed_)); }

 private:
  TempDir folder_;
  std::string allowed_;
};

}  // namespace

TEST_CASE("no writer moves on a comparison from before lockstep was in doubt", "[system]") {
  Shop shop("in_doubt");
  // Rows that show at once that no column was emptied: else the table would be read anew.
  sqlite(shop.file(),
         "WITH RECURSIVE c(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM c WHERE i < 50) INSERT INTO "
         "orders(token, n, at) SELECT 't' || i, i, datetime(1700000000 + i, 'unixepoch') FROM c");
  const Comparing comparing(shop);
  comparing.forbid();
  sqlite(shop.file(), kDoubt);
  require_caught_up(shop.run(), shop.file());
  refused(lockstep(cutover_of(shop)), "not compared since");
  CHECK(in_doubt(shop) != "0");
  comparing.allow();
  CHECK(lockstep({"verify", shop.file()}).status.code == 4);
  refused(lockstep(cutover_of(shop)), "different: orders (1 rows)");
  require_code(lockstep({"verify", shop.file(), "--repair", "--yes"}), 0);
  require_code(lockstep({"verify", shop.file()}), 0);
  require_code(lockstep(cutover_of(shop)), 0);
  CHECK(query(shop.dsn(), "SELECT id FROM orders WHERE id = 1").empty());
  shop.equal();
}

TEST_CASE("a doubt behind the gates lets the cutover go", "[system]") {
  Shop shop("late_doubt");
  require_code(lockstep({"verify", shop.file()}), 0);
  const auto cutover =
      start_lockstep(cutover_of(shop), {.environment = {"LOCKSTEP_FAILPOINTS=cut.prepared=stop"}});
  REQUIRE(wait_until([&] { return is_stopped(*cutover); }, 30s, 5ms));
  sqlite(shop.file(), kDoubt);
  cutover->signal(SIGCONT);
  CHECK(cutover->wait_or_throw(30s) == ExitStatus{.code = 3});
  CHECK_THAT(cutover->error_output(),
             Catch::Contains("LS-X668") && Catch::Contains("compared once more"));
  CHECK(shop.sqlite_role() == "primary");
  CHECK(in_doubt(shop) != "0");
}

TEST_CASE("what could be written to PostgreSQL while the schema was held is compared", "[system]") {
  Shop shop("held_writes");
  require_code(lockstep({"verify", shop.file()}), 0);
  require_code(lockstep({"ddl", "hold", shop.file()}), 0);
  query(shop.dsn(), "UPDATE orders SET n = 4711", Guard::met);
  auto late = postgres::Connection::open(postgres::parse_dsn(shop.dsn()), "application");
  late.exec(
      "SET lockstep.applier = off; SET lockstep.guard = met; BEGIN ISOLATION LEVEL REPEATABLE "
      "READ; SELECT FROM "
      "lockstep.ledger");
  require_code(lockstep({"ddl", "accept", shop.file()}), 0);
  // It sees the guard as it was, and no comparison sees it.
  late.exec("UPDATE public.notes SET v = 'late'");
  CHECK(lockstep({"verify", shop.file()}).status.code == 4);
  require_code(lockstep({"verify", shop.file(), "--repair", "--yes"}), 0);
  refused(lockstep(cutover_of(shop)), "have not ended");
  late.exec("COMMIT");
  REQUIRE(wait_until(
      [&] {
        return postgres_value(shop.dsn(), "SELECT owed_behind IS NULL FROM lockstep.ledger") == "t";
      },
      20s));
  refused(lockstep(cutover_of(shop)), "not compared since");
  CHECK(lockstep({"verify", shop.file()}).status.code == 4);
  require_code(lockstep({"verify", shop.file(), "--repair", "--yes"}), 0);
  require_code(lockstep({"verify", shop.file()}), 0);
  require_code(lockstep(cutover_of(shop)), 0);
  CHECK(query(shop.dsn(), "SELECT n FROM orders").at(0).at(0) == "1");
  CHECK(query(shop.dsn(), "SELECT v FROM notes").at(0).at(0) == "x");
  shop.equal();
}

}  // namespace lockstep::test
