// Canonical bytes: a value as SQLite has it and as PostgreSQL shows it are the same bytes, in every
// type that a column can become or can have been; other values are other bytes. What PostgreSQL
// holds is written in its own SQL, so that no conversion of lockstep's is its own judge. Databases
// and roles may have defaults of their own: of time zone, of dates, of digits.
#include <fmt/format.h>

#include <array>
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "link/postgres/copy.hpp"
#include "link/sqlite/database.hpp"
#include "link/sqlite/statement.hpp"
#include "tests/db/canonical_values.hpp"
#include "tests/support/followed_target.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/temp_dir.hpp"
#include "verify/values.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

constexpr char kDatabase[] = "canonical";

std::string canonical(const Value& value) {
  std::string bytes;
  verify::append_canonical(bytes, value.view());
  return bytes;
}

TablePlan plan_of(const Held& held) {
  TablePlan plan;
  plan.shape.name = "t";
  plan.shape.columns.resize(1);
  plan.shape.columns[0].name = "v";
  plan.shape.columns[0].affinity = held.affinity;
  plan.types = {held.carried};
  if (!held.there) return plan;
  plan.existing.emplace();
  plan.existing->columns.resize(1);
  plan.existing->columns[0].name = "v";
  plan.existing->columns[0].type = held.type;
  plan.existing->columns[0].holds = *held.there;
  return plan;
}

// As a file has them: written, and read by a statement.
std::vector<std::string> from_sqlite(const TablePlan& plan, const Twins& twins) {
  const TempDir folder;
  std::vector<std::string> all;
  sqlite::Database database = [&] {
    REQUIRE(run({"/bin/sh", "-c", ": > " + folder.file("a")}).status == ExitStatus{.code = 0});
    return sqlite::Database::open(folder.file("a"), sqlite::OpenMode::read_write);
  }();
  database.exec(fmt::format("CREATE TABLE t(id INTEGER PRIMARY KEY, v {})",
                            plan.shape.columns[0].affinity == Affinity::real ? "REAL" : ""));
  sqlite::Statement insert(database, "INSERT INTO t(v) VALUES (?)");
  for (const Twin& twin : twins) {
    insert.bind(1, twin.sqlite.view()).run();
    insert.reset();
  }
  sqlite::Statement rows(database, "SELECT v FROM t ORDER BY id");
  while (rows.step()) {
    Value value(rows.value(0));
    verify::respell(value, plan, 0);
    all.push_back(canonical(value));
  }
  return all;
}

std::vector<std::string> from_postgres(const TablePlan& plan, const Held& held) {
  const std::string collate = held.type == "text" ? " COLLATE folding" : "";
  std::string rows;
  for (std::size_t i = 0; i < held.twins.size(); ++i)
    rows += fmt::format("{}({}, {})", i == 0 ? "" : ", ", i, held.twins[i].sql);
  server().query(
      fmt::format("DROP TABLE IF EXISTS t; CREATE TABLE t(id int, v {}{}); INSERT INTO t VALUES {}",
                  held.type, collate, rows),
      kDatabase);
  postgres::Connection session = connect(server().dsn(kDatabase));
  std::vector<std::string> all;
  postgres::CopyOut copy(
      session, fmt::format("COPY (SELECT {} FROM public.t ORDER BY id) TO STDOUT (FORMAT binary)",
                           verify::shown_column(plan, 0)));
  std::vector<std::optional<std::string_view>> fields;
  Value value;
  while (copy.next(fields)) {
    verify::read_target(value, fields[0], plan, 0);
    all.push_back(canonical(value));
  }
  return all;
}

// Each value is its twin, and nobody else's.
void check_twins(Held held) {
  INFO(held.type << " as " << to_string(held.carried) << (held.there ? ", was there" : ""));
  held.twins.push_back({Value(ValueView{}), "NULL"});
  const TablePlan plan = plan_of(held);
  const auto sqlite = from_sqlite(plan, held.twins), postgres = from_postgres(plan, held);
  REQUIRE(sqlite.size() == held.twins.size());
  REQUIRE(postgres.size() == held.twins.size());
  std::map<std::string, std::size_t> seen;
  for (std::size_t i = 0; i < sqlite.size(); ++i) {
    INFO(held.twins[i].sql.substr(0, 100));
    CHECK((sqlite[i] == postgres[i]));
    const auto before = seen.emplace(postgres[i], i);
    INFO("and " << held.twins[before.first->second].sql.substr(0, 100));
    CHECK(before.second);
  }
}

void make_database() {
  server().create_database(kDatabase);
  for (const char* setting :
       {"TimeZone = 'Asia/Kathmandu'", "DateStyle = 'SQL, DMY'", "IntervalStyle = 'sql_standard'",
        "extra_float_digits = -15", "bytea_output = 'escape'", "xmloption = 'content'"})
    server().query(fmt::format("ALTER DATABASE {} SET {}", kDatabase, setting));
  server().query(
      "CREATE TYPE mood AS ENUM ('sad', 'Sad', ' sad');"
      "CREATE COLLATION folding (provider = icu, locale = 'und-u-ks-level1', deterministic = "
      "false)",
      kDatabase);
}

}  // namespace

TEST_CASE("the same value is the same canonical bytes on both sides, in every type", "[db]") {
  std::mt19937_64 random(test_seed());
  make_database();
  CHECK(server().value("SHOW TimeZone", kDatabase) == "Asia/Kathmandu");
  constexpr unsigned kNumbers = 256;
  std::size_t types = 0;
  for (unsigned number = 0; number < kNumbers; ++number) {
    const auto type = static_cast<ColumnType>(number);
    if (parse_column_type(to_string(type)) != type) continue;
    ++types;
    check_twins(held_as(type, random));
  }
  CHECK(types >= 12);
  for (int kind = 0; kind <= static_cast<int>(TargetKind::interval); ++kind)
    for (Held& held : held_there(static_cast<TargetKind>(kind), random))
      check_twins(std::move(held));
}

TEST_CASE("a value's end is part of its bytes: rows that only run together are others", "[db]") {
  std::string scratch;
  const auto hash = [&](std::vector<Value> row) { return verify::row_hash(row, scratch); };
  CHECK(hash({text("ab"), text("c")}) != hash({text("a"), text("bc")}));
  CHECK(hash({text(""), text("a")}) != hash({text("a"), text("")}));
  CHECK(hash({text("a"), Value(ValueView{})}) != hash({Value(ValueView{}), text("a")}));
  using std::string_literals::operator""s;
  // A value may hold what another one begins with.
  const std::string head = "\4"s + std::string(8, '\0');
  CHECK(hash({blob("a" + head + "b"), blob("c")}) != hash({blob("a"), blob("b" + head + "c")}));
  CHECK(hash({text("a")}) != hash({blob("a")}));
}

TEST_CASE("types whose values have no canonical bytes are refused where a table was there",
          "[db]") {
  for (const char* type :
       {"citext", "bit(8)", "bit varying", "integer[]", "text[]", "money", "cidr", "macaddr", "xml",
        "tsvector", "int4range", "oid", "time with time zone", "\"char\"", "name"}) {
    INFO(type);
    CHECK_FALSE(parse_target_type(type));
  }
}

}  // namespace lockstep::test
