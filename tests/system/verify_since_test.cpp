// verify --since: the rows that were written since a position, all of them and no others.
#include <fmt/format.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include "tests/support/seed.hpp"
#include "tests/system/followed.hpp"

namespace lockstep::test {
namespace {

using Catch::Contains;
using Json = nlohmann::json;

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

// Every way in which a key is found on the other side.
constexpr char kSchema[] =
    "PRAGMA journal_mode = WAL;"
    "CREATE TABLE plain(id INTEGER PRIMARY KEY, s TEXT, r REAL);"
    "CREATE TABLE composite(k TEXT COLLATE NOCASE, d REAL, b BLOB, v INT, PRIMARY KEY(k, d, b)) "
    "WITHOUT ROWID;"
    "CREATE TABLE keyless(v TEXT, n INT);"
    "CREATE TABLE uuids(id CHAR(32) PRIMARY KEY, n INT);"
    "CREATE TABLE instants(at DATETIME PRIMARY KEY, n INT);"
    "CREATE TABLE literals(id PRIMARY KEY, n INT);"
    "CREATE TABLE held(id INTEGER PRIMARY KEY, total INTEGER);"
    "CREATE TABLE codes(id INT PRIMARY KEY, n INT);"
    "CREATE TABLE still(id INTEGER PRIMARY KEY);"
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) "
    "INSERT INTO plain SELECT i, 'row ' || i, i / 7.0 FROM n;"
    "INSERT INTO composite SELECT printf('k%05d', id), id / 2.0, printf('%d', id), id FROM plain;"
    "INSERT INTO keyless SELECT s, 0 FROM plain;"
    "INSERT INTO uuids SELECT printf('00000000000040008000%012x', id), 0 FROM plain;"
    "INSERT INTO instants SELECT strftime('%Y-%m-%d' || iif(id % 2, ' ', 'T') || '%H:%M:%S', "
    "1700000000 + id * 60, 'unixepoch'), 0 FROM plain;"
    "INSERT INTO literals SELECT iif(id % 2, id, 'text ' || id), 0 FROM plain;"
    "INSERT INTO held SELECT id, id FROM plain; INSERT INTO still SELECT id FROM plain;"
    "INSERT INTO codes SELECT id, id FROM plain;";

class World {
 public:
  explicit World(const std::string& name, const std::string& journal = "WAL",
                 const std::string& server_name = "")
      : name_(server_name.empty() ? name : server_name), file_(folder_.file(name + ".db")) {
    sqlite(file_, kSchema);
    sqlite(file_, "PRAGMA journal_mode = " + journal);
    dsn_ = server().create_database(name_);
    config_ = folder_.file("lockstep.json");
    std::ofstream(config_)
        << R"({"version": 1, "verify": {"continuous": false}, "columns": {"literals.id": {"type": "literal"}}})";
    std::filesystem::permissions(
        config_, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    start();
  }
  void start(ProcessOptions options = {}) {
    running_ = start_lockstep(
        {"run", file_, dsn_, "--quiet", "--on-bad-value", "quarantine", "--config", config_},
        std::move(options));
    caught_up();
  }
  void stop() {
    running_->signal(SIGTERM);
    CHECK(running_->wait_or_throw(20s) == ExitStatus{.code = 143});
  }
  void caught_up() { require_caught_up(*running_, file_); }
  void write(const std::string& sql) const { sqlite(file_, sql); }
  /// As somebody who goes round lockstep.
  void tamper(const std::string& sql) const {
    server().query("SET session_replication_role = replica; " + sql, name_);
  }
  /// One that was just started may not have said yet where it is.
  [[nodiscard]] std::string position() const {
    Json applied;
    REQUIRE(wait_until(
        [&] {
          const Outcome status = lockstep({"status", file_, "--json"});
          require_code(status, 0);
          applied = Json::parse(status.output)["applied"];
          return applied.is_string();
        },
        20s, 20ms));
    return applied.get<std::string>();
  }
  [[nodiscard]] Outcome verify(std::vector<std::string> more) const {
    more.insert(more.begin(), {"verify", file_, dsn_, "--json"});
    return lockstep(std::move(more));
  }
  [[nodiscard]] Json status() const {
    return Json::parse(lockstep({"status", file_, "--json"}).output);
  }
  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] const std::string& dsn() const { return dsn_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::string in_folder(const std::string& name) const { return folder_.file(name); }
  Process& process() { return *running_; }

 private:
  TempDir folder_;
  std::string name_, file_, dsn_, config_;
  std::unique_ptr<Process> running_;
};

/// Of each table by name: "table rows missing extra differ", and "whole" where every row of it was
/// compared.
std::vector<std::string> tables_of(const Outcome& outcome) {
  std::vector<std::string> found;
  std::istringstream lines(outcome.output);
  for (std::string line; std::getline(lines, line);) {
    const Json object = Json::parse(line);
    if (object["type"] != "table") continue;
    found.push_back(fmt::format("{} {} {} {} {}{}", object["table"].get<std::string>(),
                                object["source_rows"].get<int>(), object["missing"].get<int>(),
                                object["extra"].get<int>(), object["differ"].get<int>(),
                                object["whole"].get<bool>() ? " whole" : ""));
  }
  return found;
}

using Tables = std::vector<std::string>;

// One row there, one gone, in each table but `still`; a key that only its spelling changes.
constexpr char kWrites[] =
    "BEGIN;"
    "UPDATE plain SET r = r + 1 WHERE id IN (7, 8); DELETE FROM plain WHERE id = 9;"
    "UPDATE composite SET v = -1 WHERE k = 'K00007'; DELETE FROM composite WHERE k = 'k00008';"
    "UPDATE keyless SET n = 5 WHERE v = 'row 7'; DELETE FROM keyless WHERE v = 'row 8';"
    "INSERT INTO keyless VALUES ('new', 1);"
    "UPDATE uuids SET n = 1 WHERE id = printf('00000000000040008000%012x', 7); DELETE FROM uuids "
    "WHERE id = "
    "printf('00000000000040008000%012x', 8);"
    "UPDATE instants SET n = 1 WHERE at = strftime('%Y-%m-%d %H:%M:%S', 1700000000 + 420, "
    "'unixepoch');"
    "UPDATE instants SET at = replace(at, 'T', ' ') WHERE at = strftime('%Y-%m-%dT%H:%M:%S', "
    "1700000000 + 480, 'unixepoch');"
    "DELETE FROM instants WHERE at = strftime('%Y-%m-%dT%H:%M:%S', 1700000000 + 600, 'unixepoch');"
    "UPDATE literals SET n = 1 WHERE id = 7;"
    "UPDATE held SET total = 'n/a' WHERE id = 7; UPDATE held SET total = 0 WHERE id = 8;"
    // No key that the target could have: its row waits in quarantine, too.
    "INSERT INTO codes VALUES ('n/a', 1); UPDATE codes SET n = 0 WHERE id = 7;"
    "COMMIT";

}  // namespace

TEST_CASE("only what was written since is compared, and all of it", "[system]") {
  World world("since");
  const std::string since = world.position();
  require_code(world.verify({"--since", since}), 0);
  CHECK(tables_of(world.verify({"--since", since})).empty());
  world.write(kWrites);
  const Tables written{"codes 2 0 0 0",    "composite 1 0 0 0", "held 2 0 0 0",
                       "instants 2 0 0 0", "keyless 2 0 0 0",   "literals 3000 0 0 0 whole",
                       "plain 2 0 0 0",    "uuids 1 0 0 0"};
  const Outcome equal = world.verify({"--since", since});
  require_code(equal, 9);  // two rows in quarantine
  CHECK(tables_of(equal) == written);
  CHECK_THAT(equal.output, Contains("\"since\":\"" + since + "\""));
  CHECK(world.status()["verified"].is_null());  // it proves no table

  // What was not written since is somebody else's business.
  world.tamper("DELETE FROM plain WHERE id = 2000; UPDATE composite SET v = 3 WHERE k = 'k02000'");
  CHECK(tables_of(world.verify({"--since", since})) == written);
  // What was written is found, with its kind: what was deleted is there again, too.
  world.tamper(
      "UPDATE plain SET s = s || ' ' WHERE id = 7; DELETE FROM plain WHERE id = 8;"
      "INSERT INTO plain VALUES (9, 'row 9', 9 / 7.0);"
      "UPDATE composite SET d = -0.0 WHERE k = 'k00007';"
      "DELETE FROM keyless WHERE v = 'row 7'; INSERT INTO uuids VALUES "
      "('00000000-0000-4000-8000-000000000008', 0);"
      "UPDATE instants SET n = 3 WHERE at = '2023-11-14 22:21:20';"
      "UPDATE literals SET n = 9 WHERE id = '7'; INSERT INTO held VALUES (7, 1)");
  const std::string html = world.in_folder("since.html"), junit = world.in_folder("since.xml");
  const Outcome found = world.verify({"--since", since, "--html", html, "--junit", junit});
  require_code(found, 4);
  CHECK(tables_of(found) == Tables{"codes 2 0 0 0", "composite 1 1 0 0", "held 2 0 0 1",
                                   "instants 2 0 0 1", "keyless 2 1 0 0",
                                   "literals 3000 0 0 1 whole", "plain 2 1 1 1", "uuids 1 0 1 0"});
  CHECK_THAT(contents(html), Contains("written since " + since));
  CHECK_THAT(contents(junit), Contains("<failure message=\"LS-V501"));
  CHECK(tables_of(world.verify({"--since", since, "--table", "pl*"})) == Tables{"plain 2 1 1 1"});
  // The rows that only the target has under a key of its own stay for a pass over all.
  const Outcome repaired = world.verify({"--since", since, "--repair", "--yes"});
  require_code(repaired, 9);
  CHECK(world.verify({}).status.code == 4);
  require_code(world.verify({"--repair", "--yes"}), 9);
}

namespace {
/// Writes until it goes.
class Application {
 public:
  /// With so much rest behind each transaction.
  Application(std::string file, std::chrono::milliseconds rest)
      : thread_([this, file = std::move(file), rest] { write(file, rest); }) {}
  ~Application() {
    stop_ = true;
    thread_.join();
  }
  Application(const Application&) = delete;
  Application& operator=(const Application&) = delete;

