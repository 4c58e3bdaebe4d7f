#include "ops/screen.hpp"

#include <catch2/catch.hpp>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

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
  CHECK(progress_line(status) == "shop  snapshot  50.0 %  1,000 rows  12,345 rows/s  b");
  for (TableProgress& table : status.tables) table.expected = 0;
  CHECK(progress_line(status) == "shop  snapshot  1,000 rows  12,345 rows/s  b");
  status.phase = "indexing";
  status.tables[0].indexed = true;
  CHECK(progress_line(status) == "shop  indexing  1 of 3 tables have their keys");
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
}
