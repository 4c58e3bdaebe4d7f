// What lies in the way of a cutover or of the way back, and must stop neither: collations and
// functions of the application, a route file, hostile names; or stops them by name until it is
// mended.
#include <fmt/format.h>
#include <sqlite3.h>

#include <filesystem>
#include <fstream>

#include "tests/support/application.hpp"
#include "tests/system/followed.hpp"

namespace lockstep::test {
namespace {

using Catch::Contains;

PostgresServer& server() {
  static PostgresServer running;  // a cutover wants fsync
  return running;
}

/// Writes as an application that has a collation OWN and a function own().
void write_with_own(const std::string& file, const std::string& sql) {
  Application application(file);
  sqlite3_create_function(
      application.handle(), "own", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, nullptr,
      [](sqlite3_context* context, int, sqlite3_value** values) {
        sqlite3_result_value(context, values[0]);
      },
      nullptr, nullptr);
  sqlite3_create_collation(application.handle(), "OWN", SQLITE_UTF8, nullptr,
                           [](void*, int a, const void*, int b, const void*) { return a - b; });
  application.exec(sql);
}

/// An application on its way; the file is called like the migration.
class Moving {
 public:
  Moving(const std::string& database, const std::string& sql, std::vector<std::string> more = {},
         std::string migration = "app")
      : database_(database),
        migration_(std::move(migration)),
        file_(folder_.file(migration_ + ".db")),
        dsn_(server().create_database(database)),
        more_(std::move(more)) {
    write_with_own(file_, "PRAGMA journal_mode = WAL;" + sql);
    follow();
    require_caught_up(*run_, file_);
  }
  void follow() {
    std::vector<std::string> words{"run", file_, dsn_, "--quiet"};
    words.insert(words.end(), more_.begin(), more_.end());
    run_ = start_lockstep(words);
  }
  void stop() {
    run_->signal(SIGTERM);
    CHECK(run_->wait_or_throw(20s) == ExitStatus{.code = 143});
  }
  [[nodiscard]] Outcome move(const std::string& direction,
                             const std::vector<std::string>& more = {},
                             ProcessOptions options = {}) const {
    std::vector<std::string> words{direction,
                                   file_,
                                   "--confirm",
                                   migration_,
                                   "--max-pause",
                                   "5s",

                                   "--json",
                                   "--verify-max-age",
                                   "0"};
    words.insert(words.end(), more.begin(), more.end());
    return lockstep(words, std::move(options));
  }
  [[nodiscard]] nlohmann::json gate(const std::string& name) const {
    const Outcome dry =
        lockstep({"cutover", file_, "--dry-run", "--json", "--verify-max-age", "0"});
    INFO(everything(dry));
    const auto all = objects(dry, "gates");
    REQUIRE(all.size() == 1);
    for (const nlohmann::json& each : all[0]["gates"])
      if (each["name"] == name) return each;
    return {};
  }
  [[nodiscard]] nlohmann::json status() const {
    return nlohmann::json::parse(lockstep({"status", file_, "--json"}).output, nullptr, false);
  }
  void goes_back() const {
    REQUIRE(wait_until([&] { return status()["phase"] == "reverse"; }, 30s, 20ms));
  }
  void there(const std::string& sql) const { server().query(sql, database_); }
  [[nodiscard]] bool here(const std::string& sql, const std::string& value) const {
    return wait_until([&] { return sqlite(file_, sql).at(0) == value; }, 20s, 20ms);
  }
  Process& run() { return *run_; }
  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] std::string in_folder(const std::string& name) const { return folder_.file(name); }

 private:
  TempDir folder_;
  std::string database_, migration_, file_, dsn_;
  std::vector<std::string> more_;
  std::unique_ptr<Process> run_;
};

}  // namespace

