// Capture and apply as two processes over ipc: each is killed and comes back, and a table whose
// triggers were lost is read anew.
#include <signal.h>

#include <filesystem>

#include "tests/support/fault.hpp"
#include "tests/system/world.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer one;
  return one;
}

class Apart {
 public:
  explicit Apart(const std::string& name)
      : file_(make_prices(folder_, name + ".db", "300", "8000")),
        dsn_(server().create_database(name)),
        endpoint_("ipc://" + folder_.file("wire.sock")) {}

  void start_capture() { capture_ = start_lockstep({"capture", file_, "--listen", endpoint_}); }
  void start_apply(const std::vector<std::string>& more = {}) {
    std::vector<std::string> words{"apply", "--connect", endpoint_, dsn_};
    words.insert(words.end(), more.begin(), more.end());
    apply_ = start_lockstep(words);
  }
  void caught_up() const {
    REQUIRE(wait_until([&] { return lockstep({"status", dsn_}).status.code == 0; }, 20s));
    wait_caught_up(file_);
    require_equal(file_, dsn_);
  }
  void write(const std::string& sql) const { sqlite(file_, sql); }

  Process& capture() { return *capture_; }
  Process& apply() { return *apply_; }
  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] const std::string& dsn() const { return dsn_; }
  [[nodiscard]] const std::string& endpoint() const { return endpoint_; }
  [[nodiscard]] std::string socket() const { return folder_.file("wire.sock"); }

 private:
  TempDir folder_;
  std::string file_, dsn_, endpoint_;
  std::unique_ptr<Process> capture_, apply_;
};

constexpr char kSomeWork[] =
    "UPDATE ohlcv_data SET close = close + 1 WHERE id % 7 = 1; DELETE FROM ohlcv_data WHERE id % "
    "11 "
    "= 3; REPLACE INTO accounts(id, owner, balance) VALUES (1, 'nobody else', 5)";

}  // namespace

TEST_CASE("capture and apply in two processes go on whichever of them is killed") {
  Apart both("apart");
  both.start_apply();  // it waits for capture
  both.start_capture();
  both.caught_up();
  CHECK((std::filesystem::status(both.socket()).permissions() &
         (std::filesystem::perms::group_all | std::filesystem::perms::others_all)) ==
        std::filesystem::perms::none);

  both.write(kSomeWork);
  both.caught_up();

  both.capture().kill_hard();
  both.write("UPDATE ohlcv_data SET volume = volume + 1 WHERE id % 5 = 0");
  both.start_capture();
  both.caught_up();

  both.apply().kill_hard();
  both.write("DELETE FROM ohlcv_data WHERE id % 5 = 1");
  both.start_apply();
  both.caught_up();

  both.apply().signal(SIGINT);
  CHECK(both.apply().wait_or_throw(20s) == ExitStatus{.code = 130});
  both.capture().signal(SIGTERM);
  CHECK(both.capture().wait_or_throw(20s) == ExitStatus{.code = 143});
  CHECK_FALSE(std::filesystem::exists(both.file() + "-lockstep"));
}

TEST_CASE("a capture whose apply is gone says so, and counts what waits") {
  const bool killed = GENERATE(true, false);
  Apart both(killed ? "alone_killed" : "alone_ended");
  both.start_capture();
  const auto status = [&] {
    const Outcome outcome = lockstep({"status", both.file(), "--json"});
    require_code(outcome, 0);
    return nlohmann::json::parse(outcome.output);
  };
  REQUIRE(wait_until([&] { return lockstep({"status", both.file()}).status.code == 0; }, 20s));
  // Nobody came yet: how much waits is not known, and not nothing.
  nlohmann::json seen;
  REQUIRE(wait_until([&] { return (seen = status())["phase"] == "waiting for apply"; }, 20s, 50ms));
  CHECK(seen["backlog_changes"].is_null());
  CHECK_THAT(lockstep({"status", both.file()}).output, Catch::Contains("backlog    -"));
  both.start_apply();
  both.caught_up();
  both.write("UPDATE accounts SET balance = 1 WHERE id = 1");
  both.caught_up();
  REQUIRE(wait_until([&] { return status()["awaited"].is_null(); }, 20s, 50ms));

  if (killed)
    both.apply().kill_hard();
  else
    both.apply().signal(SIGTERM);
  static_cast<void>(both.apply().wait_or_throw(20s));
  both.write("UPDATE ohlcv_data SET volume = volume + 1 WHERE id <= 50");
  const std::string newest = sqlite(both.file(), "SELECT max(seq) FROM _lockstep_changes").at(0);
  REQUIRE(wait_until(
      [&] {
        seen = status();
        return seen["awaited"].is_object() &&
               seen["captured"].get<std::string>().find("/" + newest + "/") != std::string::npos;
      },
      20s, 50ms));
  INFO(seen.dump());
  CHECK(seen["awaited"]["code"] == "LS-S337");
  CHECK(seen["awaited"]["since"].get<std::string>().size() == 20);
  CHECK(seen["backlog_changes"].get<int>() >= 50);
  if (!killed) CHECK(seen["phase"] == "waiting for apply");
  both.start_apply();
  both.caught_up();
  REQUIRE(wait_until([&] { return status()["awaited"].is_null(); }, 20s, 50ms));
  CHECK(status()["backlog_changes"] == 0);
}

