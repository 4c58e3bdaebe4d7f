// Migrations of an application whose tables an ORM made on the target: the same migration changes
// both sides, and lockstep plans these tables anew against what is there then.
#include <fmt/format.h>

#include "tests/system/existing_world.hpp"

namespace lockstep::test {
namespace {

using Catch::Contains;

constexpr char kMigration[] =
    "ALTER TABLE child ADD COLUMN seen timestamp; CREATE TABLE fresh(id bigint PRIMARY KEY, "
    "child_id bigint REFERENCES child ON DELETE CASCADE, on_day date, data jsonb);";
constexpr char kSourceMigration[] =
    "ALTER TABLE child ADD COLUMN seen timestamp; CREATE TABLE fresh(id INTEGER PRIMARY KEY, "
    "child_id bigint REFERENCES child ON DELETE CASCADE, on_day date, data json);";
constexpr char kRows[] =
    "UPDATE child SET seen = '2024-02-29 01:02:03.000004' WHERE id = 1; INSERT INTO child(id, "
    "parent_id, at) VALUES (9, 1, NULL); INSERT INTO fresh VALUES (1, 9, '2024-02-29', "
    "'{\"a\": 1}'), (2, 1, NULL, NULL);";

/// parent and child, on both sides; lockstep's role is no superuser.
class Migrated {
 public:
  explicit Migrated(const std::string& name)
      : name_(fmt::format("{}_{}", name, ++worlds_)),
        file_(folder_.file("app.db")),
        dsn_(owned_database(name_)) {
    sqlite(file_,
           "PRAGMA journal_mode = WAL; CREATE TABLE parent(id INTEGER PRIMARY KEY, name text);"
           "CREATE TABLE child(id INTEGER PRIMARY KEY, parent_id bigint REFERENCES parent, at "
           "datetime); INSERT INTO parent VALUES (1, 'a'), (2, 'b');"
           "INSERT INTO child VALUES (1, 1, '2024-01-01 00:00:00'), (2, 2, NULL)");
    there(
        "CREATE TABLE parent(id bigint PRIMARY KEY, name varchar(20)); CREATE TABLE child(id "
        "bigint PRIMARY KEY, parent_id bigint REFERENCES parent ON DELETE CASCADE, at "
        "timestamp)");
  }

  void here(const std::string& sql) const { sqlite(file_, sql); }
  void there(const std::string& sql) const {
    server().query(fmt::format("SET ROLE keeper; SET lockstep.guard = off; {}", sql), name_);
  }
  [[nodiscard]] std::string seen(const std::string& sql) const { return value(sql, name_); }
  [[nodiscard]] std::string foreign_keys() const {
    return seen(
        "SELECT coalesce(string_agg(conrelid::regclass::text, ',' ORDER BY 1), '') FROM "
        "pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace");
  }
  void start(const std::vector<std::string>& more = {}, ProcessOptions options = {}) {
    std::vector<std::string> arguments{"run", file_, dsn_, "--quiet"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    run_ = start_lockstep(arguments, std::move(options));
  }
  void caught_up() { require_caught_up(*run_, file_); }
  void stopped_saying(const std::string& what) {
    CHECK(run_->wait_or_throw(30s) == ExitStatus{.code = 7});
    CHECK_THAT(run_->error_output(), Contains("LS-S306") && Contains(what));
  }
  /// All rows, with the types of the target's migration.
  void moved() {
    // Before it has looked at the schema it is caught up with what was there before.
    REQUIRE(wait_until([&] { return seen("SELECT count(*) FROM fresh") == "2"; }, 30s, 20ms));
    caught_up();
    CHECK(seen("SELECT seen FROM child WHERE id = 1") == "2024-02-29 01:02:03.000004");
    CHECK(seen("SELECT string_agg(format_type(atttypid, atttypmod), ',' ORDER BY attnum) FROM "
               "pg_attribute WHERE attrelid = 'fresh'::regclass AND attnum > 0") ==
          "bigint,bigint,date,jsonb");
    CHECK(seen("SELECT data ->> 'a' FROM fresh WHERE child_id = 9") == "1");
    require_code(lockstep({"verify", file_, dsn_}), 0);
  }
  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] const std::string& dsn() const { return dsn_; }
  Process& run() { return *run_; }
  [[nodiscard]] std::string in_folder(const std::string& name) const { return folder_.file(name); }

