// What is claimed equal was compared: the right pair of databases, the tables that were asked for,
// and nothing left out in silence.
#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <sstream>

#include "tests/system/followed.hpp"

namespace lockstep::test {
namespace {

using Catch::Contains;
using Json = nlohmann::json;

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

void check_refused(const Outcome& outcome, int code, const std::vector<std::string>& words) {
  INFO(everything(outcome));
  CHECK(outcome.status == ExitStatus{.code = code});
  CHECK_THAT(outcome.output, !Contains("equal"));
  for (const std::string& word : words) CHECK_THAT(everything(outcome), Contains(word));
}

}  // namespace

TEST_CASE("a glob of --table that matches nothing is named, and nothing is called equal",
          "[system]") {
  Followed world("globs", server().create_database("globs"));
  world.start_and_catch_up();
  const auto verify = [&](const std::string& tables) {
    return lockstep({"verify", world.file(), world.dsn(), "--table", tables, "--json"});
  };
  const auto passes = [&] {
    return server().value("SELECT count(*) FROM lockstep.verify_passes", "globs");
  };
  require_code(verify("a"), 0);
  const std::string before = passes();
  const auto all_are_refused = [&] {
    check_refused(verify("A"), 3, {"LS-V532", "A matches no table", "a, b"});
    check_refused(verify("nothing"), 3, {"LS-V532", "nothing"});
    check_refused(verify("a,bb*,c"), 3, {"LS-V532", "bb*, c"});
    check_refused(lockstep({"verify", world.file(), world.dsn(), "--counts", "--table", "x"}), 3,
                  {"LS-V532"});
    require_code(verify("a,b"), 0);
  };
  all_are_refused();
  CHECK(std::stoi(passes()) == std::stoi(before) + 1);  // only the last one
  // Whoever asks in another way, as an older lockstep does, gets no pass that is equal.
  server().query(
      "INSERT INTO lockstep.verify_passes (migration, tables) VALUES ('globs', '{nothing}')",
      "globs");
  std::string state;
  CHECK(wait_until(
      [&] {
        state = server().value(
            "SELECT state || ': ' || problem FROM lockstep.verify_passes ORDER BY id DESC LIMIT 1",
            "globs");
        return state.find("requested") == std::string::npos &&
               state.find("running") == std::string::npos;
      },
      20s, 20ms));
  CHECK_THAT(state, Contains("failed") && Contains("LS-V532"));
  world.stop();
  all_are_refused();
}

TEST_CASE("a target whose migration only has the same name is refused", "[system]") {
  TempDir folder;
  std::vector<std::string> files, dsns;
  std::vector<std::unique_ptr<Process>> running;
  for (const std::string name : {"m1", "m2"}) {
    std::filesystem::create_directory(folder.file(name));
    files.push_back(folder.file(name + "/app.db"));
    sqlite(files.back(),
           "PRAGMA journal_mode = WAL; CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT);"
           "INSERT INTO t VALUES (1, '" +
               name + "')");
    dsns.push_back(server().create_database("same_" + name));
    running.push_back(start_lockstep({"run", files.back(), dsns.back(), "--quiet"}));
    require_caught_up(*running.back(), files.back());
  }
  const auto refused = [&] {
    check_refused(lockstep({"verify", files[0], dsns[1]}), 8, {"LS-V531", "app", files[1]});
    check_refused(lockstep({"verify", files[0], dsns[1], "--repair", "--yes"}), 8, {"LS-V531"});
  };
  refused();
  check_refused(lockstep({"cutover", files[0], dsns[1], "--confirm", "app"}), 8, {"LS-V531"});
  check_refused(lockstep({"cutover", files[0], dsns[1], "--dry-run"}), 8, {"LS-V531"});
  CHECK(server().value("SELECT to_regclass('lockstep.switchover') IS NULL OR NOT EXISTS (SELECT "
                       "FROM lockstep.switchover WHERE attempt > 0)",
                       "same_m2") == "t");
  for (std::size_t i = 0; i < 2; ++i) {
    require_code(lockstep({"verify", files[i], dsns[i]}), 0);
    require_code(lockstep({"verify", files[i]}), 0);  // it knows where
    running[i]->signal(SIGTERM);
    CHECK(running[i]->wait_or_throw(20s) == ExitStatus{.code = 143});
  }
  refused();
  check_refused(lockstep({"remove", files[0], dsns[1]}), 8, {"LS-V531"});
  require_code(lockstep({"verify", files[0]}), 0);
  // An older backup of the ledger is of another era.
  server().query("UPDATE lockstep.ledger SET era = gen_random_uuid()", "same_m1");
  check_refused(lockstep({"verify", files[0]}), 8, {"LS-V531", "era"});
}

TEST_CASE("flags that do not go together, and numbers that are none, are refused", "[system]") {
  Followed world("flags", server().create_database("flags"));
  world.start_and_catch_up();
  const auto refused = [&](std::vector<std::string> flags, const std::string& word) {
    flags.insert(flags.begin(), {"verify", world.file(), world.dsn()});
    check_refused(lockstep(std::move(flags)), 2, {"LS-C100", word});
  };
  refused({"--sample", "-5"}, "--sample");
  refused({"--sample", "0"}, "--sample");
  refused({"--sample", "x"}, "--sample");
  refused({"--counts", "--sample", "5"}, "--sample");
  for (const std::vector<std::string>& other :
       std::vector<std::vector<std::string>>{{"--repair", "--yes"},
                                             {"--checks"},
                                             {"--counts"},
                                             {"--html", "x.html"},
                                             {"--junit", "x.xml"}}) {
    std::vector<std::string> flags{"--continuous"};
    flags.insert(flags.end(), other.begin(), other.end());
    refused(flags, "--continuous");
  }
  // Nobody could answer: not even the comparison is made.
  refused({"--repair"}, "--yes");
  require_code(lockstep({"verify", world.file(), world.dsn(), "--sample", "5"}), 0);
}

TEST_CASE("why nobody takes a comparison up is said as status says it", "[system]") {
  Followed world("reason", server().create_database("reason"));
  world.start_and_catch_up();
  require_code(lockstep({"verify", world.file(), world.dsn()}), 0);
  // Another schema change than lockstep follows by itself: it waits for a person.
  require_code(lockstep({"ddl", "hold", world.file()}), 0);
  world.write("ALTER TABLE a ADD COLUMN more TEXT; UPDATE a SET more = 'x'");
  static_cast<void>(world.awaits("LS-S317"));
  const Outcome outcome = lockstep({"verify", world.file(), world.dsn()});
  check_refused(outcome, 6, {"LS-V503", "LS-S317"});
}

TEST_CASE("what the source has and the plans have not is named at rest, not called equal",
          "[system]") {
  Followed world("rest", server().create_database("rest"));
  world.start_and_catch_up();
  world.stop();
  const auto verify = [&](const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments{"verify", world.file(), world.dsn(), "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return lockstep(arguments);
  };
  const auto finding = [&](const Outcome& outcome) {
    std::string all;
    for (const Json& one : objects(outcome, "finding"))
      all += one["code"].get<std::string>() + " " + one["table"].get<std::string>() + ": " +
             one["what"].get<std::string>() + "\n";
    return all;
  };
  require_code(verify(), 0);
  // An index is no difference.
  world.write("CREATE INDEX more ON a(n)");
  require_code(verify(), 0);
  world.write("ALTER TABLE a ADD COLUMN extra TEXT DEFAULT 'x'");
  Outcome outcome = verify();
  require_code(outcome, 4);
  CHECK_THAT(finding(outcome), Contains("LS-V533 a: column extra is on the source only"));
  require_code(verify({"--table", "b"}), 0);
  world.write("CREATE TABLE young(id INTEGER PRIMARY KEY)");
  outcome = verify();
  require_code(outcome, 4);
  CHECK_THAT(finding(outcome), Contains("LS-V533 young: the table is new on the source"));
  world.write("ALTER TABLE b RENAME COLUMN n TO m");
  outcome = verify();
  require_code(outcome, 4);
  CHECK_THAT(finding(outcome), Contains("LS-V533 b: ") && Contains("dropped or renamed"));
  world.write("DROP TABLE b");
  outcome = verify();
  require_code(outcome, 4);
  CHECK_THAT(finding(outcome), Contains("LS-V533 b: the table is gone"));
}

TEST_CASE("a table that cannot be compared is named, and the others are compared", "[system]") {
  Followed world("broken", server().create_database("broken"));
  world.write(
      "CREATE TABLE c(id INTEGER PRIMARY KEY, v TEXT); INSERT INTO c VALUES (1, "
      "hex(randomblob(50000)))");
  world.start_and_catch_up();
  require_code(lockstep({"verify", world.file(), world.dsn()}), 0);
  // A value of c cannot be read any more.
  const std::string toast =
      server().value("SELECT reltoastrelid::regclass FROM pg_class WHERE relname = 'c'", "broken");
  server().query(
      "CREATE SCHEMA surgery; CREATE EXTENSION pg_surgery SCHEMA surgery; SELECT "
      "surgery.heap_force_kill('" +
          toast + "'::regclass, ARRAY['(0,1)']::tid[])",
      "broken");
  for (const bool live : {true, false}) {
    INFO(live);
    if (!live) world.stop();
    const Outcome outcome = lockstep({"verify", world.file(), world.dsn(), "--json"});
    INFO(everything(outcome));
    CHECK(outcome.status == ExitStatus{.code = 7});
    std::map<std::string, Json> tables;
    for (const Json& table : objects(outcome, "table")) tables[table["table"]] = table;
    CHECK(tables.size() == 3);
    CHECK(tables["a"]["state"] == "equal");
    CHECK(tables["a"]["source_digest"] == tables["a"]["target_digest"]);
    CHECK(tables["a"]["source_digest"] != "0000000000000000");
    CHECK(tables["a"]["oldest"].is_string());
    CHECK(tables["a"]["ms"].is_number());
    CHECK(tables["b"]["state"] == "equal");
    CHECK(tables["c"]["state"] == "not compared");
    CHECK_THAT(tables["c"]["problem"].get<std::string>(), Contains("LS-T211"));
    CHECK(objects(outcome, "finding").at(0)["code"] == "LS-V534");
    const Json summary = objects(outcome, "summary").at(0);
    CHECK(summary["not_compared"] == 1);
    CHECK(summary["equal"] == false);
    CHECK(summary["source"] == world.file());
    CHECK(summary["target"].get<std::string>().find("broken") != std::string::npos);
    CHECK(summary["pass"].is_number() == live);
    if (live)
      CHECK(wait_until(
          [&] {
            const Json seen = world.status()["tables"];
            for (const Json& table : seen)
              if (table["name"] == "c") return table["verified"]["state"] == "error";
            return false;
          },
          10s, 50ms));
    // Beside one that differs it is not the exit code that tells, but it is said.
    server().query("UPDATE b SET n = n + 1 WHERE k = 'a'", "broken");
    const Outcome both = lockstep({"verify", world.file(), world.dsn()});
    require_code(both, 4);
    CHECK_THAT(both.output, Contains("LS-V534") && Contains("LS-V501") && Contains("--repair") &&
                                Contains("1 table(s) could not be compared"));
    server().query("UPDATE b SET n = n - 1 WHERE k = 'a'", "broken");
  }
}

TEST_CASE("a comparison of one table neither opens nor shuts the gate of the others", "[system]") {
  Followed world("gate", server().create_database("gate"));
  world.start_and_catch_up();
  const auto gate = [&] {
    const Outcome dry = lockstep(
        {"cutover", world.file(), world.dsn(), "--dry-run", "--json", "--verify-max-age", "1h"});
    const Json gates = objects(dry, "gates").at(0)["gates"];
    for (const Json& one : gates)
      if (one["name"] == "compared") return one;
    return Json();
  };
  const auto headline = [&] {
    const Outcome status = lockstep({"status", world.file()});
    std::istringstream lines(status.output);
    for (std::string line; std::getline(lines, line);)
      if (line.starts_with("  verified   ")) return line;
    return std::string();
  };
  require_code(lockstep({"verify", world.file(), world.dsn(), "--table", "a"}), 0);
  CHECK(gate()["open"] == false);
  CHECK(gate()["found"] == "never compared: b");
  require_code(lockstep({"verify", world.file(), world.dsn()}), 0);
  CHECK(gate()["open"] == true);
  require_code(lockstep({"verify", world.file(), world.dsn(), "--table", "a"}), 0);
  CHECK(gate()["open"] == true);
  server().query("UPDATE b SET n = n + 1 WHERE k = 'a'", "gate");
  require_code(lockstep({"verify", world.file(), world.dsn()}), 4);
  require_code(lockstep({"verify", world.file(), world.dsn(), "--table", "a"}), 0);
  CHECK(gate()["open"] == false);
  CHECK(gate()["found"] == "different: b (1 rows)");
  CHECK(wait_until([&] { return headline().find("1 table DIFFERENT") != std::string::npos; }, 10s,
                   50ms));
  CHECK_THAT(headline(), Contains("1 of 2 tables equal") && Contains("--repair"));
  require_code(lockstep({"verify", world.file(), world.dsn(), "--table", "b", "--repair", "--yes"}),
               0);
  CHECK(gate()["open"] == true);
}

}  // namespace lockstep::test
