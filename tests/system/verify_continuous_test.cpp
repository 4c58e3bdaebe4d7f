// Passes of verification that nobody asks for, their pace, and samples.
#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/system/wire_world.hpp"

namespace lockstep::test {
namespace {

using Json = nlohmann::json;

PostgresServer& server() {
  static PostgresServer running{{"commit_siblings=0"}};  // so that commit_delay concerns everybody
  return running;
}

/// A price database that is followed, with this "verify" in its configuration.
class Priced {
 public:
  Priced(const std::string& name, const std::string& verify, const std::string& rows = "20000",
         const std::string& commit_delay_us = "0")
      : name_(name),
        file_(make_prices(folder_, name + ".db", "50", rows)),
        dsn_(server().create_database(name)) {
    server().query(fmt::format("ALTER DATABASE {} SET commit_delay = {}", name, commit_delay_us));
    const std::string config = folder_.file("lockstep.json");
    std::ofstream(config) << fmt::format(R"({{"version": 1, "verify": {}}})", verify);
    std::filesystem::permissions(
        config, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    run_ = start_lockstep({"run", file_, dsn_, "--quiet", "--config", config});
    require_caught_up(*run_, file_);
  }
  [[nodiscard]] Json status() const {
    return Json::parse(lockstep({"status", file_, "--json"}).output);
  }
  [[nodiscard]] std::string state_of(const std::string& table) const {
    const Json status = this->status();
    for (const Json& each : status["tables"])
      if (each["name"] == table) return each["verified"]["state"];
    return "no such table";
  }
  /// As somebody who goes round lockstep.
  void tamper(const std::string& sql) const {
    server().query("SET session_replication_role = replica; " + sql, name_);
  }
  [[nodiscard]] std::int64_t number(const std::string& sql) const {
    return std::stoll(server().value(sql, name_));
  }
  [[nodiscard]] Outcome verify(const std::vector<std::string>& flags) const {
    std::vector<std::string> words{"verify", file_, dsn_};
    words.insert(words.end(), flags.begin(), flags.end());
    return lockstep(words);
  }
  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] const std::string& dsn() const { return dsn_; }
  Process& run() { return *run_; }