TEST_CASE("an apply whose ledger belongs to another source is refused and costs capture nothing") {
  Apart both("mismatch");
  both.start_capture();
  both.start_apply();
  both.caught_up();
  both.apply().signal(SIGTERM);
  static_cast<void>(both.apply().wait_or_throw(20s));
  query(both.dsn(), "UPDATE lockstep.ledger SET source_id = gen_random_uuid()");
  both.start_apply();
  CHECK(both.apply().wait_or_throw(20s) == ExitStatus{.code = 8});
  CHECK_THAT(both.apply().error_output(), Catch::Contains("LS-R708"));
  CHECK(both.capture().running());
}

TEST_CASE("a second apply is refused before it writes anything into another database") {
  Apart both("only");
  both.start_capture();
  both.start_apply({"--json", "--quiet"});
  both.caught_up();
  const std::string elsewhere = server().create_database("elsewhere");
  const Outcome second = lockstep({"apply", "--connect", both.endpoint(), elsewhere});
  require_code(second, 7);
  CHECK_THAT(second.error_output, Catch::Contains("error[LS-T219]"));
  CHECK(server().value("SELECT count(*) FROM pg_namespace WHERE nspname = 'lockstep'",
                       "elsewhere") == "0");
  CHECK(server().value("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", "elsewhere") ==
        "0");
  both.write(kSomeWork);
  both.caught_up();
  both.apply().signal(SIGTERM);
  CHECK(both.apply().wait_or_throw(20s) == ExitStatus{.code = 143});
  CHECK(nlohmann::json::parse(both.apply().output())["reconnects"] == 0);  // it kept its session
  // A person says that it is the right one now.
  require_code(lockstep({"apply", "--connect", both.endpoint(), elsewhere, "--accept-target",
                         "--until", "caught-up"}),
               0);
  require_equal(both.file(), elsewhere);
}

TEST_CASE("a database that took the target's place while apply waited for capture is left alone") {
  Apart both("replaced");
  both.start_capture();
  both.start_apply();
  both.caught_up();
  for (Process* each : {&both.apply(), &both.capture()}) {
    each->signal(SIGTERM);
    CHECK(each->wait_or_throw(20s) == ExitStatus{.code = 143});
  }
  both.start_apply();
  REQUIRE(wait_until(
      [&] {
        return both.apply().error_output().find("waiting for lockstep capture") !=
               std::string::npos;
      },
      20s));
  server().query("DROP DATABASE replaced");
  static_cast<void>(server().create_database("replaced"));
  both.start_capture();
  CHECK(both.apply().wait_or_throw(20s) == ExitStatus{.code = 7});
  CHECK_THAT(both.apply().error_output(), Catch::Contains("error[LS-T219]"));
  CHECK(server().value("SELECT count(*) FROM pg_namespace WHERE nspname = 'lockstep'",
                       "replaced") == "0");
}

TEST_CASE("an apply without a server says so before it waits for capture") {
  Apart both("no_server");
  const Outcome alone =
      lockstep({"apply", "--connect", both.endpoint(), "host=/nowhere dbname=no_server"});
  require_code(alone, 5);
  CHECK_THAT(alone.error_output, Catch::Contains("error[LS-T201]"));
}

TEST_CASE("triggers that are lost come back while it runs, and the table is read anew") {
  Apart both("resync");
  auto run = start_lockstep({"run", both.file(), both.dsn()});
  both.caught_up();
  // As an ORM alters a table: create, copy, drop, rename. No change is logged by it.
  const std::string text =
      sqlite(both.file(), "SELECT sql FROM sqlite_master WHERE name = 'accounts'").at(0);
  std::string rebuilt = text;
  rebuilt.replace(rebuilt.find("accounts"), 8, "new__accounts");
  both.write(rebuilt +
             ";INSERT INTO new__accounts SELECT * FROM accounts;DROP TABLE accounts;"
             "ALTER TABLE new__accounts RENAME TO accounts");
  both.write(
      "UPDATE accounts SET balance = balance + 7 WHERE id % 2 = 0; DELETE FROM accounts WHERE "
      "id = 3");
  both.write("DELETE FROM accounts WHERE id = 5; UPDATE ohlcv_data SET close = 1 WHERE id < 100");
  both.caught_up();
  both.write("UPDATE accounts SET balance = balance + 1 WHERE id < 20");
  both.caught_up();
  run->signal(SIGTERM);
  CHECK(run->wait_or_throw(20s) == ExitStatus{.code = 143});
  CHECK_THAT(run->error_output(), Catch::Contains("read anew"));
}

