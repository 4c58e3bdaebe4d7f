// Comparing both sides after a cutover, while PostgreSQL is written to and SQLite follows: nothing
// is called different that is not; what is, is found by its key, and written anew.
#include <fmt/format.h>

#include <array>
#include <map>
#include <set>

#include "tests/support/seed.hpp"
#include "tests/system/moved_world.hpp"

namespace lockstep::test {
namespace {

using Catch::Contains;
using Json = nlohmann::json;

// Of the gate that this command would look at.
Json gate(const Outcome& outcome, const std::string& name) {
  const Json gates = object_of(outcome, "gates");
  for (const Json& each : gates["gates"])
    if (each["name"] == name) return each;
  return {};
}

/// Passes follow each other beside a writer that goes as fast as it can.
void write_hard(const std::string& journal, int wanted) {
  const std::uint64_t seed = test_seed();
  INFO("LOCKSTEP_SEED=" << seed);
  INFO(journal);
  Moved moved(fmt::format("hard_{}_{}", journal, wanted), R"({"every": "10ms", "cpu_share": 1})",
              journal);
  HostileWriter writer(moved, seed);
  // Of the last twenty passes; what differs stays different until somebody looks.
  const auto count = [&](const std::string& what) {
    return std::stoi(moved.value("SELECT coalesce(" + what +
                                 ", 0) FROM lockstep.verify_passes WHERE direction = 'reverse'"));
  };
  REQUIRE(wait_until([&] { return moved.status()["verified"].is_object(); }, 60s, 50ms));
  const int first = count("min(id)");
  int wrong = 0;
  const auto passes = [&] {
    wrong += count("count(*) FILTER (WHERE state IN ('different', 'failed'))");
    return count("max(id) FILTER (WHERE state = 'equal')") - first;
  };
  CHECK(wait_until([&] { return passes() >= wanted || wrong > 0; }, 600s, 50ms));
  const int written = writer.written();
  INFO(moved.value("SELECT string_agg(problem, ' ') FROM lockstep.verify_passes"));
  INFO(moved.value("SELECT string_agg(shown, ' ') FROM lockstep.verify_differences"));
  CHECK(wrong == 0);
  CHECK(written > 50);
  // The way back goes on beside it, and somebody who asks is told the same.
  const Outcome asked = moved.verify();
  require_code(asked, 0);
  CHECK(object_of(asked, "summary")["direction"] == "reverse");
  CHECK(object_of(asked, "summary")["rows"] > 3'000);
  for (const char* const flag : {"--counts", "--checks"}) require_code(moved.verify({flag}), 0);
  require_code(moved.verify({"--sample", "100"}), 0);
  writer.stop();
  INFO(writer.failed());
  CHECK(writer.failed().empty());
  require_code(moved.wait("caught-up"), 0);
  moved.equal();
  CHECK(moved.run().running());
  fmt::print("figure: {} passes after a cutover ({}), {} transactions meanwhile, 0 differences\n",
             wanted, journal, written);
}

}  // namespace

TEST_CASE("while PostgreSQL is written hard no pass finds a difference", "[system]") {
  write_hard(GENERATE("WAL", "DELETE"), 6);
}

TEST_CASE("a hundred passes beside a hostile writer find no difference", "[.][soak]") {
  write_hard(GENERATE("WAL", "DELETE"), 100);
}

TEST_CASE("what is proven after a cutover is on record, and waited for", "[system]") {
  Moved moved("proven", R"({"continuous": false})");
  require_code(moved.wait("verified", "200ms"), 6);
  require_code(moved.verify({"--table", "plain"}), 0);
  require_code(moved.wait("verified", "200ms"), 6);  // of one table
  const auto dry = [&](const std::vector<std::string>& more = {}) {
    std::vector<std::string> words{"rollback", moved.file(), "--dry-run", "--json"};
    words.insert(words.end(), more.begin(), more.end());
    return lockstep(words);
  };
  moved.write("DELETE FROM lockstep.verify_passes");
  CHECK(gate(dry(), "compared")["found"] == "not compared since the cutover");
  CHECK(gate(dry(), "compared")["open"] == false);
  CHECK(gate(dry({"--verify-max-age", "0"}), "compared")["open"] == true);
  require_code(moved.verify(), 0);
  const Outcome waited = moved.wait("verified");
  require_code(waited, 0);
  CHECK(object_of(waited, "wait")["direction"] == "reverse");
  CHECK(moved.status()["verified"]["state"] == "equal");
  CHECK(moved.state_of("plain") == "clean");
  const Json gate_now = gate(dry({"--verify-max-age", "1h"}), "compared");
  CHECK(gate_now["open"] == true);
  CHECK_THAT(gate_now["found"].get<std::string>(), Contains("equal, ") && Contains(" s ago"));

  // Written since: what was compared is older. Waited for before the comparison begins.
  moved.write("UPDATE plain SET i = 5 WHERE id = 5");
  require_code(moved.wait("verified", "200ms"), 6);
  auto waiting =
      start_lockstep({"wait", moved.file(), "--for", "verified", "--timeout", "30s", "--json"});
  require_code(moved.verify(), 0);
  CHECK(waiting->wait_or_throw(30s) == ExitStatus{.code = 0});

  // What differs shuts the gate until it is repaired.
  moved.tamper("UPDATE plain SET i = 6 WHERE id = 5");
  require_code(moved.verify({"--table", "plain"}), 4);
  require_code(moved.verify({"--table", "uuids"}), 0);  // of another table
  CHECK(gate(dry(), "compared")["open"] == false);
  CHECK(moved.state_of("plain") == "mismatch");
  require_code(lockstep({"rollback", moved.file(), "--confirm", "moved"}), 3);
  require_code(moved.verify({"--repair", "--yes"}), 0);
  CHECK(gate(dry(), "compared")["open"] == true);

  const Outcome since = moved.verify({"--since", "6ba7b810-9dad-41d1-80b4-00c04fd430c8/1/1"});
  require_code(since, 3);
  CHECK_THAT(everything(since), Contains("LS-V515"));

  require_code(lockstep({"rollback", moved.file(), "--confirm", "moved", "--max-pause", "5s",
                         "--verify-max-age", "1h"}),
               0);
  moved.equal();
  // What was compared on the way back is no word about the way there.
  REQUIRE(wait_until([&] { return moved.status()["phase"] == "streaming"; }, 30s, 20ms));
  require_code(moved.wait("verified", "200ms"), 6);
  require_code(moved.verify(), 0);
  require_code(moved.wait("verified"), 0);
}

TEST_CASE("every wrong row in SQLite is found after a cutover, and written anew", "[system]") {
  Moved moved("faults", R"({"every": "100ms", "cpu_share": 0.5})");
  const std::uint64_t seed = test_seed();
  INFO("LOCKSTEP_SEED=" << seed);
  HostileWriter writer(moved, seed);
  struct Fault {
    const char* table;
    const char* sql;
    const char* kind;
    const char* key;
  };
  // Behind a TRUNCATE the whole table is read anew, so not in `emptied`.
  const std::array faults{
      Fault{"plain", "UPDATE plain SET s = s || ' ' WHERE id = 3", "differ", "id=3"},
      Fault{"plain", "UPDATE plain SET s = NULL WHERE id = 4", "differ", "id=4"},
      Fault{"plain", "UPDATE plain SET n = '' WHERE id = 6", "differ", "id=6"},
      Fault{"plain", "DELETE FROM plain WHERE id = 7", "missing", "id=7"},
      Fault{"plain", "INSERT INTO plain(id, s) VALUES (-5, 'extra')", "extra", "id=-5"},
      Fault{"composite", "INSERT INTO composite VALUES ('zz', 1e9, x'00', 'extra')", "extra",
            "k='zz'"},
      Fault{"uuids", "INSERT INTO uuids(id) VALUES ('no uuid')", "extra", "no uuid"},
      Fault{"instants", "INSERT INTO instants VALUES ('1999-12-31 23:59:59', 1)", "extra",
            "1999-12-31 23:59:59"},
      Fault{"literals", "INSERT INTO literals VALUES (-1, 1)", "extra", "-1"},
      Fault{"literals", "INSERT INTO literals VALUES (1.5, 1)", "extra", "1.5"}};
  std::map<std::string, std::map<std::string, int>> planted;
  writer.stop();
  REQUIRE(writer.failed().empty());
  require_code(moved.wait("caught-up"), 0);
  for (const Fault& fault : faults) {
    moved.tamper(fault.sql);
    ++planted[fault.table][fault.kind];
  }
  // The passes that nobody asks for find them.
  for (const auto& [table, kinds] : planted)
    CHECK(wait_until([&, name = table] { return moved.state_of(name) == "mismatch"; }, 30s, 50ms));
  HostileWriter again(moved, seed + 1);
  // Without a word and without a terminal nothing is written.
  require_code(moved.verify({"--repair"}), 2);
  const Outcome found = moved.verify({});
  require_code(found, 4);
  CHECK(object_of(found, "repair").is_null());
  for (const auto& [table, kinds] : planted) {
    const Json line = object_of(found, "table", table);
    INFO(line.dump());
    for (const char* const kind : {"missing", "extra", "differ"}) {
      const auto wanted = kinds.find(kind);
      CHECK(line[kind] == (wanted == kinds.end() ? 0 : wanted->second));
    }
    for (const Fault& fault : faults)
      if (fault.table == table) CHECK_THAT(line["examples"].dump(), Contains(fault.key));
  }
  CHECK(object_of(found, "summary")["different"] == faults.size());
  // Personal data is masked here, too.
  CHECK_THAT(object_of(found, "table", "plain")["examples"].dump(), Contains("xxh3:"));
  const Outcome repaired = moved.verify({"--repair", "--yes"});
  INFO(everything(repaired));
  require_code(repaired, 0);
  CHECK(object_of(repaired, "repair")["skipped"] == 0);
  // PostgreSQL has no spelling for a key that is no UUID.
  CHECK_THAT(everything(repaired), Contains("uuids"));
  again.stop();
  CHECK(again.failed().empty());
  require_code(moved.wait("caught-up"), 0);
  moved.equal();
  REQUIRE(wait_until([&] { return moved.state_of("plain") == "clean"; }, 30s, 50ms));
  CHECK(sqlite(moved.file(), "SELECT count(*) FROM plain WHERE id IN (-5, 7)").at(0) == "1");

  // For somebody who watches: a line for each pass, until there is a difference.
  auto watching = start_lockstep({"verify", moved.file(), moved.dsn(), "--continuous", "--json"});
  REQUIRE(wait_until(
      [&] { return watching->output().find(R"("state":"equal")") != std::string::npos; }, 30s));
  moved.tamper("DELETE FROM plain WHERE id = 7");
  CHECK(watching->wait_or_throw(30s) == ExitStatus{.code = 4});
}

TEST_CASE("more wrong rows than a pass keeps are written anew all the same", "[system]") {
  Moved moved("many", R"({"continuous": false})", "WAL",
              "CREATE TABLE t(id INTEGER PRIMARY KEY, u INT UNIQUE);"
              "WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < 25000) "
              "INSERT INTO t SELECT i, i FROM k");
  // Each value is another row's: none can be written without the others.
  moved.tamper(
      "UPDATE t SET u = -u; UPDATE t SET u = 1 - u; DELETE FROM t WHERE id > 24000;"
      "INSERT INTO t VALUES (-7, 1)");
  const Outcome repaired = moved.verify({"--repair", "--yes"});
  INFO(everything(repaired));
  require_code(repaired, 0);
  CHECK(object_of(repaired, "repair")["anew"] == Json::array({"t"}));
  moved.equal();
}

TEST_CASE("a comparison that a cutover interrupts begins anew on the way back", "[system]") {
  std::string pass;
  // Some seconds for a pass: the cutover comes into the middle of one.
  const Moved moved(
      "turned", R"({"every": "10ms", "rows_per_second": 800, "cpu_share": 1})", "WAL", kSchema,
      [&](const Moved& following) {
        const std::string under_way =
            "SELECT p.id FROM lockstep.verify_passes AS p JOIN lockstep.verify_tables "
            "AS t ON t.pass = p.id WHERE p.state = 'running' AND t.barriers > 0";
        REQUIRE(wait_until(
            [&] {
              if (following.value("SELECT to_regclass('lockstep.verify_differences')").empty())
                return false;
              pass = following.value(under_way + " LIMIT 1");
              return !pass.empty();
            },
            30s, 20ms));
      });
  const std::string era = moved.value("SELECT reverse_era FROM lockstep.ledger");
  const auto records = [&](const std::string& condition) {
    return moved.value(
        "SELECT count(*) FROM lockstep.verify_tables AS t JOIN lockstep.verify_passes AS p ON p.id "
        "= t.pass WHERE p.direction = 'reverse' AND t.pass = " +
        pass + " AND " + condition);
  };
  REQUIRE(wait_until([&] { return records("t.barriers > 1") != "0"; }, 30s, 20ms));
  // Nothing of it is from before.
  for (const char* const position : {"oldest", "newest"})
    CHECK(records("NOT starts_with(t." + std::string(position) + ", '" + era + "')") == "0");
  // Who asks goes first.
  require_code(moved.verify(), 0);
  REQUIRE(wait_until(
      [&] {
        const Json verified = moved.status()["verified"];
        return verified.is_object() && verified["state"] == "equal";
      },
      30s, 50ms));
}

TEST_CASE("kill -9 in a comparison after a cutover costs a range", "[system]") {
  Moved moved("killed", R"({"continuous": false})");
  const std::uint64_t seed = test_seed();
  HostileWriter writer(moved, seed);
  for (const char* const place :
       {"verify.taken_up=kill", "verify.wanted=kill", "verify.view_open=kill@2",
        "verify.handed_over=kill@2", "verify.range_read=kill@3", "verify.compared=kill@2",
        "verify.recorded=kill@3", "verify.judged=kill", "rev.committed=kill@20"}) {
    INFO(place);
    moved.run().signal(SIGKILL);
    CHECK(moved.run().wait_or_throw(20s) == ExitStatus{.signal = SIGKILL});
    moved.follow({.environment = {std::string("LOCKSTEP_FAILPOINTS=") + place}});
    require_code(moved.wait("caught-up"), 0);
    auto asking = start_lockstep({"verify", moved.file(), moved.dsn(), "--json"});
    CHECK(moved.run().wait_or_throw(60s) == ExitStatus{.signal = SIGKILL});
    moved.follow();
    // Whoever asked finds out that nobody followed for a while, or does not notice.
    const auto ended = asking->wait_or_throw(60s);
    CHECK((ended == ExitStatus{.code = 0} || ended == ExitStatus{.code = 6}));
    REQUIRE(wait_until(
        [&] {
          return moved.value(
                     "SELECT count(*) FROM lockstep.verify_passes WHERE state IN "
                     "('requested', 'running')") == "0";
        },
        60s, 20ms));
    CHECK(moved.value("SELECT count(*) FROM lockstep.verify_passes WHERE state <> 'equal'") == "0");
  }
  writer.stop();
  require_code(moved.wait("caught-up"), 0);
  moved.equal();
}

TEST_CASE("a table that is locked on PostgreSQL holds its comparison up, and nothing else",
          "[system]") {
  Moved moved("locked", R"({"continuous": false})");
  Process locking({"psql", moved.dsn(), "-qAt"}, clean({.own_stdin = true}));
  REQUIRE(locking.write_stdin(
      "BEGIN; LOCK TABLE composite IN ACCESS EXCLUSIVE MODE; SELECT 'held';\n"));
  REQUIRE(
      wait_until([&] { return locking.output().find("held") != std::string::npos; }, 20s, 10ms));
  auto asking = start_lockstep({"verify", moved.file(), moved.dsn(), "--json"});
  REQUIRE(wait_until(
      [&] {
        return moved.value("SELECT to_regclass('lockstep.verify_passes') IS NOT NULL") == "t" &&
               moved.value(
                   "SELECT count(*) FROM lockstep.verify_passes WHERE state = "
                   "'running'") == "1";
      },
      20s, 10ms));
  for (int i = 0; i < 10; ++i) {
    moved.write("UPDATE plain SET i = i + 1 WHERE id = 9");
    require_code(moved.wait("caught-up", "5s"), 0);
  }
  CHECK(asking->running());
  REQUIRE(locking.write_stdin("COMMIT;\n"));
  CHECK(asking->wait_or_throw(60s) == ExitStatus{.code = 0});
  locking.close_stdin();
}

}  // namespace lockstep::test
