// The product's own comparison: it finds every kind of planted difference, and equal sides are
// equal.
#include "verify/compare.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/followed_target.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

constexpr char kSchema[] =
    "CREATE TABLE t(id INTEGER PRIMARY KEY, i INT, r, s TEXT, b BLOB);"
    "INSERT INTO t VALUES (-5, 0, 0.1, '', x''), (1, 9223372036854775807, 5e-324, 'a', x'00'),"
    "(2, NULL, NULL, NULL, NULL), (3, -1, 9e999, 'é😀', x'00ff5c'), (4, 7, -0.0, '\\N', x'27'),"
    "(5, 8, 0.0, 'a ', x'61');";

/// Compares table number `table` and checks that the product's judge and the tests' own agree.
verify::Comparison compare(CapturedSource& source, FollowedTarget& target, std::size_t table = 0) {
  sqlite::Database database = sqlite::Database::open(source.path(), sqlite::OpenMode::read_only);
  postgres::Connection connection = connect(target.dsn());
  std::uint64_t told = 0;
  verify::Comparison result =
      verify::compare_table(database, connection, "public", source.plans()[table],
                            [&](std::uint64_t rows) { told = rows; });
  CHECK(told <= result.source_rows);
  CHECK((result.source_digest == result.target_digest) == result.equal());
  if (source.plans().size() == 1) CHECK(result.equal() == (target.difference() == ""));
  return result;
}

/// missing, extra, differ
std::vector<std::uint64_t> counts(const verify::Comparison& result) {
  return {result.missing, result.extra, result.differ};
}

}  // namespace

TEST_CASE("equal sides are equal, and one that differs is named with key, column and values") {
  CapturedSource source(kSchema);
  source.install();
  FollowedTarget target(server(), source);
  target.copy_and_index();
  verify::Comparison result = compare(source, target);
  CHECK(result.table == "t");
  CHECK(result.equal());
  CHECK(result.source_rows == 6);
  CHECK(result.target_rows == 6);
  CHECK(result.examples.empty());
  target.query("UPDATE public.t SET s = 'A' WHERE id = 1");
  result = compare(source, target);
  CHECK(counts(result) == std::vector<std::uint64_t>{0, 0, 1});
  CHECK(result.examples ==
        std::vector<std::string>{"id=1: s is 'a' on the source and 'A' on the target"});
}

TEST_CASE("one changed cell is found, down to a bit") {
  const std::string change =
      GENERATE(as<std::string>{}, "r = 0.1::float8 + 1.4e-17 WHERE id = -5", "r = 0 WHERE id = 1",
               "r = '-Infinity' WHERE id = 3", "r = 'NaN' WHERE id = 3", "r = 0 WHERE id = 4",
               "r = '-0' WHERE id = 5", "r = NULL WHERE id = 5", "r = 0 WHERE id = 2",
               "s = NULL WHERE id = -5", "s = '' WHERE id = 2", "s = 'a' WHERE id = 5",
               "s = 'A' WHERE id = 1", "s = 'é' WHERE id = 3", "i = NULL WHERE id = -5",
               "i = 0 WHERE id = 2", "i = 9223372036854775806 WHERE id = 1", "i = 1 WHERE id = 3",
               "b = '\\x00ff5d' WHERE id = 3", "b = '\\x' WHERE id = 1", "b = '\\x' WHERE id = 2",
               "b = NULL WHERE id = -5", "b = '\\x0027' WHERE id = 4");
  INFO(change);
  CapturedSource source(kSchema);
  source.install();
  FollowedTarget target(server(), source);
  target.copy_and_index();
  target.query("UPDATE public.t SET " + change);
  const verify::Comparison result = compare(source, target);
  CHECK_FALSE(result.equal());
  CHECK(counts(result) == std::vector<std::uint64_t>{0, 0, 1});
  REQUIRE(result.examples.size() == 1);
  CHECK_THAT(result.examples[0],
             Catch::StartsWith("id=" + change.substr(change.find("id = ") + 5) + ": " + change[0]));
}

TEST_CASE("missing and extra rows are found at both ends and in between") {
  using Planted = std::pair<std::string, std::vector<std::uint64_t>>;
  const auto [change, expected] = GENERATE(values<Planted>(
      {{"DELETE FROM public.t WHERE id = -5", {1, 0, 0}},
       {"DELETE FROM public.t WHERE id = 2", {1, 0, 0}},
       {"DELETE FROM public.t WHERE id = 5", {1, 0, 0}},
       {"TRUNCATE public.t", {6, 0, 0}},
       {"INSERT INTO public.t VALUES (-6)", {0, 1, 0}},
       {"INSERT INTO public.t VALUES (0)", {0, 1, 0}},
       {"INSERT INTO public.t VALUES (9223372036854775807)", {0, 1, 0}},
       {"UPDATE public.t SET id = 6 WHERE id = 5", {1, 1, 0}},
       {"UPDATE public.t SET id = -6 WHERE id = -5", {1, 1, 0}},
       {"INSERT INTO public.t SELECT g FROM generate_series(100, 199) AS g", {0, 100, 0}}}));
  INFO(change);
  CapturedSource source(kSchema);
  source.install();
  FollowedTarget target(server(), source);
  target.copy_and_index();
  target.query(change);
  const verify::Comparison result = compare(source, target);
  CHECK(counts(result) == expected);
  CHECK(result.examples.size() == std::min<std::uint64_t>(5, expected[0] + expected[1]));
}

