// What COMMIT answers, and when nobody knows whether it took place.
#include <fmt/format.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <thread>

#include "link/postgres/connection.hpp"
#include "tests/support/postgres_server.hpp"
#include "tests/support/wait_until.hpp"

namespace lockstep::postgres {

namespace {

using test::PostgresServer;
using namespace std::chrono_literals;

PostgresServer& server() {
  static PostgresServer one{{"fsync=off"}};
  return one;
}

std::string fresh_database() {
  static int count = 0;
  return server().create_database(fmt::format("c{}", ++count));
}

Connection connect(const std::string& dsn) {
  return Connection::open(parse_dsn(dsn), "test");
}

}  // namespace

TEST_CASE("COMMIT answers committed, or aborted when the transaction had failed") {
  Connection connection = connect(fresh_database());
  connection.exec("CREATE TABLE public.t(a int UNIQUE DEFERRABLE INITIALLY DEFERRED)");
  connection.exec("BEGIN; INSERT INTO public.t VALUES (1)");
  CHECK(connection.commit() == CommitOutcome::committed);
  connection.exec("BEGIN; INSERT INTO public.t VALUES (2)");
  CHECK_THROWS_AS(connection.exec("SELECT 1/0"), Error);
  CHECK(connection.commit() == CommitOutcome::aborted);
  connection.exec("BEGIN; INSERT INTO public.t VALUES (1)");
  CHECK(connection.commit() == CommitOutcome::aborted);  // the constraint is checked by COMMIT
  CHECK(connection.exec("SELECT count(*) FROM public.t").integer(0, 0) == 1);
}

TEST_CASE("COMMIT is in doubt when the connection is gone before its answer") {
  const std::string dsn = fresh_database();
  Connection connection = connect(dsn);
  connection.exec("CREATE TABLE public.t(a int); BEGIN; INSERT INTO public.t VALUES (1)");
  SECTION("because the backend was terminated") {
    server().query(fmt::format("SELECT pg_terminate_backend({}, 10000)", connection.backend_pid()));
  }
  SECTION("because the network went") {
    shutdown(connection.descriptor(), SHUT_RDWR);
  }
  CHECK(connection.commit() == CommitOutcome::in_doubt);
  CHECK_FALSE(connection.alive());
  connection.abort();
  try {
    connection.exec("SELECT 1");
    FAIL("nothing was thrown");
  } catch (const Error& error) {
    CHECK(error.code() == "LS-T201");
    CHECK(error.retry() == Retry::new_session);
    CHECK(error.facts().exit == ExitCode::unreachable);
  }
}

TEST_CASE("COMMIT is in doubt when the backend dies while it commits") {
  Connection connection = connect(fresh_database());
  connection.exec(
      "CREATE TABLE public.t(a int);"
      "CREATE FUNCTION public.die() RETURNS trigger LANGUAGE plpgsql AS "
      "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;"
      "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON public.t DEFERRABLE INITIALLY "
      "DEFERRED FOR EACH ROW EXECUTE FUNCTION public.die();"
      "BEGIN; INSERT INTO public.t VALUES (1)");
  SECTION("alone") {
    CHECK(connection.commit() == CommitOutcome::in_doubt);
  }
  SECTION("in a pipeline") {
    Pipeline pipe(connection);
    pipe.exec("SELECT 1");
    pipe.commit();
    const Pipeline::Outcome outcome = pipe.finish();
    CHECK(outcome.commit == CommitOutcome::in_doubt);
    REQUIRE(outcome.error);
    CHECK(outcome.failed_statement == 1);
    CHECK(outcome.error->retry() == Retry::new_session);
  }
}

TEST_CASE("a WARNING on COMMIT is in doubt: the wait for a standby was cancelled") {
  PostgresServer lonely{{"fsync=off", "synchronous_commit=local", "client_min_messages=error",
                         "synchronous_standby_names=never_there"}};
  Connection connection = connect(lonely.dsn());
  connection.exec("BEGIN; CREATE TABLE public.t(a int)");
  const std::string wait_event = fmt::format(
      "SELECT wait_event FROM pg_stat_activity WHERE pid = {}", connection.backend_pid());
  std::thread canceller([&] {
    CHECK(test::wait_until([&] { return lonely.value(wait_event) == "SyncRep"; }, 10s));
    connection.cancel();
  });
  CommitOutcome outcome = CommitOutcome::aborted;
  SECTION("alone") {
    outcome = connection.commit();
  }
  SECTION("in a pipeline") {
    Pipeline pipe(connection);
    pipe.exec("SELECT 1");
    pipe.commit();
    outcome = pipe.finish().commit;
  }
  canceller.join();
  CHECK(outcome == CommitOutcome::in_doubt);
  CHECK(connection.alive());
}

}  // namespace lockstep::postgres
