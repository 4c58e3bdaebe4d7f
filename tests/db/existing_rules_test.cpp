// Which rules a table that was there can have, and how those are refused that it cannot.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <catch2/catch.hpp>
#include <string>

#include "apply/existing.hpp"
#include "config/load.hpp"
#include "link/postgres/entry_check.hpp"
#include "link/sqlite/shape.hpp"
#include "link/wire/control.hpp"
#include "snapshot/census.hpp"
#include "snapshot/existing.hpp"
#include "tests/support/application.hpp"
#include "tests/support/followed_target.hpp"

namespace lockstep::test {
namespace {

using Catch::Contains;

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

RuleSet rules(const std::string& members) {
  if (members.empty()) return {};
  const config::Loaded loaded = config::load_text("{\"version\": 1, " + members + "}",
                                                  [](const std::string&) { return std::nullopt; });
  REQUIRE(loaded.problems.empty());
  return loaded.settings.rules.value();
}

snapshot::Planned plan(const std::string& source, const std::string& target,
                       const std::string& members) {
  const TempDir folder;
  Application app(folder.file("a"));
  app.exec(source);
  sqlite::Database database = sqlite::Database::open(folder.file("a"), sqlite::OpenMode::read_only);
  const TableShape shape = sqlite::read_shape(database, "t");
  const std::string dsn = fresh_database(server());
  query(dsn, target);
  postgres::Connection connection = connect(dsn);
  const auto there = apply::read_catalog(connection, "public");
  const TableRules own = rules_of(rules(members), shape);
  const CatalogTable& table = there.at(own.rename.empty() ? "t" : own.rename);
  const TableCensus census = snapshot::take_census(
      database, shape, {}, [](std::uint64_t) {}, own, snapshot::target_types(shape, table, own));
  return snapshot::plan_existing(1, shape, census, 0, table, true, own);
}

std::string problems(const std::string& source, const std::string& target,
                     const std::string& members) {
  return fmt::format("{}", fmt::join(plan(source, target, members).problems, "; "));
}

std::string warnings(const snapshot::Planned& planned) {
  std::string text;
  for (const snapshot::Warning& warning : planned.warnings)
    text += warning.code + " " + warning.what + "; ";
  return text;
}

}  // namespace

TEST_CASE("columns of a table that was there meet by the names of the rules") {
  // Two names change places: the source's a is b there.
  const snapshot::Planned planned = plan(
      "CREATE TABLE t(id INTEGER PRIMARY KEY, a INT, b TEXT, UNIQUE(b)); INSERT INTO t VALUES "
      "(1, 2, 'x')",
      "CREATE TABLE u(k bigint PRIMARY KEY, b integer NOT NULL, a varchar(3) UNIQUE, c text)",
      R"("tables": {"rename": {"t": "u"}}, "columns": {"t.id": {"rename": "k"},
              "t.a": {"rename": "b"}, "t.b": {"rename": "a"}})");
  REQUIRE(planned.problems.empty());
  const ExistingTarget& existing = planned.plan.existing.value();
  CHECK(existing.columns[1].type == "integer");
  CHECK(existing.columns[2].type == "character varying(3)");
  CHECK(existing.extra == std::vector<std::string>{"c"});
  CHECK(existing.upserts);
  CHECK(planned.plan.types ==
        std::vector{ColumnType::bigint, ColumnType::bigint, ColumnType::text});
  CHECK_THAT(warnings(planned), Contains("LS-A109 column a goes by its rule") &&
                                    Contains("column a (b there) is NOT NULL there only") &&
                                    !Contains("unique"));
  // It comes back from the ledger and over the wire as it is.
  const TablePlan back = wire::decode_plan(wire::encode_plan(planned.plan));
  CHECK(wire::encode_plan(back) == wire::encode_plan(planned.plan));
  CHECK(back.existing->columns[1].name == "b");

  CHECK_THAT(problems("CREATE TABLE t(id INTEGER PRIMARY KEY, a INT)",
                      "CREATE TABLE t(id bigint PRIMARY KEY, a int)",
                      R"("columns": {"t.a": {"rename": "b"}})"),
             Contains("LS-T221 column a (b there) is missing there"));
}