 private:
  TempDir folder_;
  std::string name_, file_, dsn_;
  std::unique_ptr<Process> run_;
};

std::uint64_t rows_compared(const std::string& output, const std::string& table) {
  std::istringstream lines(output);
  for (std::string line; std::getline(lines, line);)
    if (const Json object = Json::parse(line); object.value("table", "") == table)
      return object["source_rows"].get<std::uint64_t>();
  return 0;
}

constexpr char kNewest[] = "(SELECT max(id) FROM ohlcv_data)";

}  // namespace

TEST_CASE("passes follow each other, and what they find is in the status", "[system]") {
  Priced priced("continuous", R"({"every": "100ms", "cpu_share": 0.5})");
  const auto verified_in_pass = [&](std::int64_t pass) {
    const Json verified = priced.status()["verified"];
    return verified.is_object() && verified["pass"] >= pass && verified["state"] == "equal";
  };
  REQUIRE(wait_until([&] { return verified_in_pass(3); }, 30s, 50ms));
  for (const Json& table : priced.status()["tables"]) {
    INFO(table.dump());
    CHECK(table["verified"]["state"] != "pending");
    CHECK(table["verified"]["problem"].is_null());
  }
  priced.tamper("UPDATE ohlcv_data SET high = high * 2 WHERE id = " + std::string(kNewest));
  REQUIRE(wait_until([&] { return priced.state_of("ohlcv_data") == "mismatch"; }, 30s, 50ms));
  require_code(priced.verify({"--repair", "--yes"}), 0);
  REQUIRE(wait_until([&] { return priced.state_of("ohlcv_data") == "clean"; }, 30s, 50ms));
  // For somebody who watches: one line for each pass, until there is a difference.
  auto watching = start_lockstep({"verify", priced.file(), priced.dsn(), "--continuous", "--json"});
  REQUIRE(wait_until(
      [&] { return watching->output().find(R"("state":"equal")") != std::string::npos; }, 30s));
  priced.tamper("DELETE FROM ohlcv_data WHERE id = " + std::string(kNewest));
  CHECK(watching->wait_or_throw(30s) == ExitStatus{.code = 4});
  // A new process knows what the one before has proven.
  priced.run().signal(SIGTERM);
  CHECK(priced.run().wait_or_throw(20s) == ExitStatus{.code = 143});
  auto again = start_lockstep({"run", priced.file(), priced.dsn(), "--quiet"});
  require_caught_up(*again, priced.file());
  REQUIRE(wait_until([&] { return priced.state_of("accounts") == "clean"; }, 20s, 50ms));
  CHECK(priced.state_of("ohlcv_data") == "mismatch");
}

TEST_CASE("a pass keeps to its pace, and gives way to one that somebody asks for", "[system]") {
  Priced priced("paced", R"({"every": "10ms", "cpu_share": 1, "rows_per_second": 2000})");
  const auto compared = [&] {
    return priced.number(
        "SELECT coalesce(sum(t.source_rows), 0) FROM lockstep.verify_tables t JOIN "
        "lockstep.verify_passes p ON p.id = t.pass WHERE p.continuous");
  };
  REQUIRE(wait_until([&] { return priced.status()["verifying"].is_object(); }, 20s, 20ms));
  const auto begun = std::chrono::steady_clock::now();
  const std::int64_t first = compared();
  REQUIRE(wait_until([&] { return compared() >= first + 4'000; }, 30s, 20ms));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  CHECK(took.count() > 1.5);  // 4,000 rows; half a second's worth may have been on its way
  const Outcome asked = priced.verify({"--json"});
  require_code(asked, 0);
  CHECK(rows_compared(asked.output, "ohlcv_data") >= 20'000);
  // It goes on behind the other one, where it was.
  CHECK(priced.number("SELECT count(*) FROM lockstep.verify_passes WHERE continuous AND state = "
                      "'running'") == 1);
  REQUIRE(wait_until([&] { return compared() > 12'000; }, 30s, 50ms));
  CHECK(priced.number("SELECT max(source_rows) FROM lockstep.verify_tables") <= 20'500);
}

TEST_CASE("a pass rests while changes come later than they may, and goes on afterwards",
          "[system]") {
  constexpr char kCommitsTake[] = "20000";  // us
  Priced priced("late", R"({"every": "10ms", "cpu_share": 1, "pause_when_lag": "5ms"})", "20000",
                kCommitsTake);
  const auto compared = [&] {
    return priced.number("SELECT coalesce(sum(source_rows), 0) FROM lockstep.verify_tables");
  };
  const auto applied = [&] { return priced.status()["changes_applied"].get<std::int64_t>(); };
  // Before the first pass there is no table of passes to ask.
  REQUIRE(wait_until([&] { return priced.status()["verifying"].is_object(); }, 30s, 20ms));
  REQUIRE(wait_until([&] { return compared() > 20'000; }, 30s, 20ms));
  Tool writer({TOOL_WRITER, priced.file(), "--until-stdin-closes", "--rate", "500"});
  REQUIRE(wait_until([&] { return applied() > 200; }, 30s, 20ms));
  const std::int64_t begun = compared(), changes = applied();
  REQUIRE(wait_until([&] { return applied() > changes + 3'000; }, 60s, 20ms));
  const std::int64_t late = compared() - begun;
  CHECK(writer.finish().at("lost") == 0);
  INFO(late << " rows compared while it was late");
  // A writer that the machine lets starve for a moment lets a range through.
  CHECK(late <= 20'000);
  const std::int64_t rested = compared();
  CHECK(wait_until([&] { return compared() > rested + 50'000; }, 30s, 20ms));
}

TEST_CASE("passes that are asked for at once follow each other", "[system]") {
  Priced priced("queued", R"({"continuous": false})");
  std::vector<std::unique_ptr<Process>> asked;
  for (int i = 0; i < 3; ++i)
    asked.push_back(start_lockstep({"verify", priced.file(), priced.dsn(), "--json"}));
  for (const std::unique_ptr<Process>& each : asked) {
    INFO(each->output() << each->error_output());
    CHECK(each->wait_or_throw(60s) == ExitStatus{.code = 0});
    CHECK(rows_compared(each->output(), "ohlcv_data") >= 20'000);
  }
  // One was compared after the other: none has a table from before its forerunner's end.
  CHECK(priced.number("SELECT count(*) FROM lockstep.verify_passes WHERE state = 'equal'") == 3);
  CHECK(priced.number("SELECT count(*) FROM lockstep.verify_tables t JOIN lockstep.verify_passes p "
                      "ON p.id < t.pass AND t.updated < p.ended") == 0);
}

TEST_CASE("a sample looks at some rows, the newest among them, and proves no table", "[system]") {
  Priced priced("sampled", R"({"continuous": false})");
  const Outcome sample = priced.verify({"--sample", "400", "--json"});
  require_code(sample, 0);
  CHECK(rows_compared(sample.output, "ohlcv_data") >= 100);
  CHECK(rows_compared(sample.output, "ohlcv_data") <= 500);
  CHECK(priced.state_of("ohlcv_data") == "pending");
  CHECK(priced.status()["verified"].is_null());
  priced.tamper("DELETE FROM ohlcv_data WHERE id = " + std::string(kNewest));
  require_code(priced.verify({"--sample", "400"}), 4);
  priced.tamper(
      "INSERT INTO ohlcv_data SELECT 99999999, 'X' || ticker, region, timeframe, date, open, high, "
      "low, close, volume, created_at FROM ohlcv_data WHERE id = 5");
  const Outcome both = priced.verify({"--sample", "400", "--json"});
  require_code(both, 4);
  CHECK_THAT(both.output, Catch::Contains("on the source only"));
  CHECK_THAT(both.output, Catch::Contains("on the target only"));
  CHECK(priced.state_of("ohlcv_data") == "pending");
}

TEST_CASE("equal rows cost the wire at most 100 bytes in a thousand", "[system]") {
  Hosts hosts(server(), "cheap", "100000");
  TcpProxy proxy(hosts.port());
  hosts.start_capture();
  hosts.start_apply(proxy.port());
  hosts.require_same();
  const auto carried = [&] {
    return proxy.carried(TcpProxy::Way::to_client) + proxy.carried(TcpProxy::Way::to_server);
  };
  const std::uint64_t before = carried();
  const Outcome outcome = lockstep({"verify", hosts.file(), hosts.dsn(), "--json"});
  const std::uint64_t bytes = carried() - before;
  require_code(outcome, 0);
  REQUIRE(rows_compared(outcome.output, "ohlcv_data") >= 100'000);
  INFO(bytes << " bytes");
  CHECK(bytes > 1'000);  // 64 bits for each thousand rows, at the least
  CHECK(bytes < 100 * 100);
}

}  // namespace lockstep::test
