// What `ddl accept` follows takes names and constraints along.
#include <fmt/format.h>

#include "tests/system/followed.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer one{{"fsync=off"}};
  return one;
}

void accept(Followed& source) {
  source.halts(7, "LS-S306", {"lockstep ddl accept"});
  require_code(lockstep({"ddl", "accept", source.file()}), 0);
  source.start_and_catch_up();
}

std::vector<std::string> indexes_of(const Followed& source, const std::string& table) {
  std::vector<std::string> names;
  for (const auto& row :
       query(source.dsn(), fmt::format("SELECT indexname FROM pg_indexes WHERE schemaname = "
                                       "'public' AND tablename = '{}' ORDER BY indexname "
                                       "COLLATE \"C\"",
                                       table)))
    names.push_back(row.at(0).value_or("NULL"));
  return names;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("a table that stays behind gives the names of its indexes to what comes", "[system]") {
  Followed source("names", server().create_database("names"));
  const std::string longest(63, 'i');
  source.write(fmt::format(
      "CREATE TABLE t(id INTEGER PRIMARY KEY, x TEXT, y INT, CONSTRAINT pair UNIQUE (x, "
      "y)); CREATE INDEX ix ON t(x); CREATE INDEX {} ON t(y);"
      "INSERT INTO t VALUES (1, 'x', 1)",
      longest));
  source.start_and_catch_up();
  source.write("ALTER TABLE t RENAME TO customers; INSERT INTO customers VALUES (2, 'y', 2)");
  accept(source);
  const std::string id = query(source.dsn(),
                               "SELECT substring(indexname FROM 'ix_left(.*)') FROM pg_indexes "
                               "WHERE tablename = 't' AND indexname LIKE 'ix\\_left%'")
                             .at(0)
                             .at(0)
                             .value();
  const std::string tail = "_left" + id;
  CHECK(indexes_of(source, "customers") == Names{"customers_pkey", longest, "ix", "pair"});
  CHECK(indexes_of(source, "t") ==
        Names{longest.substr(0, 63 - tail.size()) + tail, "ix" + tail, "pair" + tail, "t_pkey"});
  CHECK_THAT(source.process().error_output(),
             Catch::Contains("t is no longer followed and stays on the target; its index ix is "
                             "called ix" +
                             tail));
  // Names are free also for what comes long afterwards.
  source.write("DROP TABLE customers");
  accept(source);
  source.write("CREATE INDEX ix ON a(n); CREATE UNIQUE INDEX pair ON b(n)");
  source.caught_up();
  CHECK(indexes_of(source, "a") == Names{"a_pkey", "a_u_key", "ix"});
  CHECK(indexes_of(source, "b") == Names{"b_pkey", "pair"});
  source.stop();
}

TEST_CASE("names that begin alike, or were given up before, do not meet when they are freed",
          "[system]") {
  Followed source("alike", server().create_database("alike"));
  const std::string stem(57, 'i');
  source.write(fmt::format(
      "CREATE TABLE t(id INTEGER PRIMARY KEY, x TEXT, y INT, z INT); CREATE INDEX {0}_aaaa ON "
      "t(x); CREATE INDEX {0}_bbbb ON t(y); CREATE INDEX ix ON t(z)",
      stem));
  source.start_and_catch_up();
  // As from a copy before this one, whose tables counted from 1 as well.
  for (int number = 1; number < 10; ++number)
    query(source.dsn(), fmt::format("CREATE TABLE public.ix_left{}(n int)", number));
  source.write("ALTER TABLE t RENAME TO customers; INSERT INTO customers VALUES (2, 'y', 2, 3)");
  accept(source);
  CHECK(indexes_of(source, "customers") ==
        Names{"customers_pkey", stem + "_aaaa", stem + "_bbbb", "ix"});
  const Names left = indexes_of(source, "t");
  REQUIRE(left.size() == 4);
  const std::string tail = left[2].substr(2, left[2].size() - 4);
  CHECK(left == Names{stem.substr(0, 63 - tail.size() - 2) + tail + "_1",
                      stem.substr(0, 63 - tail.size()) + tail, "ix" + tail + "_1", "t_pkey"});
  source.stop();
}

TEST_CASE("indexes of two tables, or of one, change names", "[system]") {
  Followed source("swapped", server().create_database("swapped"));
  source.write(
      "CREATE TABLE s(id INTEGER PRIMARY KEY, x TEXT, y INT); CREATE TABLE t(id INTEGER PRIMARY "
      "KEY, z TEXT); CREATE INDEX i1 ON s(x); CREATE INDEX i2 ON t(z); CREATE UNIQUE INDEX u1 ON "
      "s(x, y); CREATE UNIQUE INDEX u2 ON s(y, x)");
  source.start_and_catch_up();
  source.write(
      "BEGIN; DROP INDEX i1; DROP INDEX i2; DROP INDEX u1; DROP INDEX u2; CREATE INDEX i2 ON s(x); "
      "CREATE INDEX i1 ON t(z); CREATE UNIQUE INDEX u2 ON s(x, y); CREATE UNIQUE INDEX u1 ON s(y, "
      "x); INSERT INTO s VALUES (1, 'x', 1); COMMIT");
  REQUIRE(wait_until([&] { return indexes_of(source, "t") == Names{"i1", "t_pkey"}; }, 20s));
  source.caught_up();
  CHECK(indexes_of(source, "s") == Names{"i2", "s_pkey", "u1", "u2"});
  CHECK(query(source.dsn(), "SELECT indexdef FROM pg_indexes WHERE indexname = 'u2'")
            .at(0)
            .at(0)
            .value()
            .ends_with("(x, y)"));
  source.stop();
}

TEST_CASE("a column that goes takes its UNIQUE constraint along", "[system]") {
  Followed source("constraint", server().create_database("constraint"));
  source.write(
      "CREATE TABLE t(id INTEGER PRIMARY KEY, x TEXT, y INT, CONSTRAINT pair UNIQUE (x, y));"
      "INSERT INTO t VALUES (1, 'x', 1)");
  source.start_and_catch_up();
  source.write("ALTER TABLE t RENAME COLUMN x TO xx; INSERT INTO t VALUES (2, 'y', 2)");
  accept(source);
  CHECK(indexes_of(source, "t") == Names{"pair", "t_pkey"});
  source.write(
      "BEGIN; CREATE TABLE new__t(id INTEGER PRIMARY KEY, y INT); INSERT INTO new__t SELECT id, y "
      "FROM t; DROP TABLE t; ALTER TABLE new__t RENAME TO t; COMMIT");
  accept(source);
  CHECK(indexes_of(source, "t") == Names{"t_pkey"});
  source.stop();
}

}  // namespace lockstep::test
