#include "apply/translate.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <catch2/catch.hpp>
#include <string>

#include "apply/defaults.hpp"
#include "apply/foreign_keys.hpp"
#include "apply/target_schema.hpp"
#include "link/sqlite/expression.hpp"
#include "link/sqlite/sql_text.hpp"
#include "tests/support/shape_of.hpp"

using namespace lockstep;
using Catch::Contains;
using test::plan_of;

namespace {

constexpr auto kBigint = ColumnType::bigint;
constexpr auto kText = ColumnType::text;

TablePlan table() {
  return plan_of(
      1,
      "CREATE TABLE t(id INTEGER PRIMARY KEY, n INT, r REAL, d DECIMAL, a TEXT, c TEXT "
      "COLLATE NOCASE, day DATE)",
      {kBigint, kBigint, ColumnType::double_precision, ColumnType::numeric, kText, kText, kText});
}
std::string sql_of(const std::string& sql) {
  return apply::translate_condition(table(), sql).sql;
}
std::string why(const std::string& sql) {
  const apply::Translation translation = apply::translate_condition(table(), sql);
  CHECK(translation.sql.empty());
  return translation.why;
}

}  // namespace

TEST_CASE("conditions are spelled for PostgreSQL") {
  CHECK(sql_of("n > 0") == R"(("n" > 0))");
  CHECK(sql_of("N>=-1 AND not a is null") == R"((("n" >= (-1)) AND (NOT ("a" IS NULL))))");
  CHECK(sql_of("a IN ('x', \"y\")") == R"((("a" = 'x') OR ("a" = 'y')))");
  CHECK(sql_of("c = 'X'") == R"((lower("c" COLLATE "C") = 'x'))");
  CHECK(sql_of("a < 'b'") == R"(("a" COLLATE "C" < 'b'))");
  CHECK(sql_of("r > 0.5 OR n") == R"((("r" > 0.5::double precision) OR ("n" <> 0)))");
  CHECK(sql_of("length(a) = 3 -- why") == R"((char_length("a") = 3))");
  CHECK(sql_of("1 = 1 OR 2 = 2 AND 3 = 3") == "((1 = 1) OR ((2 = 2) AND (3 = 3)))");
  CHECK(sql_of("NOT n = 1") == R"((NOT ("n" = 1)))");
  CHECK(sql_of("a LIKE 'x\\%'") ==
        "(lower(\"a\" COLLATE \"C\") LIKE lower(E'x\\\\%' COLLATE \"C\") ESCAPE '')");
}

TEST_CASE(
    "a boolean is 0 or 1, and of what is spelled otherwise there it counts whether it is NULL") {
  const TablePlan flags = plan_of(
      1,
      "CREATE TABLE t(id INTEGER PRIMARY KEY, active BOOLEAN, gone DATETIME, j JSON DEFAULT '{}', "
      "bad JSON DEFAULT '{')",
      {kBigint, ColumnType::boolean, ColumnType::timestamp, ColumnType::json, ColumnType::json});
  const auto sql = [&](const std::string& text) {
    const apply::Translation translation = apply::translate_condition(flags, text);
    return translation.sql.empty() ? translation.why : translation.sql;
  };
  CHECK(sql("active") == R"("active")");
  CHECK(sql("active = 1 AND gone IS NULL") == R"(("active" AND ("gone" IS NULL)))");
  CHECK(sql("NOT active = false") == R"((NOT (NOT "active")))");
  CHECK(sql("active IN (0, 1)") == R"(((NOT "active") OR "active"))");
  CHECK(sql("active > 0") == R"((("active")::int > 0))");
  CHECK(sql("active = 2") == R"((("active")::int = 2))");
  CHECK(sql("active = '1'") == "it compares different types");
  CHECK(sql("gone > '2024'") == "column gone is timestamp without time zone");
  CHECK(apply::translate_default(flags, 3).sql == "'{}'::json");
  CHECK_THAT(apply::translate_default(flags, 4).why, Contains("no value of type json"));
}

