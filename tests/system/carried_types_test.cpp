// Columns keep their types when a migration finds values, or brings an index, by which they would
// have had another one from the start.
#include <fmt/format.h>

#include "tests/system/followed.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer one{{"fsync=off"}};
  return one;
}

constexpr char kLower[] = "aaaaaaaa-9dad-41d1-80b4-00c04fd430c8";
constexpr char kUpper[] = "AAAAAAAA-9DAD-41D1-80B4-00C04FD430C8";
constexpr char kOther[] = "6ba7b810-9dad-41d1-80b4-00c04fd430c8";

std::string added_to_uuids(const std::string& column) {
  return fmt::format(
      "CREATE TABLE new__t(id CHAR(36) PRIMARY KEY, at DATETIME, {} INTEGER NOT NULL);"
      "INSERT INTO new__t SELECT id, at, 1 FROM t; DROP TABLE t; ALTER TABLE new__t RENAME TO t; ",
      column);
}

std::string indexes_of(const Followed& source, const std::string& table) {
  std::string all;
  for (const auto& row :
       query(source.dsn(), fmt::format("SELECT indexname FROM pg_indexes WHERE schemaname = "
                                       "'public' AND tablename = '{}' ORDER BY indexname",
                                       table)))
    all += row.at(0).value_or("NULL") + " ";
  return all;
}

}  // namespace

TEST_CASE("a key is bound to its spelling through a migration that meets other values",
          "[system]") {
  Followed source("spelled", server().create_database("spelled"));
  source.write(
      fmt::format("CREATE TABLE t(id CHAR(36) PRIMARY KEY, at DATETIME);"
                  "INSERT INTO t VALUES ('{}', '2024-01-02T03:04:05Z'), ('{}', NULL)",
                  kLower, kOther));
  source.start_and_catch_up();
  source.write("BEGIN; INSERT INTO t VALUES ('oops', 'never'); " + added_to_uuids("n") + "COMMIT");
  source.halts(7, "LS-D401", {"'oops'"});
  // What is not so of the type that stays is not told.
  CHECK_THAT(source.process().error_output(), !Catch::Contains("the type that at (DATETIME)"));
  source.write("DELETE FROM t WHERE id = 'oops'");
  source.start_and_catch_up();
  source.write(fmt::format("INSERT INTO t VALUES ('{}', NULL, 2)", kUpper));
  source.halts(7, "LS-D401", {kUpper, "spelled otherwise"});
  source.write(fmt::format("DELETE FROM t WHERE id = '{}'", kUpper));
  source.start_and_catch_up();
  source.stop();
}

TEST_CASE("an index that the types in force cannot have stays on SQLite, and is told", "[system]") {
  Followed source("without", server().create_database("without"));
  source.write(
      "CREATE TABLE t(id INTEGER PRIMARY KEY, j JSON, d DATETIME, e DATETIME, n INT, w TEXT);"
      "INSERT INTO t VALUES (1, '{}', '2024-01-01 00:00:00', '2024-01-01 00:00:00', 1, 'w'),"
      "(2, '[1]', '2024-01-02T00:00:00', '2024-01-02 00:00:00', 2, hex(zeroblob(3000)))");
  source.start_and_catch_up();
  const auto told = [&](const std::string& sentence) {
    CHECK_THAT(source.process().error_output(),
               Catch::Contains("PostgreSQL does not get: " + sentence));
  };
  source.write("CREATE INDEX plain ON t(n, j); CREATE INDEX days ON t(d)");
  source.caught_up();
  told("plain index plain: j is json, which has no order");
  source.write("CREATE INDEX long ON t(w)");
  source.caught_up();
  told("plain index long: its longest entry has ");
  CHECK(source.status()["resyncs"] == 0);
  source.write("CREATE UNIQUE INDEX once ON t(j)");
  source.caught_up();
  told("unique index once: j is json, which has no order");
  source.write("CREATE UNIQUE INDEX instants ON t(d); CREATE UNIQUE INDEX same ON t(e)");
  source.caught_up();
  told("unique index instants: d is timestamp without time zone, which takes different spellings");
  source.write(
      "INSERT INTO t VALUES (3, '{}  ', '2024-01-01T00:00:00', '2024-01-03 00:00:00', 3, 'w')");
  source.caught_up();
  CHECK(indexes_of(source, "t") == "days same t_pkey ");
  source.stop();
  // Nor does one that starts anew try to make them.
  source.start_and_catch_up();
  source.stop();
}

TEST_CASE("a column without values that becomes unique is bound to one spelling", "[system]") {
  Followed source("empty", server().create_database("empty"));
  source.write("CREATE TABLE t(id INTEGER PRIMARY KEY, d DATETIME)");
  source.start_and_catch_up();
  source.write("CREATE UNIQUE INDEX instants ON t(d)");
  source.caught_up();
  CHECK(indexes_of(source, "t") == "instants t_pkey ");
  source.write("INSERT INTO t VALUES (1, '2024-01-01 00:00:00')");
  source.caught_up();
  source.write("INSERT INTO t VALUES (2, '2024-01-01T00:00:00')");
  source.halts(7, "LS-D401", {"spelled otherwise"});
  source.write("DROP INDEX instants");
  source.start_and_catch_up();
  CHECK(indexes_of(source, "t") == "t_pkey ");
  source.stop();
}

TEST_CASE("a column that is unique no longer is bound to no spelling", "[system]") {
  Followed source("unbound", server().create_database("unbound"));
  source.write(
      fmt::format("CREATE TABLE t(id INTEGER PRIMARY KEY, u CHAR(36));"
                  "CREATE UNIQUE INDEX once ON t(u); INSERT INTO t VALUES (1, '{}')",
                  kLower));
  source.start_and_catch_up();
  source.write("DROP INDEX once");
  source.caught_up();
  CHECK(source.status()["resyncs"] == 0);
  source.write(fmt::format("INSERT INTO t VALUES (2, '{}')", kUpper));
  source.caught_up();
  source.stop();
}

}  // namespace lockstep::test
