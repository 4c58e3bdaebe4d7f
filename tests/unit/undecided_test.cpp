// Types of columns without values, and of columns that a foreign key joins.
#include "snapshot/undecided.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "link/sqlite/database.hpp"
#include "snapshot/census.hpp"
#include "snapshot/partners.hpp"
#include "snapshot/plan.hpp"
#include "tests/support/shape_of.hpp"

using namespace lockstep;
using snapshot::Customs;

namespace {

struct Settling {
  std::vector<TablePlan> plans;
  std::vector<std::vector<std::size_t>> undecided;

  explicit Settling(const std::string& sql, Customs customs = {}) {
    const test::TempDir folder;
    test::Application app(folder.file("a"));
    app.exec(sql);
    sqlite::Database database =
        sqlite::Database::open(folder.file("a"), sqlite::OpenMode::read_only);
    for (const sqlite::TableName& table : sqlite::list_tables(database)) {
      const TableShape shape = sqlite::read_shape(database, table.name);
      snapshot::Planned planned =
          snapshot::plan_table(static_cast<std::uint32_t>(plans.size() + 1), shape,
                               snapshot::take_census(database, shape, {}, [](std::uint64_t) {}), 0);
      REQUIRE(planned.problems.empty());
      plans.push_back(std::move(planned.plan));
      undecided.push_back(std::move(planned.undecided));
    }
    snapshot::Elsewhere elsewhere(customs);
    snapshot::Valueless valueless;
    for (std::size_t i = 0; i < plans.size(); ++i) {
      elsewhere.add(plans[i], undecided[i]);
      for (const std::size_t column : undecided[i]) valueless.emplace(i, column);
    }
    for (std::size_t i = 0; i < plans.size(); ++i)
      static_cast<void>(elsewhere.settle(plans[i], undecided[i]));
    static_cast<void>(snapshot::join_partners(plans, valueless));
  }

  [[nodiscard]] ColumnType type(const std::string& table, const std::string& column) const {
    for (const TablePlan& plan : plans)
      if (plan.name() == table) return plan.types.at(plan.shape.column_named(column).value());
    throw std::runtime_error("no table " + table);
  }
};

constexpr char kUuid[] = "'6ba7b8109dad11d180b400c04fd430c8'";

}  // namespace

TEST_CASE("an empty column has what its declaration has elsewhere, DATETIME that of DATETIME(6)") {
  const Settling lent(
      "CREATE TABLE a(id INTEGER PRIMARY KEY, at datetime(6), n TIMESTAMP);"
      "INSERT INTO a VALUES (1, '2024-01-02 03:04:05.000001', 1704164645);"
      "CREATE TABLE b(id INTEGER PRIMARY KEY, at datetime, n timestamp, m TIMESTAMP(3))");
  CHECK(lent.type("b", "at") == ColumnType::timestamp);
  CHECK(lent.type("b", "n") == ColumnType::bigint);
  CHECK(lent.type("b", "m") == ColumnType::bigint);
  const Settling torn(
      "CREATE TABLE a(id INTEGER PRIMARY KEY, at DATETIME, n DATETIME);"
      "INSERT INTO a VALUES (1, '2024-01-02 03:04:05', 'soon');"
      "CREATE TABLE b(id INTEGER PRIMARY KEY, at DATETIME)");
  CHECK(torn.type("b", "at") == ColumnType::text);
}

