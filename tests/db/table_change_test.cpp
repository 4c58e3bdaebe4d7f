// DDL on tables that the server vacuums, or that somebody reads.
#include "link/postgres/table_change.hpp"

#include <catch2/catch.hpp>
#include <chrono>

#include "link/postgres/dsn.hpp"
#include "model/error.hpp"
#include "tests/support/postgres_server.hpp"
#include "tests/support/wait_until.hpp"

namespace lockstep::test {
namespace {

using namespace std::chrono_literals;
using postgres::change_tables;
using postgres::Connection;

/// A vacuum of these does not end by itself while a test runs.
PostgresServer& server() {
  static PostgresServer running{
      {"fsync=off", "autovacuum_naptime=1s", "autovacuum_vacuum_threshold=1",
       "autovacuum_vacuum_cost_delay=100ms", "autovacuum_vacuum_cost_limit=1"}};
  return running;
}

std::string state_after(Connection& connection, Milliseconds patience) {
  try {
    change_tables(connection, {"public.t"}, "ALTER TABLE public.t ADD COLUMN IF NOT EXISTS c int",
                  patience);
    return "done";
  } catch (const Error& error) {
    return error.foreign();
  }
}

}  // namespace

TEST_CASE("a vacuum that the server runs by itself gives way to DDL") {
  const std::string dsn = server().create_database("vacuumed");
  server().query(
      "CREATE TABLE t AS SELECT n, repeat('x', 200) AS text FROM generate_series(1, 20000) AS n; "
      "UPDATE t SET n = n + 1",
      "vacuumed");
  REQUIRE(wait_until(
      [&] {
        return server().value(
                   "SELECT count(*) FROM pg_stat_progress_vacuum WHERE datname = "
                   "'vacuumed' AND relid = 't'::regclass",
                   "vacuumed") == "1";
      },
      60s, 20ms));
  Connection connection = Connection::open(postgres::parse_dsn(dsn), "apply");
  // As long as that it does not give way.
  CHECK_THROWS(connection.exec("BEGIN; SET LOCAL lock_timeout = 100; LOCK TABLE public.t; COMMIT"));
  connection.abort();
  CHECK(state_after(connection, Milliseconds{100}) == "done");
  CHECK(connection.idle());
}

TEST_CASE("DDL does not wait long for a reader, whose table others read as well") {
  const std::string dsn = server().create_database("read");
  server().query("CREATE TABLE t(n int)", "read");
  Connection reader = Connection::open(postgres::parse_dsn(dsn), "apply");
  reader.exec("BEGIN; SELECT count(*) FROM public.t");
  Connection connection = Connection::open(postgres::parse_dsn(dsn), "apply");
  const auto begun = std::chrono::steady_clock::now();
  CHECK(state_after(connection, Milliseconds{100}) == postgres::kLockNotGranted);
  CHECK(std::chrono::steady_clock::now() - begun < 1s);  // deadlock_timeout
  CHECK(connection.idle());
  reader.exec("COMMIT");
  CHECK(state_after(connection, Milliseconds{100}) == "done");
}

}  // namespace lockstep::test
