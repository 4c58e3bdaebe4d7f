// SQL of the owner's, run on the target by a lockstep that is killed in the middle of it, at its
// COMMIT, and behind it: it has happened once, or it is named.
#include <fmt/ranges.h>

#include <filesystem>
#include <fstream>

#include "link/postgres/connection.hpp"
#include "tests/system/followed.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

/// Each hook has an entry that passes a table of its own, a gate, between two rows of table log.
class Hooked {
 public:
  explicit Hooked(const std::string& name)
      : name_(name), file_(folder_.file(name + ".db")), dsn_(server().create_database(name)) {
    sqlite(file_,
           "PRAGMA journal_mode = WAL; CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT); INSERT INTO "
           "t VALUES (1, 'a'), (2, 'b')");
    server().query("CREATE TABLE gate_schema(x int); CREATE TABLE gate_snapshot(x int)", name_);
    configure(
        R"x(["CREATE TABLE log(what text)",
      "INSERT INTO log VALUES ('schema'); LOCK TABLE gate_schema; INSERT INTO log VALUES ('and tables')"])x",
        R"x(["INSERT INTO log VALUES ('snapshot'); LOCK TABLE gate_snapshot; INSERT INTO log SELECT count(*) || ' rows' FROM t", "INSERT INTO log VALUES ('last')"])x");
  }
  void configure(const std::string& after_schema, const std::string& after_snapshot) const {
    std::ofstream(config()) << fmt::format(
        R"x({{"version": 1, "hooks": {{"after_schema": {}, "after_snapshot": {}}}}})x",
        after_schema, after_snapshot);
    std::filesystem::permissions(config(), std::filesystem::perms{0600});
  }
  [[nodiscard]] Outcome run_to_end(const std::string& failpoints = "") const {
    return lockstep({"run", file_, dsn_, "--config", config(), "--until", "caught-up"},
                    {.environment = {failpoints.empty() ? "LOCKSTEP_FAILPOINTS"
                                                        : "LOCKSTEP_FAILPOINTS=" + failpoints}});
  }
  [[nodiscard]] std::unique_ptr<Process> start() const {
    return start_lockstep({"run", file_, dsn_, "--config", config(), "--until", "caught-up"});
  }
  [[nodiscard]] std::unique_ptr<Process> follow() const {
    return start_lockstep({"run", file_, dsn_, "--config", config()});
  }
  /// The backend of lockstep that waits at the gate, once there is one other than `before`.
  [[nodiscard]] std::string at_gate(const std::string& gate,
                                    const std::string& before = "0") const {
    std::string pid;
    REQUIRE(wait_until(
        [&] {
          pid = server().value(
              fmt::format("SELECT pid FROM pg_locks WHERE NOT granted AND relation = "
                          "'{}'::regclass AND pid <> {}",
                          gate, before),
              name_);
          return !pid.empty();
        },
        20s));
    return pid;
  }
  [[nodiscard]] std::string log() const {
    return server().value("SELECT string_agg(what, ', ') FROM log", name_);
  }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& dsn() const { return dsn_; }
  [[nodiscard]] const std::string& file() const { return file_; }

 private:
  [[nodiscard]] std::string config() const { return folder_.file("hooks.json"); }

  TempDir folder_;
  std::string name_, file_, dsn_;
};

const char kOnce[] = "schema, and tables, snapshot, 2 rows, last";

}  // namespace

TEST_CASE("a hook in the middle of which lockstep is killed runs once", "[system]") {
  const Hooked hooked("middle");
  auto keeper = postgres::Connection::open(postgres::parse_dsn(hooked.dsn()), "keeper");
  const auto killed_at_the_gate = [&](const std::string& gate) {
    keeper.exec("BEGIN; LOCK TABLE public." + gate);
    const auto following = hooked.start();
    const std::string first = hooked.at_gate(gate);
    following->kill_hard();
    const auto again = hooked.start();  // while the server still works for the one that is gone
    const std::string second = hooked.at_gate(gate, first);
    again->kill_hard();
    keeper.exec("COMMIT");  // who was left behind goes on, for nobody
    REQUIRE(wait_until(
        [&] {
          return server().value(
                     fmt::format("SELECT count(*) FROM pg_stat_activity WHERE pid IN ({}, {})",
                                 first, second)) == "0";
        },
        20s));
  };
  killed_at_the_gate("gate_schema");
  CHECK(hooked.log().empty());
  killed_at_the_gate("gate_snapshot");
  CHECK(hooked.log() == "schema, and tables");
  require_code(hooked.run_to_end(), 0);
  CHECK(hooked.log() == kOnce);
  require_equal(hooked.file(), hooked.dsn());
}

