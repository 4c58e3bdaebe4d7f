// The view of a round for other sessions, and rows that are logged again.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "link/postgres/shared_snapshot.hpp"
#include "switchover/reverse_relog.hpp"
#include "tests/support/reversed_pair.hpp"
#include "tests/support/wait_until.hpp"

namespace lockstep::test {
namespace {

using namespace std::chrono_literals;
using verify::Key;

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

std::uint32_t table_of(ReversedPair& pair, const std::string& name) {
  for (const TablePlan& plan : pair.source().plans())
    if (plan.name() == name) return plan.id;
  throw std::runtime_error("no such table: " + name);
}

const TablePlan& plan_of(ReversedPair& pair, const std::string& name) {
  for (const TablePlan& plan : pair.source().plans())
    if (plan.name() == name) return plan;
  throw std::runtime_error("no such table: " + name);
}

Value integer(std::int64_t value) {
  return Value(ValueView{.kind = ValueClass::integer, .integer = value});
}
Value text(std::string_view value) {
  return Value(ValueView{.kind = ValueClass::text, .bytes = value});
}

std::string code_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code() + " " + error.foreign();
  }
  return "nothing";
}

}  // namespace

TEST_CASE("another session sees what SQLite holds behind a round, whatever comes then") {
  ReversedPair pair(server(), kReversedTables);
  const auto feed = pair.feed();
  pair.sql("UPDATE a SET n = 7; INSERT INTO child VALUES (9, 4, 9)");
  const switchover::ReverseRound round =
      feed->feed.round_and_keep_view({table_of(pair, "a"), table_of(pair, "child")});
  CHECK(round.anything);
  const auto shared = feed->feed.share_view();
  CHECK(shared.tables.size() == 2);
  postgres::Connection view = connect(pair.target().dsn());
  postgres::begin_at_snapshot(view, shared.snapshot, shared.tables);
  pair.sql("UPDATE a SET n = 8; DELETE FROM child");
  feed->feed.end_view();
  // Neither the next round nor who alters the table takes anything from it.
  postgres::Connection altering = pair.session();
  altering.exec("SET lock_timeout = 100");
  CHECK(code_of([&] { altering.exec("TRUNCATE a, child"); }) == "LS-T211 55P03");
  CHECK(feed->round().anything);
  const auto seen = [&](const char* sql) { return std::string(view.exec(sql).value(0, 0)); };
  CHECK(seen("SELECT min(n) || ' ' || max(n) FROM public.a") == "7 7");
  CHECK(seen("SELECT count(*) FROM public.child") == "4");
  CHECK(pair.lite("SELECT min(n) || ' ' || max(n) FROM a") == "8 8");
  view.exec("ROLLBACK");
  altering.exec("TRUNCATE a, child");
  feed->round();
  CHECK(pair.difference() == "");
  // A transaction that is over has nothing to show.
  CHECK(code_of([&] { postgres::begin_at_snapshot(view, shared.snapshot, {}); }) != "nothing");
  CHECK(view.idle());
}

TEST_CASE("a view waits for nobody who locks its tables") {
  ReversedPair pair(server(), kReversedTables);
  const auto feed = pair.feed();
  feed->round();
  postgres::Connection holding = pair.session();
  holding.exec("BEGIN; LOCK TABLE a IN ACCESS EXCLUSIVE MODE");
  pair.sql("INSERT INTO child VALUES (9, 4, 9)");
  const auto begun = steady_now();
  CHECK(code_of([&] {
          static_cast<void>(feed->feed.round_and_keep_view({table_of(pair, "a")}));
        }) == "LS-X616 ");
  CHECK(steady_now() - begun < 900ms);  // a lock that is waited for is waited for a second
  CHECK(feed->round().anything);        // nothing else is held up
  const auto view = feed->feed.round_and_keep_view({table_of(pair, "child")});
  CHECK(view.position.number == 1);
  const auto shared = feed->feed.share_view();
  // Who waits for the view's lock would be waited for by the other session.
  holding.exec("COMMIT");
  Process locking({"psql", pair.target().dsn(), "-qAtc", "LOCK TABLE child; SELECT 1"});
  REQUIRE(wait_until(
      [&] { return pair.pg("SELECT count(*) FROM pg_locks WHERE NOT granted") == "1"; }, 10s));
  postgres::Connection other = connect(pair.target().dsn());
  CHECK(code_of([&] { postgres::begin_at_snapshot(other, shared.snapshot, shared.tables); }) ==
        "LS-T211 55P03");
  CHECK(other.idle());
  feed->feed.end_view();
  static_cast<void>(locking.wait_or_throw(10s));
}

TEST_CASE("what is logged again comes back, goes, or has its table read anew") {
  ReversedPair pair(server(), kReversedTables);
  const auto feed = pair.feed();
  feed->round();
  auto& app = pair.source().app();
  sqlite3_db_config(app.handle(), SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  app.exec(
      "UPDATE a SET n = 99 WHERE id = 2; DELETE FROM a WHERE id = 3; INSERT INTO a VALUES (77, "
      "'extra', 1);"
      "DELETE FROM p WHERE n = 1; INSERT INTO p VALUES (5, 'it''s', 'extra');"
      "UPDATE k SET u = u + 10; INSERT INTO k(k, u) VALUES ('zz', 1)");
  const auto log = [&](const std::vector<switchover::RowsToLog>& rows) {
    return switchover::log_again(pair.target().connection(), kMigration, "public", rows);
  };
  const auto logged = log({{.plan = &plan_of(pair, "a"),
                            .there = {{integer(2)}, {integer(3)}},
                            .gone = {{integer(77)}}},
                           {.plan = &plan_of(pair, "p"),
                            .there = {{text("x"), integer(1)}},
                            .gone = {{text("it's"), integer(5)}}},
                           {.plan = &plan_of(pair, "k"),
                            .there = {{text("a")}, {text("b")}, {text("c")}},
                            .gone = {{text("zz")}}}});
  CHECK(logged.rows == 9);
  CHECK(logged.odd.empty());
  CHECK(pair.difference() != "");
  feed->round();
  CHECK(pair.difference() == "");
  CHECK(pair.is_quiet());

  // Keys that are none of the column's: not one of them is logged, the others are.
  app.exec("INSERT INTO p VALUES ('no number', 'x', ''), (6, 'y', '')");
  app.exec("UPDATE p SET v = 'wrong' WHERE k = 'x' AND n = 2");
  const auto odd = log({{.plan = &plan_of(pair, "p"),
                         .there = {{text("x"), integer(2)}},
                         .gone = {{text("x"), text("no number")}, {text("y"), integer(6)}}},
                        {.plan = &plan_of(pair, "k"), .gone = {{text(std::string("z\0z", 3))}}}});
  CHECK(odd.odd == std::vector<std::uint32_t>{table_of(pair, "p"), table_of(pair, "k")});
  CHECK(odd.rows == 1);
  feed->round();
  CHECK(pair.lite("SELECT group_concat(n || k || v) FROM p WHERE k = 'x' AND n = 2") == "2xy");
  CHECK(pair.lite("SELECT count(*) FROM p") == "4");
  CHECK(log({{.plan = &plan_of(pair, "p"), .anew = true}}).odd.empty());
  feed->round();
  CHECK(pair.lite("SELECT count(*) FROM p") == "2");
  CHECK(pair.difference() == "");
}

}  // namespace lockstep::test
