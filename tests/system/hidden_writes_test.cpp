// Writes that our triggers do not see: switched off, or behind a connection's own TEMP triggers.
#include <sqlite3.h>

#include "tests/system/source_world.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer one{{"fsync=off"}};
  return one;
}

}  // namespace

TEST_CASE("what is written with triggers switched off is found by verify", "[system]") {
  Followed source(server(), "untriggered");
  source.start();
  source.equal();
  {
    sqlite3* raw = nullptr;
    REQUIRE(sqlite3_open(source.file().c_str(), &raw) == SQLITE_OK);
    const std::unique_ptr<sqlite3, decltype(&sqlite3_close)> app(raw, sqlite3_close);
    REQUIRE(sqlite3_db_config(raw, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr) == SQLITE_OK);
    REQUIRE(sqlite3_exec(raw, "UPDATE a SET v = 'unseen' WHERE id = 3", nullptr, nullptr,
                         nullptr) == SQLITE_OK);
  }
  source.caught_up();
  const Outcome found = lockstep({"verify", source.file(), source.dsn()});
  require_code(found, 4);
  CHECK_THAT(everything(found), Catch::Contains("unseen"));
  source.write("UPDATE a SET v = v WHERE id = 3");  // a touched row is read as it is
  source.equal();
  require_code(lockstep({"verify", source.file(), source.dsn()}), 0);
  source.stop();
  saw_fault("S23", "GO: not seen at once; verify ends with 4 and names row and value");
}

// They are the connection's own, fire before all others, and nobody else can see them.
TEST_CASE("what TEMP triggers keep from lockstep's is found by verify", "[system]") {
  const auto [name, temporary] = GENERATE(table<std::string, std::string>(
      {{"on_theirs", "AFTER UPDATE ON main.a BEGIN SELECT RAISE(IGNORE); END"},
       {"on_ours", "BEFORE INSERT ON main._lockstep_changes BEGIN SELECT RAISE(IGNORE); END"}}));
  Followed source(server(), name);
  source.start();
  source.equal();
  {
    Application app(source.file());
    app.exec("CREATE TEMP TRIGGER hides " + temporary + "; UPDATE a SET v = 'unseen' WHERE id = 3");
  }
  source.caught_up();
  const Outcome found = lockstep({"verify", source.file(), source.dsn()});
  require_code(found, 4);
  CHECK_THAT(everything(found), Catch::Contains("unseen"));
  require_code(lockstep({"verify", source.file(), source.dsn(), "--repair", "--yes"}), 0);
  source.equal();
  source.stop();
  saw_fault("S23",
            "GO: what a TEMP trigger hides is not seen at once; verify finds and repairs it");
}

TEST_CASE("a TEMP trigger that writes is followed in what it writes", "[system]") {
  Followed source(server(), "temp_writes");
  source.start();
  source.equal();
  Application app(source.file());
  app.exec(
      "CREATE TEMP TRIGGER copies AFTER INSERT ON main.a BEGIN INSERT OR REPLACE INTO b VALUES "
      "(NEW.id, NEW.v); DELETE FROM c WHERE id = NEW.id; END; INSERT OR REPLACE INTO a VALUES (3, "
      "'again'), (20, 'more')");
  source.equal();
  CHECK(source.at_target("SELECT v FROM b WHERE id = 20") == "more");
  CHECK(source.at_target("SELECT count(*) FROM c") == "9");
  source.stop();
}

}  // namespace lockstep::test
