// Integers and reals side by side in a column of NUMERIC affinity: as SQLite stores them, so they
// come back from PostgreSQL's numeric.
#include "link/postgres/numeric.hpp"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "link/postgres/copy.hpp"
#include "link/postgres/encode.hpp"
#include "link/sqlite/statement.hpp"
#include "tests/support/followed_target.hpp"
#include "tests/support/seed.hpp"
#include "verify/compare.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

ValueView integer(std::int64_t value) {
  return {.kind = ValueClass::integer, .integer = value};
}
ValueView real(double value) {
  return {.kind = ValueClass::real, .real = value};
}

/// What an application might write: both ends of every range, and dice.
std::vector<ValueView> written_values(std::size_t random_values) {
  constexpr double two_to_63 = 9'223'372'036'854'775'808.0;
  std::vector<ValueView> values;
  for (const double middle : {0.0,
                              5e-324,
                              2.2250738585072014e-308,
                              1e-5,
                              1e-4,
                              0.1,
                              0.3,
                              1.0,
                              9.5,
                              11.0,
                              9999.0,
                              1e4,
                              123456.78,
                              4503599627370496.0,
                              9007199254740992.0,
                              1e18,
                              two_to_63,
                              1e19,
                              1e22,
                              1e23,
                              1e300,
                              1.7976931348623157e308})
    for (const double value : {std::nextafter(middle, -1.0), middle, std::nextafter(middle, 1e308)})
      for (const double signed_value : {value, -value}) values.push_back(real(signed_value));
  for (const double value : {1, -1}) values.push_back(real(value * INFINITY));
  for (int shift = 0; shift < 64; ++shift)
    for (const std::uint64_t near : {0, 1, -1})
      values.push_back(integer(static_cast<std::int64_t>((std::uint64_t{1} << shift) + near)));
  for (std::int64_t power = 1; power < std::int64_t{1} << 59; power *= 10)
    for (const std::int64_t value : {power, -power, power - 1}) values.push_back(integer(value));
  std::mt19937_64 random(test_seed());
  for (std::size_t i = 0; i < random_values; ++i) {
    const std::uint64_t bits = random();
    values.push_back(real(std::bit_cast<double>(bits)));                         // every exponent
    values.push_back(real(std::bit_cast<double>(bits % (1ULL << 52))));          // subnormal
    values.push_back(real(static_cast<double>(bits >> (random() % 60)) / 100));  // prices
    values.push_back(real(static_cast<double>(static_cast<std::int64_t>(bits))));
    values.push_back(integer(static_cast<std::int64_t>(bits) >> (random() % 64)));
  }
  return values;
}

/// The same, as a NUMERIC column keeps them (NaN as NULL).
std::vector<Value> stored_values(const std::vector<ValueView>& written) {
  const TempDir folder;
  Application(folder.file("a")).exec("CREATE TABLE t(id INTEGER PRIMARY KEY, v NUMERIC)");
  sqlite::Database database =
      sqlite::Database::open(folder.file("a"), sqlite::OpenMode::read_write);
  sqlite::Statement(database, "BEGIN").run();
  sqlite::Statement insert(database, "INSERT INTO t(v) VALUES (?)");
  for (const ValueView& value : written) {
    insert.bind(1, value).run();
    insert.reset();
  }
  sqlite::Statement rows(database, "SELECT v FROM t ORDER BY id");
  std::vector<Value> stored;
  while (rows.step()) stored.emplace_back(rows.value(0));
  return stored;
}

}  // namespace