TEST_CASE("what stands in for NULL has to fit before there is a NULL") {
  const std::string source = "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT)";
  const auto with = [&](const std::string& type, const std::string& standin) {
    return problems(source, fmt::format("CREATE TABLE t(id bigint PRIMARY KEY, a {})", type),
                    fmt::format(R"("columns": {{"t.a": {{"default_if_null": {}}}}})", standin));
  };
  CHECK(with("varchar(2) NOT NULL", "\"US\"").empty());
  CHECK(with("smallint", "7").empty());
  CHECK(with("boolean", "true").empty());
  CHECK(with("timestamptz", "\"2024-01-02 03:04:05\"").empty());
  CHECK(with("numeric(4,2)", "1.5").empty());
  CHECK_THAT(with("varchar(2)", "\"USA\""), Contains("column a is character varying(2) there") &&
                                                Contains("more characters than the type"));
  CHECK_THAT(with("smallint", "70000"), Contains("outside of the type's range"));
  CHECK_THAT(with("integer", "\"x\""), Contains("LS-T221"));
  CHECK_THAT(with("numeric(4,2)", "1.555"), Contains("behind the point"));
  CHECK_THAT(with("double precision", "1"), Contains("it is integer, the column"));
  // NULLs that are there count as what stands in for them.
  CHECK(problems(source + "; INSERT INTO t VALUES (1, NULL)",
                 "CREATE TABLE t(id bigint PRIMARY KEY, a text NOT NULL)",
                 R"("columns": {"t.a": {"default_if_null": "-"}})")
            .empty());
  CHECK_THAT(problems(source + "; INSERT INTO t VALUES (1, NULL)",
                      "CREATE TABLE t(id bigint PRIMARY KEY, a text NOT NULL)", ""),
             Contains("NOT NULL there, and NULL in 1 row(s)"));
}

TEST_CASE("an added column has to be there, and to hold the constant") {
  const std::string source = "CREATE TABLE t(id INTEGER PRIMARY KEY)";
  const auto with = [&](const std::string& column, const std::string& constant) {
    return problems(source, fmt::format("CREATE TABLE t(id bigint PRIMARY KEY{})", column),
                    fmt::format(R"("tables": {{"add": {{"t": {{"o": {}}}}}}})", constant));
  };
  for (const auto& [column, constant] : {std::pair{"varchar(6) NOT NULL", "\"sqlite\""},
                                         {"smallint NOT NULL", "-7"},
                                         {"numeric(3,1)", "1.5"},
                                         {"boolean NOT NULL", "true"},
                                         {"smallint", "false"},
                                         {"date NOT NULL", "\"2024-02-29\""},
                                         {"jsonb", "\"{}\""}}) {
    INFO(column);
    CHECK(with(fmt::format(", o {}", column), constant).empty());
  }
  CHECK_THAT(with("", "\"x\""), Contains("column o, which a rule adds, is missing there"));
  CHECK_THAT(with(", o varchar(5)", "\"sqlite\""), Contains("LS-T221 column o is character") &&
                                                       Contains("more characters than the type"));
  CHECK_THAT(with(", o integer", "\"x\""), Contains("it is text"));
  CHECK_THAT(with(", o text GENERATED ALWAYS AS ('x') STORED", "\"x\""), Contains("generated"));
  CHECK(with(", o inet", "\"127.0.0.1\"").empty());
  CHECK_THAT(with(", o inet", "\"127.0.0.01\""), Contains("no address as PostgreSQL spells it"));
  CHECK_THAT(with(", o cidr", "\"127.0.0.1\""), Contains("a type that lockstep does not fill"));
}