TEST_CASE("a hook whose COMMIT loses lockstep, or its answer, runs once or is named", "[system]") {
  const std::string action = GENERATE(as<std::string>{}, "kill", "error");
  const Hooked hooked("commit_" + action);
  int runs = 1;
  Outcome outcome = hooked.run_to_end("apply.commit_sent=" + action);
  for (; outcome.status.code != 0 && runs < 40; ++runs) {
    INFO(everything(outcome));
    if (action == "kill") REQUIRE(outcome.status == ExitStatus{.signal = SIGKILL});
    if (action == "error") REQUIRE(everything(outcome).find("error[LS-") != std::string::npos);
    outcome = hooked.run_to_end("apply.commit_sent=" + action);
  }
  require_code(outcome, 0);
  // A commit whose answer is lost is looked up by the same start; who was killed has to be started.
  CHECK(runs >= (action == "kill" ? 3 : 1));
  CHECK(hooked.log() == kOnce);
  require_equal(hooked.file(), hooked.dsn());
}

TEST_CASE("a hook that waits for a lock is waited for, by name, and so is who waits for the copy",
          "[system]") {
  const Hooked hooked("locked");
  auto keeper = postgres::Connection::open(postgres::parse_dsn(hooked.dsn()), "keeper");
  keeper.exec("BEGIN; LOCK TABLE public.gate_snapshot");
  const auto following = hooked.start();
  static_cast<void>(hooked.at_gate("gate_snapshot"));
  require_code(lockstep({"wait", hooked.file(), "--for", "caught-up", "--timeout", "300ms"}), 6);
  nlohmann::json awaited;
  REQUIRE(wait_until(
      [&] {
        awaited =
            nlohmann::json::parse(lockstep({"status", hooked.file(), "--json"}).output)["awaited"];
        return awaited.is_object();
      },
      20s));
  CHECK(awaited["code"] == "LS-T233");
  CHECK(following->running());
  keeper.exec("COMMIT");
  CHECK(following->wait_or_throw(30s) == ExitStatus{.code = 0});
  CHECK(hooked.log() == kOnce);
}

// Half of it would stay, and nobody could tell whether the other half had been.
TEST_CASE("a hook that ends the transaction it is in is refused by name, and nothing of it stays",
          "[system]") {
  const Hooked hooked("own_commit");
  for (const char* word : {"COMMIT", "ROLLBACK", "COMMIT; BEGIN"}) {
    hooked.configure(fmt::format(R"x(["CREATE TABLE log(what text)",
                       "INSERT INTO log VALUES ('half'); {}; INSERT INTO log VALUES ('rest')"])x",
                                 word),
                     "[]");
    const Outcome refused = hooked.run_to_end();
    require_code(refused, 7);
    CHECK_THAT(refused.error_output,
               Catch::Contains("LS-T233") && Catch::Contains("after_schema: entry 2"));
    CHECK(hooked.log().empty());
  }
}

// PostgreSQL reads a timestamp without a zone in that of the session that writes it.
TEST_CASE("what a hook sets for its session is nobody else's", "[system]") {
  const std::string which = GENERATE(as<std::string>{}, "schema", "snapshot");
  const Hooked hooked("session_" + which);
  sqlite(hooked.file(),
         "CREATE TABLE ev(id INTEGER PRIMARY KEY, at DATETIME); INSERT INTO ev VALUES (1, "
         "'2024-01-01 10:00:00')");
  server().query(
      "CREATE TABLE ev(id bigint PRIMARY KEY, at timestamptz); CREATE TABLE log(what "
      "text); CREATE ROLE helper_" +
          which + "; GRANT ALL ON log TO helper_" + which,
      hooked.name());
  const std::string entries = fmt::format(
      R"x(["SET TIME ZONE 'America/New_York'; SET statement_timeout = '1ms'; SET ROLE helper_{}; INSERT INTO log SELECT current_user",
      "INSERT INTO log SELECT current_setting('TimeZone') || ' ' || (current_user = session_user)"])x",
      which);
  hooked.configure(which == "schema" ? entries : "[]", which == "schema" ? "[]" : entries);
  const auto following = hooked.follow();
  require_caught_up(*following, hooked.file());
  sqlite(hooked.file(), "INSERT INTO ev VALUES (2, '2024-07-01 10:00:00')");
  wait_caught_up(hooked.file());
  CHECK(hooked.log() == fmt::format("helper_{}, UTC true", which));
  CHECK(server().value("SELECT string_agg(to_char(at AT TIME ZONE 'UTC', 'MM-DD HH24:MI'), ', ' "
                       "ORDER BY id) FROM ev",
                       hooked.name()) == "01-01 10:00, 07-01 10:00");
  CHECK(server().value("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE "
                       "'lockstep hook%'") == "0");
}

}  // namespace lockstep::test