TEST_CASE("where nothing has values, framework, DEFAULT and declaration decide") {
  const std::string sql =
      "CREATE TABLE t(id INTEGER PRIMARY KEY, at DATETIME, tz TIMESTAMPTZ, day DATE, flag BOOL, "
      "doc JSON, ref UUID, code CHAR(32), made DATETIME DEFAULT CURRENT_TIMESTAMP, secs DATETIME "
      "DEFAULT (strftime('%s') + 0), word BOOLEAN DEFAULT 'no', keyed JSON, note TEXT, nr INT);"
      "CREATE INDEX by_doc ON t(keyed)";
  const Settling nobody(sql);
  CHECK(nobody.type("t", "at") == ColumnType::timestamp);
  CHECK(nobody.type("t", "tz") == ColumnType::timestamptz);
  CHECK(nobody.type("t", "day") == ColumnType::date);
  CHECK(nobody.type("t", "flag") == ColumnType::boolean);
  CHECK(nobody.type("t", "doc") == ColumnType::json);
  CHECK(nobody.type("t", "ref") == ColumnType::uuid);
  CHECK(nobody.type("t", "code") == ColumnType::text);
  CHECK(nobody.type("t", "made") == ColumnType::timestamp);
  CHECK(nobody.type("t", "secs") == ColumnType::bigint);
  CHECK(nobody.type("t", "word") == ColumnType::text);
  CHECK(nobody.type("t", "keyed") == ColumnType::text);  // json has no order
  CHECK(nobody.type("t", "note") == ColumnType::text);
  CHECK(nobody.type("t", "nr") == ColumnType::bigint);
  const Settling prisma(sql, {.milliseconds = true});
  CHECK(prisma.type("t", "at") == ColumnType::timestamp_ms);
  CHECK(prisma.type("t", "made") == ColumnType::timestamp_ms);
  CHECK(Settling(sql, {.plain_uuids = true}).type("t", "code") == ColumnType::uuid);
  // Unique: Python has two spellings of instants, which never meet; a key has one spelling.
  const std::string bound =
      "CREATE TABLE t(id DATETIME PRIMARY KEY, at DATETIME UNIQUE, ref UUID UNIQUE)";
  const Settling python(bound);
  CHECK(python.type("t", "id") == ColumnType::text);
  CHECK(python.type("t", "at") == ColumnType::timestamp);
  CHECK(python.plans[0].spelling(1).bound);
  CHECK(Settling(bound, {.six_digits = true}).type("t", "id") == ColumnType::timestamp);
}

TEST_CASE("JSON that is numbers is what SQLite makes of it, and says nothing of empty columns") {
  const Settling numbers(
      "CREATE TABLE s(id INTEGER PRIMARY KEY, whole JSON, part JSON, both JSON, none JSON, "
      "given JSON DEFAULT 5, object JSON DEFAULT '{}');"
      "INSERT INTO s VALUES (1, 5, 0.5, 5, NULL, 5, NULL), (2, NULL, NULL, 0.5, NULL, 5, NULL);"
      "CREATE TABLE o(id INTEGER PRIMARY KEY, j JSON); INSERT INTO o VALUES (1, '{}');"
      "CREATE TABLE t(id INTEGER PRIMARY KEY, j JSON, five JSON DEFAULT 5, half JSON DEFAULT 0.5, "
      "object JSON DEFAULT '{}')");
  CHECK(numbers.type("s", "whole") == ColumnType::bigint);
  CHECK(numbers.type("s", "part") == ColumnType::double_precision);
  CHECK(numbers.type("s", "both") == ColumnType::numeric);
  CHECK(numbers.type("s", "given") == ColumnType::bigint);
  for (const char* column : {"none", "object"})
    CHECK(numbers.type("s", column) == ColumnType::json);
  CHECK(numbers.plans.at(1).left_out.size() == 4);
  CHECK(numbers.type("t", "j") == ColumnType::json);
  CHECK(numbers.type("t", "five") == ColumnType::bigint);
  CHECK(numbers.type("t", "half") == ColumnType::double_precision);
  CHECK(numbers.type("t", "object") == ColumnType::json);
}

TEST_CASE("what Prisma Migrate keeps for itself says nothing of how the application counts") {
  const std::string sql =
      "CREATE TABLE _prisma_migrations(id TEXT PRIMARY KEY, started_at DATETIME, rolled_back_at "
      "DATETIME); INSERT INTO _prisma_migrations VALUES ('a', 1709290000001, NULL);"
      "CREATE TABLE t(id INTEGER PRIMARY KEY, at DATETIME, until DATETIME);";
  const std::string texts = "INSERT INTO t VALUES (1, '2024-01-02T03:04:05.678+00:00', NULL)";
  const Settling adapters(sql + texts, {.milliseconds = true});
  CHECK(adapters.type("t", "until") == ColumnType::timestamptz);
  CHECK(adapters.type("_prisma_migrations", "rolled_back_at") == ColumnType::timestamp_ms);
  CHECK(Settling(sql, {.milliseconds = true}).type("t", "until") == ColumnType::timestamp_ms);
}

