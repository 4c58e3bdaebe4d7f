// What applications do to SQLite beyond plain SQL: functions and collations of their own, writes
// that no trigger sees, the old way to rename tables.
#include <fmt/ranges.h>
#include <sqlite3.h>

#include "tests/support/application.hpp"
#include "tests/system/followed.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

int backwards(void*, int left_bytes, const void* left, int right_bytes, const void* right) {
  const std::string_view a{static_cast<const char*>(left), static_cast<std::size_t>(left_bytes)};
  const std::string_view b{static_cast<const char*>(right), static_cast<std::size_t>(right_bytes)};
  return b.compare(a);
}

void exclaim(sqlite3_context* context, int, sqlite3_value** values) {
  const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(values[0]));
  const std::string result = std::string(text == nullptr ? "" : text) + "!";
  sqlite3_result_text(context, result.c_str(), -1, SQLITE_TRANSIENT);
}

/// An application with a collation OWN and a function own().
class OwnApplication {
 public:
  explicit OwnApplication(const std::string& file) : application_(file) {
    sqlite3* handle = application_.handle();
    REQUIRE(sqlite3_create_collation(handle, "OWN", SQLITE_UTF8, nullptr, backwards) == SQLITE_OK);
    REQUIRE(sqlite3_create_function(handle, "own", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, nullptr,
                                    exclaim, nullptr, nullptr) == SQLITE_OK);
  }
  Application* operator->() { return &application_; }

 private:
  Application application_;
};

const std::vector<std::string> kCarried{"plain_own", "index_own", "stored_own",  "check_own",
                                        "expr_own",  "part_own",  "default_own", "trigger_own"};
const std::vector<std::string> kRefused{"key_own", "keyed_own", "unique_own", "virtual_own",
                                        "unique_expr_own"};

std::string listed(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ","));
}

}  // namespace

TEST_CASE("collations and functions of the application: carried, or refused by name", "[system]") {
  const TempDir folder;
  const std::string file = folder.file("own.db");
  const std::string dsn = server().create_database("own");
  OwnApplication application(file);
  application->exec(
      "CREATE TABLE plain_own(id INTEGER PRIMARY KEY, v TEXT COLLATE OWN);"
      "CREATE TABLE index_own(id INTEGER PRIMARY KEY, v TEXT); CREATE INDEX io ON index_own(v "
      "COLLATE OWN);"
      "CREATE TABLE stored_own(id INTEGER PRIMARY KEY, v TEXT, g AS (own(v)) STORED);"
      "CREATE TABLE check_own(id INTEGER PRIMARY KEY, v TEXT CHECK (own(v) <> 'x'));"
      "CREATE TABLE expr_own(id INTEGER PRIMARY KEY, v TEXT); CREATE INDEX eo ON expr_own(own(v));"
      "CREATE TABLE part_own(id INTEGER PRIMARY KEY, v TEXT); CREATE INDEX po ON part_own(id) "
      "WHERE own(v) = 'a!';"
      "CREATE TABLE default_own(id INTEGER PRIMARY KEY, v TEXT DEFAULT (own(1)));"
      "CREATE TABLE trigger_own(id INTEGER PRIMARY KEY, v TEXT); CREATE TRIGGER tr AFTER INSERT ON "
      "trigger_own BEGIN UPDATE trigger_own SET v = own(v) WHERE id = NEW.id; END;"
      "CREATE TABLE key_own(k TEXT COLLATE OWN PRIMARY KEY, v TEXT);"
      "CREATE TABLE keyed_own(k TEXT COLLATE OWN PRIMARY KEY, v TEXT) WITHOUT ROWID;"
      "CREATE TABLE unique_own(id INTEGER PRIMARY KEY, v TEXT COLLATE OWN UNIQUE);"
      "CREATE TABLE virtual_own(id INTEGER PRIMARY KEY, v TEXT, g AS (own(v)));"
      "CREATE TABLE unique_expr_own(id INTEGER PRIMARY KEY, v TEXT); CREATE UNIQUE INDEX ueo ON "
      "unique_expr_own(own(v));");
  for (const std::string& table : kCarried)
    application->exec("INSERT INTO " + table + "(id, v) VALUES (1, 'b'), (2, 'a'), (3, 'c')");
  const auto before = sqlite_schema(file);
  const Outcome refused = lockstep({"run", file, dsn, "--json"});
  require_code(refused, 3);
  CHECK(refused.output.find(R"("code":"LS-A108")") != std::string::npos);
  for (const std::string& table : kRefused)
    CHECK(refused.output.find(fmt::format(R"(,"table":"{}","type":"refusal")", table)) !=
          std::string::npos);
  for (const std::string& table : kCarried)
    CHECK(refused.output.find(fmt::format(R"(,"table":"{}","type":"refusal")", table)) ==
          std::string::npos);
  CHECK(sqlite_schema(file) == before);
  const auto following = start_lockstep({"run", file, dsn, "--exclude", listed(kRefused)});
  require_caught_up(*following, file);
  require_equal(file, dsn, {"--tables", listed(kCarried)});
  for (const std::string& table : kCarried)
    application->exec(
        fmt::format("INSERT OR REPLACE INTO {0}(id, v) VALUES (1, 'z'), (4, 'y'); "
                    "UPDATE {0} SET v = v || 'q' WHERE id = 2; DELETE FROM {0} "
                    "WHERE id = 3",
                    table));
  require_caught_up(*following, file);
  require_equal(file, dsn, {"--tables", listed(kCarried)});
  saw_fault("H13",
            "REFUSE: LS-A100 where a function or collation of the application would have to be "
            "called; else carried");
}

