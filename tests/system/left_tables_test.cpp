// Two cutovers, and a table that left the migration between them.
#include "tests/system/moved_world.hpp"

namespace lockstep::test {
namespace {

constexpr char kTables[] =
    "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a');"
    "CREATE TABLE old(id INTEGER PRIMARY KEY, v TEXT); INSERT INTO old VALUES (1, 'a');";

void move(const Moved& moved, const std::string& command) {
  require_code(lockstep({command, moved.file(), "--confirm", "moved", "--when-ready", "--max-pause",
                         "5s", "--verify-max-age", "0"}),
               0);
}

}  // namespace

TEST_CASE("a table that left the migration between two cutovers stops no way back", "[system]") {
  const bool renamed = GENERATE(false, true);
  Moved moved(renamed ? "left_renamed" : "left_dropped", R"({"continuous": false})", "WAL",
              kTables);
  move(moved, "rollback");
  sqlite(moved.file(), renamed ? "ALTER TABLE old RENAME TO newer" : "DROP TABLE old");
  moved.run().signal(SIGTERM);
  static_cast<void>(moved.run().wait_or_throw(20s));
  require_code(lockstep({"ddl", "accept", moved.file()}), 0);
  moved.follow();
  REQUIRE(wait_until(
      [&] {
        return moved.value("SELECT count(*) FROM lockstep.ledger_tables WHERE name = 'old'") == "0";
      },
      30s, 20ms));
  require_code(moved.wait("caught-up"), 0);
  // It is its owner's from here on: the rollback has fenced it no more.
  REQUIRE(wait_until(
      [&] {
        return moved.value(
                   "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'old'::regclass AND tgname "
                   "LIKE '\\_lockstep%'") == "0";
      },
      30s, 20ms));
  moved.write("UPDATE old SET v = 'mine'");
  move(moved, "cutover");
  REQUIRE(wait_until([&] { return moved.status()["phase"] == "reverse"; }, 30s, 20ms));
  moved.write("INSERT INTO t VALUES (2, 'b'); DELETE FROM old");
  require_code(moved.wait("caught-up"), 0);
  CHECK(sqlite(moved.file(), "SELECT v FROM t WHERE id = 2") == std::vector<std::string>{"b"});
  moved.write("DROP TABLE old; INSERT INTO t VALUES (3, 'c')");
  require_code(moved.wait("caught-up"), 0);
  move(moved, "rollback");
  CHECK(sqlite(moved.file(), "SELECT count(*) FROM t") == std::vector<std::string>{"3"});
}

TEST_CASE("what an older lockstep has left on a table goes when the way back is followed",
          "[system]") {
  Moved moved("left_older", R"({"continuous": false})", "WAL", kTables);
  moved.run().signal(SIGTERM);
  static_cast<void>(moved.run().wait_or_throw(20s));
  // A number that the ledger no longer has, by the functions and triggers of one that it has.
  moved.write(
      "CREATE TABLE gone (LIKE old); DO $$ DECLARE f text; BEGIN "
      "SELECT regexp_replace(proname, '_[0-9]+$', '_77') INTO f FROM pg_proc WHERE proname LIKE "
      "'log\\_%' LIMIT 1; EXECUTE format('CREATE FUNCTION lockstep.%I() RETURNS trigger LANGUAGE "
      "plpgsql AS %L', f, 'BEGIN INSERT INTO lockstep.changes (migration, tbl, key) VALUES "
      "(''moved'', 77, NULL); RETURN NULL; END'); EXECUTE format('CREATE TRIGGER _lockstep_log "
      "AFTER "
      "INSERT ON gone FOR EACH ROW EXECUTE FUNCTION lockstep.%I()', f); END $$; INSERT INTO gone "
      "VALUES (1, 'a'); INSERT INTO t VALUES (2, 'b')");
  REQUIRE(moved.value("SELECT count(*) FROM lockstep.changes WHERE tbl = 77") == "1");
  moved.follow();
  require_code(moved.wait("caught-up"), 0);
  CHECK(moved.value("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'gone'::regclass") == "0");
  CHECK(moved.value("SELECT count(*) FROM lockstep.changes") == "0");
  CHECK(sqlite(moved.file(), "SELECT count(*) FROM t").at(0) == "2");
  moved.write("DROP TABLE gone");  // SQLite has none of its rows
  move(moved, "rollback");
}

TEST_CASE("the log of the way back does not grow while SQLite is written", "[system]") {
  const Moved moved("idle_log", R"({"continuous": false})", "WAL", kTables);
  move(moved, "rollback");
  REQUIRE(wait_until([&] { return moved.status()["phase"] == "streaming"; }, 30s, 20ms));
  moved.write("INSERT INTO lockstep.changes (migration, tbl, key) VALUES ('moved', 1, '{1}')");
  CHECK(wait_until([&] { return moved.value("SELECT count(*) FROM lockstep.changes") == "0"; }, 20s,
                   50ms));
}

}  // namespace lockstep::test
