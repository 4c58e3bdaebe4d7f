// The server runs out of what it lives on, or gives up a transaction by itself: lockstep waits by
// name, or tries again, and ends equal.
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "link/postgres/connection.hpp"
#include "tests/system/followed.hpp"

namespace lockstep::test {
namespace fs = std::filesystem;
namespace {

postgres::Connection session(const std::string& dsn) {
  return postgres::Connection::open(postgres::parse_dsn(dsn), "test");
}

bool says(const PostgresServer& server, const std::string& words, std::size_t from = 0) {
  return server.log().find(words, from) != std::string::npos;
}

}  // namespace

// In a read committed session PostgreSQL has one way to that: the row that is waited for goes to
// another partition meanwhile.
TEST_CASE("a serialization failure costs a retry of the same batch") {
  PostgresServer server{{"fsync=off"}};
  const std::string name = "moved";
  const std::string dsn = server.create_database(name);
  server.query(
      "CREATE TABLE t(id bigint, region bigint NOT NULL, v bigint, PRIMARY KEY (id, region)) "
      "PARTITION BY LIST (region); CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1); CREATE TABLE "
      "t2 PARTITION OF t FOR VALUES IN (2)",
      name);
  const TempDir folder;
  const std::string file = folder.file("moved.db");
  sqlite(file,
         "PRAGMA journal_mode = WAL; CREATE TABLE t(id INTEGER PRIMARY KEY, region INTEGER NOT "
         "NULL, v INTEGER); INSERT INTO t VALUES (1, 1, 10), (2, 1, 20), (3, 2, 30)");
  const auto following = start_lockstep({"run", file, dsn, "--quiet"});
  require_caught_up(*following, file);
  auto other = session(dsn);
  other.exec("BEGIN; UPDATE public.t SET region = 2 WHERE id = 1");
  sqlite(file, "UPDATE t SET v = v + 1");
  REQUIRE(wait_until(
      [&] {
        return server.value(
                   "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND "
                   "application_name LIKE 'lockstep apply%'") == "1";
      },
      20s));
  other.exec("COMMIT");
  require_caught_up(*following, file);
  INFO(server.log());
  CHECK(says(server, "already moved to another partition due to concurrent update"));
  CHECK(server.value("SELECT string_agg(id || ' ' || region || ' ' || v, ',' ORDER BY id) FROM t",
                     name) == "1 1 11,2 1 21,3 2 31");
  following->signal(SIGTERM);
  CHECK(following->wait_or_throw(20s) == ExitStatus{.code = 143});
  require_code(lockstep({"verify", file, dsn}), 0);
  saw_fault("A9", "GO: a batch that meets 40001 is rolled back and comes again");
}

TEST_CASE("a server without memory for one more lock is waited for") {
  PostgresServer server{{"fsync=off", "max_locks_per_transaction=10", "max_connections=20",
                         "max_prepared_transactions=0", "autovacuum=off"}};
  Followed both("locks", server.create_database("locks"));
  both.start_and_catch_up();
  // Locks of a session outlive the transaction that took them, also one that failed.
  auto greedy = std::make_unique<postgres::Connection>(session(both.dsn()));
  REQUIRE_THROWS_WITH(greedy->exec("SELECT pg_advisory_lock(i) FROM generate_series(1, 1000000) i"),
                      Catch::Contains("out of shared memory"));
  both.write_some();
  const auto awaited = both.awaits("LS-T209");
  CHECK_THAT(awaited["what"].get<std::string>(), Catch::Contains("out of shared memory"));
  greedy.reset();
  both.caught_up();
  CHECK(both.status()["awaited"].is_null());
  both.stop();
  saw_fault("A13", "WAIT: LS-T209 while the server has no memory for one more lock (53200)");
}

TEST_CASE("a server whose connections others have taken is waited for, and named at the start") {
  PostgresServer server{
      {"fsync=off", "max_connections=16", "superuser_reserved_connections=0", "max_wal_senders=0"}};
  Followed both("crowded", server.create_database("crowded"));
  both.start_and_catch_up();
  postgres::Connection first = session(both.dsn());
  std::vector<postgres::Connection> crowd;
  const auto take_all = [&] {
    try {
      for (;;) crowd.push_back(session(both.dsn()));
    } catch (const Error& error) {
      REQUIRE(error.code() == "LS-T209");
      REQUIRE_THAT(error.facts().why, Catch::Contains("too many clients"));
    }
  };
  both.write_some();
  // Whoever is first gets what becomes free.
  REQUIRE(wait_until(
      [&] {
        first.exec(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name "
            "LIKE 'lockstep%' AND application_name NOT LIKE 'lockstep test%'");
        take_all();
        const auto awaited = both.status()["awaited"];
        return awaited.is_object() && awaited["code"] == "LS-T209";
      },
      30s));
  both.write_some();
  CHECK(both.awaits("LS-T209")["what"].get<std::string>().size() > 0);
  crowd.clear();
  both.caught_up();
  both.stop();
  take_all();
  const Outcome refused = lockstep({"run", both.file(), both.dsn()});
  require_code(refused, 7);
  CHECK_THAT(refused.error_output,
             Catch::Contains("LS-T209") && Catch::Contains("too many clients"));
  crowd.clear();
  both.start_and_catch_up();
  both.stop();
  saw_fault("A12", "WAIT: LS-T209 while others have all of max_connections; at the start exit 7");
}

TEST_CASE("a role with fewer connections than a copy takes is waited for") {
  PostgresServer server{{"fsync=off"}};
  server.query("CREATE ROLE few LOGIN CONNECTION LIMIT 2");
  std::string dsn = server.create_database("few", "OWNER few");
  server.query("GRANT CREATE ON SCHEMA public TO few", "few");
  dsn.replace(dsn.find("postgres@"), 8, "few");
  Followed both("few", dsn);
  both.start();
  REQUIRE(wait_until([&] { return lockstep({"status", both.file()}).status.code == 0; }, 20s));
  const auto awaited = both.awaits("LS-T209");
  CHECK_THAT(awaited["what"].get<std::string>(), Catch::Contains("too many connections for role"));
  CHECK(both.status()["consistent"] == false);
  server.query("ALTER ROLE few CONNECTION LIMIT 3");
  both.caught_up();
  both.stop();
  saw_fault("A12", "WAIT: LS-T209 in the copy while the role may have two connections; three do");
}

TEST_CASE("a server whose WAL has no room panics, and is waited for until it is back") {
  const TempDir folder;
  const std::string library = folder.file("faulty_disk.so"), full = folder.file("full");
  // The server's user reads both.
  REQUIRE(::chmod(folder.path().c_str(), 0755) == 0);
  fs::copy_file(FAULTY_DISK, library);
  fs::permissions(library, fs::perms{0755});
  PostgresServer server{{"fsync=off", "wal_init_zero=off", "autovacuum=off"},
                        {"LD_PRELOAD=" + library, "FAULTY_DISK_FULL=" + full}};
  Followed both("panic", server.create_database("panic"));
  both.start_and_catch_up();
  std::ofstream(full) << "pg_wal";
  fs::permissions(full, fs::perms{0644});
  // What the segment has already may still be written: all but half a MiB of it is used up.
  server.query(
      "SELECT pg_logical_emit_message(false, 'fill', repeat('x', (16777216 - 524288 - "
      "(pg_current_wal_insert_lsn() - '0/0') % 16777216)::int))");
  both.write(
      "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 2000)"
      "INSERT INTO b SELECT hex(randomblob(700)), i FROM c");
  REQUIRE(wait_until([&] { return says(server, "PANIC:  could not write to file"); }, 30s));
  CHECK(says(server, "No space left on device"));
  // Recovery may get the server up for a while, or end it.
  const auto awaited = both.awaits("LS-T201");
  INFO(awaited.dump());
  CHECK(both.status()["consistent"] == true);
  fs::remove(full);
  if (!server.comes_up()) server.start();
  both.caught_up();
  CHECK(server.value("SELECT count(*) FROM b", "panic") ==
        sqlite(both.file(), "SELECT count(*) FROM b").front());
  both.stop();
  saw_fault("A11", "WAIT: LS-T201 while a server whose WAL is full panics and recovers");
}

}  // namespace lockstep::test
