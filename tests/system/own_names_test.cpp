// The application calls something as lockstep calls its own, or makes triggers that hide changes
// from lockstep's.
#include "tests/system/followed.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer one{{"fsync=off"}};
  return one;
}

std::string target_value(const Followed& source, const std::string& sql) {
  return query(source.dsn(), sql).at(0).at(0).value_or("NULL");
}

}  // namespace

TEST_CASE("what the application calls like lockstep's own is refused by name, and never removed",
          "[system]") {
  const TempDir folder;
  const std::string file = folder.file("names.db");
  static const std::string dsn = server().create_database("names");  // nothing comes into it
  const std::string object =
      GENERATE(as<std::string>{}, "table _LockStep_mine", "table _lockstep_changes",
               "table _lockstep_meta", "table _lockstep_switch", "trigger _lockstep_1_insert",
               "trigger _lockstep_audit", "view _lockstep_v", "index _lockstep_i");
  INFO(object);
  const std::string name = object.substr(object.find(' ') + 1);
  sqlite(file, "CREATE TABLE t(id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)");
  sqlite(file, object.starts_with("table") ? "CREATE TABLE " + name +
                                                 "(name TEXT, value TEXT); "
                                                 "INSERT INTO " +
                                                 name + " VALUES ('mine', 1)"
               : object.starts_with("trigger")
                   ? "CREATE TRIGGER " + name + " AFTER INSERT ON t BEGIN SELECT 1; END"
               : object.starts_with("view") ? "CREATE VIEW " + name + " AS SELECT 1"
                                            : "CREATE INDEX " + name + " ON t(id)");
  const auto before = sqlite_schema(file);
  for (const auto& command : {std::vector<std::string>{"assess", file},
                              {"run", file, dsn},
                              {"capture", file, "--listen", "ipc://" + folder.file("s")}}) {
    const Outcome outcome = lockstep(command);
    require_code(outcome, 3);
    CHECK_THAT(everything(outcome), Catch::Contains("LS-S336") && Catch::Contains(object));
  }
  const Outcome removed = lockstep({"remove", file});
  require_code(removed, 0);
  CHECK_THAT(removed.output, Catch::Contains("nothing of lockstep was there"));
  CHECK_THAT(removed.output, Catch::Contains("stays     " + object));
  CHECK(sqlite_schema(file) == before);
}

TEST_CASE("a table that is made with lockstep's prefix is named, not followed, and stays",
          "[system]") {
  Followed source("prefixed", server().create_database("prefixed"));
  source.start_and_catch_up();
  source.write(
      "CREATE TABLE _LockStep_notes(id INTEGER PRIMARY KEY); INSERT INTO _LockStep_notes "
      "VALUES (1); CREATE TRIGGER _lockstep_1_audit AFTER INSERT ON a BEGIN INSERT INTO "
      "_LockStep_notes(id) VALUES (NULL); END");
  REQUIRE(wait_until(
      [&] { return source.process().error_output().find("LS-S315") != std::string::npos; }, 20s));
  CHECK_THAT(source.process().error_output(), Catch::Contains("_LockStep_notes is a new table"));
  // A table that is rebuilt loses our triggers, and that one is none of ours.
  source.write("DROP TRIGGER _lockstep_1_insert; INSERT INTO a(u) VALUES ('unlogged')");
  REQUIRE(wait_until([&] { return target_value(source, "SELECT count(*) FROM a") == "4"; }, 20s));
  source.stop();
  require_code(lockstep({"remove", source.file(), source.dsn()}), 0);
  CHECK(sqlite(source.file(),
               "SELECT name FROM sqlite_master WHERE name LIKE '%lockstep%' ORDER BY "
               "1") == std::vector<std::string>{"_LockStep_notes", "_lockstep_1_audit"});
  CHECK(sqlite(source.file(), "SELECT count(*) FROM _LockStep_notes") ==
        std::vector<std::string>{"2"});
}

TEST_CASE("remove drops no trigger of the application that only has a name like lockstep's",
          "[system]") {
  Followed source("lookalike", server().create_database("lookalike"));
  source.write("CREATE TABLE seen(v TEXT)");
  source.start_and_catch_up();
  source.write(
      "CREATE TRIGGER _lockstep_99_insert AFTER INSERT ON a BEGIN INSERT "
      "INTO "
      "seen VALUES (NEW.u); END");
  source.caught_up();
  source.stop();
  // Lockstep's, with another text: each write to b would fail without the change table.
  source.write(
      "DROP TRIGGER _lockstep_2_insert; CREATE TRIGGER _lockstep_2_insert AFTER INSERT ON b BEGIN "
      "DELETE FROM _lockstep_changes; END;"
      "DROP TRIGGER _lockstep_1_delete; CREATE TRIGGER _lockstep_1_delete AFTER DELETE ON a BEGIN "
      "INSERT INTO seen VALUES (OLD.u); END");
  const Outcome removed = lockstep({"remove", source.file(), source.dsn()});
  require_code(removed, 0);
  for (const char* stays : {"_lockstep_99_insert", "_lockstep_1_delete"})
    CHECK_THAT(removed.output, Catch::Contains(std::string("stays     trigger ") + stays));
  CHECK(sqlite(source.file(),
               "SELECT name FROM sqlite_master WHERE name LIKE '%lockstep%' ORDER "
               "BY 1") == std::vector<std::string>{"_lockstep_1_delete", "_lockstep_99_insert"});
  source.write(
      "INSERT INTO a(u) VALUES ('after'); INSERT INTO b VALUES ('after', 1); DELETE FROM a "
      "WHERE u = 'after'");
  CHECK(sqlite(source.file(), "SELECT count(*) FROM seen") == std::vector<std::string>{"2"});
}