TEST_CASE("an empty source finds every row of the target extra, and two empty sides are equal") {
  CapturedSource source("CREATE TABLE t(k TEXT PRIMARY KEY)");
  source.install();
  FollowedTarget target(server(), source);
  target.copy_and_index();
  CHECK(compare(source, target).equal());
  target.query("INSERT INTO public.t VALUES ('a'), ('b')");
  CHECK(counts(compare(source, target)) == std::vector<std::uint64_t>{0, 2, 0});
}

TEST_CASE(
    "keys of every kind are joined in the order of their bytes, in any collation of the target") {
  const std::string table = GENERATE(
      as<std::string>{},
      "CREATE TABLE t(k TEXT PRIMARY KEY, v INT); INSERT INTO t SELECT w, 1 FROM words;",
      "CREATE TABLE t(k TEXT COLLATE NOCASE, j INT, v INT, PRIMARY KEY(j DESC, k)) WITHOUT ROWID;"
      "INSERT OR IGNORE INTO t SELECT w, length(w) % 2, 1 FROM words;",
      "CREATE TABLE t(k BLOB PRIMARY KEY, v INT); INSERT INTO t SELECT CAST(w AS BLOB), 1 FROM "
      "words;",
      "CREATE TABLE t(k REAL PRIMARY KEY, v INT); INSERT INTO t VALUES (-1.5, 1), (0.0, 1), "
      "(5e-324, 1), (9e999, 1), "
      "(-9e999, 1), (1e300, 1);",
      "CREATE TABLE t(k INT, v INT, j TEXT, PRIMARY KEY(k, j)); INSERT INTO t SELECT length(w) - "
      "3, 1, w FROM words;");
  INFO(table);
  CapturedSource source(
      "CREATE TABLE words(w TEXT PRIMARY KEY); INSERT INTO words VALUES "
      "(''), ('a'), ('A'), ('B'), ('b'), ('é'), ('z'), ('a b'), ('a-b'), ('ab'), "
      "('￿'), ('😀'), ('_'), ('10'), ('9');" +
      table);
  source.install();
  FollowedTarget target(server(), source);
  target.copy_and_index();
  const std::string rows = source.app().value("SELECT count(*) FROM t");
  CHECK(compare(source, target).equal());
  if (table.find("k TEXT") != std::string::npos) {
    target.query("ALTER TABLE public.t ALTER COLUMN k TYPE text COLLATE \"en-x-icu\"");
    CHECK(compare(source, target).equal());
  }
  target.query("UPDATE public.t SET v = 2");
  CHECK(std::to_string(compare(source, target).differ) == rows);
  target.query(
      "UPDATE public.t SET v = 1; DELETE FROM public.t WHERE ctid = (SELECT max(ctid) FROM "
      "public.t)");
  CHECK(counts(compare(source, target)) == std::vector<std::uint64_t>{1, 0, 0});
}

TEST_CASE("a table without a key is compared by its rowid, equal rows one by one") {
  CapturedSource source(
      "CREATE TABLE t(a INT, b TEXT); INSERT INTO t VALUES (1, 'x'), (1, 'x'), (2, 'y'), (1, 'x');"
      "DELETE FROM t WHERE rowid = 2; INSERT INTO t(rowid, a) VALUES (-7, 1);");
  source.install();
  FollowedTarget target(server(), source);
  target.copy_and_index();
  CHECK(compare(source, target).equal());
  CHECK(target.query("SELECT _lockstep_rowid, a, b FROM public.t ORDER BY 1") ==
        Rows{{"-7", "1", std::nullopt}, {"1", "1", "x"}, {"3", "2", "y"}, {"4", "1", "x"}});
  target.query("UPDATE public.t SET _lockstep_rowid = 2 WHERE _lockstep_rowid = 4");
  const verify::Comparison result = compare(source, target);
  CHECK(counts(result) == std::vector<std::uint64_t>{1, 1, 0});
  CHECK(result.examples[0] == "_lockstep_rowid=2: on the target only");
}

TEST_CASE("progress is told while a large table is compared") {
  CapturedSource source(
      "CREATE TABLE t(id INTEGER PRIMARY KEY); INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 "
      "UNION ALL SELECT i + 1 FROM n "
      "WHERE i < 20000) SELECT i FROM n;");
  source.install();
  FollowedTarget target(server(), source);
  target.copy_and_index();
  sqlite::Database database = sqlite::Database::open(source.path(), sqlite::OpenMode::read_only);
  std::vector<std::uint64_t> told;
  const verify::Comparison result =
      verify::compare_table(database, target.connection(), "public", source.plans()[0],
                            [&](std::uint64_t rows) { told.push_back(rows); });
  CHECK(result.equal());
  CHECK(result.source_rows == 20'000);
  CHECK(told.size() >= 4);
  CHECK(std::is_sorted(told.begin(), told.end()));
}

}  // namespace lockstep::test
