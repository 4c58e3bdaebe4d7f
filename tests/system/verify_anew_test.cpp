// A table without a key that is numbered anew while it is compared: the pass begins it anew.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>

#include "tests/system/world.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

// Every other rowid is free: VACUUM brings the second half before the middle.
constexpr char kSchema[] =
    "PRAGMA journal_mode = WAL;"
    "CREATE TABLE k(v TEXT);"
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60) "
    "INSERT INTO k SELECT 'row ' || i FROM n; DELETE FROM k WHERE rowid % 2 = 0;";
// The first pass begins when it has been followed for a moment, and takes four rows at a time.
constexpr char kVerify[] =
    R"({"version": 1, "verify": {"every": "50ms", "cpu_share": 1, "rows_per_second": 16}})";

class Numbered {
 public:
  explicit Numbered(const std::string& name)
      : name_(name), file_(folder_.file(name + ".db")), dsn_(server().create_database(name)) {
    sqlite(file_, kSchema);
    config_ = folder_.file("lockstep.json");
    std::ofstream(config_) << kVerify;
    std::filesystem::permissions(
        config_, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  }
  std::unique_ptr<Process> start(ProcessOptions options = {}) const {
    return start_lockstep({"run", file_, dsn_, "--quiet", "--config", config_}, std::move(options));
  }
  [[nodiscard]] std::string first_pass(const std::string& what) const {
    return server().value(
        fmt::format(
            "SELECT coalesce((SELECT {} FROM lockstep.verify_passes AS p LEFT JOIN "
            "lockstep.verify_tables AS t ON t.pass = p.id ORDER BY p.id LIMIT 1)::text, '')",
            what),
        name_);
  }
  [[nodiscard]] bool has_begun() const {
    return server().value("SELECT to_regclass('lockstep.verify_tables') IS NOT NULL", name_) ==
               "t" &&
           std::stoi("0" + first_pass("barriers")) >= 3;
  }
  void require_all_compared() const {
    REQUIRE(wait_until([&] { return first_pass("ended IS NOT NULL") == "true"; }, 30s, 50ms));
    CHECK(first_pass("state") == "equal");
    const std::string rows = sqlite(file_, "SELECT count(*) FROM k")[0];
    CHECK(first_pass("source_rows") == rows);
    CHECK(first_pass("target_rows") == rows);
    // What is on record of its ranges is of the new numbers, too.
    CHECK(server().value("SELECT sum(rows) FROM lockstep.verify_ranges WHERE pass = (SELECT "
                         "min(id) FROM lockstep.verify_passes)",
                         name_) == rows);
  }
  [[nodiscard]] const std::string& file() const { return file_; }

 private:
  TempDir folder_;
  std::string name_, file_, dsn_, config_;
};

}  // namespace

TEST_CASE("a table that VACUUM numbers anew in the middle of a pass is compared from its start",
          "[system]") {
  Numbered table("numbered");
  auto running = table.start();
  require_caught_up(*running, table.file());
  REQUIRE(wait_until([&] { return table.has_begun(); }, 30s, 20ms));
  REQUIRE(table.first_pass("done") == "false");
  sqlite(table.file(), "VACUUM");
  sqlite(table.file(), "DELETE FROM k WHERE v = 'row 1'");
  table.require_all_compared();
}

TEST_CASE("and so is one that was numbered anew while nobody followed", "[system]") {
  Numbered table("numbered_then");
  auto killed = table.start({.environment = {"LOCKSTEP_FAILPOINTS=verify.recorded=kill@3"}});
  CHECK(killed->wait_or_throw(60s) == ExitStatus{.signal = SIGKILL});
  REQUIRE(table.first_pass("done") == "false");
  sqlite(table.file(), "VACUUM");
  sqlite(table.file(), "DELETE FROM k WHERE v = 'row 1'");
  auto running = table.start();
  require_caught_up(*running, table.file());
  table.require_all_compared();
}

}  // namespace lockstep::test