TEST_CASE("an empty column of a table that was there counts, and writes zones, as the others do") {
  const auto empty_one = [](const std::string& values, bool bound = false, Customs customs = {}) {
    Settling file("CREATE TABLE t(id INTEGER PRIMARY KEY, at DATETIME, until DATETIME); " + values);
    TablePlan plan = file.plans.at(0);
    plan.existing.emplace();
    plan.types[2] = ColumnType::timestamp;
    plan.spellings[2] = {0, bound};
    snapshot::Elsewhere elsewhere(customs);
    elsewhere.add(file.plans[0], file.undecided.at(0));
    CHECK(elsewhere.settle(plan, {2}).empty());
    return std::pair{plan.types[2], plan.spelling(2)};
  };
  const auto [zoned, spelling] =
      empty_one("INSERT INTO t VALUES (1, '2024-01-02T03:04:05.678+00:00', NULL)");
  CHECK(zoned == ColumnType::timestamptz);
  CHECK(spelling.found != 0);
  CHECK(empty_one("INSERT INTO t VALUES (1, 1709290000001, NULL)").first ==
        ColumnType::timestamp_ms);
  CHECK(empty_one("INSERT INTO t VALUES (1, '2024-01-02', NULL)").first == ColumnType::timestamp);
  CHECK(empty_one("").first == ColumnType::timestamp);
  CHECK(empty_one("", false, {.milliseconds = true}).first == ColumnType::timestamp_ms);
  // A unique column has to keep to one spelling, and two are no evidence for one.
  const std::string two =
      "INSERT INTO t VALUES (1, '2024-01-02T03:04:05Z', NULL), (2, '2024-01-02 03:04:05Z', NULL)";
  CHECK(empty_one(two).first == ColumnType::timestamptz);
  CHECK(empty_one(two, true).first == ColumnType::timestamp);
}

TEST_CASE("columns that a foreign key joins have one type") {
  const std::string tables =
      "CREATE TABLE usr(id CHAR(32) PRIMARY KEY);"
      "CREATE TABLE post(id INTEGER PRIMARY KEY, u CHAR(32) REFERENCES usr(id));";
  const std::string both = std::string("INSERT INTO usr VALUES (") + kUuid +
                           "); INSERT INTO post VALUES (1, " + kUuid + ");";
  CHECK(Settling(tables + both).type("usr", "id") == ColumnType::uuid);
  CHECK(Settling(tables + both).type("post", "u") == ColumnType::uuid);
  const Settling odd(tables + both + "INSERT INTO usr VALUES ('system')");
  CHECK(odd.type("usr", "id") == ColumnType::text);
  CHECK(odd.type("post", "u") == ColumnType::text);
  CHECK_FALSE(odd.plans[0].spelling(1).bound);
  const Settling declared(
      "CREATE TABLE usr(id UUID PRIMARY KEY); CREATE TABLE post(u TEXT REFERENCES usr);"
      "CREATE TABLE tag(p UUID REFERENCES usr(id));" +
      std::string("INSERT INTO usr VALUES (") + kUuid + "); INSERT INTO post VALUES (" + kUuid +
      "); INSERT INTO tag VALUES (" + kUuid + ")");
  for (const char* table : {"usr", "post", "tag"})
    CHECK(declared.type(table, table == std::string("usr")    ? "id"
                               : table == std::string("post") ? "u"
                                                              : "p") == ColumnType::text);
  // A side without values takes the other's, be it the child or the parent.
  CHECK(Settling(tables + "INSERT INTO usr VALUES (" + kUuid + ")").type("post", "u") ==
        ColumnType::uuid);
  CHECK(Settling(tables + "INSERT INTO usr VALUES ('system')").type("post", "u") ==
        ColumnType::text);
  CHECK(Settling("CREATE TABLE usr(id CHAR(32) PRIMARY KEY); CREATE TABLE post(u UUID REFERENCES "
                 "usr(id)); INSERT INTO usr VALUES ('system')")
            .type("post", "u") == ColumnType::text);
}