 private:
  void write(const std::string& file, std::chrono::milliseconds rest) {
    for (int round = 1; !stop_; ++round, std::this_thread::sleep_for(rest))
      sqlite(file,
             fmt::format(
                 "BEGIN IMMEDIATE; UPDATE plain SET r = random() WHERE id = {0} * 7 % 3000;"
                 "UPDATE composite SET v = -1 WHERE k = printf('K%05d', {0} * 11 % 3000);"
                 "DELETE FROM uuids WHERE id = printf('00000000000040008000%012x', {0} % 3000);"
                 "INSERT OR REPLACE INTO uuids VALUES (printf('00000000000040008000%012x', {0} * 5 "
                 "% 3000), {0}); UPDATE instants SET at = iif(instr(at, 'T'), replace(at, 'T', ' "
                 "'), replace(at, ' ', 'T')), n = {0} WHERE rowid = {0} * 13 % 3000;"
                 "UPDATE keyless SET n = {0} WHERE rowid = {0} * 17 % 3000; COMMIT",
                 round));
  }
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};
}  // namespace

TEST_CASE("while the application writes no pass since a moment ago finds a difference",
          "[system]") {
  const std::string journal = GENERATE("WAL", "DELETE");
  INFO(journal);
  World world("busy", journal, "busy_" + journal);
  const std::string begin = world.position();
  std::vector<Outcome> outcomes;
  {
    // With a rollback journal a view is to be had between two transactions only.
    const Application application(world.file(), journal == "WAL" ? 0ms : 30ms);
    for (int pass = 0; pass < 3; ++pass)
      outcomes.push_back(
          world.verify({"--since", pass == 1 ? world.position() : begin, "--table", "[!l]*"}));
  }
  for (const Outcome& outcome : outcomes) {
    INFO(world.process().error_output());
    require_code(outcome, 0);
  }
  const Tables last = tables_of(outcomes.back());
  CHECK(last.size() == 5);
  for (const std::string& table : last) {
    INFO(table);
    CHECK(std::stoi(table.substr(table.find(' '))) >= 5);
    CHECK(table.find("whole") == std::string::npos);
  }
}

TEST_CASE("a position that nobody can go back to is refused by name", "[system]") {
  World world("refused");
  const std::string first = world.position();
  world.write("UPDATE plain SET r = 0 WHERE id = 1");
  world.caught_up();
  const std::string second = world.position();
  const std::string era = first.substr(0, first.find('/'));
  const auto refused = [&](const std::string& since, int code, const std::string& name) {
    const Outcome outcome = world.verify({"--since", since});
    require_code(outcome, code);
    CHECK_THAT(outcome.error_output, Contains(name));
    return outcome.error_output;
  };
  static_cast<void>(refused("yesterday", 2, "LS-C100"));
  static_cast<void>(refused("6ba7b810-9dad-41d1-80b4-00c04fd430c8/1/7", 3, "LS-V513"));
  static_cast<void>(refused(era + "/99999999/7", 3, "LS-V513"));
  const std::string number = second.substr(0, second.rfind('/'));
  static_cast<void>(refused(number + "/7", 3, "LS-V513"));
  // In one that was killed in a pass nobody knows it any more: the pass ends, by name.
  world.write("UPDATE plain SET s = 'x' WHERE id < 20");
  world.caught_up();
  const auto pass = [&](const std::string& what) {
    return server().value(
        "SELECT " + what + " FROM lockstep.verify_passes ORDER BY id DESC LIMIT 1", world.name());
  };
  world.stop();
  static_cast<void>(refused(first, 3, "LS-V511"));
  world.start({.environment = {"LOCKSTEP_FAILPOINTS=verify.compared=kill"}});
  static_cast<void>(refused(first, 3, "LS-V512"));
  const std::string from = world.position();
  world.write("UPDATE plain SET s = 'y' WHERE id < 20");
  world.caught_up();
  CHECK(world.verify({"--since", from}).status.code == 6);  // killed meanwhile
  CHECK(world.process().wait_or_throw(10s) == ExitStatus{.signal = SIGKILL});
  CHECK(pass("state") == "running");
  world.start();
  REQUIRE(wait_until([&] { return pass("state") == "failed"; }, 20s, 20ms));
  CHECK_THAT(pass("problem"), Contains("LS-V512"));
  // What it says can be done.
  const std::string said = refused(from, 3, "LS-V512");
  const std::string now = world.position();
  CHECK_THAT(said, Contains("since " + now));
  world.write("UPDATE plain SET s = 'z' WHERE id < 20");
  CHECK(tables_of(world.verify({"--since", now})) == Tables{"plain 19 0 0 0"});
}

TEST_CASE("a table that was read anew since is compared as a whole", "[system]") {
  World world("anew");
  const std::string before = world.position();
  world.write("UPDATE uuids SET n = 4 WHERE n = 0 AND rowid < 4");
  world.write(
      "BEGIN; CREATE TABLE new__plain(id INTEGER PRIMARY KEY, s TEXT, r REAL, more INT DEFAULT 1);"
      "INSERT INTO new__plain(id, s, r) SELECT * FROM plain; DROP TABLE plain;"
      "ALTER TABLE new__plain RENAME TO plain; COMMIT");
  REQUIRE(wait_until([&] { return world.status()["resyncs"] > 0; }, 20s, 50ms));
  world.caught_up();
  world.tamper("UPDATE plain SET s = 'other' WHERE id = 2999");
  CHECK(tables_of(world.verify({"--since", before})) ==
        Tables{"keyless 3000 0 0 0 whole", "plain 3000 0 0 1 whole", "uuids 3 0 0 0"});
  const std::string behind = world.position();
  world.write("UPDATE plain SET more = 2 WHERE id = 1");
  CHECK(tables_of(world.verify({"--since", behind})) == Tables{"plain 1 0 0 0"});
}

}  // namespace lockstep::test
