// Two threads at the read views of the target.
#include "ops/verifier_views.hpp"

#include <catch2/catch.hpp>
#include <thread>

#include "tests/support/postgres_server.hpp"
#include "tests/support/wait_until.hpp"

namespace lockstep::ops {
namespace {

using namespace std::chrono_literals;

test::PostgresServer& server() {
  static test::PostgresServer one{{"fsync=off"}};
  return one;
}

postgres::Connection connection() {
  return postgres::Connection::open(postgres::parse_dsn(server().dsn()), "views");
}

void begin(postgres::Connection& view) {
  view.exec("BEGIN ISOLATION LEVEL REPEATABLE READ");
  view.exec("SELECT 1");  // the snapshot
}

}  // namespace

TEST_CASE("a view that a barrier of a failed pass has opened begins anew for the next") {
  VerifierViews views;
  CHECK_THROWS_WITH(views.open(1, begin), Catch::Contains("no connection"));
  views.connect(connection);
  server().query("CREATE TABLE seen(n int); INSERT INTO seen VALUES (1)");
  views.open(1, begin);
  server().query("INSERT INTO seen VALUES (2)");
  views.open(1 + kVerifierViews, begin);  // nobody has ended the first
  CHECK(views.of(1 + kVerifierViews).exec("SELECT count(*) FROM public.seen").integer(0, 0) == 2);
  views.end_all();
  CHECK(views.of(1).idle());
}

// Both at one connection wait for each other's answers for ever.
TEST_CASE("a view is not ended while it is being opened") {
  VerifierViews views;
  views.connect(connection);
  postgres::Connection keeper = connection();
  keeper.exec("SELECT pg_advisory_lock(4712)");
  std::thread opens([&] {
    views.open(1, [](postgres::Connection& view) {
      begin(view);
      view.exec("SELECT pg_advisory_xact_lock(4712)");
    });
  });
  REQUIRE(test::wait_until(
      [] {
        return server().value("SELECT count(*) FROM pg_locks WHERE NOT granted AND objid = 4712") ==
               "1";
      },
      20s));
  std::thread ends([&] { views.end_all(); });
  keeper.exec("SELECT pg_advisory_unlock(4712)");
  opens.join();
  ends.join();
  CHECK(views.of(1).idle());
  views.open(1, begin);
  CHECK(views.of(1).exec("SELECT 7").integer(0, 0) == 7);
}

}  // namespace lockstep::ops