TEST_CASE("a cast works where what it makes is exact in the type that is there") {
  const auto with = [&](const std::string& type, const std::string& cast,
                        const std::string& value) {
    return problems(
        fmt::format("CREATE TABLE t(id INTEGER PRIMARY KEY, a); INSERT INTO t VALUES (1, {})",
                    value),
        fmt::format("CREATE TABLE t(id bigint PRIMARY KEY, a {})", type),
        fmt::format(R"("columns": {{"t.a": {{"type": "{}"}}}})", cast));
  };
  CHECK(with("boolean", "boolean", "'yes'").empty());
  CHECK(with("smallint", "boolean", "'yes'").empty());
  CHECK(with("integer", "bigint", "'-7'").empty());
  CHECK(with("numeric(6,2)", "numeric", "5.0").empty());
  CHECK(with("timestamptz", "epoch-ms", "1704164645678").empty());
  CHECK(with("timestamp", "epoch-s", "0").empty());
  CHECK(with("timestamptz", "timestamptz", "'2024-01-02 03:04:05+02:00'").empty());
  CHECK(with("date", "date", "'2024-01-02 00:00:00'").empty());
  CHECK(with("uuid", "uuid", "x'6ba7b8109dad41d180b400c04fd430c8'").empty());
  CHECK(with("jsonb", "json", "17").empty());
  CHECK(with("varchar(10)", "text", "17").empty());
  CHECK(with("text", "literal", "x'00'").empty());
  CHECK(with("bytea", "bytea", "'a'").empty());
  // The type that is there is narrower than what the rule makes.
  CHECK_THAT(with("integer", "bigint", "'3000000000'"), Contains("outside of the type's range"));
  CHECK_THAT(with("varchar(2)", "text", "1000"), Contains("more characters"));
  CHECK_THAT(with("timestamptz(0)", "epoch-ms", "1704164645678"), Contains("more digits"));
  CHECK_THAT(with("numeric(3,2)", "numeric", "'12.25'"), Contains("before the point"));
  CHECK_THAT(with("text", "boolean", "'yes'"), Contains("it is an integer"));
  // Wider: what the rule cannot convert does not slip through.
  CHECK_THAT(with("numeric(6,2)", "bigint", "1.5"), Contains("cannot convert"));
  CHECK_THAT(with("text", "date", "'2024-01-02 03:04:05'"), Contains("cannot convert"));
  // A real that equals an integer is told apart by no numeric, unless the source's column has no
  // integers.
  const auto numeric = [&](const std::string& column, const std::string& value,
                           const std::string& members = "") {
    return problems(
        fmt::format("CREATE TABLE t(id INTEGER PRIMARY KEY, {}); INSERT INTO t VALUES (1, {})",
                    column, value),
        "CREATE TABLE t(id bigint PRIMARY KEY, a numeric(6,2))", members);
  };
  CHECK_THAT(numeric("a", "5.0"), Contains("a real equal to an integer"));
  CHECK_THAT(numeric("a BLOB", "5.0"), Contains("a real equal to an integer"));
  CHECK(numeric("a REAL", "5").empty());
  CHECK(numeric("a DOUBLE PRECISION", "5.0").empty());
  CHECK(numeric("a REAL", "NULL", R"("columns": {"t.a": {"default_if_null": 0}})").empty());
  CHECK_THAT(numeric("a REAL", "50000"), Contains("more digits before the point"));
  CHECK_THAT(numeric("a REAL", "5", R"("columns": {"t.a": {"type": "double precision"}})"),
             Contains("a real equal to an integer"));
  // Nor later, in a row that comes while following.
  const TablePlan wide = plan("CREATE TABLE t(id INTEGER PRIMARY KEY, a)",
                              "CREATE TABLE t(id bigint PRIMARY KEY, a numeric(6,2))",
                              R"("columns": {"t.a": {"type": "bigint"}})")
                             .plan;
  const auto unfit = [&](const ValueView& value) { return postgres::why_unfit(wide, 1, value); };
  CHECK(unfit({.kind = ValueClass::integer, .integer = 7}).empty());
  CHECK_THAT(unfit({.kind = ValueClass::real, .real = 1.5}), Contains("cannot convert"));
  // Keys stay apart only by literals.
  CHECK(problems("CREATE TABLE t(k PRIMARY KEY NOT NULL) WITHOUT ROWID; INSERT INTO t VALUES (1), "
                 "('1')",
                 "CREATE TABLE t(k text PRIMARY KEY)", R"("columns": {"t.k": {"type": "literal"}})")
            .empty());
}

TEST_CASE("what a rule may make one is told where the target keeps it unique") {
  const std::string source = "CREATE TABLE t(id INTEGER PRIMARY KEY, a UNIQUE)";
  const std::string target = "CREATE TABLE t(id bigint PRIMARY KEY, a bigint UNIQUE)";
  CHECK_THAT(warnings(plan(source, target, R"("columns": {"t.a": {"type": "bigint"}})")),
             Contains("(a) is unique there only"));
  CHECK_THAT(warnings(plan(source, target, "")), !Contains("unique"));
}

