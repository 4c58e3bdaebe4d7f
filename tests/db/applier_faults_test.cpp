// Two appliers, lost connections, commits in doubt, and servers set up by somebody with other
// ideas.
#include <fmt/format.h>

#include <barrier>
#include <catch2/catch.hpp>
#include <functional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/fault.hpp"
#include "tests/support/followed_target.hpp"
#include "tests/support/wait_until.hpp"

namespace lockstep::test {
namespace {

using namespace std::chrono_literals;

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

constexpr char kSchema[] =
    "CREATE TABLE a(id INTEGER PRIMARY KEY, u TEXT UNIQUE, n INT);"
    "CREATE TABLE k(k TEXT PRIMARY KEY, n INT);"
    "INSERT INTO a VALUES (1, 'a', 1), (2, 'b', 2); INSERT INTO k VALUES ('a', 1);";

void terminate(const std::string& dsn, int pid) {
  query(dsn, fmt::format("SELECT pg_terminate_backend({}, 10000)", pid));
}

/// Waits until `pid` waits for what PostgreSQL calls `event`.
bool waits_for(const std::string& dsn, int pid, const std::string& event) {
  const std::string sql = fmt::format(
      "SELECT 1 FROM pg_stat_activity WHERE pid = {} AND wait_event_type || '/' || wait_event = "
      "'{}'",
      pid, event);
  return wait_until([&] { return !query(dsn, sql).empty(); }, 20s);
}

/// Rows 1 and 2 exchange a unique value, and other rows come.
void swap_values(CapturedSource& source) {
  source.app().exec(
      "BEGIN; CREATE TEMP TABLE old AS SELECT id, u FROM a WHERE id < 3; UPDATE a SET u = NULL "
      "WHERE id < 3;"
      "UPDATE a SET u = (SELECT u FROM old WHERE old.id = 3 - a.id) WHERE id < 3; DROP TABLE old;"
      "INSERT INTO a(u, n) VALUES (hex(randomblob(8)), 1);"
      "INSERT OR REPLACE INTO k VALUES (hex(randomblob(8)), 5); COMMIT");
}

/// Exactly one of two appliers wins each batch; the other is told so and has changed nothing.
void race(bool staging) {
  CapturedSource source(kSchema);
  source.install();
  FollowedTarget target(server(), source);
  target.copy_and_index();
  std::vector<postgres::Connection> connections;
  connections.push_back(connect(target.dsn()));
  connections.push_back(connect(target.dsn()));
  constexpr int kRounds = 40;
  std::vector<Batch> batches;
  for (int round = 0; round < kRounds; ++round) {
    if (round % 2 == 0)
      swap_values(source);
    else
      source.app().exec("INSERT INTO a(u) VALUES (hex(randomblob(8))); DELETE FROM k");
    batches.push_back(source.take().value());
  }
  std::vector<std::vector<std::string>> answers(2);
  std::barrier start(2);
  const auto work = [&](std::size_t who) {
    apply::Applier applier = target.applier(connections[who], staging);
    for (const Batch& batch : batches) {
      start.arrive_and_wait();
      answers[who].push_back(facts_of([&] { (void)apply_batch(applier, batch); }).code);
    }
  };
  std::thread other(work, 1);
  work(0);
  other.join();
  for (int round = 0; round < kRounds; ++round) {
    const std::string &one = answers[0][static_cast<std::size_t>(round)],
                      &two = answers[1][static_cast<std::size_t>(round)];
    INFO("round " << round << ": " << one << " and " << two);
    CHECK(((one == "none" && two == "LS-R705") || (one == "LS-R705" && two == "none")));
  }
  CHECK(target.ledger()->batches == kRounds);
  CHECK(target.difference() == "");
  saw_fault("A5",
            "GO: compare-and-set: one wins each batch, the other is told and changes nothing");
}

}  // namespace

TEST_CASE("of two appliers exactly one wins each batch") {
  race(false);
}

TEST_CASE("of two appliers exactly one wins each staged batch") {
  race(true);
}

TEST_CASE("a backend that dies in the middle leaves nothing, and the next session goes on") {
  const bool staging = GENERATE(false, true);
  CapturedSource source(kSchema);
  source.install();
  FollowedTarget target(server(), source);
  target.copy_and_index();
  const Position before = source.position();
  source.app().exec("INSERT INTO a(u) VALUES ('x'), ('y')");
  const Batch batch = source.take().value();
  {
    postgres::Connection doomed = connect(target.dsn());
    apply::Applier applier = target.applier(doomed, staging);
    applier.begin(batch.begin);
    applier.entries(batch.slices.at(0).entries);
    terminate(target.dsn(), doomed.backend_pid());
    const ErrorFacts facts = facts_of([&] { (void)applier.end(batch.end); });
    CHECK(facts.retry == Retry::new_session);
    CHECK(facts.exit == ExitCode::unreachable);
  }
  CHECK(target.position() == before);
  apply::Applier applier = target.applier(target.connection(), staging);
  (void)apply_batch(applier, batch);
  CHECK(target.position() == source.position());
  CHECK(target.difference() == "");
}

TEST_CASE("a connection that ends before its COMMIT is reached has applied nothing") {
  CapturedSource source(kSchema);
  source.install();
  FollowedTarget target(server(), source);
  target.copy_and_index();
  const Position before = source.position();
  source.app().exec("INSERT INTO a(u) VALUES ('x')");
  const Batch batch = source.take().value();
  postgres::Connection blocker = connect(target.dsn()), doomed = connect(target.dsn());
  blocker.exec("BEGIN; SELECT 1 FROM lockstep.ledger FOR UPDATE");
  ErrorFacts facts;
  std::thread work([&] {
    apply::Applier applier = target.applier(doomed);
    facts = facts_of([&] { (void)apply_batch(applier, batch); });
  });
  // The whole pipeline has been sent, COMMIT included, and waits for the ledger's row.
  const bool blocked = waits_for(target.dsn(), doomed.backend_pid(), "Lock/transactionid");
  terminate(target.dsn(), doomed.backend_pid());
  work.join();
  blocker.exec("ROLLBACK");
  REQUIRE(blocked);
  CHECK(facts.retry == Retry::new_session);
  CHECK(facts.exit == ExitCode::unreachable);
  CHECK(target.position() == before);
  apply::Applier applier = target.applier(target.connection());
  (void)apply_batch(applier, batch);
  CHECK(target.difference() == "");
}

TEST_CASE("a commit whose answer is lost is in doubt, and the ledger tells that it happened") {
  const std::string end = GENERATE(as<std::string>{}, "pg_terminate_backend", "pg_cancel_backend");
  const bool staging = GENERATE(false, true);
  INFO(end << (staging ? ", staging" : ", small"));
  PostgresServer alone{{"fsync=off"}};
  CapturedSource source(kSchema);
  source.install();
  FollowedTarget target(alone, source);
  target.copy_and_index();
  source.app().exec("INSERT INTO a(u) VALUES ('x')");
  const Batch batch = source.take().value();
  postgres::Connection doomed = connect(target.dsn());
  const auto wait_for_standby = [&](const std::string& name) {
    query(target.dsn(), "ALTER SYSTEM SET synchronous_standby_names = '" + name + "'");
    query(target.dsn(), "SELECT pg_reload_conf()");
    return wait_until(
        [&] { return query(target.dsn(), "SHOW synchronous_standby_names") == Rows{{name}}; }, 20s);
  };
  REQUIRE(wait_for_standby("nobody"));
  ErrorFacts facts;
  std::thread work([&] {
    apply::Applier applier = target.applier(doomed, staging);
    facts = facts_of([&] { (void)apply_batch(applier, batch); });
  });
  // The commit is in the log of the server and waits for a standby that never comes.
  const bool waits = waits_for(target.dsn(), doomed.backend_pid(), "IPC/SyncRep");
  query(target.dsn(), fmt::format("SELECT {}({})", end, doomed.backend_pid()));
  const bool ended = wait_until(
      [&] { return alone.log().find("wait for synchronous replication") != std::string::npos; },
      20s);
  // A backend that ends drops its temporary tables, and would wait for the standby again.
  const bool alone_again = wait_for_standby("");
  work.join();
  REQUIRE((waits && ended && alone_again));
  CHECK(facts.code == "LS-T212");
  CHECK(facts.retry == Retry::new_session);
  CHECK(target.position() == source.position());
  CHECK(target.difference() == "");
  apply::Applier applier = target.applier(target.connection(), staging);
  CHECK(facts_of([&] { (void)apply_batch(applier, batch); }).code == "LS-R705");
}

TEST_CASE("two appliers that meet inside a batch take turns, whatever the batch does") {
  const bool staging = GENERATE(false, true);
  INFO((staging ? "staging" : "small"));
  CapturedSource source(kSchema);
  source.install();
  FollowedTarget target(server(), source);
  target.copy_and_index();
  swap_values(source);
  const Batch batch = source.take().value();
  postgres::Connection blocker = connect(target.dsn()), one = connect(target.dsn()),
                       two = connect(target.dsn());
  blocker.exec("BEGIN; SELECT 1 FROM lockstep.ledger FOR UPDATE");
  std::string answer_one, answer_two;
  const auto work = [&](postgres::Connection& connection, std::string& answer) {
    apply::Applier applier = target.applier(connection, staging);
    answer = facts_of([&] { (void)apply_batch(applier, batch); }).code;
  };
  const auto waits = [&](const postgres::Connection& connection) {
    const std::string sql =
        fmt::format("SELECT 1 FROM pg_stat_activity WHERE pid = {} AND wait_event_type = 'Lock'",
                    connection.backend_pid());
    return wait_until([&] { return !query(target.dsn(), sql).empty(); }, 20s);
  };
  std::thread first(work, std::ref(one), std::ref(answer_one));
  const bool one_waits = waits(one);
  std::thread second(work, std::ref(two), std::ref(answer_two));
  const bool two_waits = waits(two);
  blocker.exec("ROLLBACK");
  first.join();
  second.join();
  REQUIRE((one_waits && two_waits));
  // Which of them is not said: whoever meets the swapped values gives way for a moment and comes
  // again.
  CHECK(std::multiset{answer_one, answer_two} == std::multiset<std::string>{"LS-R705", "none"});
  CHECK(target.difference() == "");
}

TEST_CASE("what a DBA has set for the role does not matter") {
  CapturedSource source(kSchema);
  source.install();
  FollowedTarget target(server(), source);
  target.copy_and_index();
  target.query(
      "CREATE ROLE odd SUPERUSER LOGIN; CREATE SCHEMA evil;"
      "CREATE FUNCTION evil.no(bigint, bigint) RETURNS boolean LANGUAGE sql AS 'SELECT false';"
      "CREATE FUNCTION evil.no(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT false';"
      "CREATE FUNCTION evil.no(uuid, uuid) RETURNS boolean LANGUAGE sql AS 'SELECT false';"
      "CREATE OPERATOR evil.= (FUNCTION = evil.no, LEFTARG = bigint, RIGHTARG = bigint);"
      "CREATE OPERATOR evil.= (FUNCTION = evil.no, LEFTARG = text, RIGHTARG = text);"
      "CREATE OPERATOR evil.= (FUNCTION = evil.no, LEFTARG = uuid, RIGHTARG = uuid);"
      "CREATE TABLE evil.a(x int); CREATE TABLE evil.ledger(x int);"
      "CREATE FUNCTION evil.count() RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint'");
  for (const char* setting :
       {"default_transaction_read_only = on", "statement_timeout = 1", "lock_timeout = 1",
        "search_path = evil, pg_catalog, public", "client_encoding = 'LATIN1'",
        "standard_conforming_strings = off", "default_transaction_isolation = 'serializable'",
        "default_transaction_deferrable = on", "row_security = on", "synchronous_commit = off",
        "bytea_output = 'escape'", "DateStyle = 'SQL, DMY'", "extra_float_digits = -15",
        "transform_null_equals = on", "idle_in_transaction_session_timeout = 1",
        "default_table_access_method = 'heap'", "temp_buffers = 100"})
    target.query(fmt::format("ALTER ROLE odd SET {}", setting));
  for (const bool staging : {false, true}) {
    source.app().exec(
        "INSERT INTO a(u, n) VALUES (hex(randomblob(9)), 1); UPDATE a SET n = n + 1; DELETE FROM k;"
        "INSERT INTO k VALUES ('é\\' || changes(), 1)");
    swap_values(source);
    postgres::Connection odd =
        connect(postgres::parse_dsn(target.dsn()).without_secrets() + " user=odd");
    apply::Applier applier = target.applier(odd, staging);
    const Batch batch = source.take().value();
    CHECK(apply_batch(applier, batch).position == source.position());
    CHECK(target.difference() == "");
    CHECK(facts_of([&] { (void)apply_batch(applier, batch); }).code == "LS-R705");
  }
  saw_fault("A37", "GO: search_path is empty, names are qualified: nobody's operators answer");
}

TEST_CASE("phases move by compare-and-set, and consistency is never taken back") {
  CapturedSource source(kSchema);
  source.install();
  FollowedTarget target(server(), source);
  postgres::Connection& connection = target.connection();
  using apply::Phase;
  const auto move = [&](Phase from, Phase to, bool consistent) {
    return facts_of([&] { apply::move_phase(connection, kMigration, from, to, consistent); }).code;
  };
  CHECK(target.ledger()->phase == Phase::snapshot);
  CHECK(target.ledger()->position == source.position());
  CHECK(move(Phase::catchup, Phase::indexing, true) == "LS-R704");
  CHECK_FALSE(target.ledger()->consistent);
  CHECK(move(Phase::snapshot, Phase::catchup, false) == "none");
  CHECK(move(Phase::snapshot, Phase::catchup, false) == "LS-R704");
  CHECK(move(Phase::catchup, Phase::indexing, true) == "none");
  CHECK(move(Phase::indexing, Phase::streaming, false) == "none");
  CHECK(target.ledger()->consistent);
  CHECK(connection.idle());
  target.query("UPDATE lockstep.ledger SET role = 'primary'");
  CHECK(move(Phase::streaming, Phase::indexing, true) == "LS-R704");
}

TEST_CASE("a ledger keeps what was entered, and goes without a trace when it is removed") {
  CapturedSource source(kSchema);
  source.install();
  FollowedTarget target(server(), source);
  postgres::Connection& connection = target.connection();
  apply::create_ledger(connection);  // again: nothing happens
  const std::vector<apply::LedgerTable> tables = apply::read_tables(connection, kMigration);
  REQUIRE(tables.size() == 2);
  CHECK(fingerprint(tables[0].plan.shape) == fingerprint(source.plans()[0].shape));
  CHECK(tables[0].plan.types == source.plans()[0].types);
  connection.exec("BEGIN");
  apply::mark_indexed(connection, kMigration, 2);
  CHECK(connection.commit() == postgres::CommitOutcome::committed);
  CHECK(apply::read_tables(connection, kMigration)[1].indexed);
  CHECK(target.ledger()->source == source.path());
  apply::enter_ledger(connection, "it's", source.installed().source_id, "/x", "other");
  CHECK(apply::all_ledgers(connection).size() == 2);
  target.query("UPDATE lockstep.ledger SET format = 99 WHERE migration = 'it''s'");
  CHECK(facts_of([&] {
          (void)apply::read_ledger(connection, "it's", apply::RowLock::none);
        }).code == "LS-R703");
  apply::remove_ledger(connection, kMigration);
  CHECK(apply::ledger_exists(connection));
  apply::remove_ledger(connection, "it's");
  CHECK(target.query("SELECT 1 FROM pg_namespace WHERE nspname = 'lockstep'").empty());
  CHECK(target.query("SELECT count(*) FROM public.a") == Rows{{"0"}});
  apply::remove_ledger(connection, "it's");
}

}  // namespace lockstep::test