 private:
  TempDir folder_;
  static inline int worlds_ = 0;
  std::string name_, file_, dsn_;
  std::unique_ptr<Process> run_;
};

}  // namespace

TEST_CASE("a migration of both sides between hold and accept is followed", "[system]") {
  const bool target_first = GENERATE(true, false);
  Migrated shop("moves_held");
  shop.start();
  shop.caught_up();
  CHECK(shop.foreign_keys().empty());
  require_code(lockstep({"ddl", "hold", shop.file()}), 0);
  if (target_first) shop.there(kMigration);
  shop.here(fmt::format("{}{}", kSourceMigration, kRows));
  if (!target_first) shop.there(kMigration);
  const bool accepted_while_running = GENERATE(true, false);
  if (!accepted_while_running) {
    shop.run().signal(SIGTERM);
    CHECK(shop.run().wait_or_throw(20s) == ExitStatus{.code = 143});
  }
  require_code(lockstep({"ddl", "accept", shop.file()}), 0);
  if (!accepted_while_running) shop.start();
  shop.moved();
  // What the migration would let act by itself waits with the others.
  CHECK(shop.foreign_keys().empty());
  shop.run().signal(SIGTERM);
  CHECK(shop.run().wait_or_throw(20s) == ExitStatus{.code = 143});
  require_code(lockstep({"remove", shop.file(), shop.dsn()}), 0);
  CHECK(shop.foreign_keys() == "child,fresh");
}

TEST_CASE("a migration that only the target shows is followed once it is accepted", "[system]") {
  Migrated shop("moves_there");
  shop.start();
  shop.caught_up();
  require_code(lockstep({"ddl", "hold", shop.file()}), 0);
  // SQLite's text says no length, so the same migration does nothing there, or rebuilds it as it
  // was.
  const bool rebuilt = GENERATE(true, false);
  shop.there("ALTER TABLE parent ALTER COLUMN name TYPE varchar(40)");
  if (rebuilt)
    shop.here(
        "BEGIN; CREATE TABLE new__parent(id INTEGER PRIMARY KEY, name text); INSERT INTO "
        "new__parent SELECT * FROM parent; DROP TABLE parent; ALTER TABLE new__parent RENAME TO "
        "parent; COMMIT");
  const bool running = GENERATE(true, false);
  if (!running) {
    shop.run().signal(SIGTERM);
    CHECK(shop.run().wait_or_throw(20s) == ExitStatus{.code = 143});
  }
  require_code(lockstep({"ddl", "accept", shop.file()}), 0);
  if (!running) shop.start();
  shop.here("INSERT INTO parent VALUES (3, 'a name of more than twenty characters')");
  REQUIRE(wait_until(
      [&] { return shop.seen("SELECT count(*) FROM parent") == "3" || !shop.run().running(); }, 30s,
      20ms));
  shop.caught_up();
  CHECK(shop.seen("SELECT length(name) FROM parent WHERE id = 3") == "37");
  require_code(lockstep({"verify", shop.file(), shop.dsn()}), 0);
}

TEST_CASE("what was accepted is no acceptance of what comes later", "[system]") {
  Migrated shop("moves_later");
  shop.start();
  shop.caught_up();
  require_code(lockstep({"ddl", "hold", shop.file()}), 0);
  require_code(lockstep({"ddl", "accept", shop.file()}), 0);
  shop.here("ALTER TABLE child DROP COLUMN at");
  shop.stopped_saying("column at was dropped");
}

TEST_CASE("without a hold the side that is migrated first waits for the other, by name",
          "[system]") {
  Migrated shop("moves_free");
  shop.start();
  shop.caught_up();
  SECTION("the source first") {
    shop.here("ALTER TABLE child ADD COLUMN seen timestamp");
    shop.stopped_saying("migrate it there too");
    shop.there(kMigration);
    shop.here(
        "CREATE TABLE fresh(id INTEGER PRIMARY KEY, child_id bigint, on_day date, data json)");
  }
  SECTION("the target first") {
    shop.there(kMigration);
    CHECK(shop.run().wait_or_throw(30s) == ExitStatus{.code = 7});
    CHECK_THAT(shop.run().error_output(), Contains("LS-T214") && Contains("child.seen"));
    shop.here(kSourceMigration);
  }
  shop.here(kRows);
  shop.start();
  shop.moved();
}

TEST_CASE("rows in the target's table of a new table's name give way only if that is accepted",
          "[system]") {
  Migrated shop("moves_rows");
  shop.there("CREATE TABLE later(id bigint PRIMARY KEY, n int); INSERT INTO later VALUES (77, 7)");
  shop.start();
  shop.caught_up();
  shop.here("CREATE TABLE later(id INTEGER PRIMARY KEY, n int); INSERT INTO later VALUES (1, 2)");
  shop.stopped_saying("the table of its name on the target has rows");
  CHECK(shop.seen("SELECT string_agg(id::text, ',') FROM later") == "77");
  require_code(lockstep({"ddl", "accept", shop.file()}), 0);
  shop.start();
  CHECK(wait_until([&] { return shop.seen("SELECT string_agg(id::text, ',') FROM later") == "1"; },
                   20s, 20ms));
}

TEST_CASE("a migration of both sides during the copy is in what becomes consistent", "[system]") {
  Migrated shop("moves_copying");
  const std::string copied = shop.in_folder("copied");
  shop.start({}, {.environment = {"LOCKSTEP_FAILPOINTS=snap.last_chunk=block:" + copied}});
  const auto all_copied = [&] {
    return shop.seen("SELECT to_regclass('lockstep.ledger_parts') IS NOT NULL") == "t" &&
           shop.seen("SELECT bool_and(copied) FROM lockstep.ledger_parts") == "t";
  };
  REQUIRE(wait_until(all_copied, 20s, 20ms));
  shop.run().signal(SIGKILL);
  CHECK(shop.run().wait_or_throw(20s) == ExitStatus{.signal = SIGKILL});
  shop.there(kMigration);
  shop.here(fmt::format("{}{}", kSourceMigration, kRows));
  shop.start();
  shop.moved();
}

}  // namespace lockstep::test
