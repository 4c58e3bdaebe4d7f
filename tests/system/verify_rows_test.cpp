// Which rows and columns a comparison sees, and how it tells of them.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>

#include "tests/system/followed.hpp"

namespace lockstep::test {
namespace {

using Catch::Contains;
using Json = nlohmann::json;

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

}  // namespace

TEST_CASE("columns that a rule adds are compared with their constant", "[system]") {
  Followed world("constants", server().create_database("constants"));
  const std::string config = world.in_folder("c.json");
  std::ofstream(config) << R"({"version": 1, "tables": {"add": {"a": {"region": "EU", "rank": 7,
    "fresh": true, "level": 1.5}}}})";
  std::filesystem::permissions(
      config, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  world.start({"--config", config});
  require_caught_up(world.process(), world.file());
  for (const bool live : {true, false}) {
    INFO(live);
    if (!live) world.stop();
    require_code(lockstep({"verify", world.file(), world.dsn()}), 0);
    for (const std::string change :
         {"region = 'US'", "rank = 8", "fresh = false", "level = 1.25"}) {
      INFO(change);
      server().query("UPDATE a SET " + change + " WHERE id = 2", "constants");
      const Outcome outcome = lockstep({"verify", world.file(), world.dsn()});
      require_code(outcome, 4);
      CHECK_THAT(outcome.output, Contains("id=2: " + change.substr(0, change.find(' ')) + " is ") &&
                                     Contains("by its rule"));
      server().query("UPDATE a SET region = 'EU', rank = 7, fresh = true, level = 1.5 WHERE id = 2",
                     "constants");
    }
  }
}

TEST_CASE("rows with NULL in their key are found on a table that lets them in", "[system]") {
  const std::string dsn = server().create_database("nulls");
  server().query(
      "CREATE TABLE a(id bigint UNIQUE, u text, n bigint);"
      "CREATE TABLE b(k text UNIQUE, n bigint)",
      "nulls");
  Followed world("nulls", dsn);
  world.start();
  require_caught_up(world.process(), world.file());
  require_code(lockstep({"verify", world.file(), dsn}), 0);
  const auto plant = [&] {
    server().query(
        "INSERT INTO a VALUES (NULL, 'x', 1), (NULL, 'y', 2); INSERT INTO b VALUES (NULL, 3)",
        "nulls");
  };
  plant();
  for (const bool live : {true, false}) {
    INFO(live);
    if (!live) world.stop();
    const Outcome outcome = lockstep({"verify", world.file(), dsn, "--json"});
    require_code(outcome, 4);
    for (const Json& table : objects(outcome, "table")) {
      CHECK(table["extra"] == (table["table"] == "a" ? 2 : 1));
      CHECK_THAT(table["examples"].at(0).get<std::string>(), Contains("NULL: on the target only"));
    }
    if (!live) continue;
    const Outcome repaired = lockstep({"verify", world.file(), dsn, "--repair", "--yes"});
    require_code(repaired, 0);
    CHECK_THAT(repaired.output, Contains("every row of a, b"));
    CHECK(server().value("SELECT (SELECT count(*) FROM a) || ' ' || (SELECT count(*) FROM b)",
                         "nulls") == "3 2");
    plant();
  }
}

TEST_CASE("where long values part is told, running and at rest", "[system]") {
  Followed world("long", server().create_database("long"));
  world.write(
      "CREATE TABLE c(id INTEGER PRIMARY KEY, t TEXT, b BLOB); INSERT INTO c VALUES (1, "
      "replace(hex(zeroblob(650)), '0', 'x'), zeroblob(1000000)), (2, 'short', x'00')");
  world.start_and_catch_up();
  server().query(
      "SET session_replication_role = replica; UPDATE c SET t = overlay(t placing 'y' from 1200 "
      "for 1), b = set_byte(b, 777776, 1) WHERE id = 1; UPDATE c SET t = 'other' WHERE id = 2",
      "long");
  for (const bool live : {true, false}) {
    INFO(live);
    if (!live) world.stop();
    const Outcome outcome = lockstep({"verify", world.file(), world.dsn(), "--json"});
    require_code(outcome, 4);
    const Json table = objects(outcome, "table").at(2);
    const auto example = table["examples"].at(0).get<std::string>();
    CHECK_THAT(example, Contains("(1300 and 1300 bytes, first difference at byte 1200)"));
    // Of a large one the source has not sent all of it.
    CHECK_THAT(example, Contains(live ? "(1000000 and 1000000 bytes, first difference in bytes "
                                        "777693 to 779646)"
                                      : "(1000000 and 1000000 bytes, first difference at byte "
                                        "777777)"));
    CHECK_THAT(table["examples"].at(1).get<std::string>(), !Contains("first difference"));
  }
}