TEST_CASE("a trigger that hides changes and is made while following hides none", "[system]") {
  Followed source("hiding", server().create_database("hiding"));
  source.start_and_catch_up();
  source.write(
      "CREATE TRIGGER hides AFTER UPDATE ON a BEGIN SELECT RAISE(IGNORE); END; UPDATE a "
      "SET n = n + 100 WHERE id = 2");
  source.caught_up();
  CHECK_THAT(source.process().error_output(),
             Catch::Contains("LS-S304") && Catch::Contains("trigger hides of table a"));
  source.write("UPDATE a SET n = n + 100 WHERE id = 3");
  source.caught_up();
  // Made anew while a migration is held.
  require_code(lockstep({"ddl", "hold", source.file()}), 0);
  source.write(
      "DROP TRIGGER hides; CREATE TRIGGER hides AFTER UPDATE ON a BEGIN SELECT "
      "RAISE(IGNORE); END; UPDATE a SET n = n + 100 WHERE id = 1");
  REQUIRE(wait_until(
      [&] {
        return sqlite(source.file(),
                      "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'a' "
                      "ORDER BY rowid DESC LIMIT 1") != std::vector<std::string>{"hides"};
      },
      20s));
  require_code(lockstep({"ddl", "accept", source.file()}), 0);
  source.caught_up();
  // And while nobody looks.
  source.stop();
  source.write(
      "DROP TRIGGER hides; CREATE TRIGGER hides AFTER UPDATE ON a BEGIN SELECT "
      "RAISE(IGNORE); END; UPDATE a SET n = n + 100");
  source.start_and_catch_up();
  source.stop();
}

TEST_CASE("a trigger that hides changes is not taken for lockstep's because of its name",
          "[system]") {
  Followed source("disguised", server().create_database("disguised"));
  source.start_and_catch_up();
  source.write(
      "CREATE TRIGGER _lockstep_99_update AFTER UPDATE ON a BEGIN SELECT RAISE(IGNORE); END; "
      "UPDATE a SET n = n + 100 WHERE id = 2");
  REQUIRE(wait_until(
      [&] { return source.process().error_output().find("LS-S304") != std::string::npos; }, 20s));
  CHECK_THAT(source.process().error_output(), Catch::Contains("trigger _lockstep_99_update of"));
  source.caught_up();
  source.write("UPDATE a SET n = n + 100 WHERE id = 3");
  source.caught_up();
  source.stop();
}

TEST_CASE("what somebody makes on lockstep's own tables takes no change away", "[system]") {
  const auto [name, eats] = GENERATE(table<std::string, std::string>(
      {{"skips",
        "CREATE TRIGGER eats BEFORE INSERT ON _LOCKSTEP_changes BEGIN SELECT RAISE(IGNORE); END"},
       {"deletes",
        "CREATE TRIGGER eats AFTER INSERT ON _lockstep_changes BEGIN DELETE FROM "
        "_lockstep_changes WHERE seq = NEW.seq; END"},
       {"unique", "CREATE UNIQUE INDEX eats ON _Lockstep_Changes(tbl)"}}));
  const bool while_running = GENERATE(true, false);
  const std::string database = name + (while_running ? "_seen" : "_later");
  Followed source(database, server().create_database(database));
  source.start_and_catch_up();
  if (!while_running) source.stop();
  source.write(eats + "; UPDATE OR IGNORE a SET n = n + 100; UPDATE OR IGNORE b SET n = 7");
  if (!while_running) source.start();
  REQUIRE(wait_until(
      [&] { return source.process().error_output().find("LS-S345") != std::string::npos; }, 20s));
  CHECK_THAT(source.process().error_output(), Catch::Contains(" eats was made on "));
  source.caught_up();
  CHECK(sqlite(source.file(), "SELECT count(*) FROM sqlite_master WHERE name = 'eats'") ==
        std::vector<std::string>{"0"});
  source.write("UPDATE OR IGNORE a SET n = n + 100");
  source.caught_up();
  CHECK(target_value(source, "SELECT min(n) FROM a") == "201");
  source.stop();
}

}  // namespace lockstep::test