TEST_CASE("an endpoint that nothing protects is refused") {
  for (const char* endpoint : {"inproc://x", "ipc://relative", "ipc://", "", "/run/x.sock",
                               "tcp://127.0.0.1", "tcp://127.0.0.1:0", "tcp://:1", "tcp://::1:5555",
                               "tcp://127.0.0.1:70000", "tcp://a b:1"}) {
    const Outcome outcome = lockstep({"capture", "missing.db", "--listen", endpoint});
    require_code(outcome, 2);
    CHECK_THAT(outcome.error_output, Catch::Contains("LS-C120"));
  }
  for (const char* endpoint : {"tcp://127.0.0.1:5555", "tcp://*:1"}) {
    const Outcome outcome = lockstep({"capture", "missing.db", "--listen", endpoint});
    require_code(outcome, 2);
    CHECK_THAT(outcome.error_output, Catch::Contains("LS-C121"));
  }
  const Outcome apply = lockstep({"apply", "--connect", "tcp://127.0.0.1:5555", "dbname=x"});
  require_code(apply, 2);
  CHECK_THAT(apply.error_output, Catch::Contains("LS-C121"));
}

TEST_CASE("where the source knows no target, a hold and a remove ask for it") {
  Apart both("asks");
  both.start_capture();
  both.start_apply();
  both.caught_up();
  const auto held = [&] {
    return query(both.dsn(), "SELECT guard_held FROM lockstep.ledger").at(0).at(0);
  };
  require_code(lockstep({"ddl", "hold", both.file(), both.dsn()}), 0);
  const Outcome noted = lockstep({"ddl", "accept", both.file()});
  require_code(noted, 0);
  CHECK_THAT(everything(noted), Catch::Contains("LS-T269"));
  CHECK(held() == "t");
  require_code(lockstep({"ddl", "accept", both.file(), both.dsn()}), 0);
  CHECK(held() == "f");
  for (Process* each : {&both.capture(), &both.apply()}) {
    each->signal(SIGTERM);
    CHECK(each->wait_or_throw(20s) == ExitStatus{.code = 143});
  }
  // An earlier migration of this file, or one of another host's file of that path.
  static_cast<void>(query(both.dsn(), "UPDATE lockstep.ledger SET source_id = gen_random_uuid()"));
  const Outcome refused = lockstep({"remove", both.file(), both.dsn()});
  require_code(refused, 8);
  CHECK_THAT(refused.error_output, Catch::Contains("LS-R730") && Catch::Contains("--confirm asks"));
  CHECK(held() == "f");
  require_code(lockstep({"remove", both.file(), both.dsn(), "--confirm", "asks"}), 0);
  CHECK(query(both.dsn(), "SELECT to_regclass('lockstep.ledger') IS NULL").at(0).at(0) == "t");
}

// As GUIDE's limits say: both are stopped, and run takes over.
TEST_CASE("a migration that began as two processes is cut over and comes back") {
  Apart both("taken_over");
  both.start_capture();
  both.start_apply();
  both.caught_up();
  for (Process* each : {&both.capture(), &both.apply()}) {
    each->signal(SIGTERM);
    CHECK(each->wait_or_throw(20s) == ExitStatus{.code = 143});
  }
  const auto unknown = lockstep({"cutover", both.file(), "--dry-run"});
  require_code(unknown, 2);
  CHECK_THAT(unknown.error_output, Catch::Contains("TARGET is missing"));
  const auto shut = lockstep({"cutover", both.file(), both.dsn(), "--dry-run"});
  require_code(shut, 3);
  CHECK_THAT(everything(shut), Catch::Contains("no lockstep is running"));
  const auto run = start_lockstep({"run", both.file(), both.dsn(), "--quiet"});
  require_caught_up(*run, both.file());
  for (const std::string direction : {"cutover", "rollback"}) {
    std::vector<std::string> move{direction, both.file(), "--confirm", "taken_over"};
    move.insert(move.end(), {"--when-ready", "--max-pause", "5s", "--verify-max-age", "0"});
    if (direction == "cutover") move.emplace_back("--accept-unsafe-server");
    require_code(lockstep(move), 0);
  }
  both.write(kSomeWork);
  require_caught_up(*run, both.file());
  require_equal(both.file(), both.dsn());
}

}  // namespace lockstep::test
