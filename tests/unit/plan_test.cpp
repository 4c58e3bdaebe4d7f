#include "snapshot/plan.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "link/sqlite/database.hpp"
#include "snapshot/census.hpp"
#include "tests/support/shape_of.hpp"

using namespace lockstep;
using Catch::Contains;

namespace {

snapshot::Planned plan(const std::string& sql, std::vector<OnBadValue> on_bad_value = {}) {
  const test::TempDir folder;
  test::Application app(folder.file("a"));
  app.exec(sql);
  sqlite::Database database = sqlite::Database::open(folder.file("a"), sqlite::OpenMode::read_only);
  const TableShape shape = sqlite::read_shape(database, "t");
  return snapshot::plan_table(7, shape,
                              snapshot::take_census(database, shape, {}, [](std::uint64_t) {}), 41,
                              {}, std::move(on_bad_value));
}

std::string problems(const std::string& sql) {
  return fmt::format("{}", fmt::join(plan(sql).problems, "; "));
}
std::string left_out(const std::string& sql) {
  return fmt::format("{}", fmt::join(plan(sql).plan.left_out, "; "));
}

}  // namespace

TEST_CASE("a table is planned from what its rows hold") {
  const snapshot::Planned planned = plan(
      "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, price DECIMAL, day DATE, data, flag "
      "BOOLEAN);"
      "CREATE INDEX by_day ON t(day DESC); CREATE UNIQUE INDEX by_data ON t(data, day);"
      "INSERT INTO t VALUES (1, 1.5, '2024-06-07', x'00', NULL), (2, NULL, '2024-06-08', NULL, "
      "NULL)");
  CHECK(planned.problems.empty());
  CHECK(planned.plan.id == 7);
  CHECK(planned.plan.sequence == 41);
  CHECK(planned.plan.types == std::vector{ColumnType::bigint, ColumnType::numeric, ColumnType::date,
                                          ColumnType::bytea, ColumnType::bigint});
  CHECK(planned.plan.carried_indexes == std::vector<std::string>{"by_data", "by_day"});
  CHECK(planned.plan.left_out.empty());
}

TEST_CASE("a JSON column of numbers has their type, also where odd texts wait in quarantine") {
  CHECK_THAT(left_out("CREATE TABLE t(id INTEGER PRIMARY KEY, j JSON);"
                      "INSERT INTO t VALUES (1, 5)"),
             Contains("j (JSON) promises") && Contains("\"type\": \"json\""));
  CHECK_THAT(left_out("CREATE TABLE t(id INTEGER PRIMARY KEY, j JSON UNIQUE);"
                      "INSERT INTO t VALUES (1, 5)"),
             Contains("j (JSON) promises") && !Contains("\"type\""));
  const auto of_most = [](const std::string& rows) {
    return plan("CREATE TABLE t(id INTEGER PRIMARY KEY, j JSON); INSERT INTO t VALUES " + rows,
                {OnBadValue::stop, OnBadValue::quarantine})
        .plan.types.at(1);
  };
  CHECK(of_most("(1, 5), (2, 6), (3, '{}')") == ColumnType::bigint);
  CHECK(of_most("(1, 5), (2, '[]'), (3, '{}')") == ColumnType::json);
}

TEST_CASE("integers and reals of a NUMERIC column are carried, not in a key and not if edited") {
  const snapshot::Planned prices = plan(
      "CREATE TABLE t(id INTEGER PRIMARY KEY, a NUMERIC, b DATE, c DECIMAL UNIQUE);"
      "INSERT INTO t VALUES (1, 11.0, 2460000.5, 1.5), (2, 1.25, 2460000.0, 2)");
  CHECK(prices.problems.empty());
  CHECK(prices.plan.types == std::vector{ColumnType::bigint, ColumnType::numeric,
                                         ColumnType::numeric, ColumnType::numeric});
  CHECK_THAT(fmt::format("{}", fmt::join(prices.plan.left_out, "; ")),
             Contains("b (DATE) promises: not a date YYYY-MM-DD: id=1, 2460000.5"));
  CHECK(problems("CREATE TABLE t(k NUMERIC PRIMARY KEY); INSERT INTO t VALUES (1), (1.5)") ==
        "column k mixes storage classes: 1 integer (k=1, 1), 1 real (k=1.5, 1.5)");
  CHECK(problems("CREATE TABLE t(id INTEGER PRIMARY KEY, v);"
                 "INSERT INTO t VALUES (1, 5.0), (2, 1.5), (3, -0.0), (4, 7);"
                 "PRAGMA writable_schema = 1; UPDATE sqlite_master SET sql = "
                 "'CREATE TABLE t(id INTEGER PRIMARY KEY, v NUMERIC)' WHERE name = 't'") ==
        "column v mixes storage classes: 1 integer (id=4, 7), 3 real (id=1, 5.0); 2 of the reals "
        "equal(s) an integer (id=1, 5.0)");
  CHECK(plan("CREATE TABLE t(id INTEGER PRIMARY KEY, a ANY) STRICT").plan.types ==
        std::vector{ColumnType::bigint, ColumnType::text});
}

