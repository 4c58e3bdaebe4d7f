// Rules through every path that carries rows: chunks of the copy, batches small and staged, a table
// read anew, and the comparison of both sides.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <catch2/catch.hpp>
#include <random>
#include <string>

#include "config/load.hpp"
#include "tests/support/followed_target.hpp"
#include "tests/support/seed.hpp"
#include "verify/compare.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

RuleSet rules(const std::string& members) {
  const config::Loaded loaded = config::load_text("{\"version\": 1, " + members + "}",
                                                  [](const std::string&) { return std::nullopt; });
  REQUIRE(loaded.problems.empty());
  return loaded.settings.rules.value();
}

std::string found_by_verify(CapturedSource& source, FollowedTarget& target) {
  sqlite::Database database = sqlite::Database::open(source.path(), sqlite::OpenMode::read_only);
  std::string found;
  for (const TablePlan& plan : source.plans()) {
    const auto result =
        verify::compare_table(database, target.connection(), "public", plan, [](std::uint64_t) {});
    if (!result.equal())
      found += fmt::format("{}: {}", plan.name(), fmt::join(result.examples, "; "));
  }
  return found;
}

std::string rows_of(FollowedTarget& target, const std::string& sql) {
  std::string text;
  for (const auto& row : target.query(sql)) {
    for (const auto& cell : row) text += cell.value_or("NULL") + "|";
    text += " ";
  }
  return text;
}

constexpr char kSchema[] =
    "CREATE TABLE etf(id INTEGER PRIMARY KEY, rank INT, region TEXT, active, at INT, body TEXT);"
    "CREATE TABLE kv(k PRIMARY KEY, v, w TEXT DEFAULT 'x') WITHOUT ROWID;"
    "INSERT INTO etf VALUES (1, 10, NULL, 'yes', 1704164645678, 'a' || char(0) || 'b'),"
    " (2, 20, 'DE', 0, NULL, 'plain');"
    "INSERT INTO kv VALUES (1, 1, 'i'), ('1', '1', 't'), (x'31', x'31', 'b'), (1.5, NULL, 'r');";

RuleSet the_rules() {
  return rules(R"("columns": {"etf.rank": {"rename": "rank_in_etf"},
      "etf.region": {"default_if_null": "US"}, "etf.active": {"type": "boolean"},
      "etf.at": {"type": "epoch-ms"}, "etf.body": {"nul": "strip"},
      "kv.k": {"type": "literal"}, "kv.v": {"type": "literal", "rename": "value"}},
    "tables": {"rename": {"etf": "etf_holdings"}, "add": {"etf": {"origin": "sqlite"}}})");
}

constexpr char kEtf[] = "SELECT * FROM etf_holdings ORDER BY id";
constexpr char kKv[] = "SELECT * FROM kv ORDER BY k COLLATE \"C\"";

}  // namespace

TEST_CASE("chunks, batches, a table read anew and verify all see values after their rules") {
  CapturedSource source{kSchema};
  source.install(the_rules());
  FollowedTarget target{server(), source};
  target.copy_and_index();
  CHECK(rows_of(target, kEtf) ==
        "1|10|US|t|2024-01-02 03:04:05.678+00|ab|sqlite| 2|20|DE|f|NULL|plain|sqlite| ");
  CHECK(rows_of(target, kKv) == "'1'|'1'|t| 1|1|i| 1.5|NULL|r| x'31'|x'31'|b| ");
  CHECK(found_by_verify(source, target).empty());

  const bool staging = GENERATE(false, true);
  INFO("staging " << staging);
  apply::Applier applier = target.applier(target.connection(), staging);
  const auto follow = [&](const std::string& sql) {
    source.app().exec(sql);
    const auto batch = source.take();
    REQUIRE(batch);
    static_cast<void>(apply_batch(applier, *batch));
  };
  follow(
      "INSERT INTO etf VALUES (3, 30, NULL, 'F', 1, 'c' || char(0)); UPDATE etf SET region = NULL, "
      "active = 'on' WHERE id = 2; DELETE FROM etf WHERE id = 1;"
      "DELETE FROM kv WHERE k = x'31'; UPDATE kv SET k = 1.0, v = 'it''s' WHERE k = 1;"
      "INSERT INTO kv VALUES ('nul' || char(0), x'00', 'n'), (-0.0, 2, 'z')");
  CHECK(rows_of(target, kEtf) ==
        "2|20|US|t|NULL|plain|sqlite| 3|30|US|f|1970-01-01 00:00:00.001+00|c|sqlite| ");
  CHECK(rows_of(target, kKv) ==
        "'1'|'1'|t| 0.0|2|z| 1.0|'it''s'|i| 1.5|NULL|r| CAST(x'6e756c00' AS TEXT)|x'00'|n| ");
  CHECK(found_by_verify(source, target).empty());
  follow("UPDATE kv SET k = 0.0, v = 3 WHERE k = 0; DELETE FROM kv WHERE k = 1.0");
  CHECK(found_by_verify(source, target).empty());

  // A table read anew.
  source.app().exec(
      "DROP TRIGGER _lockstep_1_insert; DROP TRIGGER _lockstep_2_insert;"
      "INSERT INTO etf VALUES (9, 90, NULL, 'n', 9, NULL);"
      "INSERT INTO kv VALUES (x'', 9.5, 'late'); DELETE FROM kv WHERE k = '1'");
  REQUIRE(source.reinstall().size() == 2);
  source.reopen();
  const auto batch = source.take();
  REQUIRE(batch);
  static_cast<void>(apply_batch(applier, *batch));
  CHECK(found_by_verify(source, target).empty());
  CHECK(rows_of(target, "SELECT region, active FROM etf_holdings WHERE id = 9") == "US|f| ");

  // And verify is none that says yes to everything.
  const auto differs = [&](const std::string& change, const std::string& undo) {
    target.query(change);
    const std::string found = found_by_verify(source, target);
    target.query(undo);
    return found;
  };
  CHECK(differs("UPDATE etf_holdings SET region = NULL WHERE id = 9",
                "UPDATE etf_holdings SET region = 'US' WHERE id = 9")
            .find("region is 'US' on the source and NULL on the target") != std::string::npos);
  CHECK(differs("UPDATE kv SET value = '9.25' WHERE k = 'x'''''",
                "UPDATE kv SET value = '9.5' WHERE k = 'x'''''")
            .find("kv: ") == 0);
  CHECK(differs("UPDATE kv SET k = '7' WHERE k = '1.5'", "UPDATE kv SET k = '1.5' WHERE k = '7'")
            .find("on the target only") != std::string::npos);
  CHECK(found_by_verify(source, target).empty());
}

