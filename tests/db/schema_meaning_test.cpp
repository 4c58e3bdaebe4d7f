// What is translated means the same on both real servers: random expressions over random rows.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

#include "apply/computed.hpp"
#include "apply/defaults.hpp"
#include "apply/target_schema.hpp"
#include "apply/translate.hpp"
#include "tests/support/postgres_server.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/shape_of.hpp"

namespace lockstep::test {
namespace {

constexpr char kTable[] =
    "CREATE TABLE t(id INTEGER PRIMARY KEY, i INTEGER, j INT, r REAL, s DOUBLE, n DECIMAL(10,2), "
    "m NUMERIC, a TEXT, c TEXT COLLATE NOCASE, p TEXT COLLATE RTRIM, d DATE, e DATETIME, b BLOB, "
    "f BOOLEAN, k DATETIME)";

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

TablePlan plan(const std::string& sql = kTable) {
  using enum ColumnType;
  return plan_of(1, sql,
                 {bigint, bigint, bigint, double_precision, double_precision, numeric, numeric,
                  text, text, text, text, text, bytea, boolean, timestamp});
}

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}
  std::size_t roll(std::size_t sides) { return random_() % sides; }
  std::string any(const std::vector<std::string>& of) { return of[roll(of.size())]; }

 private:
  std::mt19937_64 random_;
};

const std::vector<std::string> kWhole{
    "0", "1", "-1", "2", "7", "9007199254740993", "-9223372036854775807", "9223372036854775807"};
const std::vector<std::string> kReal{"0.0", "0.1", "0.5", "-1.25", "2.0", "1e+300", "-3.75"};
const std::vector<std::string> kDecimal{"0", "1", "0.1", "2.25", "-1.5", "9007199254740993", "7"};
const std::vector<std::string> kText{"''",  "'a'",  "'A'",  "'ab'", "'aB '", "'b'",   "'Ä'",
                                     "'ä'", "'a '", "'a%'", "'_'",  "'10'",  "'a\\'", "'é€'"};
const std::vector<std::string> kDate{"'2024-01-02'", "'2024-01-02 03:04:05'", "'2023-12-31'"};
const std::vector<std::string> kInstant{"'2024-01-02 03:04:05'", "'1999-12-31 00:00:00.5'"};
const std::vector<std::string> kFlag{"0", "1"};
const std::vector<std::string> kBlob{"x''", "x'00'", "x'00ff'", "x'61'"};

const std::vector<const std::vector<std::string>*> kColumns{
    &kWhole, &kWhole, &kReal, &kReal, &kDecimal, &kDecimal, &kText,
    &kText,  &kText,  &kDate, &kDate, &kBlob,    &kFlag,    &kInstant};

std::string on_target(std::string value) {
  if (value.starts_with("x'")) return "'\\x" + value.substr(2) + "::bytea";
  return value;
}

std::string number(Dice& dice) {
  switch (dice.roll(8)) {
    case 0:
      return dice.any({"0", "1", "-1", "7", "9007199254740993", "0x10", "true"});
    case 1:
      return dice.any({"0.5", "0.1", "-1.25", "2.0"});
    case 2:
      return fmt::format("length({})", dice.any({"a", "c", "b", "trim(a)", "i"}));
    case 3:
      return fmt::format("instr(a, {})", dice.any(kText));
    case 4:
      return fmt::format("({} {} {})", dice.any({"length(a)", "i", "2", "f"}),
                         dice.any({"+", "-", "*", "%", "/"}), dice.any({"3", "length(c)", "-2"}));
    default:
      return dice.any({"i", "j", "r", "s", "n", "m", "+i", "id", "f", "f"});
  }
}

