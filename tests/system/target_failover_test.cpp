// The target goes back in time, comes twice, or answers what nobody hears: failover to a standby
// that lost commits, the old primary, clones, commits in doubt, two appliers.

#include <fmt/format.h>

#include <fstream>

#include "tests/support/postgres_proxy.hpp"
#include "tests/support/standby.hpp"
#include "tests/system/followed.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

std::string through(const PostgresProxy& proxy, const std::string& database) {
  return fmt::format("host={} dbname={} user=postgres", proxy.host(), database);
}

std::string both_hosts(const PostgresServer& first, const PostgresServer& second,
                       const std::string& database) {
  return fmt::format("host={},{} dbname={} user=postgres", first.folder().string(),
                     second.folder().string(), database);
}

}  // namespace

TEST_CASE("a failover to a standby that lost commits is followed exactly; the old primary is not") {
  const bool gap = GENERATE(false, true);
  PostgresServer primary{{"fsync=off"}};
  PostgresServer standby{{"fsync=off"}};
  static_cast<void>(primary.create_database("shop"));
  Followed both("shop", both_hosts(primary, standby, "shop"));
  both.start_and_catch_up();
  make_standby(standby, primary);
  both.write_some();
  both.caught_up();
  REQUIRE(replayed(primary, standby));
  const std::string early = primary.value("SELECT seq FROM lockstep.ledger", "shop");
  // A standby alone is no target.
  CHECK(lockstep(
            {"status", fmt::format("host={} dbname=shop user=postgres", standby.folder().string())})
            .error_output.find("in recovery") != std::string::npos);
  standby.query("SELECT pg_wal_replay_pause()");
  standby.stop_fast();  // it loses what is committed from here on
  for (int i = 0; i < 5; ++i) {
    both.write_some();
    both.caught_up();
  }
  REQUIRE(std::stoi(primary.value("SELECT seq FROM lockstep.ledger", "shop")) > std::stoi(early));
  primary.kill_hard();
  standby.start();
  REQUIRE(standby.value("SELECT seq FROM lockstep.ledger", "shop") == early);
  both.write_some();
  CHECK(both.awaits("LS-T205")["code"] == "LS-T205");
  if (gap) {
    // The changes that the standby lost are gone from the source as well.
    both.write("DELETE FROM _lockstep_changes WHERE seq BETWEEN " + early + " + 1 AND " + early +
               " + 3");
    standby.query("SELECT pg_promote()");
    both.halts(7, "LS-S311", {});
    saw_fault("S33", "HALT: LS-S310 or LS-S311, the source pruned past the target's position");
    return;
  }
  standby.query("SELECT pg_promote()");
  both.caught_up();
  saw_fault("A26", "GO: position and rows went back together; goes on from the older position");

  // The old primary is first in the list, and it knows nothing of the other.
  both.stop();
  primary.start();
  both.write_some();
  both.start();
  both.halts(7, "LS-T218", {"--accept-target", "/1 now", "/2 before"});
  CHECK(primary.value("SELECT seq > " + early + " FROM lockstep.ledger", "shop") == "t");
  primary.stop_fast();
  both.start();
  both.caught_up();
  both.stop();
  saw_fault("A28", "HALT: LS-T218, the source remembers the higher timeline");
}

TEST_CASE("a clone of the target is not the target until somebody says so") {
  Followed both("origin", server().create_database("origin"));
  both.start_and_catch_up();
  both.stop();
  const std::string clone = server().create_database("clone", "TEMPLATE origin");
  both.write_some();
  const Outcome refused = lockstep({"run", both.file(), clone, "--until", "caught-up"});
  require_code(refused, 7);
  CHECK(refused.error_output.find("error[LS-T219]") != std::string::npos);
  CHECK(server().value("SELECT count(*) FROM a", "clone") == "3");
  require_code(lockstep({"run", both.file(), clone, "--until", "caught-up", "--accept-target"}), 0);
  require_equal(both.file(), clone);
  const Outcome original = lockstep({"run", both.file(), both.dsn(), "--until", "caught-up"});
  require_code(original, 7);
  CHECK(original.error_output.find("error[LS-T219]") != std::string::npos);
  saw_fault("A29", "HALT: LS-T219, until --accept-target says that this one is the target now");
}

TEST_CASE("a target from before a new copy is taken out, and copied to once more") {
  Followed both("earlier", server().create_database("earlier"));
  both.start_and_catch_up();
  both.stop();
  static_cast<void>(server().create_database("before", "TEMPLATE earlier"));
  const auto anew = [&] {
    require_code(lockstep({"remove", both.file(), both.dsn()}), 0);
    server().query("DROP TABLE a, b", "earlier");
    require_code(lockstep({"run", both.file(), both.dsn(), "--until", "caught-up"}), 0);
  };
  anew();
  server().query("ALTER DATABASE earlier RENAME TO lost");
  server().query("ALTER DATABASE before RENAME TO earlier");
  const Outcome refused =
      lockstep({"run", both.file(), both.dsn(), "--until", "caught-up", "--accept-target"});
  require_code(refused, 8);
  CHECK_THAT(refused.error_output, Catch::Contains("LS-R708"));
  require_code(lockstep({"complete", both.file(), both.dsn(), "--confirm", "earlier"}), 3);
  anew();
  require_equal(both.file(), both.dsn());
}

