// Names as hostile as SQLite allows: the real server has to read back exactly what was quoted, or
// the name is refused before anything is sent.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "apply/target_schema.hpp"
#include "link/postgres/connection.hpp"
#include "link/postgres/names.hpp"
#include "model/error.hpp"
#include "tests/support/fault.hpp"
#include "tests/support/postgres_server.hpp"
#include "tests/support/seed.hpp"

namespace lockstep {

namespace {

using postgres::Connection;

const std::vector<std::string>& pieces() {
  static const std::vector<std::string> list{"\"",
                                             "\"\"",
                                             "'",
                                             "''",
                                             "\\",
                                             "\\'",
                                             ";",
                                             "--",
                                             "/*",
                                             "*/",
                                             "$$",
                                             "$1",
                                             "%",
                                             "%I",
                                             "{}",
                                             "{0}",
                                             "\n",
                                             "\r",
                                             "\t",
                                             "\x1b",
                                             "\x7f",
                                             " ",
                                             ".",
                                             ",",
                                             "(",
                                             ")",
                                             "E'",
                                             "U&",
                                             "select",
                                             "SELECT",
                                             "user",
                                             "table",
                                             "a",
                                             "A",
                                             "ä",
                                             "表",
                                             "а",  // Cyrillic, looks like a
                                             "\xc2\xa0",
                                             "\xe2\x80\xae",
                                             "\xf0\x9f\x98\x80",
                                             "\xff",
                                             "\xc3",
                                             "\xed\xa0\x80",
                                             std::string(1, '\0'),
                                             "\"; DROP TABLE victim; --",
                                             "'); DROP TABLE victim; --",
                                             "0123456789012345678901234567890123456789"};
  return list;
}

std::string random_name(std::mt19937_64& random) {
  std::string name;
  for (auto parts = 1 + random() % 6; parts > 0; --parts)
    name += pieces()[random() % pieces().size()];
  return name;
}

TablePlan plan_of(const std::string& table, const std::string& column) {
  TablePlan plan;
  plan.id = 1;
  plan.shape.name = table;
  Column key, value;
  key.name = column;
  value.name = column == "v" ? "w" : "v";
  plan.shape.columns = {key, value};
  plan.shape.key = {0};
  plan.types = {ColumnType::bigint, ColumnType::text};
  return plan;
}

}  // namespace

TEST_CASE("names come back from the server as they were, or are refused before", "[db]") {
  test::PostgresServer server;
  server.query("CREATE TABLE victim(x int)");
  Connection connection = Connection::open(postgres::parse_dsn(server.dsn()), "test");
  std::mt19937_64 random(test::test_seed());
  std::set<std::string> taken, refused;
  for (int i = 0; i < 1'500; ++i) {
    const std::string name = random_name(random);
    if (!postgres::column_name_problem(name).empty()) {
      CHECK_THROWS_AS(postgres::quoted(name), Error);
      refused.insert(name);
      continue;
    }
    INFO("name: " << name);
    taken.insert(name);
    // An identifier, and a literal with the same text.
    const postgres::Result one = connection.exec(
        fmt::format("SELECT {} AS {}", postgres::literal(name), postgres::quoted(name)));
    REQUIRE(one.value(0, 0) == name);
    if (i % 30 != 0) continue;
    const TablePlan plan = plan_of(name, name);
    connection.exec("BEGIN; CREATE SCHEMA hostile");
    connection.exec(apply::create_table_sql("hostile", plan));
    const apply::KeyStatements keys = apply::key_statements("hostile", plan, {plan});
    for (const apply::IndexStatement& index : keys.indexes) connection.exec(index.sql);
    for (const std::string& sql : keys.constraints) connection.exec(sql);
    const postgres::Result found = connection.query(
        "SELECT c.relname, a.attname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = "
        "c.relnamespace JOIN pg_attribute AS a ON a.attrelid = c.oid WHERE n.nspname = 'hostile' "
        "AND c.relkind = 'r' AND a.attnum = 1",
        {});
    REQUIRE(found.rows() == 1);
    REQUIRE(found.value(0, 0) == name);
    REQUIRE(found.value(0, 1) == name);
    connection.exec("ROLLBACK");
  }
  CHECK(taken.size() > 300);
  CHECK(refused.size() > 100);
  CHECK(server.value("SELECT to_regclass('victim') IS NOT NULL") == "t");
  test::saw_fault("H10", "GO: names come back from the server as they were, or are refused before");
}

TEST_CASE("names that differ in what the eye does not see stay different", "[db]") {
  test::PostgresServer server;
  Connection connection = Connection::open(postgres::parse_dsn(server.dsn()), "test");
  connection.exec("CREATE SCHEMA twins");
  const std::string longest(postgres::kNameBytesMax, 'x');
  const std::vector<std::string> names{"orders",
                                       "Orders",
                                       "ORDERS",
                                       "\xd0\xbe"
                                       "rders",
                                       "orders ",
                                       "ord\xcc\x88"
                                       "ers",
                                       longest,
                                       longest.substr(1)};
  for (const std::string& name : names)
    connection.exec(apply::create_table_sql("twins", plan_of(name, "id")));
  CHECK(connection
            .exec("SELECT count(DISTINCT relname) FROM pg_class WHERE relnamespace = "
                  "'twins'::regnamespace AND relkind = 'r'")
            .integer(0, 0) == static_cast<std::int64_t>(names.size()));
  // PostgreSQL would cut both of these to the same name.
  CHECK_THROWS_AS(postgres::quoted(longest + "1"), Error);
  CHECK_THROWS_AS(postgres::quoted(longest + "2"), Error);
  test::saw_fault("H10",
                  "GO: look-alikes stay different; names over 63 bytes are refused, never cut");
}

}  // namespace lockstep