TEST_CASE("an expression index of the source does not touch the columns beside it") {
  const std::string target =
      "CREATE TABLE t(id bigint PRIMARY KEY, name varchar(9), doc jsonb); CREATE UNIQUE INDEX ON t "
      "(lower(name))";
  const auto with = [&](const std::string& index) {
    return problems(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, name VARCHAR(9), doc TEXT CHECK "
        "(JSON_VALID(doc))); INSERT INTO t VALUES (1, 'a', '{}'); CREATE UNIQUE INDEX u ON t " +
            index,
        target, "");
  };
  CHECK(with("(lower(name))").empty());
  CHECK_THAT(with("(lower(doc))"), Contains("json has no order"));
}

TEST_CASE("milliseconds, addresses, labels and microseconds go into an ORM's own types") {
  // Prisma's enum and DateTime, Django's GenericIPAddressField and DurationField.
  const auto with = [&](const std::string& declared, const std::string& type,
                        const std::string& value) {
    return plan(
        fmt::format("CREATE TABLE t(id INTEGER PRIMARY KEY, a {}); INSERT INTO t VALUES (1, {})",
                    declared, value),
        fmt::format("CREATE TYPE \"Mood\" AS ENUM ('SAD', 'so so'); CREATE TABLE t(id bigint "
                    "PRIMARY KEY, a {})",
                    type),
        "");
  };
  const auto refused = [&](const std::string& declared, const std::string& type,
                           const std::string& value) {
    return fmt::format("{}", fmt::join(with(declared, type, value).problems, "; "));
  };
  const snapshot::Planned moments = with("DATETIME", "timestamp(3)", "1704164645678");
  CHECK(moments.problems.empty());
  CHECK(moments.plan.types[1] == ColumnType::timestamp_ms);
  CHECK_THAT(warnings(moments), Contains("milliseconds since 1970"));
  CHECK(refused("DATETIME", "timestamptz(3)", "1704164645678").empty());
  CHECK_THAT(refused("DATETIME", "timestamp(3)", "1704164645"), Contains("may count seconds"));
  CHECK_THAT(refused("DATETIME", "timestamp(0)", "1704164645678"), Contains("more milliseconds"));
  CHECK_THAT(refused("DATETIME", "timestamp(3)", "1704164645678), (2, '2024-01-02 03:04:05'"),
             Contains("some values are numbers and some are texts"));
  CHECK(refused("TEXT", "\"Mood\"", "'so so'").empty());
  CHECK_THAT(refused("TEXT", "\"Mood\"", "'sad'"), Contains("none of the type's labels"));
  CHECK(refused("char(39)", "inet", "'::1'").empty());
  CHECK_THAT(refused("char(39)", "inet", "'::1/128'"), Contains("no address"));
  CHECK(refused("bigint", "interval", "-1").empty());
  // SQLAlchemy's Interval.
  const snapshot::Planned since =
      with("DATETIME", "interval", "'1970-01-02 00:00:00.000000'), (2, NULL");
  CHECK(since.problems.empty());
  CHECK(since.plan.types[1] == ColumnType::timestamp);
  CHECK_THAT(warnings(since), Contains("from 1970-01-01 on"));
  CHECK(with("DATETIME", "interval", "NULL").plan.types[1] == ColumnType::timestamp);
  CHECK(with("bigint", "interval", "NULL").plan.types[1] == ColumnType::bigint);
  CHECK_THAT(refused("DATETIME", "interval", "'1 day'"), Contains("as SQLAlchemy has intervals"));
  CHECK_THAT(refused("DATETIME", "interval", "'1970-01-02 00:00:00.000000'), (2, 86400000000"),
             Contains("some are numbers of microseconds, and some are instants"));
  // What the server compares with no text or number of ours is no key.
  for (const char* type : {"inet", "\"Mood\"", "time"}) {
    INFO(type);
    CHECK_THAT(problems("CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL)",
                        fmt::format("CREATE TYPE \"Mood\" AS ENUM ('SAD'); CREATE TABLE t(k {} "
                                    "PRIMARY KEY)",
                                    type),
                        ""),
               Contains("column k is in the key"));
  }
  // The labels are in the plan, and come back from the ledger.
  const TablePlan moody = with("TEXT", "\"Mood\"", "'SAD'").plan;
  const TablePlan back = wire::decode_plan(wire::encode_plan(moody));
  CHECK(back.existing->columns[1].holds == moody.existing->columns[1].holds);
  CHECK(back.existing->columns[1].holds.labels == std::vector<std::string>{"SAD", "so so"});
  CHECK_THAT(problems("CREATE TABLE t(id INTEGER PRIMARY KEY)",
                      "CREATE TABLE t(id bigint PRIMARY KEY, o interval)",
                      R"("tables": {"add": {"t": {"o": 7}}})"),
             Contains("a rule has no intervals"));
}