std::string text(Dice& dice) {
  switch (dice.roll(6)) {
    case 0:
      return dice.any(kText);
    case 1:
      return fmt::format("{}({})", dice.any({"lower", "upper", "trim", "rtrim", "ltrim"}),
                         dice.any({"a", "c", "p", "'Ab '"}));
    case 2:
      return dice.any({"typeof(i)", "typeof(a)", "typeof(b)", "typeof(r)", "substr(a, 1, 1)",
                       "coalesce(a, 'x')", "ifnull(c, p)", "a || c", "typeof(f)",
                       "CASE WHEN f THEN a ELSE 'z' END"});
    case 3:
      return dice.any({"d", "e"});
    default:
      return dice.any(
          {"a", "c", "p", "a COLLATE NOCASE", "c COLLATE BINARY", "+a", "\"c\"", "[p]"});
  }
}

std::string condition(Dice& dice, int depth) {
  if (depth > 0) {
    const auto one = [&] { return condition(dice, depth - 1); };
    switch (dice.roll(5)) {
      case 0:
        return fmt::format("{} AND {}", one(), one());
      case 1:
        return fmt::format("({} OR {})", one(), one());
      case 2:
        return fmt::format("NOT ({})", one());
      case 3:
        return fmt::format("({}) = ({})", one(), one());
      default:
        break;
    }
  }
  const std::string op = dice.any({"=", "==", "<>", "!=", "<", "<=", ">", ">=", "IS", "IS NOT"});
  switch (dice.roll(9)) {
    case 0:
      return fmt::format("{} {}IN ({}, {})", text(dice), dice.any({"", "NOT "}), dice.any(kText),
                         dice.any(kText));
    case 1:
      return fmt::format("{} {}BETWEEN {} AND {}", number(dice), dice.any({"", "NOT "}),
                         number(dice), number(dice));
    case 2:
      return fmt::format("{} {}LIKE {}", text(dice), dice.any({"", "NOT "}),
                         dice.any({"'a%'", "'A_'", "'%Ä%'", "'a\\'", "''", "'_'"}));
    case 3:
      return fmt::format("{} {}", dice.any({"a", "i", "b", "n", "f", "k"}),
                         dice.any({"IS NULL", "NOTNULL", "NOT NULL", "ISNULL", "IS NOT NULL"}));
    case 4:
      return fmt::format("{} {} {}", text(dice), op, text(dice));
    case 5:
      return fmt::format("d {} {}", op, dice.any({"e", "'2024-01-02'", "'x'", "'10'"}));
    case 6:
      return fmt::format("b {} {}", op, dice.any(kBlob));
    case 7:
      return number(dice);
    default:
      return fmt::format("{} {} {}", number(dice), op, number(dice));
  }
}

/// The same rows on both sides.
void fill(Application& app, const std::string& database, Dice& dice) {
  server().query(apply::create_table_sql("public", plan()), database);
  app.exec(kTable);
  for (int id = 1; id <= 60; ++id) {
    std::vector<std::string> here{std::to_string(id)}, there{std::to_string(id)};
    for (const auto* values : kColumns) {
      const std::string value = dice.roll(6) == 0 ? "NULL" : dice.any(*values);
      here.push_back(value);
      const bool flag = values == &kFlag && value != "NULL";
      there.push_back(flag ? (value == "1" ? "true" : "false") : on_target(value));
    }
    app.exec(fmt::format("INSERT INTO t VALUES ({})", fmt::join(here, ", ")));
    server().query(fmt::format("INSERT INTO t VALUES ({})", fmt::join(there, ", ")), database);
  }
}

std::string answers(const std::string& sql, const std::string& joined) {
  return fmt::format(
      "SELECT {}(v, '') FROM (SELECT CASE WHEN ({}) THEN 't' WHEN NOT ({}) THEN 'f' ELSE 'n' END "
      "AS v FROM t ORDER BY id) AS x",
      joined, sql, sql);
}

}  // namespace