TEST_CASE("a commit that happened and whose answer was lost is found in the ledger") {
  PostgresProxy proxy(server().folder().string() + "/.s.PGSQL.5432");
  static_cast<void>(server().create_database("doubt"));
  Followed both("doubt", through(proxy, "doubt"));
  both.start_and_catch_up();
  server().query(
      "CREATE TABLE lockstep.seen(id bigint, v int); CREATE FUNCTION lockstep.note() RETURNS "
      "trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO lockstep.seen VALUES (NEW.seq, 1); RETURN "
      "NEW; END$$; CREATE TRIGGER note AFTER UPDATE ON lockstep.ledger FOR EACH ROW EXECUTE "
      "FUNCTION lockstep.note()",
      "doubt");
  for (int round = 1; round <= 5; ++round) {
    proxy.swallow_commits(1);
    both.write_some();
    REQUIRE(wait_until([&] { return proxy.swallowed() >= round; }, 20s));
    proxy.swallow_commits(0);
    both.caught_up();
  }
  // A large batch goes another way: staging, and COMMIT by itself.
  proxy.swallow_commits(1);
  both.write(
      "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 2000)"
      "INSERT INTO b SELECT 'bulk' || i, i FROM c");
  REQUIRE(wait_until([&] { return proxy.swallowed() >= 6; }, 20s));
  both.caught_up();
  CHECK(server().value("SELECT count(*) FROM (SELECT id FROM lockstep.seen GROUP BY id HAVING "
                       "count(*) > 1) AS twice",
                       "doubt") == "0");
  CHECK(both.status()["reconnects"].get<int>() >= 6);
  both.stop();
  saw_fault("A2",
            "GO: the ledger is read FOR UPDATE and says that it happened; nothing comes twice");
}

TEST_CASE("a commit that waits for a standby which never comes is settled after the cut") {
  PostgresServer alone{{"fsync=off"}};
  PostgresProxy proxy(alone.folder().string() + "/.s.PGSQL.5432");
  static_cast<void>(alone.create_database("waits"));
  Followed both("waits", through(proxy, "waits"));
  both.start_and_catch_up();
  const auto standbys = [&](const char* names) {
    alone.query(fmt::format("ALTER SYSTEM SET synchronous_standby_names = '{}'", names));
    alone.query("SELECT pg_reload_conf()");
    REQUIRE(
        wait_until([&] { return alone.value("SHOW synchronous_standby_names") == names; }, 20s));
  };
  standbys("nobody");
  const std::string waiting =
      "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name LIKE "
      "'lockstep apply%'";
  both.write_some();
  REQUIRE(wait_until([&] { return !alone.value(waiting).empty(); }, 20s));
  const std::string pid = alone.value(waiting);
  proxy.cut_clients();
  // The server has noticed nothing: the old process still holds the row and the migration's lock.
  // Lockstep knows it for its own, and ends it.
  REQUIRE(wait_until([&] { return alone.value(waiting) != pid; }, 30s));
  standbys("");
  both.caught_up();
  both.stop();
  saw_fault("A2", "GO: also while COMMIT waits for a synchronous standby");
}

TEST_CASE(
    "what a lost session of the copy has locked is freed, though the server notices nothing") {
  PostgresProxy proxy(server().folder().string() + "/.s.PGSQL.5432");
  static_cast<void>(server().create_database("unheard"));
  Followed both("unheard", through(proxy, "unheard"));
  const std::string go = both.in_folder("go"), trace = both.in_folder("trace");
  const auto follower =
      start_lockstep({"run", both.file(), both.dsn(), "--until", "caught-up"},
                     {.environment = {"LOCKSTEP_FAILPOINTS=snap.chunk_written=block:" + go,
                                      "LOCKSTEP_FAILPOINT_TRACE=" + trace}});
  REQUIRE(wait_until(
      [&] { return contents(trace).find("snap.chunk_written") != std::string::npos; }, 20s));
  const std::string pid = server().value(
      "SELECT min(pid) FROM pg_stat_activity WHERE datname = 'unheard' AND application_name LIKE "
      "'lockstep copy-%' AND state = 'idle in transaction'");
  REQUIRE(!pid.empty());
  proxy.cut_clients();
  std::ofstream(go).close();
  // The old process holds a lock on the table until somebody ends it: no key could be built.
  const ExitStatus ended = follower->wait_or_throw(40s);
  INFO(follower->error_output());
  CHECK(ended == ExitStatus{.code = 0});
  CHECK(server().value("SELECT count(*) FROM pg_stat_activity WHERE pid = " + pid) == "0");
  require_equal(both.file(), both.dsn());
}

TEST_CASE("of two appliers the one that was stopped finds its place taken") {
  Followed both("zombie", server().create_database("zombie"));
  const std::string endpoint = "ipc://" + both.in_folder("wire.sock");
  const auto capture = start_lockstep({"capture", both.file(), "--listen", endpoint});
  const std::vector<std::string> apply{"apply", "--connect", endpoint, both.dsn()};
  const auto first = start_lockstep(apply);
  REQUIRE(wait_until([&] { return lockstep({"status", both.dsn()}).status.code == 0; }, 20s));
  wait_caught_up(both.file());
  first->signal(SIGSTOP);
  const Outcome refused = lockstep(apply);
  require_code(refused, 8);
  CHECK(refused.error_output.find("LS-R701") != std::string::npos);
  // As when its network is gone and the server gives it up.
  server().query(
      "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = 'zombie' AND "
      "application_name LIKE 'lockstep apply%'");
  both.write_some();
  const auto second = start_lockstep(apply);
  wait_caught_up(both.file());
  first->signal(SIGCONT);
  CHECK(first->wait_or_throw(30s) == ExitStatus{.code = 8});
  both.write_some();
  wait_caught_up(both.file());
  require_equal(both.file(), both.dsn());
  second->signal(SIGTERM);
  CHECK(second->wait_or_throw(20s) == ExitStatus{.code = 143});
  saw_fault("A5", "REFUSE: LS-R701 for the second; a batch that is no longer due is refused whole");
}

}  // namespace lockstep::test