TEST_CASE("what does not surely mean the same is not translated, and says why") {
  CHECK_THAT(why("a = 5"), Contains("different types"));
  CHECK_THAT(why("n = '5'"), Contains("different types"));
  CHECK_THAT(why("day = '10'"), Contains("look like numbers"));
  CHECK_THAT(why("day = a"), Contains("look like numbers"));
  CHECK_THAT(why("n + 1 > 0"), Contains("overflow"));
  CHECK_THAT(why("r * 2 > 1"), Contains("other things than integers"));
  CHECK_THAT(why("n / id > 1"), Contains("may be 0"));
  CHECK_THAT(why("r = n"), Contains("a real with an integer"));
  CHECK_THAT(why("r > 9007199254740993"), Contains("a real with an integer"));
  CHECK_THAT(why("r = d"), Contains("a real with a decimal"));
  CHECK_THAT(why("r > 0.1234567890123456"), Contains("15 digits"));
  CHECK_THAT(why("a = 'x' COLLATE own"), Contains("collation own"));
  CHECK_THAT(why("lower(a COLLATE NOCASE) = 'x'"), Contains("COLLATE inside"));
  CHECK_THAT(why("a GLOB 'x*'"), Contains("GLOB"));
  CHECK_THAT(why("a LIKE c"), Contains("constant"));
  CHECK_THAT(why("own(a)"), Contains("function own"));
  CHECK_THAT(why("rowid > 5"), Contains("rowid"));
  CHECK_THAT(why("a"), Contains("as a condition"));
  CHECK_THAT(why("n IN (SELECT 1)"), Contains("not understood"));
  CHECK_THAT(why("CAST(a AS INT) > 1"), Contains("not understood"));
  CHECK_THAT(why("n = ?"), Contains("not understood"));
  CHECK_THAT(why("n > 0) OR (1"), Contains("not understood"));
  CHECK_THAT(why(""), Contains("not understood"));
  CHECK_THAT(why(std::string(5'000, '(') + "1" + std::string(5'000, ')')),
             Contains("not understood"));
}

TEST_CASE("CHECKs are found with their names, wherever they stand") {
  const auto checks = sqlite::read_checks(
      "CREATE TABLE t(a INT DEFAULT (1) CONSTRAINT \"pos\" CHECK (a > (0)) CHECK(a<9), b TEXT "
      "/* CHECK (no) */ DEFAULT 'CHECK (no)', CONSTRAINT both CHECK (a > length(b)))");
  REQUIRE(checks.size() == 3);
  CHECK(checks[0].name == "pos");
  CHECK(checks[0].expression == "a > (0)");
  CHECK(checks[1].name.empty());
  CHECK(checks[1].expression == "a<9");
  CHECK(checks[2].name == "both");
}

TEST_CASE("keys are found with their names, wherever they stand") {
  using Kind = sqlite::KeyText::Kind;
  const auto keys = sqlite::read_keys(
      "CREATE TABLE t(a INT CONSTRAINT \"pk\" PRIMARY KEY CONSTRAINT u UNIQUE, \"b c\" TEXT "
      "CONSTRAINT "
      "nn NOT NULL UNIQUE DEFAULT ('UNIQUE') /* CONSTRAINT no UNIQUE */ CONSTRAINT f REFERENCES "
      "p(x) "
      "ON DELETE CASCADE, d INT REFERENCES p, CONSTRAINT two UNIQUE (\"b c\" COLLATE NOCASE, d) ON "
      "CONFLICT REPLACE, UNIQUE(a, d), CONSTRAINT [f 2] FOREIGN KEY (d, a) REFERENCES q(x, y), "
      "FOREIGN KEY (a) REFERENCES q, CONSTRAINT k CHECK (a > 0))");
  std::string said;
  for (const sqlite::KeyText& key : keys)
    said += fmt::format("{} {} ({}); ",
                        key.kind == Kind::primary  ? "primary"
                        : key.kind == Kind::unique ? "unique"
                                                   : "foreign",
                        key.name, fmt::join(key.columns, ","));
  CHECK(said ==
        "primary pk (a); unique u (a); unique  (b c); foreign f (b c); foreign  (d); unique two (b "
        "c,d); unique  (a,d); foreign f 2 (d,a); foreign  (a); ");
  CHECK(sqlite::read_keys("CREATE TABLE t AS SELECT 1").empty());
}

TEST_CASE("a column may be named with its table") {
  CHECK(sql_of(R"("t"."n" >= 0)") == R"(("n" >= 0))");
  CHECK(sql_of("T.a IS NULL AND [t].day = 'x'") == R"((("a" IS NULL) AND ("day" = 'x')))");
  CHECK_THAT(why("x.n >= 0"), Contains("it names x.n"));
  CHECK_THAT(why(R"("t"."nothing" = 'nothing')"), Contains("it names t.nothing"));
  CHECK_THAT(why("main.t.n = 1"), Contains("not understood"));
  CHECK_THAT(why("t. = 1"), Contains("not understood"));
}

TEST_CASE("defaults become what SQLite would store, or are listed") {
  const auto given = [](const std::string& column, ColumnType type) {
    return apply::translate_default(
        plan_of(1, "CREATE TABLE t(id INTEGER PRIMARY KEY, v " + column + ")", {kBigint, type}), 1);
  };
  CHECK(given("INT DEFAULT '5'", kBigint).sql == "5");
  CHECK(given("TEXT DEFAULT 5", kText).sql == "'5'");
  CHECK(given("TEXT DEFAULT CURRENT_TIMESTAMP", kText).sql ==
        "to_char(statement_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')");
  CHECK(given("TEXT DEFAULT 'CURRENT_TIMESTAMP'", kText).sql == "'CURRENT_TIMESTAMP'");
  CHECK(given("INTEGER DEFAULT (strftime('%s','now'))", kBigint).sql ==
        "floor(extract(epoch FROM statement_timestamp()))::bigint");
  CHECK(given("INT DEFAULT NULL", kBigint).why.empty());
  for (const char* column :
       {"INT DEFAULT 'abc'", "INT DEFAULT CURRENT_TIMESTAMP", "INT DEFAULT (random())",
        "INT DEFAULT 1.5", "INT DEFAULT 1e30", "INT DEFAULT 9223372036854775808"})
    CHECK_FALSE(given(column, kBigint).why.empty());
  CHECK(given("INT DEFAULT 1e3", kBigint).sql == "1000");
  // As Laravel quotes all of them.
  CHECK(given("NUMERIC DEFAULT '0.00'", ColumnType::numeric).sql == "0");
  CHECK(given("NUMERIC DEFAULT '-1.50'", ColumnType::numeric).sql == "-1.50");
  CHECK(given("FLOAT DEFAULT '1.5'", ColumnType::double_precision).sql == "1.5");
  CHECK(given("FLOAT DEFAULT '-2'", ColumnType::double_precision).sql == "-2");
  CHECK(given("TEXT DEFAULT '0.00'", kText).sql == "'0.00'");
  for (const char* column :
       {"NUMERIC DEFAULT '1.5e3'", "NUMERIC DEFAULT '1.234567890123456'", "NUMERIC DEFAULT '.5'",
        "NUMERIC DEFAULT '1.'", "NUMERIC DEFAULT ' 1.5'", "NUMERIC DEFAULT '--1'"})
    CHECK_FALSE(given(column, ColumnType::numeric).why.empty());
  CHECK(given("REAL DEFAULT 2.5E-3", ColumnType::double_precision).sql == "2.5E-3");
  for (const char* column :
       {"TEXT DEFAULT (lower('ABC'))", "TEXT DEFAULT (datetime('now', 'localtime'))",
        "TEXT DEFAULT 1.5", "TEXT DEFAULT (hex(randomblob(16)))", "TEXT DEFAULT x'00'"})
    CHECK_FALSE(given(column, kText).why.empty());
}

TEST_CASE("moments and texts that are instants become defaults of the type that the column has") {
  const auto given = [](const std::string& column, ColumnType type) {
    return apply::translate_default(
        plan_of(1, "CREATE TABLE t(id INTEGER PRIMARY KEY, v " + column + ")", {kBigint, type}), 1);
  };
  using enum ColumnType;
  // TypeORM, Drizzle, PocketBase, Laravel.
  CHECK(given("DATETIME DEFAULT (STRFTIME('%Y-%m-%d %H:%M:%f', 'NOW'))", timestamp).sql ==
        "date_trunc('milliseconds', statement_timestamp() AT TIME ZONE 'UTC')");
  CHECK(given("DATETIME DEFAULT (strftime('%Y-%m-%d %H:%M:%fZ'))", timestamptz).sql ==
        "date_trunc('milliseconds', statement_timestamp())");
  CHECK(given("DATETIME DEFAULT CURRENT_TIMESTAMP", timestamptz).sql ==
        "date_trunc('second', statement_timestamp())");
  CHECK(given("DATETIME DEFAULT \"2000-01-01 00:00:00+00:00\"", timestamptz).sql ==
        "'2000-01-01 00:00:00+00:00'::timestamp with time zone");
  CHECK(given("DATETIME DEFAULT '2000-01-01T00:00'", timestamp).sql ==
        "'2000-01-01T00:00'::timestamp without time zone");
  CHECK(given("DATE DEFAULT '2000-01-01'", date).sql == "'2000-01-01'::date");
  CHECK_FALSE(given("DATETIME DEFAULT '2000-01-01 00:00:00'", timestamptz).why.empty());
  CHECK_FALSE(given("DATETIME DEFAULT '2000-01-01 00:00:00Z'", timestamp).why.empty());
  CHECK_FALSE(given("DATE DEFAULT '2000-02-30'", date).why.empty());
  CHECK_FALSE(given("DATETIME DEFAULT (unixepoch())", timestamptz).why.empty());
  TablePlan counted =
      plan_of(1, "CREATE TABLE t(id INTEGER PRIMARY KEY, v INT DEFAULT (unixepoch()))",
              {kBigint, timestamptz});
  counted.rules.columns.resize(2);
  counted.rules.columns[1].cast = Cast::epoch_s;
  CHECK(apply::translate_default(counted, 1).sql == "date_trunc('second', statement_timestamp())");
  // Drizzle's milliseconds.
  const auto drizzle = [](const std::string& sql, Cast cast) {
    TablePlan plan = plan_of(
        1, "CREATE TABLE t(id INTEGER PRIMARY KEY, v integer DEFAULT (" + sql + ") NOT NULL)",
        {kBigint, cast == Cast::none ? kBigint : timestamptz});
    plan.rules.columns.resize(2);
    plan.rules.columns[1].cast = cast;
    return apply::translate_default(plan, 1).sql;
  };
  CHECK(drizzle("unixepoch() * 1000", Cast::epoch_ms) ==
        "date_trunc('second', statement_timestamp())");
  CHECK(drizzle("strftime('%s', 'now') * 1000", Cast::none) ==
        "floor(extract(epoch FROM statement_timestamp()))::bigint * 1000");
  CHECK(drizzle("unixepoch() * 1000", Cast::epoch_s).empty());
  CHECK(drizzle("unixepoch()", Cast::epoch_ms).empty());
  CHECK(drizzle("unixepoch() * 1000 * 1000", Cast::epoch_ms).empty());
  CHECK(drizzle("unixepoch() * 60", Cast::epoch_ms).empty());
  CHECK(given("DATETIME DEFAULT (unixepoch() * 1000)", timestamp_ms).sql ==
        "date_trunc('second', statement_timestamp() AT TIME ZONE 'UTC')");
}

TEST_CASE("partial, NOCASE, expression and DESC indexes and CHECKs are made") {
  const TablePlan plan = plan_of(
      1,
      "CREATE TABLE t(k TEXT COLLATE NOCASE PRIMARY KEY, a TEXT COLLATE RTRIM UNIQUE, b INT "
      "CONSTRAINT few CHECK (b < 10) CHECK (b > 0) CHECK (b GLOB 'x'));"
      "CREATE UNIQUE INDEX p ON t(b DESC, a COLLATE BINARY) WHERE b > 3;"
      "CREATE INDEX e ON t(lower(k), b); CREATE INDEX odd ON t(abs(b))",
      {kText, kText, kBigint});
  const apply::KeyStatements keys = apply::key_statements("app", plan, {plan});
  std::vector<std::string> sql;
  for (const apply::IndexStatement& index : keys.indexes) sql.push_back(index.sql);
  CHECK(
      sql ==
      std::vector<std::string>{
          R"(CREATE UNIQUE INDEX "t_pkey" ON "app"."t" ("k"))",
          R"(CREATE INDEX "e" ON "app"."t" ((lower("k" COLLATE "C")), "b"))",
          R"(CREATE UNIQUE INDEX "p" ON "app"."t" ("b" DESC, "a") WHERE ("b" > 3))",
          R"(CREATE UNIQUE INDEX "t_k_folded_key" ON "app"."t" ((lower("k" COLLATE "C")) COLLATE "C"))",
          R"(CREATE UNIQUE INDEX "t_a_folded_key" ON "app"."t" ((rtrim("a", ' ')) COLLATE "C"))"});
  CHECK(keys.constraints.size() == 1);
  REQUIRE(keys.checks.size() == 2);
  CHECK(apply::add_sql("app.t", keys.checks[0]) ==
        R"(ALTER TABLE app.t ADD CONSTRAINT "few" CHECK ("b" < 10))");
  CHECK(apply::add_sql("app.t", keys.checks[1]) == R"(ALTER TABLE app.t ADD CHECK ("b" > 0))");
  CHECK(apply::left_out(plan) ==
        std::vector<std::string>{"plain index odd: not translated: abs(b): function abs",
                                 "CHECK (b GLOB 'x'): not translated: operator GLOB"});
}

TEST_CASE("foreign keys keep their actions, and what PostgreSQL cannot have is named") {
  const std::string sql =
      "CREATE TABLE p(id INTEGER PRIMARY KEY, code TEXT UNIQUE, other TEXT);"
      "CREATE TABLE t(id INTEGER PRIMARY KEY, p REFERENCES p ON DELETE CASCADE, code TEXT "
      "REFERENCES p(code) ON UPDATE SET NULL DEFERRABLE INITIALLY DEFERRED, o TEXT REFERENCES "
      "p(other), g REFERENCES gone)";
  const test::TempDir folder;
  test::Application app(folder.file("a"));
  app.exec(sql);
  sqlite::Database database = sqlite::Database::open(folder.file("a"), sqlite::OpenMode::read_only);
  const std::vector<TablePlan> plans{plan_of(1, sql, {kBigint, kText, kText}, "p"),
                                     plan_of(2, sql, {kBigint, kBigint, kText, kText, kBigint})};
  const auto keys = apply::foreign_key_sql(
      "app", plans[1], sqlite::read_foreign_keys(database, plans[1].shape), plans);
  REQUIRE(keys.size() == 4);
  CHECK(
      keys[0].add ==
      R"(ALTER TABLE "app"."t" ADD CONSTRAINT "t_p_fkey" FOREIGN KEY ("p") REFERENCES "app"."p" ("id") )"
      "ON DELETE CASCADE NOT VALID");
  CHECK_THAT(keys[1].add, Contains("ON UPDATE SET NULL DEFERRABLE INITIALLY DEFERRED NOT VALID"));
  CHECK(keys[1].validate == R"(ALTER TABLE "app"."t" VALIDATE CONSTRAINT "t_code_fkey")");
  CHECK(keys[2].why == "the parent's columns are not unique");
  CHECK(keys[3].why == "its parent is not carried, or is no table");
}