TEST_CASE("Rails' times, which have a day, are times there; all of a column's or none") {
  const auto with = [&](const std::string& values) {
    return plan("CREATE TABLE t(id INTEGER PRIMARY KEY, a time); INSERT INTO t VALUES " + values,
                "CREATE TABLE t(id bigint PRIMARY KEY, a time(6))", "");
  };
  const snapshot::Planned dated =
      with("(1, '2000-01-01 09:30:00'), (2, '2000-01-01 23:59:59.999999'), (3, NULL)");
  CHECK(dated.problems.empty());
  CHECK(dated.plan.types[1] == ColumnType::timestamp);
  CHECK_THAT(warnings(dated), Contains("its texts are times of 2000-01-01"));
  const auto unfit = [](const TablePlan& plan, std::string_view text) {
    return postgres::why_unfit(plan, 1, {.kind = ValueClass::text, .bytes = text});
  };
  CHECK(unfit(dated.plan, "2000-01-01 10:00:00").empty());
  CHECK_FALSE(unfit(dated.plan, "10:00:00").empty());
  CHECK_FALSE(unfit(dated.plan, "2000-01-02 10:00:00").empty());
  const snapshot::Planned bare = with("(1, '09:30:00')");
  CHECK(bare.plan.types[1] == ColumnType::text);
  CHECK(unfit(bare.plan, "10:00").empty());
  CHECK_FALSE(unfit(bare.plan, "2000-01-01 10:00:00").empty());
  for (const char* values : {"(1, '2000-01-01 09:30:00'), (2, '09:30:00')",
                             "(1, '09:30:00'), (2, '2000-01-01 09:30:00')"})
    CHECK_THAT(fmt::format("{}", fmt::join(with(values).problems, "; ")),
               Contains("some have a day"));
  CHECK_THAT(fmt::format("{}", fmt::join(with("(1, '2000-01-02 09:30:00')").problems, "; ")),
             Contains("no time"));
}

TEST_CASE("a column that both sides generate is not written") {
  const std::string source =
      "CREATE TABLE t(id INTEGER PRIMARY KEY, a INT, b INT GENERATED ALWAYS AS (a + 1) STORED); "
      "INSERT INTO t(id, a) VALUES (1, 2)";
  const snapshot::Planned both = plan(
      source,
      "CREATE TABLE t(id bigint PRIMARY KEY, a int, b int GENERATED ALWAYS AS (a + 1) STORED)", "");
  CHECK(both.problems.empty());
  CHECK(both.plan.shape.columns[2].computed_as == "a + 1");
  CHECK_THAT(warnings(both), Contains("column b is generated on both sides"));
  CHECK(plan(source, "CREATE TABLE t(id bigint PRIMARY KEY, a int, b int)", "")
            .plan.shape.columns[2]
            .computed_as.empty());
}

TEST_CASE("a unique index that takes two keys for one is named, and is not enough") {
  const std::string source = "CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL, n INT)";
  const auto folding = [](const std::string& key, const std::string& index) {
    return "CREATE COLLATION folding (provider = icu, locale = 'und-u-ks-level2', deterministic = "
           "false); CREATE TABLE t(k text NOT NULL " +
           key + ", n int); CREATE UNIQUE INDEX ON t" + index;
  };
  const std::string folds = "LS-T221 column k has a collation there, of its own or in a unique";
  CHECK_THAT(problems(source, folding("PRIMARY KEY", "(k COLLATE folding)"), ""), Contains(folds));
  CHECK_THAT(problems(source, folding("", "(k COLLATE folding)"), ""),
             Contains("LS-T221 there is no unique index over just the source's key (k)"));
  // These are none that ON CONFLICT (k) could mean.
  for (const char* const index : {"(k COLLATE folding, n)", "(k COLLATE folding) WHERE n > 0"}) {
    INFO(index);
    CHECK(problems(source, folding("PRIMARY KEY", index), "").empty());
  }
}

}  // namespace lockstep::test