TEST_CASE("a table without a key is carried, with a warning") {
  const snapshot::Planned planned = plan("CREATE TABLE t(a); INSERT INTO t VALUES (1), (1)");
  CHECK(planned.problems.empty());
  CHECK(planned.plan.types == std::vector{ColumnType::bigint, ColumnType::bigint});
  REQUIRE(planned.warnings.size() == 1);
  CHECK(planned.warnings[0].code == "LS-S305");
  CHECK_THAT(planned.warnings[0].what, Contains("no primary key; followed by rowid in column "
                                                "_lockstep_rowid;"));
  CHECK(plan("CREATE TABLE t(a PRIMARY KEY)").warnings.empty());
}

TEST_CASE("every reason against a table is told, not only the first") {
  const std::string all = problems(
      "CREATE TABLE t(k TEXT PRIMARY KEY, a, b TEXT, c TEXT);"
      "INSERT INTO t VALUES ('1', 1, 'x' || char(0), 'ok'), (NULL, 'one', 'y', CAST(x'ff' AS "
      "TEXT)), "
      "(NULL, 2, 'z', 'ok')");
  CHECK_THAT(all, Contains("column a mixes storage classes: 2 integer"));
  CHECK_THAT(all, Contains("column b has 1 text(s) with U+0000"));
  CHECK_THAT(all, Contains("column c has 1 text(s) that are not valid UTF-8"));
  CHECK_THAT(all, Contains("key column k is NULL in 2 row(s)"));
}

TEST_CASE("a key that PostgreSQL cannot index is refused, an index is left out") {
  const auto table = [](int bytes) {
    return fmt::format(
        "CREATE TABLE t(k TEXT PRIMARY KEY, a); INSERT INTO t VALUES (hex(zeroblob({})), 1)",
        bytes);
  };
  CHECK(problems(table(1'290)).empty());
  CHECK_THAT(problems(table(1'310)), Contains("its longest key has 2628 bytes"));
  const std::string wide =
      "CREATE TABLE t(k INT PRIMARY KEY, a TEXT UNIQUE); INSERT INTO t VALUES (1, "
      "hex(zeroblob(5000)))";
  CHECK(problems(wide).empty());
  CHECK_THAT(left_out(wide),
             Contains("unique index sqlite_autoindex_t_2: its longest entry has 10008 bytes"));
}

TEST_CASE("a key of more than 32 columns is refused, an index of so many is left out") {
  std::string columns, names;
  for (int i = 0; i < 33; ++i) {
    columns += fmt::format("c{} INT NOT NULL, ", i);
    names += fmt::format("{}c{}", i == 0 ? "" : ", ", i);
  }
  const test::TempDir folder;
  test::Application app(folder.file("a"));
  app.exec("CREATE TABLE t(" + columns + "PRIMARY KEY (" + names + "))");
  sqlite::Database database = sqlite::Database::open(folder.file("a"), sqlite::OpenMode::read_only);
  CHECK(snapshot::shape_problems(sqlite::read_shape(database, "t"), {}) ==
        std::vector<std::string>{"its key has 33 columns; PostgreSQL stops at 32"});
  CHECK(left_out("CREATE TABLE t(id INTEGER PRIMARY KEY, " + columns + "UNIQUE (" + names +
                 ")); CREATE INDEX i ON t(" + names + ")") ==
        "plain index i: it has 33 columns; PostgreSQL stops at 32; unique index "
        "sqlite_autoindex_t_1: it has 33 columns; PostgreSQL stops at 32");
}

TEST_CASE("an index of many numerics is measured by what they take on PostgreSQL") {
  const auto table = [](int bytes) {
    std::string columns;
    for (int i = 0; i < 30; ++i) columns += fmt::format(", n{} DECIMAL", i);
    std::string names = columns;
    for (auto at = names.find(" DECIMAL"); at != std::string::npos; at = names.find(" DECIMAL"))
      names.erase(at, 8);
    return fmt::format(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT{}); CREATE INDEX wide ON t(a{});"
        "INSERT INTO t(id, a) VALUES (1, hex(zeroblob({})))",
        columns, names, bytes / 2);
  };
  CHECK(left_out(table(2'112)).empty());
  CHECK_THAT(left_out(table(2'114)), Contains("plain index wide: its longest entry has 2602"));
}

TEST_CASE("an index on an expression is measured by all the columns it names") {
  CHECK_THAT(left_out("CREATE TABLE t(k INT PRIMARY KEY, a TEXT); CREATE INDEX wide ON "
                      "t(substr(a, 1, 9)); INSERT INTO t VALUES (1, hex(zeroblob(5000)))"),
             Contains("plain index wide: its longest entry has 10008 bytes"));
  CHECK(plan("CREATE TABLE t(k INT PRIMARY KEY, a TEXT); CREATE INDEX low ON t(lower(a)) WHERE k")
            .plan.carried_indexes == std::vector<std::string>{"low"});
}