TEST_CASE("a collation that only the application has stops no cutover", "[system]") {
  Moving app("collated",
             "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'x');"
             "CREATE TABLE left(id INTEGER PRIMARY KEY, v TEXT); CREATE INDEX i ON left(v COLLATE "
             "OWN); INSERT INTO left VALUES (1, 'x')",
             {"--exclude", "left"});
  const nlohmann::json gate = app.gate("quick_check");
  CHECK(gate["open"] == true);
  CHECK_THAT(
      gate["found"].get<std::string>(),
      Contains("ok, but not looked into") && Contains("left (SQLite says: no such collation"));
  require_code(app.move("cutover"), 0);
  app.goes_back();
  require_code(app.move("rollback", {"--when-ready"}), 0);
}

TEST_CASE("an index that needs the application shuts the way back until it is gone", "[system]") {
  const bool function = GENERATE(true, false);
  const std::string index =
      function ? "CREATE INDEX i ON f(own(v))" : "CREATE INDEX i ON f(v COLLATE OWN)";
  Moving app(function ? "indexed_function" : "indexed_collation",
             "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'x');"
             "CREATE TABLE f(id INTEGER PRIMARY KEY, v TEXT);" +
                 index);
  const nlohmann::json gate = app.gate("way back");
  CHECK(gate["open"] == false);
  CHECK_THAT(gate["found"].get<std::string>(),
             Contains("f: ") && Contains(function ? "own()" : "OWN"));
  require_code(app.move("cutover"), 3);
  sqlite(app.file(), "DROP INDEX i");
  REQUIRE(wait_until([&] { return app.gate("way back")["open"] == true; }, 20s, 50ms));
  require_code(app.move("cutover", {"--when-ready"}), 0);
  app.goes_back();
  // One that comes afterwards holds the way back up by name, and nothing ends.
  write_with_own(app.file(), index);
  app.there("INSERT INTO f VALUES (2, 'zz'); UPDATE t SET v = 'y'");
  REQUIRE(wait_until(
      [&] {
        const nlohmann::json now = app.status();
        return now["awaited"].is_object() && now["awaited"]["code"] == "LS-X606";
      },
      20s, 20ms));
  CHECK(app.run().running());
  sqlite(app.file(), "DROP INDEX i");
  CHECK(app.here("SELECT (SELECT v FROM t) || coalesce((SELECT v FROM f), '')", "yzz"));
  CHECK(app.run().running());
}

TEST_CASE("a route file that is odd or cannot be written stops nothing", "[system]") {
  Moving app("routed",
             "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'x')");
  const std::string route = app.file() + "-lockstep-route";
  std::ofstream(route)
      << R"({"writers": "sqlite", "readers": null, "switch": "0", "migration": 7})";
  // A hook sees its own names, whatever its caller had.
  const std::string hooks = app.in_folder("hooks"), said = app.in_folder("said");
  for (const char* const when : {"post-switch.d", "post-rollback.d"}) {
    std::filesystem::create_directories(hooks + "/" + when);
    const std::string hook = hooks + "/" + when + "/tell";
    std::ofstream(hook)
        << "#!/bin/sh\ntr '\\0' '\\n' < /proc/$$/environ | grep ^LOCKSTEP_MIGRATION= "
           "> "
        << said << "\n";
    std::filesystem::permissions(hook, std::filesystem::perms{0700});
  }
  const Outcome moved = app.move("cutover", {"--hooks", hooks},
                                 {.environment = {"LOCKSTEP_MIGRATION=somebody else's"}});
  require_code(moved, 0);
  CHECK(contents(said) == "LOCKSTEP_MIGRATION=app\n");
  CHECK(nlohmann::json::parse(contents(route))["readers"] == "postgres");
  app.goes_back();
  app.there("INSERT INTO t VALUES (2, 'there')");
  CHECK(app.here("SELECT count(*) FROM t", "2"));

  // Nobody can write it: who asks is told, and the data goes on, there and back.
  app.stop();
  std::filesystem::remove(route);
  std::filesystem::create_directory(route);
  app.follow();
  app.goes_back();
  app.there("INSERT INTO t VALUES (3, 'there')");
  CHECK(app.here("SELECT count(*) FROM t", "3"));
  CHECK_THAT(app.run().error_output() + app.run().output(), Contains("LS-X622"));
  require_code(app.move("rollback", {"--when-ready"}), 0);
  sqlite(app.file(), "INSERT INTO t VALUES (4, 'here')");
  require_caught_up(app.run(), app.file());
}

