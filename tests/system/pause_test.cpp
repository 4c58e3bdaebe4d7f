// What a cutover does before writers wait, so that they do not wait for it.
#include <fstream>

#include "link/postgres/connection.hpp"
#include "link/sqlite/database.hpp"
#include "tests/system/shop.hpp"

namespace lockstep::test {
namespace {

/// A cutover that sleeps at a failpoint.
std::unique_ptr<Process> asleep(const Shop& shop, const std::string& failpoint,
                                const std::string& max_pause) {
  auto cutover = start_lockstep({"cutover", shop.file(), "--confirm", "shop", "--when-ready",
                                 "--max-pause", max_pause, "--verify-max-age", "0"},
                                {.environment = {"LOCKSTEP_FAILPOINTS=" + failpoint + "=stop"}});
  REQUIRE(wait_until([&] { return is_stopped(*cutover); }, 30s, 5ms));
  return cutover;
}

}  // namespace

TEST_CASE("a PostgreSQL that does not come near costs no writer a moment", "[system]") {
  const auto [failpoint, locks] =
      GENERATE(table<std::string, bool>({{"cut.prepared", false}, {"cut.near", true}}));
  INFO(failpoint);
  Shop shop(locks ? "near" : "far");
  const auto cutover = asleep(shop, failpoint, "300ms");
  shop.run().signal(SIGSTOP);
  sqlite(shop.file(), "INSERT INTO orders(token, n) VALUES ('late', 1)");
  cutover->signal(SIGCONT);
  CHECK(cutover->wait_or_throw(30s) == ExitStatus{.code = 6});
  shop.run().signal(SIGCONT);
  CHECK_THAT(cutover->error_output(), Catch::Contains(locks ? "LS-X604" : "LS-X668"));
  CHECK((cutover->output().find("LOCK") != std::string::npos) == locks);
  REQUIRE(
      wait_until([&] { return shop.decision(true) != "pending" && shop.settled(); }, 30s, 20ms));
  CHECK(shop.sqlite_role() == "primary");
  shop.moved("cutover");
  shop.equal();
}

TEST_CASE("a coordinator that dies before its lock leaves everything as it was", "[system]") {
  Shop shop("dies_near");
  const auto cutover = asleep(shop, "cut.near", "5s");
  cutover->kill_hard();
  sqlite(shop.file(), "INSERT INTO orders(token, n) VALUES ('meanwhile', 1)");
  CHECK(shop.settled());
  CHECK(shop.decision(true) == "pending");  // the next command's to end
  shop.moved("cutover");
  shop.equal();
}

// Sequences are set before the lock, and those of tables that count on meanwhile again under it.
TEST_CASE("numbers that SQLite gives at the last moment are not given twice", "[system]") {
  Shop shop("numbers");
  shop.stop_following();
  sqlite(shop.file(),
         "CREATE TABLE plain(id INTEGER PRIMARY KEY, v TEXT); INSERT INTO plain VALUES (5, 'x');"
         "CREATE TABLE quiet(id INTEGER PRIMARY KEY, v TEXT); INSERT INTO quiet VALUES (70, 'x')");
  shop.follow();
  require_caught_up(shop.run(), shop.file());
  const auto cutover = asleep(shop, "cut.near", "5s");
  // 1000 is gone when the lock is taken, and was given all the same.
  sqlite(shop.file(),
         "INSERT INTO orders(id, token, n) VALUES (1000, 'gone', 1); DELETE FROM orders WHERE id = "
         "1000; INSERT INTO plain(id, v) VALUES (2000, 'last')");
  cutover->signal(SIGCONT);
  CHECK(cutover->wait_or_throw(30s) == ExitStatus{.code = 0});
  CHECK_THAT(cutover->output(), Catch::Contains("3 set, 2 of them again under the lock"));
  const auto next = [&](const std::string& into) {
    return query(shop.dsn(), "INSERT INTO " + into + " RETURNING id", Guard::met).at(0).at(0);
  };
  CHECK(next("orders(token, n) VALUES ('next', 1)") == "1001");
  CHECK(next("plain(v) VALUES ('next')") == "2001");
  CHECK(next("quiet(v) VALUES ('next')") == "71");
}

// Behind the gates: the rebuild has no triggers of ours, so what is written to it is not logged.
TEST_CASE("no writer moves past a schema that PostgreSQL has not got", "[system]") {
  const auto [name, ddl] = GENERATE(table<std::string, std::string>(
      {{"table",
        "CREATE TABLE fresh(id INTEGER PRIMARY KEY, v TEXT); INSERT INTO fresh VALUES (1, "
        "'x')"},
       {"rebuild",
        "CREATE TABLE other(k TEXT PRIMARY KEY, v) WITHOUT ROWID; INSERT INTO other SELECT * FROM "
        "notes; INSERT INTO other VALUES ('late', 'y'); DROP TABLE notes; ALTER TABLE other RENAME "
        "TO notes"}}));
  INFO(name);
  Shop shop("schema_" + name);
  const auto stays = [&](Process& cutover, int exit) {
    cutover.signal(SIGCONT);
    CHECK(cutover.wait_or_throw(30s) == ExitStatus{.code = exit});
    CHECK_THAT(cutover.error_output(), Catch::Contains("LS-X668"));
    REQUIRE(
        wait_until([&] { return shop.decision(true) != "pending" && shop.settled(); }, 30s, 20ms));
    CHECK(shop.sqlite_role() == "primary");
  };
  const std::string begin = "BEGIN IMMEDIATE; ", end = "; COMMIT";
  const auto cutover = asleep(shop, "cut.prepared", "1s");
  shop.run().signal(SIGSTOP);
  sqlite(shop.file(), begin + ddl + end);
  stays(*cutover, 6);
  shop.run().signal(SIGCONT);
  // Followed by now, and changed once more when the lock is about to be asked for.
  const auto again = asleep(shop, "cut.near", "1s");
  sqlite(shop.file(), "CREATE TABLE later(id INTEGER PRIMARY KEY); INSERT INTO later VALUES (7)");
  stays(*again, 3);
  shop.moved("cutover");
  CHECK(query(shop.dsn(), "SELECT id FROM later").size() == 1);
  CHECK(query(shop.dsn(), name == "table" ? "SELECT v FROM fresh WHERE v = 'x'"
                                          : "SELECT v FROM notes WHERE v = 'y'")
            .size() == 1);
  shop.equal();
}

// An application above READ COMMITTED that passes PostgreSQL's fence takes the row that C changes.
TEST_CASE("a transaction on PostgreSQL holds up no cutover behind SQLite's fence", "[system]") {
  Shop shop("held_row");
  shop.stop_following();
  shop.follow({}, {"--guard", "off"});
  require_caught_up(shop.run(), shop.file());
  const auto cutover = asleep(shop, "cut.near", "600ms");
  auto application = postgres::Connection::open(postgres::parse_dsn(shop.dsn()), "application");
  application.exec(
      "SET lockstep.applier = off; BEGIN ISOLATION LEVEL REPEATABLE READ; UPDATE public.orders SET "
      "n = n");
  cutover->signal(SIGCONT);
  CHECK(cutover->wait_or_throw(20s) == ExitStatus{.code = 6});
  CHECK_THAT(cutover->error_output(),
             Catch::Contains("LS-X604") && Catch::Contains("lockstep application"));
  CHECK_THAT(cutover->output(), Catch::Contains("LOCK"));
  CHECK(shop.sqlite_role() == "primary");
  sqlite(shop.file(), "INSERT INTO orders(token, n) VALUES ('meanwhile', 1)");
  application.exec("ROLLBACK");
  shop.moved("cutover");
  shop.equal();
}

TEST_CASE("a server that says nothing holds SQLite's writers up for the budget at most",
          "[system]") {
  Shop shop("mute");
  const TempDir folder;
  const std::string go = folder.file("go"), trace = folder.file("trace");
  const auto cutover = start_lockstep({"cutover", shop.file(), "--confirm", "shop", "--when-ready",
                                       "--max-pause", "600ms", "--verify-max-age", "0"},
                                      {.environment = {"LOCKSTEP_FAILPOINTS=cut.locked=block:" + go,
                                                       "LOCKSTEP_FAILPOINT_TRACE=" + trace}});
  REQUIRE(wait_until([&] { return contents(trace).find("cut.locked") != std::string::npos; }, 30s));
  server().freeze();
  std::ofstream(go).close();
  // sqlite() waits 5 s for the lock; a server that stays away would have kept it for minutes.
  std::string refused;
  try {
    sqlite(shop.file(), "INSERT INTO orders(token, n) VALUES ('meanwhile', 1)");
  } catch (const std::exception& error) {
    refused = error.what();
  }
  server().thaw();
  CHECK(refused.empty());
  CHECK(cutover->wait_or_throw(60s) == ExitStatus{.code = 6});
  CHECK_THAT(cutover->error_output(),
             Catch::Contains("LS-X604") && Catch::Contains("did not answer"));
  REQUIRE(wait_until([&] { return shop.settled(); }, 30s, 20ms));
  CHECK(shop.sqlite_role() == "primary");
  shop.moved("cutover");
  shop.equal();
}

// Rollback journal: the fence waits for who reads. The server falls silent while it does.
TEST_CASE("a server that says nothing does not keep SQLite locked behind the budget", "[system]") {
  Shop shop("mute_behind", "DELETE");
  const auto cutover = asleep(shop, "cut.near", "2s");
  sqlite::Database reader = sqlite::Database::open(shop.file(), sqlite::OpenMode::read_write);
  reader.exec("BEGIN; SELECT count(*) FROM orders");
  cutover->signal(SIGCONT);
  REQUIRE(wait_until(
      [&] {
        return postgres_value(shop.dsn(),
                              "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in "
                              "transaction' AND query LIKE '%lockstep.ledger%FOR UPDATE'") == "1";
      },
      20s, 5ms));
  server().freeze();
  auto other = sqlite::Database::open(shop.file(), sqlite::OpenMode::read_write, Milliseconds{1});
  const bool free = wait_until(
      [&] {
        try {
          other.exec("BEGIN IMMEDIATE; ROLLBACK");
          return true;
        } catch (const Error&) {
          return false;
        }
      },
      8s, 20ms);
  server().thaw();
  CHECK(free);
  CHECK(cutover->wait_or_throw(60s) == ExitStatus{.code = 6});
  CHECK_THAT(cutover->error_output(), Catch::Contains("LS-X604"));
  reader.exec("ROLLBACK");
  REQUIRE(wait_until([&] { return shop.settled(); }, 30s, 20ms));
  CHECK(shop.sqlite_role() == "primary");
  shop.moved("cutover");
  shop.equal();
}

// WAL: who began to write; rollback journal: who reads, for a COMMIT waits for readers there.
TEST_CASE("whoever has SQLite locked keeps no side closed that a rollback would leave",
          "[system]") {
  const auto [journal, begins] =
      GENERATE(table<std::string, std::string>({{"WAL", "BEGIN IMMEDIATE"},
                                                {"DELETE", "BEGIN; SELECT count(*) FROM orders"},
                                                {"DELETE", "BEGIN EXCLUSIVE"}}));
  INFO(journal << " " << begins);
  Shop shop(begins == "BEGIN EXCLUSIVE" ? "kept_exclusive" : "kept_" + journal);
  shop.stop_following();
  sqlite(shop.file(), "PRAGMA journal_mode = " + journal);
  shop.follow();
  require_caught_up(shop.run(), shop.file());
  shop.moved("cutover");
  auto rollback = start_lockstep({"rollback", shop.file(), "--confirm", "shop", "--when-ready",
                                  "--max-pause", "700ms", "--verify-max-age", "0"},
                                 {.environment = {"LOCKSTEP_FAILPOINTS=rb.drained=stop"}});
  REQUIRE(wait_until([&] { return is_stopped(*rollback); }, 30s, 5ms));
  sqlite::Database stale = sqlite::Database::open(shop.file(), sqlite::OpenMode::read_write);
  stale.exec(begins);
  rollback->signal(SIGCONT);
  CHECK(rollback->wait_or_throw(20s) == ExitStatus{.code = 6});
  CHECK_THAT(rollback->error_output(),
             Catch::Contains("LS-X604") && Catch::Contains("goes on writing to PostgreSQL"));
  query(shop.dsn(), "INSERT INTO orders(token, n) VALUES ('meanwhile', 1)", Guard::met);
  stale.exec("ROLLBACK");
  REQUIRE(wait_until([&] { return shop.settled(); }, 30s, 20ms));
  shop.moved("rollback");
  shop.equal();
}

}  // namespace lockstep::test