TEST_CASE("a value that its rule cannot convert is refused by name, and goes on when mended") {
  CapturedSource source{kSchema};
  source.install(the_rules());
  FollowedTarget target{server(), source};
  target.copy_and_index();
  apply::Applier applier = target.applier(target.connection());
  source.app().exec("UPDATE etf SET active = 'perhaps' WHERE id = 1");
  const auto bad = source.take();
  REQUIRE(bad);
  const ErrorFacts facts = facts_of([&] { static_cast<void>(apply_batch(applier, *bad)); });
  CHECK(facts.code == "LS-D401");
  CHECK(facts.what.find("etf.active") != std::string::npos);
  CHECK(facts.what.find("'perhaps'") != std::string::npos);
  CHECK(rows_of(target, "SELECT active FROM etf_holdings WHERE id = 1") == "t| ");
}

TEST_CASE("keys of all storage classes stay apart as literals, whatever is done to them") {
  std::mt19937_64 random(test_seed());
  CapturedSource source{
      "CREATE TABLE t(k PRIMARY KEY, v) WITHOUT ROWID; CREATE TABLE r(k UNIQUE PRIMARY KEY NOT "
      "NULL, v)"};
  static constexpr const char* kValues[] = {
      "0",   "-0.0", "0.0",     "1",     "1.0",   "'1'",   "x'31'", "'a'",        "'A'", "''",
      "x''", "1.5",  "'it''s'", "9e999", "x'27'", "'1.0'", "1e100", "char(0)||1", "-1",  "x'00'"};
  const auto any = [&] { return std::string(kValues[random() % std::size(kValues)]); };
  const auto change = [&] {
    const std::string table = random() % 2 == 0 ? "t" : "r";
    switch (random() % 4) {
      case 0:
        return fmt::format("DELETE FROM {} WHERE k = {}", table, any());
      case 1:
        return fmt::format("UPDATE OR REPLACE {} SET k = {}, v = {} WHERE k = {}", table, any(),
                           any(), any());
      default:
        return fmt::format("INSERT OR REPLACE INTO {} VALUES ({}, {})", table, any(), any());
    }
  };
  for (int i = 0; i < 12; ++i) source.app().exec(change());
  source.install(rules(R"("columns": {"t.k": {"type": "literal"}, "t.v": {"type": "literal"},
                                      "r.k": {"type": "literal"}, "r.v": {"type": "literal"}})"));
  FollowedTarget target{server(), source};
  target.copy_and_index();
  CHECK(found_by_verify(source, target).empty());
  apply::Applier small = target.applier(target.connection());
  postgres::Connection other = connect(target.dsn());
  apply::Applier staged = target.applier(other, true);
  for (int round = 0; round < 60; ++round) {
    std::string done;
    for (std::uint64_t i = 1 + random() % 4; i > 0; --i) done += change() + "; ";
    INFO("seed " << test_seed() << ", round " << round << ": " << done);
    source.app().exec(done);
    const auto batch = source.take();
    if (!batch) continue;
    static_cast<void>(apply_batch(round % 2 == 0 ? small : staged, *batch));
    REQUIRE(found_by_verify(source, target).empty());
    // SQLite itself reads the literals back: the same values of the same classes.
    for (const std::string table : {"t", "r"}) {
      std::string back = "SELECT 0, 0 WHERE 0";
      for (const auto& row : target.query("SELECT k, coalesce(v, 'NULL') FROM " + table))
        back += fmt::format(" UNION ALL SELECT {}, {}", row[0].value(), row[1].value());
      const std::string shown =
          "SELECT typeof(k), CASE WHEN typeof(k) = 'real' AND k = 0 THEN '0.0' ELSE quote(k) END, "
          "quote(v) FROM ";
      sqlite::Statement differ(
          source.judge(), fmt::format("SELECT count(*) FROM (SELECT * FROM ({0} {1} EXCEPT {0} "
                                      "(SELECT 0 AS k, 0 AS v WHERE 0 UNION ALL {2})) UNION ALL "
                                      "SELECT * FROM ({0} (SELECT 0 AS k, 0 AS v WHERE 0 UNION ALL "
                                      "{2}) EXCEPT {0} {1}))",
                                      shown, table, back));
      REQUIRE(differ.step());
      REQUIRE(differ.integer(0) == 0);
    }
  }
}

}  // namespace lockstep::test