TEST_CASE("names that look like the end of a function's body are only names", "[system]") {
  Moving app("dollars",
             "CREATE TABLE \"t$lockstep$\"(\"k$lockstep$\" TEXT PRIMARY KEY, v TEXT); INSERT INTO "
             "\"t$lockstep$\" VALUES ('a', 'b')",
             {}, "m$lockstep$'\\n");
  require_code(app.move("cutover"), 0);
  app.goes_back();
  app.there("INSERT INTO \"t$lockstep$\" VALUES ('c', 'd')");
  CHECK(app.here("SELECT count(*) FROM \"t$lockstep$\"", "2"));
  require_code(app.move("rollback", {"--when-ready"}), 0);
  CHECK_THROWS_WITH(app.there("DELETE FROM \"t$lockstep$\""), Contains("writes to SQLite now"));
}

TEST_CASE("rows that are skipped hold no cutover up, however busy the application is", "[system]") {
  Moving app("skipped",
             "CREATE TABLE t(id INTEGER PRIMARY KEY, n INT); INSERT INTO t VALUES (1, 1), (2, "
             "'bad'); CREATE TABLE o(id INTEGER PRIMARY KEY)",
             {"--on-bad-value", "quarantine"});
  CHECK(app.gate("quarantine")["open"] == false);
  sqlite(app.file(), "INSERT INTO o DEFAULT VALUES");
  require_caught_up(app.run(), app.file());
  require_code(lockstep({"quarantine", "skip", app.file(), "--all"}), 0);
  CHECK(app.gate("quarantine")["open"] == true);
  // What is shown comes back from no batch.
  REQUIRE(wait_until([&] { return app.status()["quarantined"] == 0; }, 30s, 20ms));
  sqlite(app.file(), "INSERT INTO o DEFAULT VALUES");
  require_caught_up(app.run(), app.file());
  CHECK(app.status()["quarantined"] == 0);
  CHECK(app.status()["skipped"] == 1);
  sqlite(app.file(), "UPDATE t SET n = 'worse' WHERE id = 1");
  require_caught_up(app.run(), app.file());
  CHECK(app.gate("quarantine")["open"] == false);
}

TEST_CASE("a TRUNCATE on PostgreSQL leaves rows in SQLite that were never there", "[system]") {
  const bool taken = GENERATE(false, true);
  Moving app(taken ? "truncated_taken" : "truncated",
             "CREATE TABLE t(id INTEGER PRIMARY KEY, n INT, u TEXT UNIQUE); INSERT INTO t VALUES "
             "(1, 1, 'a'), (2, 'bad', 'b'), (3, 3, 'c'), (4, 'worse', 'd'), (5, 'worst', 'e'), (6, "
             "6, 'g'), (7, 7, 'h')",
             {"--on-bad-value", "quarantine"});
  require_code(lockstep({"quarantine", "skip", app.file(), "--all"}), 0);
  require_code(app.move("cutover", {"--when-ready"}), 0);
  app.goes_back();
  // One of the skipped keys is written on PostgreSQL, and goes with everything that was there.
  app.there("INSERT INTO t VALUES (2, 22, 'b')");
  CHECK(app.here("SELECT n FROM t WHERE id = 2", "22"));
  // Rows that exchange a unique value make SQLite's table go and come back.
  app.there(taken ? "BEGIN; TRUNCATE t; INSERT INTO t VALUES (1, 11, 'c'), (3, 33, 'a'), (4, 44, "
                    "'f'); COMMIT"
                  : "TRUNCATE t");
  CHECK(app.here("SELECT group_concat(id || ':' || n) FROM (SELECT * FROM t ORDER BY id)",
                 taken ? "1:11,3:33,4:44,5:worst" : "4:worse,5:worst"));
}

}  // namespace lockstep::test
