// Another file in the source's place: the same rows under other rowids.
#include <filesystem>

#include "tests/support/application.hpp"
#include "tests/system/followed.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer one{{"fsync=off"}};
  return one;
}

std::string value(const Followed& source, const std::string& sql) {
  return query(source.dsn(), sql).at(0).at(0).value_or("NULL");
}

}  // namespace

TEST_CASE("a file that was made anew has other rowids, and tables without a key are read anew",
          "[system]") {
  Followed source("dumped", server().create_database("dumped"));
  source.write(
      "CREATE TABLE bare(v TEXT, n INT); INSERT INTO bare VALUES ('a', 1), ('b', 2), ('c', 3), "
      "('d', 4); DELETE FROM bare WHERE v = 'b'");
  source.start_and_catch_up();
  source.write_some();
  source.caught_up();
  source.stop();
  // As .dump makes it: the rows get other numbers, and the schema its version.
  const std::string other = source.in_folder("other.db");
  source.write("PRAGMA wal_checkpoint(TRUNCATE)");
  std::filesystem::copy_file(source.file(), other);
  {
    Application copy(other);
    sqlite3_db_config(copy.handle(), SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
    copy.exec("UPDATE bare SET rowid = rowid - 1 WHERE rowid > 2; PRAGMA journal_mode = DELETE");
  }
  std::filesystem::rename(other, source.file());
  source.start();
  source.write("UPDATE bare SET n = 300 WHERE v = 'c'; DELETE FROM bare WHERE v = 'd'");
  source.caught_up();
  CHECK(source.status()["resyncs"] == 1);
  source.stop();
  source.start_and_catch_up();
  CHECK(source.status()["resyncs"] == 0);
  source.stop();
}

// Cursors of the copy are rowids, whatever the key; the file's dump gives them out anew.
TEST_CASE("a copy that goes on in a file that was made anew loses no row", "[system]") {
  Followed source("recopied", server().create_database("recopied"));
  // More than two chunks; one each has the tables before.
  source.write(
      "CREATE TABLE keyed(k TEXT PRIMARY KEY NOT NULL, v BLOB);"
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4500) "
      "INSERT INTO keyed SELECT 'k' || i, zeroblob(20000) FROM n;"
      "DELETE FROM keyed WHERE rowid BETWEEN 101 AND 1000");
  const auto killed_at = [&](const std::string& hit) {
    source.start({}, {.environment = {"LOCKSTEP_FAILPOINTS=snap.chunk_committed=kill@" + hit}});
    REQUIRE(source.process().wait_or_throw(60s).signal == SIGKILL);
  };
  killed_at("3");
  REQUIRE(value(source, "SELECT count(*) > 0 FROM keyed") == "t");
  const std::string other = source.in_folder("other.db");
  require_code(run({"sh", "-c", "sqlite3 '" + source.file() + "' .dump | sqlite3 '" + other + "'"}),
               0);
  std::filesystem::remove(source.file() + "-wal");
  std::filesystem::remove(source.file() + "-shm");
  std::filesystem::rename(other, source.file());
  killed_at("1");  // nothing of it is forgotten
  source.start();
  source.caught_up();
  CHECK(value(source, "SELECT count(*) FROM keyed") == "3600");
  source.stop();
}

}  // namespace lockstep::test