TEST_CASE("a condition that is translated says the same of every row") {
  const std::uint64_t chosen = test_seed();
  INFO("LOCKSTEP_SEED=" << chosen);
  Dice dice(chosen);
  const TempDir folder;
  Application app(folder.file("a"));
  server().create_database("conditions");
  fill(app, "conditions", dice);
  const TablePlan table = plan();
  int translated = 0;
  for (int i = 0; i < 1'500; ++i) {
    const std::string sql = condition(dice, static_cast<int>(dice.roll(3)));
    const apply::Translation there = apply::translate_condition(table, sql);
    CHECK(there.sql.empty() != there.why.empty());
    if (there.sql.empty()) continue;
    ++translated;
    INFO(sql << "\n-> " << there.sql);
    REQUIRE(server().value(answers(there.sql, "string_agg"), "conditions") ==
            app.value(answers(sql, "group_concat")));
  }
  CHECK(translated > 400);
}

TEST_CASE("a term of an index makes as many rows equal as in SQLite") {
  Dice dice(test_seed());
  const TempDir folder;
  Application app(folder.file("a"));
  server().create_database("terms");
  fill(app, "terms", dice);
  const TablePlan table = plan();
  for (const std::string collation : {"BINARY", "NOCASE", "RTRIM"}) {
    for (const std::string sql : {"a", "c", "p", "lower(a)", "a || c", "length(a)", "i % 3",
                                  "CASE WHEN i > 0 THEN a END", "n", "r", "b", "d", "f", "NOT f"}) {
      const apply::Translation there = apply::translate_term(table, sql, collation);
      INFO(sql << " " << collation << " -> " << there.sql << there.why);
      REQUIRE_FALSE(there.sql.empty());
      server().query(fmt::format("CREATE INDEX ON t ({})", there.sql), "terms");  // immutable
      CHECK(
          server().value(fmt::format("SELECT count(DISTINCT {}) FROM t", there.sql), "terms") ==
          app.value(fmt::format("SELECT count(DISTINCT ({}) COLLATE {}) FROM t", sql, collation)));
    }
  }
}

TEST_CASE("a generated column that is computed has the value that SQLite has, in every row") {
  const std::uint64_t chosen = test_seed();
  INFO("LOCKSTEP_SEED=" << chosen);
  Dice dice(chosen);
  const TempDir folder;
  Application app(folder.file("a"));
  server().create_database("computed");
  fill(app, "computed", dice);
  int computed = 0;
  // Constant texts, of which PostgreSQL does not know the collation when it computes them.
  const std::vector<std::string> constant{"upper('Ab')", "lower(coalesce('AB', a))",
                                          "CASE WHEN 1 THEN upper('x') ELSE a END"};
  for (std::size_t i = 0; i < 250; ++i) {
    const bool whole = i >= constant.size() && dice.roll(2) == 0;
    const std::string declared = fmt::format(
        "g {} AS ({})",
        i < constant.size() ? "TEXT" : dice.any({"", "TEXT", "INT", "BLOB", "NUMERIC", "REAL"}),
        i < constant.size() ? constant[i]
        : whole             ? condition(dice, static_cast<int>(dice.roll(2)))
                            : text(dice));
    std::string sql = kTable;
    sql.insert(sql.rfind(')'), ", " + declared);
    std::vector<ColumnType> types = plan().types;
    types.push_back(whole ? ColumnType::bigint : ColumnType::text);
    TablePlan table = plan_of(1, sql, types);
    const bool plain = !apply::decide_computed(table).empty();
    CHECK(plain == table.shape.columns.back().computed_as.empty());
    if (plain) continue;
    ++computed;
    const std::string there = apply::computed_sql(table, table.shape.columns.size() - 1);
    INFO(declared << "\n-> " << there);
    const std::string type(to_string(table.types.back()));
    if (computed % 8 == 0 || i < constant.size())  // PostgreSQL writes the whole table anew
      server().query(fmt::format("ALTER TABLE t ADD COLUMN g {} GENERATED ALWAYS AS ({}) STORED; "
                                 "ALTER TABLE t DROP COLUMN g",
                                 type, there),
                     "computed");
    app.exec("ALTER TABLE t ADD COLUMN " + declared);
    CHECK(app.value(fmt::format("SELECT count(*) FROM t WHERE typeof(g) NOT IN ('null', '{}')",
                                whole ? "integer" : "text")) == "0");
    REQUIRE(server().value(fmt::format("SELECT string_agg(coalesce(g::text, '~'), ',') FROM "
                                       "(SELECT ({})::{} AS g FROM t ORDER BY id) AS x",
                                       there, type),
                           "computed") ==
            app.value("SELECT group_concat(ifnull(g, '~'), ',') FROM (SELECT g FROM t ORDER BY "
                      "id)"));
    app.exec("ALTER TABLE t DROP COLUMN g");
  }
  CHECK(computed > 30);
}