TEST_CASE("writes that no trigger sees are found by verify", "[system]") {
  const bool by_blob = GENERATE(false, true);
  const std::string name = by_blob ? "unseen_blob" : "unseen";
  Followed source(name, server().create_database(name));
  source.write("CREATE TABLE c(id INTEGER PRIMARY KEY, v BLOB); INSERT INTO c VALUES (1, x'0102')");
  source.start_and_catch_up();
  source.stop();
  require_code(lockstep({"verify", source.file(), source.dsn()}), 0);
  Application application(source.file());
  sqlite3* handle = application.handle();
  if (!by_blob) {
    REQUIRE(sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr) == SQLITE_OK);
    application.exec("UPDATE a SET n = 77 WHERE id = 2");
  } else {
    sqlite3_blob* blob = nullptr;
    REQUIRE(sqlite3_blob_open(handle, "main", "c", "v", 1, 1, &blob) == SQLITE_OK);
    REQUIRE(sqlite3_blob_write(blob, "\x09", 1, 0) == SQLITE_OK);
    REQUIRE(sqlite3_blob_close(blob) == SQLITE_OK);
  }
  require_code(lockstep({"run", source.file(), source.dsn(), "--until", "caught-up"}), 0);
  const Outcome verified = lockstep({"verify", source.file(), source.dsn()});
  require_code(verified, 4);
}

TEST_CASE("a value that an index of PostgreSQL cannot hold stops it by name until the index goes",
          "[system]") {
  Followed source("longer", server().create_database("longer"));
  source.write("CREATE INDEX a_u ON a(u, n)");
  source.start_and_catch_up();
  source.write("UPDATE a SET u = hex(randomblob(6000)) WHERE id = 2");
  source.halts(7, "LS-T211", {"index", "drop the index"});
  server().query("ALTER TABLE a DROP CONSTRAINT a_u_key; DROP INDEX a_u", "longer");
  require_code(lockstep({"run", source.file(), source.dsn(), "--until", "caught-up"}), 0);
  require_equal(source.file(), source.dsn());
}

TEST_CASE("the old way to rename a table does not keep the application from writing", "[system]") {
  Followed source("renamed", server().create_database("renamed"));
  source.start_and_catch_up();
  Application application(source.file());
  application.exec("PRAGMA legacy_alter_table = ON; ALTER TABLE a RENAME TO a2");
  source.halts(7, "LS-S306", {"table a was dropped or renamed"});
  (void)application.query("SELECT count(*) FROM b");  // SQLite sees only now that triggers went
  application.exec(
      "INSERT INTO a2 VALUES (9, 'nine', 9); UPDATE a2 SET u = 'x' WHERE id = 1;"
      "INSERT OR REPLACE INTO a2 VALUES (10, 'nine', 9)");
  require_code(lockstep({"ddl", "accept", source.file()}), 0);
  require_code(lockstep({"run", source.file(), source.dsn(), "--until", "caught-up"}), 0);
  require_equal(source.file(), source.dsn(), {"--tables", "a2,b"});
  application.exec("INSERT OR REPLACE INTO a2 VALUES (11, 'nine', 9)");
  require_code(lockstep({"run", source.file(), source.dsn(), "--until", "caught-up"}), 0);
  require_equal(source.file(), source.dsn(), {"--tables", "a2,b"});
}

}  // namespace lockstep::test
