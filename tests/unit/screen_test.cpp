#include "ops/screen.hpp"

#include <catch2/catch.hpp>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/wait_until.hpp"

using namespace lockstep;
using namespace lockstep::ops;

TEST_CASE("numbers are grouped by thousands") {
  CHECK(grouped(0) == "0");
  CHECK(grouped(999) == "999");
  CHECK(grouped(1'000) == "1,000");
  CHECK(grouped(1'234'567) == "1,234,567");
  CHECK(grouped(-999) == "-999");
  CHECK(grouped(-1'000) == "-1,000");
  CHECK(grouped(-123'456) == "-123,456");
  CHECK(grouped(std::numeric_limits<std::int64_t>::min()) == "-9,223,372,036,854,775,808");
}

TEST_CASE("an error is printed as what, why, data and do, without empty lines") {
  ErrorFacts facts{.code = "LS-T201",
                   .what = "no server",
                   .why = "refused",
                   .data = "nothing lost",
                   .todo = "start it"};
  CHECK(error_text(facts) ==
        "error[LS-T201]: no server\n  why    refused\n  data   nothing lost\n  do     start it");
  facts.why.clear();
  facts.todo.clear();
  CHECK(error_text(facts) == "error[LS-T201]: no server\n  data   nothing lost");
}

TEST_CASE("an error in JSON is one line, whatever bytes are in it") {
  const ErrorFacts facts{.code = "LS-D401",
                         .exit = ExitCode::stopped,
                         .what = "bad\n\"value\" \xff",
                         .why = "w",
                         .data = "d",
                         .todo = "t"};
  const std::string line = error_json(facts);
  CHECK(line.find('\n') == std::string::npos);
  const auto object = nlohmann::json::parse(line);
  CHECK(object["type"] == "error");
  CHECK(object["code"] == "LS-D401");
  CHECK(object["exit_code"] == 7);
  CHECK(object["message"] == "bad\n\"value\" \xef\xbf\xbd");
  CHECK(object["why"] == "w");
  CHECK(object["data"] == "d");
  CHECK(object["hint"] == "t");
}

TEST_CASE("the progress line tells what the phase is about") {
  Status status;
  status.migration = "shop";
  status.phase = "snapshot";
  status.copy_rows_per_second = 12'345.6;
  status.tables = {{1, "a", 600, 600, true, false},
                   {2, "b", 400, 1'400, false, false},
                   {3, "c", 0, 0, false, false}};
  CHECK(progress_line(status) == "shop  snapshot  50.0 %  1,000 of 2,000 rows  12,345 rows/s");
  status.tables[1].begun = true;
  CHECK(progress_line(status) == "shop  snapshot  50.0 %  1,000 of 2,000 rows  12,345 rows/s  b");
  for (TableProgress& table : status.tables) table.expected = 0;
  CHECK(progress_line(status) == "shop  snapshot  1,000 rows  12,345 rows/s  b");
  status.phase = "indexing";
  status.tables[0].indexed = true;
  CHECK(progress_line(status) == "shop  indexing  1 of 3 indexed");
  status.phase = "streaming";
  status.changes_applied = 1'234;
  status.backlog = 5'678;
  CHECK(progress_line(status) == "shop  streaming  1,234 changes applied  backlog 5,678");
  status.lag_ms = 12.34;
  CHECK(progress_line(status) ==
        "shop  streaming  1,234 changes applied  backlog 5,678  lag 12.3 ms");
  status.lag_ms = 61'234;
  status.awaited = Awaited{"LS-T201", "the target", 0};
  CHECK(progress_line(status) ==
        "shop  streaming  1,234 changes applied  backlog 5,678  lag 61 s  waiting since "
        "1970-01-01T00:00:00Z: "
        "the target");
}

TEST_CASE("a board counts what its parts tell it") {
  Status first;
  first.migration = "shop";
  Board board(first);
  const Era era{};
  board.tables({{1, "a", 0, 100, false, false}});
  board.tables({{1, "a", 0, 0, false, false}});
  board.phase("snapshot", false);
  board.chunk_loaded(1, 40, false);
  board.chunk_loaded(1, 60, true);
  board.table_indexed(1);
  Status status = board.read();
  CHECK(status.tables.at(0).expected == 100);
  CHECK(status.tables.at(0).rows == 100);
  CHECK(status.tables.at(0).copied);
  CHECK(status.tables.at(0).indexed);
  CHECK(status.rows_copied == 100);
  board.phase("streaming", true);
  board.resumed({era, 10, 1});
  board.captured({era, 30, 2});
  CHECK(board.read().backlog == 20);
  for (int i = 0; i < 100; ++i) board.applied({era, 25, 3}, 5, wall_now_us() - 1'000 * i, i == 0);
  status = board.read();
  CHECK(status.backlog == 5);
  CHECK(status.changes_applied == 500);
  CHECK(status.batches_applied == 100);
  CHECK(status.fallbacks == 1);
  REQUIRE(status.lag_p50_ms.has_value());
  CHECK(*status.lag_p50_ms >= 49);
  CHECK(*status.lag_p99_ms >= 97);
  CHECK(*status.lag_p50_ms < *status.lag_p99_ms);
  CHECK_FALSE(board.has_caught_up());
  board.applied({era, 30, 2}, 5, wall_now_us(), false);
  board.caught_up({era, 30, 2});
  CHECK(board.has_caught_up());
  CHECK(board.read().backlog == 0);
}

TEST_CASE("after a cutover lag is how long ago SQLite had everything") {
  Board board{Status{}};
  board.phase("streaming", true);
  board.applied({{}, 1, 1}, 1, wall_now_us(), false);
  board.phase("reverse", true);
  board.reverse_caught_up(wall_now_us() - 60'000'000);
  CHECK(board.lag_ms().value() >= 60'000);
  board.reverse_caught_up(wall_now_us());
  CHECK(board.lag_ms().value() < 30'000);
}

TEST_CASE("quantiles of lag are computed anew after a while, not at every look") {
  Board board{Status{}};
  board.phase("streaming", true);
  const Position position{{}, 1, 1};
  board.applied(position, 1, wall_now_us() - 5'000'000, false);
  const SteadyTime first = steady_now();
  const double p50 = board.read().lag_p50_ms.value();
  CHECK(p50 >= 5'000);
  for (int i = 0; i < 100; ++i) board.applied(position, 1, wall_now_us(), false);
  const double soon = board.read().lag_p50_ms.value();
  if (steady_now() - first < Milliseconds{200}) CHECK(soon == p50);
  CHECK(test::wait_until([&] { return board.read().lag_p50_ms.value() < 4'000; },
                         Milliseconds{10'000}));
}

TEST_CASE("a board notes each table that is read anew, and long reads once a minute") {
  Status first;
  first.tables = {{7, "orders", 0, 0, true, true}};
  Board board(first);
  CHECK(board.take_notes().empty());
  board.resyncing(7);
  board.resyncing(8);
  board.read_to_the_end();
  board.read_to_the_end();
  const auto notes = board.take_notes();
  REQUIRE(notes.size() == 3);
  CHECK(notes[0].code == "LS-S306");
  CHECK(notes[0].table == "orders");
  CHECK(notes[0].what == "reading orders anew");
  CHECK(notes[1].table == "8");
  CHECK(notes[2].code == "LS-S333");
  CHECK(board.take_notes().empty());
  CHECK(board.read().resyncs == 2);
  CHECK(board.read().long_reads == 2);
  for (int i = 0; i < 1'000; ++i) board.resyncing(7);
  CHECK(board.take_notes().size() == 100);
}

TEST_CASE("a table waits, is copied and indexed, and its state says so") {
  Status first;
  first.tables = {{1, "a", 0, 10, false, false}, {2, "b", 5, 0, false, false}};
  Board board(first);
  const auto state = [&](std::size_t table) {
    return std::string(state_of(board.read().tables.at(table)));
  };
  CHECK(state(0) == "waiting");
  CHECK(state(1) == "begun");
  board.table_begun(1);
  CHECK(state(0) == "copying");
  CHECK(state(1) == "begun");
  board.chunk_loaded(1, 10, true);
  CHECK(state(0) == "copied");
  board.table_indexing(1);
  CHECK(state(0) == "indexing");
  board.table_indexed(1);
  CHECK(state(0) == "indexed");
  CHECK_FALSE(board.read().tables[0].indexing);
}

TEST_CASE("a repaint goes back to the first line of what it covers and leaves nothing of it") {
  CHECK(repainted(0, {"a"}) == "\ra\x1b[K\x1b[J");
  CHECK(repainted(1, {"a", "b"}) == "\ra\x1b[K\nb\x1b[K\x1b[J");
  CHECK(repainted(3, {"a"}) == "\r\x1b[2Aa\x1b[K\x1b[J");
}

TEST_CASE(
    "what is awaited keeps its start until it ends, and the first failure is the one that is "
    "told") {
  Board board{Status{}};
  board.await("LS-T201", "one");
  const std::int64_t since = board.read().awaited->since_us;
  board.await("LS-T201", "two");
  CHECK(board.read().awaited->since_us == since);
  CHECK(board.read().awaited->what == "two");
  board.stop_awaiting();
  CHECK_FALSE(board.read().awaited.has_value());
  CHECK_FALSE(board.failure().has_value());
  board.fail(Error({.code = "LS-S310"}));
  board.fail(Error({.code = "LS-S311"}));
  CHECK(board.failure()->code() == "LS-S310");
}

TEST_CASE("a status is one JSON object") {
  Status status;
  status.migration = "sh\"op";
  status.applied = Position{{}, 5, -6};
  status.tables = {{1, "a", 2, 3, true, false}};
  const auto object = nlohmann::json::parse(status_json(status));
  CHECK(object["type"] == "status");
  CHECK(object["migration"] == "sh\"op");
  CHECK(object["applied"] == "00000000-0000-0000-0000-000000000000/5/-6");
  CHECK(object["captured"].is_null());
  CHECK(object["lag_ms"].is_null());
  CHECK(object["awaited"].is_null());
  CHECK(object["tables"][0]["rows_expected"] == 3);
  CHECK(object["tables"][0]["state"] == "copied");
  CHECK(object["tables"][0]["eta_s"].is_null());
  CHECK(object["eta_s"].is_null());
  CHECK(object["eta_range_s"].is_null());
  status.eta = Eta{90.6, 60.2, 120};
  status.tables[0].eta = Eta{5, 5, 5};
  status.rows_per_second = 12.6;
  const auto copying = nlohmann::json::parse(status_json(status, "progress"));
  CHECK(copying["type"] == "progress");
  CHECK(copying["eta_s"] == 91);
  CHECK(copying["eta_range_s"] == nlohmann::json{60, 120});
  CHECK(copying["rows_per_second"] == 13);
  CHECK(copying["tables"][0]["eta_s"] == 5);
}
