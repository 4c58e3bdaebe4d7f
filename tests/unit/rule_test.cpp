// Rules of the configuration: what each makes of each storage class, where one may stand, and that
// plans, ledger and source remember them exactly.
#include "model/rule.hpp"

#include <catch2/catch.hpp>
#include <limits>
#include <string>
#include <vector>

#include "config/load.hpp"
#include "link/postgres/encode.hpp"
#include "link/wire/control.hpp"
#include "snapshot/census.hpp"
#include "snapshot/plan.hpp"
#include "tests/support/shape_of.hpp"

namespace lockstep::test {
namespace {

using Catch::Contains;

Value null() {
  return {};
}
Value integer(std::int64_t number) {
  return Value(ValueView{.kind = ValueClass::integer, .integer = number});
}
Value real(double number) {
  return Value(ValueView{.kind = ValueClass::real, .real = number});
}
Value text(std::string_view bytes) {
  return Value(ValueView{.kind = ValueClass::text, .bytes = bytes});
}
Value blob(std::string_view bytes) {
  return Value(ValueView{.kind = ValueClass::blob, .bytes = bytes});
}
constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
const double kInfinity = std::numeric_limits<double>::infinity();
const std::string kNul("a\0b", 3);

/// What the cast makes of it, and whether that fits the cast's type.
std::string made(Cast cast, const Value& value) {
  ColumnRule rule;
  rule.cast = cast;
  std::string scratch;
  const ValueView result = apply_rule(rule, value.view(), scratch);
  const bool fits = postgres::misfit_of(result, type_of(cast)) == postgres::Misfit::none;
  if (!fits) CHECK(same_value(result, value.view()));  // what is refused is shown as it is
  return fits ? describe(result) : "refused";
}

config::Loaded load(const std::string& text) {
  return config::load_text(text, [](const std::string&) { return std::nullopt; });
}
RuleSet rules(const std::string& members) {
  const config::Loaded loaded = load("{\"version\": 1, " + members + "}");
  INFO(members);
  REQUIRE(loaded.problems.empty());
  return loaded.settings.rules.value();
}

snapshot::Planned plan(const std::string& sql, const RuleSet& set) {
  const TempDir folder;
  Application app(folder.file("a"));
  app.exec(sql);
  sqlite::Database database = sqlite::Database::open(folder.file("a"), sqlite::OpenMode::read_only);
  const TableShape shape = sqlite::read_shape(database, "t");
  const TableRules own = rules_of(set, shape);
  snapshot::Planned planned =
      snapshot::plan_table(1, shape,
                           snapshot::take_census(
                               database, shape, {}, [](std::uint64_t) {}, own),
                           0, own);
  for (const auto& more :
       {snapshot::shape_problems(shape, own), snapshot::rule_problems(shape, own)})
    planned.problems.insert(planned.problems.end(), more.begin(), more.end());
  return planned;
}
std::string problem(const std::string& sql, const std::string& members) {
  const auto planned = plan(sql, rules(members));
  return planned.problems.empty() ? "" : planned.problems.front();
}

}  // namespace

TEST_CASE("a cast makes the same of a value, or leaves it to be refused", "[unit]") {
  struct Row {
    Cast cast;
    std::vector<std::pair<Value, std::string>> cells;
  };
  const std::vector<Row> rows{
      {Cast::text,
       {{integer(kMin), "'-9223372036854775808'"},
        {real(1), "'1.0'"},
        {real(-0.0), "'-0.0'"},
        {real(0.1), "'0.1'"},
        {real(1e100), "'1e+100'"},
        {real(-kInfinity), "'-Infinity'"},
        {text("x"), "'x'"},
        {blob("ab"), "'ab'"},
        {blob("\xff"), "refused"},
        {blob(kNul), "refused"},
        {text(kNul), "refused"}}},
      {Cast::bigint,
       {{integer(kMax), "9223372036854775807"},
        {real(5), "5"},
        {real(5.5), "refused"},
        {real(9223372036854775808.0), "refused"},
        {text("-7"), "-7"},
        {text("9223372036854775808"), "refused"},
        {text(" 7"), "refused"},
        {text("7 "), "refused"},
        {text(""), "refused"},
        {text("0x10"), "refused"},
        {text("1.0"), "refused"},
        {blob("7"), "refused"}}},
      {Cast::double_precision,
       {{integer(9007199254740992), "9007199254740992.0"},
        {integer(9007199254740993), "refused"},
        {text("1.5"), "1.5"},
        {text("1e999"), "refused"},
        {text("inf"), "refused"},
        {text("nan"), "refused"},
        {text("1,5"), "refused"},
        {blob("1"), "refused"}}},
      {Cast::numeric,
       {{integer(7), "7"},
        {real(2.5), "2.5"},
        {real(5), "5"},
        {text("12.50"), "12.5"},
        {text("12.00"), "12"},
        {text("0.1234567890123456"), "refused"},
        {text("abc"), "refused"},
        {blob("1"), "refused"}}},
      {Cast::boolean,
       {{integer(1), "1"},
        {integer(2), "refused"},
        {real(0), "0"},
        {real(0.5), "refused"},
        {text("True"), "1"},
        {text("t"), "1"},
        {text("YES"), "1"},
        {text("off"), "0"},
        {text("0"), "0"},
        {text(""), "refused"},
        {text("maybe"), "refused"},
        {blob("t"), "refused"}}},
      {Cast::date,
       {{text("2024-02-29"), "'2024-02-29'"},
        {text("2023-02-29"), "refused"},
        {text("2024-02-29 00:00:00"), "'2024-02-29'"},
        {text("2024-02-29 00:00:01"), "refused"},
        {integer(20240229), "refused"}}},
      {Cast::timestamp,
       {{text("2024-01-02T03:04"), "'2024-01-02 03:04:00.000000'"},
        {text("2024-01-02"), "'2024-01-02 00:00:00.000000'"},
        {text("0001-01-01 00:00:00"), "'0001-01-01 00:00:00.000000'"},
        {text("9999-12-31 23:59:59.999999"), "'9999-12-31 23:59:59.999999'"},
        {text("now"), "refused"},
        {real(2460311.5), "refused"}}},
      {Cast::timestamptz,
       {{text("2024-01-02 03:04:05+02:00"), "'2024-01-02 01:04:05.000000+00:00'"},
        {text("2024-01-01 00:00:00.5-0330"), "'2024-01-01 03:30:00.500000+00:00'"},
        {text("2024-03-01 00:30:00+01"), "'2024-02-29 23:30:00.000000+00:00'"},
        {text("2024-01-02 03:04:05"), "'2024-01-02 03:04:05.000000+00:00'"},
        {text("0001-01-01 00:00:00+01:00"), "refused"},
        {text("2024-01-02 03:04:05+99:00"), "refused"},
        {text("2024-01-02 03:04:05 Europe/Rome"), "refused"},
        {integer(0), "refused"}}},
      {Cast::uuid,
       {{text("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), "'6ba7b810-9dad-11d1-80b4-00c04fd430c8'"},
        {blob("0123456789abcdef"), "'30313233-3435-3637-3839-616263646566'"},
        {blob("short"), "refused"},
        {text("x"), "refused"}}},
      {Cast::json,
       {{integer(1), "'1'"},
        {real(1.5), "'1.5'"},
        {real(kInfinity), "refused"},
        {text("{\"a\": 1}"), "'{\"a\": 1}'"},
        {text("{"), "refused"},
        {blob("1"), "refused"}}},
      {Cast::bytea, {{text(kNul), "x'610062'"}, {blob("\xff"), "x'ff'"}, {integer(1), "refused"}}},
      {Cast::epoch_s,
       {{integer(0), "'1970-01-01 00:00:00.000000+00:00'"},
        {integer(-1), "'1969-12-31 23:59:59.000000+00:00'"},
        {real(1.5), "'1970-01-01 00:00:01.500000+00:00'"},
        {integer(kMax), "refused"},
        {real(kInfinity), "refused"},
        {text("2024-01-02 03:04:05Z"), "'2024-01-02 03:04:05.000000+00:00'"},
        {blob(""), "refused"}}},
      {Cast::epoch_ms, {{integer(1704164645678), "'2024-01-02 03:04:05.678000+00:00'"}}},
      {Cast::epoch_us, {{integer(951782400000001), "'2000-02-29 00:00:00.000001+00:00'"}}},
      {Cast::literal,
       {{integer(-5), "'-5'"},
        {real(5), "'5.0'"},
        {real(-kInfinity), "'-9e999'"},
        {text("it's"), "'\\'it\\'\\'s\\''"},
        {text(kNul), "'CAST(x\\'610062\\' AS TEXT)'"},
        {text("\xff"), "'CAST(x\\'ff\\' AS TEXT)'"},
        {blob(kNul), "'x\\'610062\\''"},
        {text(""), "'\\'\\''"},
        {blob(""), "'x\\'\\''"}}},
  };
  for (const Row& row : rows) {
    INFO(to_string(row.cast));
    CHECK(parse_cast(to_string(row.cast)) == row.cast);
    CHECK(made(row.cast, null()) == "NULL");
    for (const auto& [value, expected] : row.cells) {
      INFO(describe(value.view()));
      std::string spelled = expected;
      if (row.cast == Cast::literal) std::erase(spelled, '\\');
      std::string shown = made(row.cast, value);
      std::erase(shown, '\\');
      CHECK(shown == spelled);
    }
  }
}

TEST_CASE("NUL is stripped or replaced, NULL gets its default, and then comes the cast", "[unit]") {
  const auto one = [](const std::string& rule) {
    return rules("\"columns\": {\"t.c\": " + rule + "}").columns.at("t.c");
  };
  const auto after = [](const ColumnRule& rule, const Value& value) {
    std::string scratch;
    return describe(apply_rule(rule, value.view(), scratch));
  };
  CHECK(after(one(R"({"nul": "strip"})"), text(kNul)) == "'ab'");
  CHECK(after(one(R"({"nul": "strip"})"), text(std::string(1, '\0'))) == "''");
  CHECK(after(one(R"({"nul": "strip"})"), blob(kNul)) == "x'610062'");
  CHECK(after(one(R"({"nul": "replace:--"})"), text(kNul)) == "'a--b'");
  CHECK(after(one(R"({"nul": "bytea"})"), text(kNul)) == "x'610062'");
  CHECK(after(one(R"({"nul": "strip", "type": "bytea"})"), text(kNul)) == "x'6162'");
  CHECK(after(one(R"({"default_if_null": "US"})"), null()) == "'US'");
  CHECK(after(one(R"({"default_if_null": "US"})"), text("DE")) == "'DE'");
  CHECK(after(one(R"({"default_if_null": true})"), null()) == "1");
  CHECK(after(one(R"({"default_if_null": 2.5})"), null()) == "2.5");
  CHECK(after(one(R"({"default_if_null": "yes", "type": "boolean"})"), null()) == "1");
}

TEST_CASE("what a rule is, plans and the source's memory keep exactly", "[unit]") {
  const RuleSet set = rules(
      R"("columns": {"t.a": {"rename": "b", "type": "epoch-ms", "default_if_null": 0.1},
                     "t.n": {"nul": "replace:x"}, "t.s": {"nul": "strip"}},
         "tables": {"rename": {"t": "u"}, "add": {"t": {"src": "sqlite", "ok": true, "m": 3}}})");
  const RuleSet again = wire::decode_rules(wire::encode_rules(set));
  CHECK(again.columns == set.columns);
  REQUIRE(again.tables.size() == 1);
  CHECK(again.tables.at("t").rename == "u");
  CHECK(again.tables.at("t").added == set.tables.at("t").added);

  const auto planned = plan("CREATE TABLE t(id INTEGER PRIMARY KEY, a INT, n TEXT, s TEXT)", set);
  CHECK(planned.problems.empty());
  const TablePlan read = wire::decode_plan(wire::encode_plan(planned.plan));
  CHECK(changed_rules(planned.plan.rules, read.rules, read.shape).empty());
  CHECK(read.target_name() == "u");
  CHECK(read.target_column(1) == "b");
  CHECK(read.target_column(2) == "n");
  CHECK(read.types[1] == ColumnType::timestamptz);
  // Without rules the plan reads as it always did.
  CHECK(wire::encode_plan(plan("CREATE TABLE t(id INTEGER PRIMARY KEY)", {}).plan).find("rules") ==
        std::string::npos);

  RuleSet other = set;
  other.columns.at("t.n").nul_replacement = "y";
  const auto changed = changed_rules(planned.plan.rules, rules_of(other, read.shape), read.shape);
  REQUIRE(changed.size() == 1);
  CHECK_THAT(changed.front(), Contains("t.n") && Contains("replace:x") && Contains("replace:y"));
  CHECK(changed_rules(planned.plan.rules, {}, read.shape).size() == 5);
}

TEST_CASE("on a key a rule must not make two values one", "[unit]") {
  constexpr char kKey[] =
      "CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL, v); INSERT INTO t VALUES ('t', 1)";
  for (const char* rule :
       {R"({"type": "text"})", R"({"type": "boolean"})", R"({"nul": "strip"})",
        R"({"default_if_null": "x"})", R"({"type": "literal", "nul": "strip"})"}) {
    INFO(rule);
    CHECK_THAT(problem(kKey, std::string("\"columns\": {\"t.k\": ") + rule + "}"),
               Contains("in the key"));
  }
  CHECK(problem(kKey, R"("columns": {"t.k": {"rename": "key", "type": "literal"}})").empty());
  // Nor may SQLite's one zero be two keys.
  const TableRules own =
      rules_of(rules(R"("columns": {"t.k": {"type": "literal"}})"), plan(kKey, {}).plan.shape);
  const std::vector<std::size_t> key{0}, no_key;
  CHECK(RuleReader(own, key)(0, real(-0.0).view()).bytes == "0.0");
  CHECK(RuleReader(own, no_key)(0, real(-0.0).view()).bytes == "-0.0");
}

TEST_CASE("types and problems come from the values after the rule", "[unit]") {
  constexpr char kRows[] =
      "CREATE TABLE t(id INTEGER PRIMARY KEY, ok BOOLEAN, region TEXT, UNIQUE(region));"
      "INSERT INTO t VALUES (1, 'yes', NULL), (2, 0, 'DE'), (3, 'perhaps', 'x')";
  CHECK_THAT(problem(kRows, R"("columns": {"t.ok": {"type": "boolean"}})"),
             Contains("ok has 1 value(s)") && Contains("id=3, 'perhaps'"));
  const auto planned = plan(kRows, rules(R"("columns": {"t.ok": {"type": "text"},
                                              "t.region": {"default_if_null": "US"}})"));
  CHECK(planned.problems.empty());
  CHECK(planned.plan.types[1] == ColumnType::text);
  // Two NULLs were two values for UNIQUE; two 'US' are not.
  CHECK(planned.plan.carried_indexes.empty());
  REQUIRE(planned.plan.left_out.size() == 1);
  CHECK_THAT(planned.plan.left_out.front(), Contains("two values may be the same"));
  CHECK(planned.warnings.size() == 2);
  CHECK(planned.warnings.front().code == "LS-A109");
}

TEST_CASE("names on PostgreSQL are checked after the rule", "[unit]") {
  constexpr char kNames[] = "CREATE TABLE t(id INTEGER PRIMARY KEY, xmin INT, b INT)";
  CHECK_THAT(problem(kNames, "\"columns\": {}"), Contains("system column"));
  CHECK(problem(kNames, R"("columns": {"t.xmin": {"rename": "x_min"}})").empty());
  CHECK_THAT(problem(kNames, R"("columns": {"t.xmin": {"rename": "b"}})"),
             Contains("another column is called b"));
  CHECK_THAT(problem(kNames, R"("columns": {"t.xmin": {"rename": "x"}},
                                "tables": {"add": {"t": {"b": 1}}})"),
             Contains("another column is called b"));
  CHECK_THAT(
      problem(kNames, "\"columns\": {\"t.xmin\": {\"rename\": \"" + std::string(64, 'x') + "\"}}"),
      Contains("64 bytes"));
}

TEST_CASE("mistakes in rules are named with path and line", "[unit]") {
  const auto only = [](const std::string& text) {
    const config::Loaded loaded = load(text);
    REQUIRE(loaded.problems.size() == 1);
    const config::Problem& problem = loaded.problems.front();
    return std::to_string(problem.line) + " " + problem.path + ": " + problem.what;
  };
  CHECK(only("{\"version\": 1, \"columns\": {\n\"t.c\": {\n\"typ\": \"text\"}}}") ==
        "3 /columns/t.c/typ: there is no such key");
  CHECK_THAT(only("{\"version\": 1, \"columns\": {\"t.c\": {\n\"type\": \"varchar\"}}}"),
             Contains("2 /columns/t.c/type"));
  CHECK_THAT(only("{\"version\": 1, \"columns\": {\"t.c\": {\n\"nul\": \"drop\"}}}"),
             Contains("2 /columns/t.c/nul"));
  CHECK_THAT(
      only("{\"version\": 1, \"columns\": {\"t.c\": {\n\"nul\": \"bytea\", \"type\": \"text\"}}}"),
      Contains("2 /columns/t.c/nul: bytea, and another type"));
  CHECK_THAT(only("{\"version\": 1, \"columns\": {\"t.c\": {\"default_if_null\":\n null}}}"),
             Contains("/columns/t.c/default_if_null"));
  CHECK_THAT(only("{\"version\": 1, \"tables\": {\"rename\": {\n\"t\": 7}}}"),
             Contains("2 /tables/rename/t: this has to be of type string"));
}

}  // namespace lockstep::test