TEST_CASE("a default puts in what SQLite would") {
  struct Case {
    std::string column;
    ColumnType type;
  };
  using enum ColumnType;
  const std::vector<Case> cases{{"INTEGER DEFAULT -5", bigint},
                                {"INTEGER DEFAULT '12'", bigint},
                                {"INTEGER DEFAULT 3.0", bigint},
                                {"INTEGER DEFAULT (2*3+1)", bigint},
                                {"INTEGER DEFAULT 1e3", bigint},
                                {"REAL DEFAULT 2.5e-3", double_precision},
                                {"DATE DEFAULT '2000-01-01'", date},
                                {"DATETIME DEFAULT \"2000-01-01 00:00:00\"", timestamp},
                                {"INTEGER DEFAULT 0x1F", bigint},
                                {"BOOLEAN DEFAULT true", bigint},
                                {"JSON DEFAULT '{\"a\": [1.0]}'", json},
                                {"TEXT DEFAULT 5", text},
                                {"TEXT DEFAULT 'it''s \\ \"x\"'", text},
                                {"TEXT DEFAULT \"dq\"", text},
                                {"TEXT DEFAULT 'CURRENT_TIMESTAMP'", text},
                                {"TEXT DEFAULT 'NULL'", text},
                                {"TEXT DEFAULT NULL", text},
                                {"TEXT DEFAULT bare", text},
                                {"REAL DEFAULT 1.5", double_precision},
                                {"REAL DEFAULT 2", double_precision},
                                {"DECIMAL DEFAULT 0.25", numeric},
                                {"DECIMAL DEFAULT 10", numeric},
                                {"BLOB DEFAULT x'00ff'", bytea},
                                {"TEXT DEFAULT CURRENT_DATE", text},
                                {"DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M', 'now'))", text}};
  server().create_database("defaults");
  const TempDir folder;
  Application app(folder.file("a"));
  int number = 0;
  for (const Case& each : cases) {
    const std::string name = fmt::format("t{}", ++number);
    const std::string sql =
        fmt::format("CREATE TABLE {}(id INTEGER PRIMARY KEY, v {})", name, each.column);
    const TablePlan table = plan_of(1, sql, {bigint, each.type}, name);
    const apply::Translation there = apply::translate_default(table, 1);
    INFO(each.column << " -> " << there.sql << there.why);
    CHECK(there.why.empty());
    server().query(apply::create_table_sql("public", table), "defaults");
    app.exec(sql);
    const std::string shown = each.type == bytea ? "encode(v, 'hex')" : "v::text";
    // Around midnight, or the end of a minute, the two clocks' answers may differ once.
    std::string here, target;
    for (int attempt = 0; attempt < 3; ++attempt) {
      app.exec(fmt::format("DELETE FROM {0}; INSERT INTO {0}(id) VALUES (1)", name));
      server().query(fmt::format("DELETE FROM {0}; INSERT INTO {0}(id) VALUES (1)", name),
                     "defaults");
      here =
          app.value(fmt::format("SELECT ifnull({}, 'null') FROM {}",
                                each.type == bytea ? "lower(hex(v))"
                                : each.type == double_precision
                                    ? "CASE WHEN v = CAST(v AS INT) THEN CAST(v AS INT) ELSE v END"
                                    : "v",
                                name));
      target = server().value(fmt::format("SELECT coalesce({}, 'null') FROM {}", shown, name),
                              "defaults");
      if (here == target) break;
    }
    CHECK(here == target);
  }
}

}  // namespace lockstep::test