// The key of a row in quarantine may be of any length.
TEST_CASE("a key that fits no message leaves its table uncompared, and stops nothing", "[system]") {
  Followed world("message", server().create_database("message"));
  world.write("CREATE TABLE c(id INT PRIMARY KEY, n INT); INSERT INTO c VALUES (1, 1), (2, 2)");
  world.start({"--on-bad-value", "quarantine"});
  require_caught_up(world.process(), world.file());
  Json before;
  REQUIRE(wait_until([&] { return (before = world.status()["applied"]).is_string(); }, 20s, 20ms));
  world.write("INSERT INTO c VALUES (replace(hex(zeroblob(2500000)), '0', 'x'), 3)");
  require_caught_up(world.process(), world.file());
  for (const bool since : {false, true}) {
    INFO(since);
    std::vector<std::string> command{"verify", world.file(), world.dsn(), "--json"};
    if (since) command.insert(command.end(), {"--since", before.get<std::string>()});
    const Outcome outcome = lockstep(command);
    require_code(outcome, 7);
    std::string problem;
    for (const Json& table : objects(outcome, "table"))
      if (table["table"] == "c") problem = table["problem"].get<std::string>();
    // Once it is capture's answer, once apply's question.
    CHECK_THAT(problem, Contains(since ? "a barrier_wanted message" : "message of a comparison") &&
                            Contains("too large to be sent"));
  }
  require_code(lockstep({"verify", world.file(), world.dsn(), "--table", "a"}), 0);
  world.stop();
  require_code(lockstep({"verify", world.file(), world.dsn()}), 9);
}

TEST_CASE("a row that only an index still has right is found", "[system]") {
  PostgresServer own{{"fsync=off", "autovacuum=off"}};
  const std::string dsn = own.create_database("heap");
  TempDir folder;
  const std::string file = folder.file("heap.db");
  sqlite(file,
         "PRAGMA journal_mode = WAL; CREATE TABLE keys(id INTEGER PRIMARY KEY);"
         "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
         "INSERT INTO keys SELECT i FROM n");
  auto running = start_lockstep({"run", file, dsn, "--quiet"});
  require_caught_up(*running, file);
  running->signal(SIGTERM);
  CHECK(running->wait_or_throw(20s) == ExitStatus{.code = 143});
  own.query("VACUUM (FREEZE, ANALYZE) keys", "heap");
  require_code(lockstep({"verify", file, dsn}), 0);
  const std::string heap =
      (own.data_folder() / own.value("SELECT pg_relation_filepath('keys')", "heap")).string();
  own.stop_fast();
  std::string bytes = contents(heap);
  // 12345 as a bigint, and one bit more.
  const std::string was{"\x39\x30\0\0\0\0\0\0", 8};
  const std::size_t at = bytes.find(was);
  REQUIRE(at != std::string::npos);
  REQUIRE(bytes.find(was, at + 1) == std::string::npos);
  bytes[at + 3] = '\x01';
  {
    std::fstream out(heap, std::ios::in | std::ios::out | std::ios::binary);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  own.start();
  // PostgreSQL's own answer by the index alone is still the old one.
  CHECK(
      own.value("SET enable_seqscan = off; SET enable_bitmapscan = off; SELECT id FROM keys WHERE "
                "id = 12345",
                "heap") == "12345");
  const Outcome rested = lockstep({"verify", file, dsn});
  require_code(rested, 4);
  CHECK_THAT(rested.output, Contains("id=12345"));
  running = start_lockstep({"run", file, dsn, "--quiet"});
  require_caught_up(*running, file);
  require_code(lockstep({"verify", file, dsn}), 4);
  running->signal(SIGTERM);
  CHECK(running->wait_or_throw(20s) == ExitStatus{.code = 143});
}

}  // namespace lockstep::test
