// Rows in quarantine whose key is none that the target could have: they are counted, whichever way
// their tables are compared, and hide nothing.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "tests/system/followed.hpp"

namespace lockstep::test {
namespace {

using Json = nlohmann::json;

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

#define TAIL "-9dad-41d1-80b4-00c04fd430c8"

constexpr char kSchema[] =
    "PRAGMA journal_mode = WAL;"
    "CREATE TABLE lower(id CHAR(36) PRIMARY KEY NOT NULL, v INT);"
    "INSERT INTO lower VALUES ('aaaaaaaa" TAIL "', 1), ('bbbbbbbb" TAIL "', 1), ('11111111" TAIL
    "', 1), ('22222222" TAIL
    "', 1);"
    "CREATE TABLE upper(id CHAR(36) PRIMARY KEY NOT NULL, v INT);"
    "INSERT INTO upper SELECT upper(id), v FROM lower;"
    "CREATE TABLE instants(at DATETIME PRIMARY KEY NOT NULL, v INT);"
    "INSERT INTO instants VALUES ('2024-01-02T03:04:05', 1), ('2024-01-02T05:04:05', 1), "
    "('2024-01-02T06:04:05', 1), ('2024-01-02T07:04:05', 1);"
    "CREATE TABLE numbers(k INT PRIMARY KEY NOT NULL, v INT);"
    "INSERT INTO numbers VALUES (1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6);"
    "CREATE TABLE zeros(k PRIMARY KEY NOT NULL, v INT);"
    "INSERT INTO zeros VALUES (-1.5, 1), (-0.0, 2), (1.5, 3), (2.5, 4);";

// Twins of rows that are there, and others that stand in the order of neither side.
constexpr char kHeld[] =
    "INSERT INTO lower VALUES ('AAAAAAAA" TAIL "', 2), ('CCCCCCCC" TAIL
    "', 2), ('FDMIN', 2);"
    "INSERT INTO upper VALUES ('aaaaaaaa" TAIL "', 2), ('00000000" TAIL
    "x', 2), ('AB', 2);"
    "INSERT INTO instants VALUES ('2024-01-02 03:04:05', 2), ('2024-01-02 06:30:00', 2);"
    "INSERT INTO numbers VALUES ('abc', 7), ('abd', 8);"
    "UPDATE zeros SET v = 'x' WHERE k = 0;"
    "UPDATE lower SET v = 3 WHERE v = 1; UPDATE upper SET v = 3 WHERE v = 1;";
constexpr int kHeldRows = 11;

class Held {
 public:
  Held(const std::string& name, const std::string& verify)
      : name_(name), file_(folder_.file(name + ".db")), dsn_(server().create_database(name)) {
    sqlite(file_, kSchema);
    const std::string config = folder_.file("lockstep.json");
    std::ofstream(config) << fmt::format(R"({{"version": 1, "verify": {}}})", verify);
    std::filesystem::permissions(
        config, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    run_ = start_lockstep(
        {"run", file_, dsn_, "--quiet", "--on-bad-value", "quarantine", "--config", config});
    require_caught_up(*run_, file_);
    const Json applied = status()["applied"];
    if (applied.is_string()) before = applied.get<std::string>();
    sqlite(file_, kHeld);
    require_caught_up(*run_, file_);
  }
  [[nodiscard]] Json status() const {
    return Json::parse(lockstep({"status", file_, "--json"}).output);
  }
  [[nodiscard]] Outcome verify(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"verify", file_, dsn_, "--json"});
    return lockstep(std::move(more));
  }
  /// As somebody who goes round lockstep.
  void tamper(const std::string& sql) const {
    server().query("SET session_replication_role = replica; " + sql, name_);
  }
  void stop() {
    run_->signal(SIGTERM);
    CHECK(run_->wait_or_throw(20s) == ExitStatus{.code = 143});
  }
  [[nodiscard]] const std::string& file() const { return file_; }

  std::string before{};  ///< a position before the rows that are held

 private:
  TempDir folder_;
  std::string name_, file_, dsn_;
  std::unique_ptr<Process> run_;
};

/// Of each table by name: rows of the source, those in quarantine, and those that differ.
std::map<std::string, std::vector<int>> counts(const Outcome& outcome) {
  std::map<std::string, std::vector<int>> found;
  for (const Json& table : objects(outcome, "table")) {
    INFO(table.dump());
    CHECK(table["problem"].is_null());
    found[table["table"].get<std::string>()] = {
        table["source_rows"].get<int>(), table["quarantined"].get<int>(),
        table["missing"].get<int>() + table["extra"].get<int>() + table["differ"].get<int>()};
  }
  return found;
}

const std::map<std::string, std::vector<int>> kAll{{"instants", {6, 2, 0}},
                                                   {"lower", {7, 3, 0}},
                                                   {"numbers", {8, 2, 0}},
                                                   {"upper", {7, 3, 0}},
                                                   {"zeros", {4, 1, 0}}};

}  // namespace

TEST_CASE("rows whose key does not fit are counted in quarantine, and hide nothing", "[system]") {
  Held held("held_keys", R"({"continuous": false})");
  const Outcome all = held.verify();
  require_code(all, 9);
  CHECK(counts(all) == kAll);
  const auto gates = objects(lockstep({"cutover", held.file(), "--dry-run", "--json"}), "gates");
  REQUIRE(gates.size() == 1);
  for (const Json& gate : gates[0]["gates"])
    if (gate["name"] == "compared") CHECK(gate["open"] == true);
  require_code(held.verify({"--sample", "8"}), 9);
  // All but the numbers that were not written.
  auto written = kAll;
  written["instants"][0] = 2, written["numbers"][0] = 2, written["zeros"][0] = 1;
  const Outcome since = held.verify({"--since", held.before});
  require_code(since, 9);
  CHECK(counts(since) == written);

  // What is wrong with a row is not taken for its twin, which waits.
  held.tamper("UPDATE lower SET v = 2 WHERE id = 'aaaaaaaa" TAIL "'");
  held.tamper("DELETE FROM upper WHERE id = 'aaaaaaaa" TAIL "'");
  auto wrong = kAll;
  wrong["lower"][2] = wrong["upper"][2] = 1;
  const Outcome differs = held.verify();
  require_code(differs, 4);
  CHECK(counts(differs) == wrong);
  written["lower"][2] = written["upper"][2] = 1;
  const Outcome since_then = held.verify({"--since", held.before});
  require_code(since_then, 4);
  CHECK(counts(since_then) == written);
  require_code(held.verify({"--repair", "--yes"}), 9);
  CHECK(counts(held.verify()) == kAll);
  held.stop();
  CHECK(counts(held.verify()) == kAll);
}

TEST_CASE("small ranges neither end at a key that does not fit nor lose it", "[system]") {
  Held held("held_ranges", R"({"every": "50ms", "cpu_share": 1, "rows_per_second": 8})");
  Json verified;
  REQUIRE(wait_until(
      [&] {
        const Json status = held.status();
        for (const Json& table : status["tables"])
          if (!table["verified"]["problem"].is_null()) FAIL(table.dump());
        verified = status["verified"];
        return verified.is_object() && verified["all"] == true &&
               verified["quarantined"] == kHeldRows;
      },
      40s, 100ms));
  CHECK(verified["state"] == "equal");
  const std::string ranges = server().value(
      "SELECT max(n) FROM (SELECT count(*) AS n FROM lockstep.verify_ranges GROUP BY pass, id) AS "
      "counted",
      "held_ranges");
  CHECK(std::stoi(ranges) > 2);
}

}  // namespace lockstep::test
