// An application that writes some tables on both sides at once: what it wrote otherwise is counted
// and dealt with as chosen, what is between its two writes is no difference, and the cutover takes
// such tables like any other.
#include <fmt/format.h>

#include <atomic>
#include <fstream>
#include <sstream>

#include "tests/system/dual_shop.hpp"

namespace lockstep::test {

using Catch::Contains;
using Json = nlohmann::json;

TEST_CASE("an application may write a table on both sides in any order, and cut over", "[system]") {
  DualShop shop("dual_both");
  shop.start(R"({"orders": "source"})");
  shop.caught_up();
  shop.begun("orders");
  shop.there_refused("UPDATE plain SET n = 1");
  {
    DualWriter one(shop, DualWriter::First::sqlite, 1, 200),
        two(shop, DualWriter::First::postgres, 200, 400);
    // Between two writes there is no difference that stays.
    require_code(shop.verify(), 0);
    CHECK(one.finish() == "");
    CHECK(two.finish() == "");
  }
  shop.caught_up();
  require_equal(shop.file(), shop.dsn());
  CHECK(shop.conflicts("orders") == "0");
  CHECK(shop.seen("SELECT sum(n) FROM orders WHERE id < 10000") ==
        sqlite(shop.file(), "SELECT sum(n) FROM orders WHERE id < 10000")[0]);
  require_code(shop.verify(), 0);
  CHECK_THAT(lockstep({"status", shop.file()}).output, Contains("dual-written (source)"));

  const Outcome cut =
      lockstep({"cutover", shop.file(), "--confirm", "shop", "--max-pause", "5s", "--when-ready"});
  require_code(cut, 0);
  CHECK_THAT(sqlite_attempt(shop.file(), "UPDATE orders SET n = 1 WHERE id = 1"),
             Contains("LOCKSTEP-FENCED:"));
  shop.there("UPDATE orders SET n = 4711 WHERE id = 1");
  shop.there("UPDATE plain SET n = 4711 WHERE id = 1");
  REQUIRE(wait_until(
      [&] { return sqlite(shop.file(), "SELECT n FROM orders WHERE id = 1")[0] == "4711"; }, 20s,
      20ms));
  // After the way back PostgreSQL is fenced for this table, too: dual writing is over.
  require_code(lockstep({"rollback", shop.file(), "--confirm", "shop", "--max-pause", "5s",
                         "--when-ready", "--verify-max-age", "0"}),
               0);
  REQUIRE(wait_until([&] { return shop.status()["phase"] == "streaming"; }, 20s, 20ms));
  shop.there_refused("UPDATE orders SET n = 1 WHERE id = 1", "LOCKSTEP-FENCED:");
  shop.here("UPDATE orders SET n = 12 WHERE id = 1");
  shop.caught_up();
  require_equal(shop.file(), shop.dsn());
  CHECK(shop.table("orders")["dual_write"].is_null());
  shop.stop();
  CHECK_THAT(shop.run().error_output(), Contains("dual writing is over"));
}

TEST_CASE("what the application wrote otherwise is counted, and dealt with as chosen", "[system]") {
  DualShop shop("dual_policies");
  shop.start(R"({"orders": "source", "parts": "skip", "visits": "source"})");
  shop.caught_up();
  shop.begun("visits");

  // The source's row takes the place.
  shop.there("UPDATE orders SET n = 77 WHERE id IN (1, 3)");
  shop.here("UPDATE orders SET n = 5 WHERE id = 1");
  shop.caught_up();
  CHECK(shop.seen("SELECT n FROM orders WHERE id = 1") == "5");
  CHECK(shop.conflicts("orders") == "1");
  shop.here("DELETE FROM orders WHERE id = 3");
  shop.caught_up();
  CHECK(shop.seen("SELECT count(*) FROM orders WHERE id = 3") == "0");
  CHECK(shop.conflicts("orders") == "2");
  shop.there("INSERT INTO orders VALUES (500, 'x', 1, 1)");
  shop.here("INSERT INTO orders VALUES (500, 'x', 2, 1)");
  shop.caught_up();
  CHECK(shop.seen("SELECT n FROM orders WHERE id = 500") == "2");
  CHECK(shop.conflicts("orders") == "3");
  // None of these is one: a change that only the source has, the same on both sides, zeros at the
  // end, a row that is gone already, two rows that exchange what is unique, a key that SQLite
  // spells otherwise.
  shop.here("UPDATE orders SET n = 6 WHERE id IN (1, 2)");
  shop.caught_up();
  shop.there(
      "UPDATE orders SET n = 8, price = 1.50 WHERE id = 2; DELETE FROM orders WHERE id = 4; "
      "INSERT INTO orders VALUES (501, 'y', 3, 2.00)");
  shop.here(
      "UPDATE orders SET n = 8, price = 1.5 WHERE id = 2; DELETE FROM orders WHERE id = 4; "
      "INSERT INTO orders VALUES (501, 'y', 3, 2)");
  shop.here(
      "BEGIN; UPDATE orders SET token = 'aside' WHERE id = 5; UPDATE orders SET token = 't5' "
      "WHERE id = 6; UPDATE orders SET token = 't6' WHERE id = 5; COMMIT");
  shop.there("UPDATE visits SET at = '2026-02-03 04:05:06'");
  shop.here("UPDATE visits SET at = '2026-02-03 04:05:06'");
  shop.caught_up();
  CHECK(shop.conflicts("orders") == "3");
  CHECK(shop.conflicts("visits") == "0");
  CHECK(shop.seen("SELECT token FROM orders WHERE id = 5") == "t6");
  REQUIRE(
      wait_until([&] { return shop.table("orders")["dual_write"]["conflicts"] == 3; }, 20s, 20ms));
  CHECK(shop.table("orders")["dual_write"]["last_key"] == "id = 500");
  CHECK(shop.table("orders")["dual_write"]["policy"] == "source");
  CHECK_THAT(lockstep({"status", shop.file()}).output,
             Contains("dual-written (source), 3 conflict(s), the last: id = 500"));
  require_code(shop.verify({"--table", "orders"}), 0);

  // A transaction of the application that has not committed yet is waited for, and then seen.
  postgres::Connection open = postgres::Connection::open(postgres::parse_dsn(shop.dsn()), "shop");
  open.exec("SET lockstep.guard = on");
  for (const auto& [there, here] :
       {std::pair("INSERT INTO public.orders VALUES (510, 'late', 1, 1)",
                  "INSERT INTO orders VALUES (510, 'late', 2, 1)"),
        std::pair("UPDATE public.orders SET n = 3 WHERE id = 8",
                  "UPDATE orders SET n = 2 WHERE id = 8"),
        std::pair("UPDATE public.orders SET n = 3 WHERE id = 9",
                  "DELETE FROM orders WHERE id = 9")}) {
    const int before = std::stoi(shop.conflicts("orders"));
    open.exec("BEGIN");
    open.exec(there);
    shop.here(here);
    REQUIRE(wait_until(
        [&] {
          return shop.seen(
                     "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE "
                     "'lockstep%apply%' AND wait_event_type = 'Lock'") == "1";
        },
        20s, 5ms));
    open.exec("COMMIT");
    shop.caught_up();
    CHECK(shop.conflicts("orders") == std::to_string(before + 1));
  }
  CHECK(shop.seen("SELECT sum(n) FROM orders WHERE id IN (8, 9, 510)") == "4");

  // What the application wrote stays; what it did not write comes.
  shop.there("UPDATE parts SET n = 77 WHERE k = 'a'; INSERT INTO parts VALUES ('mine', 1, 1)");
  shop.here("UPDATE parts SET n = 5; INSERT INTO parts VALUES ('mine', 2, 1), ('new', 1, 1)");
  shop.caught_up();
  CHECK(shop.seen("SELECT string_agg(k || n, ' ' ORDER BY k) FROM parts") ==
        "a77 b5 c5 d5 mine1 new1");
  CHECK(shop.conflicts("parts") == "2");
  shop.there("UPDATE parts SET r = 2 WHERE k = 'c'");
  shop.here("DELETE FROM parts WHERE k IN ('c', 'd')");
  shop.caught_up();
  CHECK(shop.seen("SELECT count(*) FROM parts WHERE k IN ('c', 'd')") == "1");
  CHECK(shop.conflicts("parts") == "3");
  const Outcome differs = shop.verify({"--table", "parts", "--json"});
  require_code(differs, 4);
  CHECK_THAT(differs.output,
             Contains("\"missing\":0") && Contains("\"extra\":1") && Contains("\"differ\":2"));

  // A table that is read anew: what only PostgreSQL has is a conflict as well.
  shop.there("INSERT INTO orders VALUES (600, 'only there', 1, 1)");
  const auto triggers = sqlite(shop.file(),
                               "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name "
                               "= 'orders' AND name LIKE '_lockstep%'");
  for (const std::string& trigger : triggers) shop.here("DROP TRIGGER \"" + trigger + "\"");
  shop.here("UPDATE orders SET n = 21 WHERE id = 7; INSERT INTO orders VALUES (601, 'z', 1, 1)");
  REQUIRE(wait_until([&] { return shop.seen("SELECT n FROM orders WHERE id = 7") == "21"; }, 30s,
                     20ms));
  CHECK(shop.seen("SELECT count(*) FROM orders WHERE id IN (600, 601)") == "1");
  CHECK(shop.conflicts("orders") == "7");
  shop.caught_up();
  require_code(shop.verify({"--table", "orders"}), 0);
  // A kill loses no count, and what was kept is still right.
  shop.run().kill_hard();
  shop.here("UPDATE orders SET n = 9 WHERE id = 1");
  shop.start_as_it_was();
  shop.caught_up();
  CHECK(shop.conflicts("orders") == "7");
  shop.there("UPDATE orders SET n = 10 WHERE id = 1");
  shop.here("UPDATE orders SET n = 10 WHERE id = 1; UPDATE orders SET n = 11 WHERE id > 7");
  shop.caught_up();
  CHECK(shop.conflicts("orders") == "7");
  shop.stop();
}

TEST_CASE("with the policy fail a conflict stops by name, and one that passes does not",
          "[system]") {
  DualShop shop("dual_fail");
  const std::string dual = R"({"strict": "fail", "orders": "source"})";
  shop.start(dual);
  shop.caught_up();
  shop.begun("strict");
  // The application is between its two writes.
  shop.there("UPDATE strict SET n = 2 WHERE k = 'a'");
  shop.here("UPDATE strict SET n = 1 WHERE k = 'a'");
  REQUIRE(wait_until(
      [&] {
        const Json awaited = shop.status()["awaited"];
        return awaited.is_object() && awaited["code"] == "LS-X650";
      },
      20s, 5ms));
  shop.here("UPDATE strict SET n = 2 WHERE k = 'a'");
  shop.caught_up();
  CHECK(shop.conflicts("strict") == "0");

  shop.there("UPDATE strict SET n = 7 WHERE k = 'b'");
  shop.here("UPDATE strict SET n = 8 WHERE k = 'b'; UPDATE plain SET n = 8");
  shop.halts(7, "LS-X650", {"strict", "k = b, part = 2", "tables.dual_write"});
  CHECK(shop.seen("SELECT n FROM strict WHERE k = 'b'") == "7");
  CHECK(shop.seen("SELECT sum(n) FROM plain") == "0");  // nothing of the batch
  shop.there("UPDATE strict SET n = 8 WHERE k = 'b'");
  shop.start(dual);
  shop.caught_up();
  CHECK(shop.seen("SELECT sum(n) FROM plain") == "16");
  CHECK(shop.conflicts("strict") == "0");

  // Another key has the unique value.
  shop.there("INSERT INTO orders VALUES (900, 'taken', 1, 1)");
  shop.here("INSERT INTO orders VALUES (901, 'taken', 1, 1)");
  shop.halts(7, "LS-X651", {"orders", "token"});
  shop.there("DELETE FROM orders WHERE id = 900");
  shop.start(dual);
  shop.caught_up();
  CHECK(shop.seen("SELECT n FROM orders WHERE id = 901") == "1");
  shop.stop();
}

// What the source had is kept in the transaction of the position: killed anywhere, a change that
// comes again is still explained by it.
TEST_CASE("a kill in a batch of a dual-written table makes no conflict", "[system]") {
  DualShop shop("dual_killed");
  const std::string dual = R"({"orders": "source"})";
  shop.start(dual);
  shop.caught_up();
  shop.begun("orders");
  shop.stop();
  int n = 0;
  for (const char* const point : {"apply.pos_set", "apply.rows_done", "apply.committed"}) {
    INFO(point);
    shop.start(dual, {.environment = {fmt::format("LOCKSTEP_FAILPOINTS={}=kill", point)}});
    shop.caught_up();
    shop.here(fmt::format("UPDATE orders SET n = {} WHERE id <= 50", ++n));
    CHECK(shop.run().wait_or_throw(20s) == ExitStatus{.signal = SIGKILL});
    shop.start(dual);
    shop.caught_up();
    CHECK(shop.seen(fmt::format("SELECT count(*) FROM orders WHERE n = {}", n)) == "50");
    CHECK(shop.conflicts("orders") == "0");
    shop.stop();
  }
}

TEST_CASE("dual writing begins and ends with the configuration, and the guard with it",
          "[system]") {
  DualShop shop("dual_begins");
  // Not before the copy is consistent.
  const std::string copied = shop.in_folder("copied");
  const std::string dual = R"({"orders": "source", "parts": "skip"})";
  const std::string write = "UPDATE orders SET n = n WHERE id = 1";
  shop.start(dual, {.environment = {"LOCKSTEP_FAILPOINTS=snap.keys_made=block:" + copied}});
  REQUIRE(wait_until(
      [&] { return attempt(shop.dsn(), write).find("LS-X602") != std::string::npos; }, 20s, 20ms));
  std::ofstream(copied) << "now";
  shop.caught_up();
  shop.begun("orders");
  shop.there(write);
  shop.there_refused("UPDATE plain SET n = 1");
  CHECK(shop.seen("SELECT count(*) FROM lockstep.dual_rows") == "404");
  // Without a configuration it stays; with one that does not name the table it ends.
  shop.stop();
  CHECK_THAT(shop.run().error_output(), Contains("orders is dual-written from"));
  shop.there(write);
  shop.start_as_it_was();
  shop.caught_up();
  shop.there(write);
  shop.there("UPDATE parts SET n = 3 WHERE k = 'a'");
  shop.stop();
  shop.start(R"({"parts": "source"})");
  shop.caught_up();
  REQUIRE(wait_until(
      [&] { return attempt(shop.dsn(), write).find("LS-X602") != std::string::npos; }, 20s, 20ms));
  shop.there("UPDATE parts SET n = 3 WHERE k = 'a'");
  CHECK(shop.seen("SELECT count(*) FROM lockstep.dual_rows") == "4");
  // Another policy, and what was kept before it.
  shop.here("UPDATE parts SET n = 4 WHERE k = 'a'");
  shop.caught_up();
  CHECK(shop.seen("SELECT n FROM parts WHERE k = 'a'") == "4");
  CHECK(shop.conflicts("parts") == "1");
  // A lockstep that knows nothing of this moves the position alone.
  server().query("UPDATE lockstep.ledger SET dual_identity = dual_identity + 1", "dual_begins");
  shop.there_refused("UPDATE parts SET n = n");
  REQUIRE(wait_until([&] { return shop.table("parts")["dual_write"].is_null(); }, 20s, 50ms));
  shop.stop();
  shop.start(R"({"parts": "source"})");
  shop.caught_up();
  shop.begun("parts");
  shop.there("UPDATE parts SET n = n");
  CHECK(shop.conflicts("parts") == "0");
  // Its schema changes: that has to be decided.
  shop.here("ALTER TABLE parts ADD COLUMN more TEXT");
  shop.halts(7, "LS-X653", {"parts", "tables.dual_write"});
  shop.start("{}");
  shop.here("UPDATE parts SET more = 'x'");
  shop.caught_up();
  shop.stop();
  shop.start(R"({"parts": "source"})");
  shop.caught_up();
  shop.begun("parts");
  shop.there("UPDATE parts SET more = 'y' WHERE k = 'a'");
  shop.here("UPDATE parts SET more = 'y' WHERE k = 'a'");
  shop.caught_up();
  CHECK(shop.conflicts("parts") == "0");
  require_equal(shop.file(), shop.dsn());
  shop.stop();
  // What cannot be.
  shop.start(R"({"nobody": "source", "keyless": "skip"})");
  shop.halts(3, "LS-X652", {"nobody: no such table", "keyless: it has no key"});
  require_code(lockstep({"run", shop.file(), shop.dsn(), "--config",
                         shop.configure(R"({"orders": "always"})")}),
               2);
  require_code(lockstep({"remove", shop.file(), shop.dsn()}), 0);
  CHECK(shop.seen("SELECT count(*) FROM pg_namespace WHERE nspname = 'lockstep'") == "0");
  shop.there("UPDATE parts SET n = 1");
}

}  // namespace lockstep::test