TEST_CASE("what SQLite makes an integer in a NUMERIC column is exactly what numeric cannot hold") {
  const std::vector<ValueView> written = written_values(4'000);
  const std::vector<Value> stored = stored_values(written);
  REQUIRE(stored.size() == written.size());
  for (std::size_t i = 0; i < written.size(); ++i) {
    if (stored[i].kind == ValueClass::null) continue;
    const bool kept = stored[i].kind == written[i].kind;
    const bool fits = postgres::fits_numeric(written[i]);
    if (kept != fits)
      FAIL_CHECK(describe(written[i]) << " is kept as " << describe(stored[i].view()));
    REQUIRE(postgres::misfit_of(stored[i].view(), ColumnType::numeric) == postgres::Misfit::none);
  }
}

TEST_CASE("a number comes back from numeric with its class and bits, by COPY and as a parameter") {
  std::vector<Value> values = stored_values(written_values(4'000));
  std::erase_if(values, [](const Value& value) { return value.kind == ValueClass::null; });
  postgres::Connection connection = connect(fresh_database(server()));
  connection.exec(
      "CREATE TABLE public.copied(id bigint, v numeric); CREATE TABLE public.bound(LIKE "
      "public.copied)");
  const bool copied = GENERATE(true, false);
  if (copied) {
    postgres::CopyIn in(connection, "COPY public.copied FROM STDIN (FORMAT binary)");
    std::string tuple;
    for (std::size_t i = 0; i < values.size(); ++i) {
      tuple.clear();
      postgres::append_tuple_head(tuple, 2);
      postgres::append_field(tuple, integer(static_cast<std::int64_t>(i)), ColumnType::bigint);
      postgres::append_field(tuple, values[i].view(), ColumnType::numeric);
      in.put(tuple);
    }
    REQUIRE(in.finish() == static_cast<std::int64_t>(values.size()));
  } else {
    postgres::Pipeline pipeline(connection);
    pipeline.prepare("insert", "INSERT INTO public.bound VALUES ($1::bigint, $2::numeric)");
    for (std::size_t i = 0; i < values.size(); ++i) {
      std::string id, number;
      postgres::append_raw(id, integer(static_cast<std::int64_t>(i)), ColumnType::bigint);
      postgres::append_raw(number, values[i].view(), ColumnType::numeric);
      pipeline.run("insert", std::array<postgres::BinaryParameter, 2>{id, number});
    }
    const postgres::Pipeline::Outcome outcome = pipeline.finish();
    REQUIRE_FALSE(outcome.error);
  }
  postgres::CopyOut out(
      connection,
      fmt::format("COPY (SELECT v, v::text, v::float8, trim_scale(v)::text FROM public.{} "
                  "ORDER BY id) TO STDOUT (FORMAT binary)",
                  copied ? "copied" : "bound"));
  std::vector<std::optional<std::string_view>> fields;
  for (const Value& value : values) {
    INFO(describe(value.view()));
    REQUIRE(out.next(fields));
    const Value back = postgres::decode_numeric(*fields[0]);
    INFO("came back as " << to_string(back.kind) << " " << describe(back.view()));
    REQUIRE(same_value(back.view(), value.view()));
    const std::string text(*fields[1]);
    INFO("shown as " << text);
    REQUIRE(text == *fields[3]);  // 12.3, not 12.30
    if (value.kind == ValueClass::integer) {
      REQUIRE(text == fmt::format("{}", value.integer));
      continue;
    }
    std::string bits;
    postgres::append_raw(bits, value.view(), ColumnType::double_precision);
    REQUIRE(*fields[2] == bits);
    REQUIRE(same_value(real(std::strtod(text.c_str(), nullptr)), value.view()));
  }
  CHECK_FALSE(out.next(fields));
}

namespace {

constexpr char kSchema[] =
    "CREATE TABLE t(id INTEGER PRIMARY KEY, price DECIMAL(10,2) UNIQUE, day DATETIME, g MONEY AS "
    "(price * 2) STORED, w NUMERIC AS (price / 2));"
    "INSERT INTO t VALUES (1, 11.0, 2460000.5), (2, 12.30, 2460000.0), (3, NULL, NULL), (4, 9e999, "
    "1), (5, -0.0, 0.1), (6, 9223372036854775807, 1), (7, 9223372036854775808, 1), (8, 5e-324, 1), "
    "(9, -9223372036854775807, 1), (10, '-9223372036854775808.0', 1);";

verify::Comparison compare(CapturedSource& source, FollowedTarget& target) {
  sqlite::Database database = sqlite::Database::open(source.path(), sqlite::OpenMode::read_only);
  return verify::compare_table(database, target.connection(), "public", source.plans()[0],
                               [](std::uint64_t) {});
}

}  // namespace

TEST_CASE("prices are numeric from the copy on, and follow by both paths of a batch") {
  const bool staging = GENERATE(false, true);
  CapturedSource source(kSchema);
  source.install();
  CHECK(source.plans()[0].types == std::vector{ColumnType::bigint, ColumnType::numeric,
                                               ColumnType::numeric, ColumnType::numeric,
                                               ColumnType::numeric});
  FollowedTarget target(server(), source);
  target.copy_and_index();
  CHECK(target.difference() == "");
  CHECK(target.query("SELECT price, g FROM public.t WHERE id < 3 ORDER BY id") ==
        Rows{{"11", "22"}, {"12.3", "24.6"}});
  apply::Applier applier = target.applier(target.connection(), staging);
  source.app().exec("UPDATE t SET price = 11.5 WHERE id = 1");
  (void)apply_batch(applier, source.take().value());
  CHECK(target.query("SELECT price FROM public.t WHERE id = 1") == Rows{{"11.5"}});
  std::mt19937_64 random(test_seed());
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 10; ++i)
      (void)source.app().attempt(fmt::format(
          "INSERT OR REPLACE INTO t VALUES ({}, {} / {}.0, {} / 3.0)", random() % 30,
          static_cast<std::int64_t>(random()) >> (random() % 64), 1 + random() % 4, random() % 9));
    source.app().exec("UPDATE OR IGNORE t SET price = price + 1 WHERE id = 6 OR price < 10");
    if (const auto batch = source.take()) (void)apply_batch(applier, *batch);
    REQUIRE(target.difference() == "");
  }
  CHECK(compare(source, target).equal());
}

TEST_CASE("a text in a column that was decided to be numeric stops the batch by name") {
  CapturedSource source(kSchema);
  source.install();
  FollowedTarget target(server(), source);
  target.copy_and_index();
  source.app().exec("UPDATE t SET price = 'on request' WHERE id = 1");
  apply::Applier applier = target.applier(target.connection());
  const Batch batch = source.take().value();
  const ErrorFacts facts = facts_of([&] { (void)apply_batch(applier, batch); });
  CHECK(facts.code == "LS-D401");
  CHECK(facts.why == "it is text, the column was decided to be numeric");
  CHECK(target.query("SELECT price FROM public.t WHERE id = 1") == Rows{{"11"}});
}

TEST_CASE("another number in a numeric column is found, however near") {
  const std::string change = GENERATE(
      as<std::string>{}, "price = 11.000000000000000001 WHERE id = 1", "price = 11.5 WHERE id = 1",
      "price = 12.300000000000000001 WHERE id = 2", "price = 0 WHERE id = 3",
      "price = '-Infinity' WHERE id = 4", "price = 'NaN' WHERE id = 4", "price = NULL WHERE id = 5",
      "price = 9223372036854775806 WHERE id = 6", "price = 9223372036854775808 WHERE id = 7",
      "price = 0 WHERE id = 8", "price = -9223372036854775808 WHERE id = 9",
      "price = -9223372036854775808 WHERE id = 10");
  INFO(change);
  CapturedSource source(kSchema);
  source.install();
  FollowedTarget target(server(), source);
  target.copy_and_index();
  REQUIRE(compare(source, target).equal());
  target.query(
      "ALTER TABLE public.t DROP CONSTRAINT IF EXISTS t_price_key; DROP INDEX IF EXISTS "
      "public.sqlite_autoindex_t_1");
  target.query("UPDATE public.t SET " + change);
  const verify::Comparison result = compare(source, target);
  CHECK(result.differ == 1);
  CHECK(result.missing + result.extra == 0);
  REQUIRE(result.examples.size() == 1);
  CHECK_THAT(result.examples[0],
             Catch::StartsWith("id=" + change.substr(change.find("id = ") + 5) + ": price is "));
}

}  // namespace lockstep::test
