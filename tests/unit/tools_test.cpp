// The programs that tests and the demo lean on: the maker of price databases, and the writer.
#include <signal.h>
#include <sqlite3.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/process.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/wait_until.hpp"

namespace lockstep::test {
using namespace std::chrono_literals;
namespace {

struct Close {
  void operator()(sqlite3* handle) const noexcept { sqlite3_close(handle); }
};
struct Finalize {
  void operator()(sqlite3_stmt* handle) const noexcept { sqlite3_finalize(handle); }
};

/// Runs one statement on a connection of its own; the first cell as an integer.
std::int64_t sql(const std::string& file, const char* text) {
  sqlite3* handle = nullptr;
  REQUIRE(sqlite3_open(file.c_str(), &handle) == SQLITE_OK);
  const std::unique_ptr<sqlite3, Close> database{handle};
  sqlite3_busy_timeout(handle, 5000);
  sqlite3_stmt* prepared = nullptr;
  REQUIRE(sqlite3_prepare_v2(handle, text, -1, &prepared, nullptr) == SQLITE_OK);
  const std::unique_ptr<sqlite3_stmt, Finalize> statement{prepared};
  const int code = sqlite3_step(prepared);
  REQUIRE((code == SQLITE_ROW || code == SQLITE_DONE));
  return code == SQLITE_ROW ? sqlite3_column_int64(prepared, 0) : 0;
}

std::string contents(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

std::string make_prices(const TempDir& folder, const char* name, const char* seed = "1") {
  const std::string file = folder.file(name);
  const Outcome outcome =
      run({TOOL_PRICES, file, "--tickers", "200", "--rows", "4321", "--seed", seed});
  INFO(outcome.error_output);
  REQUIRE(outcome.status == ExitStatus{.code = 0});
  return file;
}

nlohmann::json finish(Process& writer, int expected_code) {
  writer.close_stdin();
  const ExitStatus status = writer.wait_or_throw(20s);
  INFO(writer.error_output());
  CHECK(status == ExitStatus{.code = expected_code});
  return nlohmann::json::parse(writer.output());
}

}  // namespace

TEST_CASE("a price database has the rows that were asked for and depends on its seed only",
          "[unit]") {
  const TempDir folder;
  const std::string first = make_prices(folder, "first");
  CHECK(sql(first, "SELECT count(*) FROM tickers") == 200);
  CHECK(sql(first, "SELECT count(*) FROM ohlcv_data") == 4321);
  CHECK(sql(first, "SELECT count(DISTINCT region) FROM tickers") == 6);
  CHECK(sql(first, "SELECT sum(balance) FROM accounts") == 100'000);
  CHECK(sql(first, "SELECT count(*) FROM ohlcv_data WHERE open IS NULL OR created_at IS NULL") > 0);
  CHECK(sql(first, "SELECT count(*) FROM ohlcv_data WHERE low > close OR high < close") == 0);
  CHECK(sql(first, "SELECT (SELECT journal_mode FROM pragma_journal_mode) = 'wal'") == 1);
  CHECK(contents(first) == contents(make_prices(folder, "second")));
  CHECK(contents(first) != contents(make_prices(folder, "third", "2")));
  CHECK(run({TOOL_PRICES, first}).status == ExitStatus{.code = 1});
}

TEST_CASE("two writers number the states and lose nothing", "[unit]") {
  const TempDir folder;
  const std::string file = make_prices(folder, "prices");
  Process one{{TOOL_WRITER, file, "--until-stdin-closes", "--sync", "normal", "--commits",
               folder.file("one")},
              {.own_stdin = true}};
  Process two{{TOOL_WRITER, file, "--until-stdin-closes", "--sync", "normal", "--seed", "2",
               "--report", folder.file("report")},
              {.own_stdin = true}};
  REQUIRE(wait_until([&] { return sql(file, "SELECT n FROM counter") > 600; }, 60s));
  const auto first = finish(one, 0);
  const auto second = finish(two, 0);
  CHECK(first["lost"] == 0);
  CHECK(first["errors"] == 0);
  CHECK(second["lost"] == 0);
  const auto acknowledged = first["acknowledged"].get<std::int64_t>();
  CHECK(acknowledged > 0);
  CHECK(acknowledged + second["acknowledged"].get<std::int64_t>() ==
        sql(file, "SELECT n FROM counter"));
  CHECK(sql(file, "SELECT sum(balance) FROM accounts") == 100'000);
  CHECK(sql(file, "SELECT count(*) FROM accounts") == 100);
  CHECK(sql(file, "SELECT count(*) - count(DISTINCT n) FROM ledger_entries") == 0);
  CHECK(nlohmann::json::parse(contents(folder.file("report"))) == second);
  CHECK(contents(folder.file("one")).size() == static_cast<std::size_t>(acknowledged) * 16);
}

TEST_CASE("a writer notices commits that are taken from it", "[unit]") {
  const TempDir folder;
  const std::string file = make_prices(folder, "prices");
  Process writer{{TOOL_WRITER, file, "--until-stdin-closes", "--sync", "normal"},
                 {.own_stdin = true}};
  REQUIRE(wait_until([&] { return sql(file, "SELECT n FROM counter") > 500; }, 60s));
  SECTION("the counter goes back") {
    sql(file, "UPDATE counter SET n = n - 100");
  }
  SECTION("ledger entries vanish") {
    sql(file, "DELETE FROM ledger_entries");
  }
  CHECK(finish(writer, 4)["lost"].get<std::int64_t>() > 0);
}

TEST_CASE("a writer waits for a lock, says how long, and stops on SIGTERM", "[unit]") {
  const TempDir folder;
  const std::string file = make_prices(folder, "prices");
  Process writer{{TOOL_WRITER, file, "--seconds", "60", "--rate", "50", "--sync", "normal"}};
  REQUIRE(wait_until([&] { return sql(file, "SELECT n FROM counter") > 5; }, 60s));
  sqlite3* handle = nullptr;
  REQUIRE(sqlite3_open(file.c_str(), &handle) == SQLITE_OK);
  const std::unique_ptr<sqlite3, Close> database{handle};
  REQUIRE(
      wait_until(  // asks often: SQLite's own busy handler would wait ever longer between two tries
          [&] {
            return sqlite3_exec(handle, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) == SQLITE_OK;
          },
          60s));
  const auto locked = std::chrono::steady_clock::now();
  REQUIRE(wait_until([&] { return std::chrono::steady_clock::now() - locked > 300ms; }, 10s));
  REQUIRE(sqlite3_exec(handle, "COMMIT", nullptr, nullptr, nullptr) == SQLITE_OK);
  const std::int64_t before = sql(file, "SELECT n FROM counter");
  REQUIRE(wait_until([&] { return sql(file, "SELECT n FROM counter") > before; }, 60s));
  writer.signal(SIGTERM);
  const auto report = finish(writer, 0);
  CHECK(report["longest_wait_ms"].get<double>() > 250);
  CHECK(report["errors"] == 0);
}

}  // namespace lockstep::test
