// Comparing both sides while the application writes: nothing is called different that is not.
#include <fmt/format.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "tests/support/seed.hpp"
#include "tests/system/followed.hpp"

namespace lockstep::test {
namespace {

using Catch::Contains;
using Json = nlohmann::json;

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

std::string write_file(const TempDir& folder, const std::string& name, const std::string& text) {
  const std::string path = folder.file(name);
  std::ofstream(path) << text;
  std::filesystem::permissions(
      path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  return path;
}

// Every way in which a key can be ordered, and every type that keeps a meaning only.
constexpr char kSchema[] =
    "PRAGMA journal_mode = WAL;"
    "CREATE TABLE plain(id INTEGER PRIMARY KEY, i INT, r REAL, s TEXT, b BLOB, n NUMERIC);"
    "CREATE TABLE composite(k TEXT COLLATE NOCASE, d REAL, b BLOB, v TEXT, PRIMARY KEY(k, d, b)) "
    "WITHOUT ROWID;"
    "CREATE TABLE keyless(v TEXT, n INT);"
    "CREATE TABLE uuids(id CHAR(32) PRIMARY KEY, at DATETIME, flag BOOLEAN, day DATE, doc JSON);"
    "CREATE TABLE instants(at DATETIME PRIMARY KEY, n INT);"
    "CREATE TABLE literals(id PRIMARY KEY, n INT);"
    "CREATE TABLE held(id INTEGER PRIMARY KEY, total INTEGER);"
    "INSERT INTO held VALUES (1, 10), (2, 20);"
    "CREATE TABLE empty(id INTEGER PRIMARY KEY);";

/// Rows of every table, and every write that a later statement of write_one() can make of them.
class Writer {
 public:
  Writer(std::string file, std::uint64_t seed) : file_(std::move(file)), random_(seed) {}

  void fill(int rows) {
    std::string sql = "BEGIN;";
    for (int i = 0; i < rows; ++i) sql += insert();
    sqlite(file_, sql + "COMMIT");
  }
  /// One transaction of a few statements, each of them on a random table.
  std::string transaction() {
    std::string sql = "BEGIN IMMEDIATE;";
    for (auto left = 1 + random_() % 4; left > 0; --left) sql += statement();
    return sql + "COMMIT";
  }

 private:
  std::string statement() {
    static constexpr std::array kTables{"plain", "composite", "keyless",
                                        "uuids", "instants",  "literals"};
    const std::string table = kTables[random_() % kTables.size()];
    const std::string some = fmt::format(
        "rowid = (SELECT rowid FROM {0} WHERE rowid >= abs(random()) % (SELECT 1 + "
        "ifnull(max(rowid), 0) FROM {0}) "
        "LIMIT 1)",
        table);
    if (random_() % 8 == 0)  // text: its row waits in quarantine until a number comes
      return "INSERT OR REPLACE INTO held VALUES (abs(random()) % 500, CASE abs(random()) % 3 WHEN "
             "0 THEN 'n/a' ELSE random() END);";
    switch (random_() % 5) {
      case 0:
        return insert();
      case 1:
        if (table == "composite")
          return "DELETE FROM composite WHERE (k, d, b) = (SELECT k, d, b FROM composite LIMIT 1);";
        return fmt::format("DELETE FROM {} WHERE {};", table, some);
      default:
        if (table == "composite")
          return "UPDATE composite SET v = hex(randomblob(3)) WHERE d = (SELECT d FROM composite "
                 "ORDER BY random() LIMIT 1);";
        if (table == "keyless")
          return fmt::format("UPDATE keyless SET v = hex(randomblob(4)), n = n + 1 WHERE {};",
                             some);
        if (table == "uuids")
          return fmt::format(
              "UPDATE uuids SET flag = 1 - flag, doc = json_object('n', random()) WHERE {};", some);
        if (table == "plain")
          return fmt::format(
              "UPDATE plain SET i = random(), r = random() / 3.0, s = hex(randomblob(6)), n = "
              "abs(random()) % 1000 / 8.0 WHERE {};",
              some);
        return fmt::format("UPDATE {} SET n = n + 1 WHERE {};", table, some);
    }
  }
  std::string insert() {
    const std::uint64_t n = random_();
    switch (n % 6) {
      case 0:
        return "INSERT INTO plain(i, r, s, b, n) VALUES (random(), random() / 7.0, "
               "hex(randomblob(5)), "
               "randomblob(9), abs(random()) % 100 / 4.0);";
      case 1:
        return "INSERT OR REPLACE INTO composite VALUES (char(97 + abs(random()) % 26, 65 + "
               "abs(random()) % 26), "
               "abs(random()) % 100 / 2.0, randomblob(2), 'v');";
      case 2:
        return "INSERT INTO keyless VALUES (hex(randomblob(3)), 0);";
      case 3:
        return "INSERT INTO uuids VALUES (lower(hex(randomblob(16))), strftime('%Y-%m-%d "
               "%H:%M:%f', 'now'), "
               "1, date('2020-01-01', (abs(random()) % 999) || ' days'), '{\"a\": 1}');";
      case 4:
        // Two spellings of an instant: their order as texts is not that of time.
        return fmt::format(
            "INSERT OR IGNORE INTO instants VALUES (strftime('%Y-%m-%d{}%H:%M:%S', 1700000000 + "
            "abs(random()) % 90000000, 'unixepoch'), 0);",
            n % 4 < 2 ? " " : "T");
      default:
        return n % 12 == 5 ? "INSERT OR IGNORE INTO literals VALUES (hex(randomblob(4)), 0);"
                           : "INSERT OR IGNORE INTO literals VALUES (abs(random()) % 100000, 0);";
    }
  }

  std::string file_;
  std::mt19937_64 random_;
};

std::vector<std::string> column_of(const std::string& sql, const std::string& database) {
  std::vector<std::string> values;
  for (const auto& row : server().query(sql, database)) values.push_back(row[0].value_or("NULL"));
  return values;
}

constexpr char kConfig[] =
    R"({ "version": 1, "columns": { "literals.id": { "type": "literal" } } })";

Json summary_of(const Outcome& outcome) {
  std::istringstream lines(outcome.output);
  Json last;
  for (std::string line; std::getline(lines, line);) last = Json::parse(line);
  return last;
}

}  // namespace

TEST_CASE("while a hostile writer runs no pass finds a difference", "[system]") {
  const std::uint64_t seed = test_seed();
  INFO("LOCKSTEP_SEED=" << seed);
  TempDir folder;
  const std::string journal = GENERATE("WAL", "DELETE");
  INFO(journal);
  const std::string file = folder.file("live.db");
  sqlite(file, kSchema);
  sqlite(file, "PRAGMA journal_mode = " + journal);
  Writer writer(file, seed);
  writer.fill(3'000);
  const std::string dsn = server().create_database("live_" + journal);
  auto running = start_lockstep({"run", file, dsn, "--quiet", "--on-bad-value", "quarantine",
                                 "--config", write_file(folder, "c.json", kConfig)});
  require_caught_up(*running, file);
  // One that waits in quarantine whatever the writer has come to.
  sqlite(file, "INSERT INTO held VALUES (1000, 'n/a')");
  std::atomic<bool> stop = false;
  std::atomic<std::int64_t> written = 0;
  std::thread application([&] {
    while (!stop) {
      sqlite(file, writer.transaction());
      ++written;
    }
  });
  std::int64_t before = 0;
  for (int pass = 0; pass < 3; ++pass) {
    const Outcome outcome = lockstep({"verify", file, dsn, "--json"});
    if (outcome.status.code != 9) {
      stop = true;
      application.join();
    }
    INFO("lockstep says: " << running->error_output());
    require_code(outcome, 9);
    const Json summary = summary_of(outcome);
    CHECK(summary["different"] == 0);
    CHECK(summary["quarantined"] > 0);
    CHECK(summary["rows"] > 2'000);
    CHECK(written > before);
    before = written;
  }
  stop = true;
  application.join();
  require_caught_up(*running, file);
  // Nothing moved a rowid: no table had to be read anew.
  const Outcome status = lockstep({"status", file, "--json"});
  CHECK(Json::parse(status.output)["resyncs"] == 0);
  Json verified;
  CHECK(wait_until(
      [&] {
        verified = Json::parse(lockstep({"status", file, "--json"}).output)["verified"];
        return verified.is_object() && verified["pass"] == 3;
      },
      10s, 50ms));
  CHECK(verified["state"] == "equal");
  CHECK(verified["quarantined"] > 0);
  CHECK(verified["all"] == true);
}

TEST_CASE("a pass goes on where kill -9 ended it, and proves no range twice", "[system]") {
  TempDir folder;
  const std::string file = make_prices(folder, "killed.db", "40", "500000");
  const std::string dsn = server().create_database("killed");
  // Tables go by their names: three small ones, then the first ranges of a large one.
  auto running = start_lockstep({"run", file, dsn, "--quiet"},
                                {.environment = {"LOCKSTEP_FAILPOINTS=verify.recorded=kill@5"}});
  require_caught_up(*running, file);
  const auto pass = [&] {
    return column_of("SELECT id || ' ' || state FROM lockstep.verify_passes", "killed");
  };
  constexpr char kProven[] =
      "SELECT concat_ws(' ', pass, t.name, number, after, until, rows, different, position, at) "
      "FROM lockstep.verify_ranges JOIN lockstep.verify_tables t USING (pass, id) ORDER BY name, "
      "number";
  auto verifying = start_lockstep({"verify", file, dsn});
  CHECK(running->wait_or_throw(30s) == ExitStatus{.signal = SIGKILL});
  CHECK(pass() == std::vector<std::string>{"1 running"});
  const auto before = column_of(kProven, "killed");
  REQUIRE(before.size() == 5);
  CHECK_THAT(before[4], Contains("ohlcv_data 2"));
  CHECK(verifying->wait_or_throw(30s) == ExitStatus{.code = 6});
  CHECK_THAT(verifying->error_output(), Contains("LS-V503"));
  // What comes at other positions is proven there.
  sqlite(file, "UPDATE tickers SET name = 'another' WHERE rowid = 1");
  running = start_lockstep({"run", file, dsn, "--quiet"});
  REQUIRE(wait_until([&] { return pass() == std::vector<std::string>{"1 equal"}; }, 60s, 20ms));
  const auto after = column_of(kProven, "killed");
  REQUIRE(after.size() > before.size());
  CHECK(std::includes(after.begin(), after.end(), before.begin(), before.end()));
  // The ranges of each table abut, and every row is in one of them.
  CHECK(column_of("SELECT count(*) FROM lockstep.verify_ranges a JOIN lockstep.verify_ranges b ON "
                  "b.id = a.id AND b.number = a.number + 1 WHERE a.until IS DISTINCT FROM b.after",
                  "killed")[0] == "0");
  CHECK(column_of("SELECT bool_and(after IS NULL = (number = 1)) FROM lockstep.verify_ranges",
                  "killed")[0] == "t");
  CHECK(
      column_of("SELECT count(*) FROM (SELECT sum(rows) = source_rows AND count(*) = barriers AND "
                "count(*) FILTER (WHERE until IS NULL) = 1 AS whole FROM lockstep.verify_ranges "
                "JOIN lockstep.verify_tables t USING (pass, id) GROUP BY id, source_rows, "
                "barriers) AS each "
                "WHERE whole",
                "killed")[0] == "5");
  const auto rows = sqlite(file,
                           "SELECT (SELECT count(*) FROM ohlcv_data) + (SELECT count(*) FROM "
                           "tickers) + (SELECT count(*) FROM accounts) + (SELECT count(*) FROM "
                           "counter) + (SELECT count(*) FROM ledger_entries)");
  CHECK(column_of("SELECT sum(rows) FROM lockstep.verify_ranges", "killed") == rows);
  // The pass has a range from before and one from behind the write.
  CHECK(column_of("SELECT count(DISTINCT position) > 1 FROM lockstep.verify_ranges", "killed")[0] ==
        "t");
  // Later passes push the ranges out, not the results.
  for (int i = 0; i < 3; ++i)
    require_code(lockstep({"verify", file, dsn, "--table", "counter"}), 0);
  CHECK(column_of("SELECT DISTINCT pass FROM lockstep.verify_ranges ORDER BY 1", "killed").size() ==
        3);
  CHECK(column_of("SELECT count(*) FROM lockstep.verify_passes", "killed")[0] == "4");
}

TEST_CASE("two minutes of a thousand transactions a second, verified all the while", "[.][soak]") {
  TempDir folder;
  const std::string file = make_prices(folder, "long.db", "200", "100000");
  const std::string dsn = server().create_database("long");
  auto running = start_lockstep({"run", file, dsn, "--quiet"});
  require_caught_up(*running, file);
  Tool writer({TOOL_WRITER, file, "--seconds", "120", "--rate", "1000"});
  int passes = 0;
  for (; writer.running(); ++passes) require_code(lockstep({"verify", file, dsn}), 0);
  const Json said = writer.finish();
  std::printf("figure: %d passes, %s\n", passes, said.dump().c_str());
  CHECK(passes >= 20);
  CHECK(said["acknowledged"].get<std::int64_t>() > 100'000);
  require_caught_up(*running, file);
  require_equal(file, dsn);
}

}  // namespace lockstep::test
