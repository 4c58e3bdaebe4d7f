// PostgreSQL's fields as SQLite's values: what encode makes of every value that fits comes back
// with its class, its spelling and its bits.
#include "link/postgres/decode.hpp"

#include <fmt/format.h>

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "link/postgres/encode.hpp"
#include "link/sqlite/statement.hpp"
#include "model/row_stream.hpp"
#include "model/spelling.hpp"
#include "tests/support/seed.hpp"
#include "tests/unit/sample_values.hpp"

namespace lockstep::postgres {
namespace {

using wire::blob, wire::integer, wire::real, wire::text;

constexpr ColumnType kTypes[] = {ColumnType::bigint,      ColumnType::double_precision,
                                 ColumnType::text,        ColumnType::bytea,
                                 ColumnType::numeric,     ColumnType::boolean,
                                 ColumnType::date,        ColumnType::timestamp,
                                 ColumnType::timestamptz, ColumnType::uuid,
                                 ColumnType::json,        ColumnType::timestamp_ms};

/// One column of that type and affinity, with these spellings found.
TablePlan plan_of(ColumnType type, Affinity affinity = Affinity::blob, std::uint64_t found = 0,
                  bool bound = false) {
  TablePlan plan;
  plan.shape.name = "t";
  plan.shape.columns.resize(1);
  plan.shape.columns[0].name = "c";
  plan.shape.columns[0].affinity = affinity;
  plan.types = {type};
  plan.spellings = {{found, bound}};
  return plan;
}

/// The bits of the spelling that the census would have found.
std::uint64_t spelling_of(const ValueView& value, ColumnType type) {
  if (value.kind != ValueClass::text) return 0;
  if (type == ColumnType::uuid) return std::uint64_t{1} << parse_uuid(value.bytes)->spelling;
  if (type == ColumnType::timestamp || type == ColumnType::timestamptz)
    return std::uint64_t{1} << parse_instant(value.bytes)->spelling;
  return type == ColumnType::date ? 1 : 0;
}

std::string bytes_of(const ValueView& value, ColumnType type) {
  std::string bytes;
  append_raw(bytes, value, type);
  return bytes;
}

std::string decoded(const std::string& field, const TablePlan& plan) {
  Value value;
  const std::string_view why = decode(value, field, plan, 0);
  return why.empty() ? describe(value.view()) : "misfit: " + std::string(why);
}

std::string decoded(const std::string& text, ColumnType type, std::uint64_t found,
                    bool bound = false) {
  return decoded(bytes_of(wire::text(text).view(), type),
                 plan_of(type, Affinity::numeric, found, bound));
}

std::uint64_t bit(const std::string& instant) {
  return std::uint64_t{1} << parse_instant(instant).value().spelling;
}

std::string any_text(std::mt19937_64& random) {
  const auto n = [&](std::uint64_t sides) { return random() % sides; };
  switch (n(4)) {
    case 0:
      return fmt::format("{:04}-{:02}-{:02}", 1 + n(9999), 1 + n(12), 1 + n(31));
    case 1: {
      static const std::vector<std::string> zones{"", "", "Z", "+00:00", "+00", " +00:00"};
      std::string made = fmt::format("{:04}-{:02}-{:02}{}{:02}:{:02}", 1 + n(9999), 1 + n(12),
                                     1 + n(28), n(2) == 0 ? ' ' : 'T', n(24), n(60));
      if (n(6) != 0) made += fmt::format(":{:02}", n(60));
      const std::size_t digits = n(7);
      if (digits > 0 && made.size() > 16)
        made += "." + fmt::format("{:06}", n(1'000'000)).substr(0, digits);
      return made + zones[n(zones.size())];
    }
    case 2: {
      std::string digits = fmt::format("{:016x}{:016x}", random(), random());
      if (n(2) == 0)
        for (const std::size_t dash : {8U, 13U, 18U, 23U}) digits.insert(dash, 1, '-');
      if (n(2) == 0)
        for (char& c : digits) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      return digits;
    }
    default:
      return fmt::format("{{\"k\":{}, \"ä\": [{}, null]}}", n(100), n(9));
  }
}

Value any_value(std::mt19937_64& random) {
  switch (random() % 5) {
    case 0:
      return integer(static_cast<std::int64_t>(random()) >> (random() % 64));
    case 1:
      return real(std::bit_cast<double>(random()));
    case 2:
      return real(static_cast<double>(static_cast<std::int64_t>(random() % 2'000'000) - 1'000'000) /
                  1'000);
    case 3:
      return blob(std::string(random() % 5, static_cast<char>(random())));
    default:
      return text(any_text(random));
  }
}

}  // namespace

TEST_CASE("every value that fits its column comes back as it was") {
  std::mt19937_64 random(test::test_seed());
  std::vector<Value> values = wire::every_kind_of_value();
  for (int i = 0; i < 6'000; ++i) values.push_back(any_value(random));
  std::size_t tried = 0;
  for (const Value& value : values)
    for (const ColumnType type : kTypes) {
      if (value.kind == ValueClass::null || misfit_of(value.view(), type) != Misfit::none) continue;
      const TablePlan plan = plan_of(type, Affinity::blob, spelling_of(value.view(), type));
      const std::string field = bytes_of(value.view(), type);
      Value back;
      const std::string_view why = decode(back, field, plan, 0);
      INFO(describe(value.view()) << " as " << to_string(type) << ": " << describe(back.view())
                                  << why);
      REQUIRE(why.empty());
      REQUIRE(same_value(back.view(), value.view()));
      REQUIRE(still_means(value.view(), field, plan, 0));
      ++tried;
    }
  CHECK(tried > 5'000);
  Value null = integer(1);
  CHECK(decode(null, std::nullopt, plan_of(ColumnType::text), 0).empty());
  CHECK(null.kind == ValueClass::null);
}

TEST_CASE("an instant takes the shortest of the spellings found that holds it") {
  const std::uint64_t python = bit("2024-01-01 00:00:00.123456") | bit("2024-01-01 00:00:00");
  const auto spelled = [](const std::string& instant, std::uint64_t found) {
    return decoded(instant, ColumnType::timestamp, found);
  };
  CHECK(spelled("2024-01-01 10:20:30.5", python) == "'2024-01-01 10:20:30.500000'");
  CHECK(spelled("2024-01-01 10:20:30", python) == "'2024-01-01 10:20:30'");
  CHECK(spelled("2024-01-01 10:20:30", bit("2024-01-01T00:00:00.000")) ==
        "'2024-01-01T10:20:30.000'");
  CHECK(spelled("2024-01-01 10:20", python | bit("2024-01-01 10:20")) == "'2024-01-01 10:20'");
  // None of them holds it: separator and zone of the first, six digits.
  CHECK(spelled("2024-01-01 10:20:30.1234", bit("2024-01-01T00:00")) ==
        "'2024-01-01T10:20:30.123400'");
  CHECK(decoded("2024-01-01 10:20:30.1234Z", ColumnType::timestamptz,
                bit("2024-01-01T00:00:00.000Z")) == "'2024-01-01T10:20:30.123400Z'");
  CHECK(decoded("2024-01-01 10:20:30.1234Z", ColumnType::timestamptz,
                bit("2024-01-01 00:00:00.000 +00:00")) == "'2024-01-01 10:20:30.123400+00:00'");
  // Nothing found.
  CHECK(spelled("2024-01-01 10:20:30", 0) == "'2024-01-01 10:20:30'");
  CHECK(spelled("2024-01-01 10:20:30.1", 0) == "'2024-01-01 10:20:30.100000'");
  CHECK(decoded("2024-01-01 10:20:30Z", ColumnType::timestamptz, 0) ==
        "'2024-01-01 10:20:30+00:00'");
  // A unique column holds to its spellings.
  CHECK_THAT(
      decoded("2024-01-01 10:20:30.5", ColumnType::timestamp, bit("2024-01-01 00:00:00"), true),
      Catch::StartsWith("misfit"));
  CHECK(decoded("2024-01-01 10:20:30.5", ColumnType::timestamp, python, true) ==
        "'2024-01-01 10:20:30.500000'");
}

TEST_CASE("what SQLite or the old format cannot hold is said, not changed") {
  const auto instant = [](std::int64_t microseconds) {
    std::string bytes;
    put_u64(bytes, static_cast<std::uint64_t>(microseconds));
    return bytes;
  };
  using Limits = std::numeric_limits<std::int64_t>;
  for (const ColumnType type :
       {ColumnType::timestamp, ColumnType::timestamptz, ColumnType::timestamp_ms})
    for (const std::int64_t odd :
         {Limits::max(), Limits::min(), std::int64_t{252'455'616'000'000'000},
          std::int64_t{-63'082'281'600'000'001}})
      CHECK_THAT(decoded(instant(odd), plan_of(type)), Catch::StartsWith("misfit"));
  CHECK_THAT(decoded(instant(1), plan_of(ColumnType::timestamp_ms)), Catch::StartsWith("misfit"));
  for (const std::uint32_t odd : {0x7fffffffU, 0x80000000U, 2'921'940U}) {
    std::string bytes;
    put_u32(bytes, odd);
    CHECK_THAT(decoded(bytes, plan_of(ColumnType::date)), Catch::StartsWith("misfit"));
  }
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_THAT(
      decoded(instant(std::bit_cast<std::int64_t>(nan)), plan_of(ColumnType::double_precision)),
      Catch::StartsWith("misfit"));
  for (const ColumnType type : kTypes)
    if (type != ColumnType::text && type != ColumnType::bytea)
      CHECK_THAT(decoded("abc", plan_of(type)), Catch::StartsWith("misfit"));
}

TEST_CASE("a column keeps a value just when SQLite does") {
  std::mt19937_64 random(test::test_seed());
  std::vector<Value> values = wire::every_kind_of_value();
  for (const char* const odd :
       {"1",     " 1",  "1 ",  "1.0",  "1e3", "1e",   ".5",  "5.",    ".",
        "-",     "+1",  "- 1", "0x10", "1_0", "inf",  "nan", "1e400", "9223372036854775808",
        "\t1\n", "1\v", "12a", "",     " ",   "1e+5", "1e-", "--1",   "1.2.3"})
    values.push_back(text(odd));
  for (int i = 0; i < 3'000; ++i) {
    static constexpr std::string_view kLetters = "0123456789+-.eE \tx";
    std::string made;
    for (std::size_t n = random() % 6; n > 0; --n) made += kLetters[random() % kLetters.size()];
    values.push_back(text(made));
    values.push_back(any_value(random));
  }
  sqlite::Database database = sqlite::Database::in_memory();
  database.exec("CREATE TABLE t(i INTEGER, r REAL, n NUMERIC, t TEXT, b BLOB)");
  const std::vector<Affinity> affinities{Affinity::integer, Affinity::real, Affinity::numeric,
                                         Affinity::text, Affinity::blob};
  sqlite::Statement insert(database, "INSERT INTO t VALUES (?1, ?1, ?1, ?1, ?1)");
  for (const Value& value : values) {
    insert.reset();
    insert.bind(1, value.view()).run();
    sqlite::Statement row(database, "SELECT * FROM t");
    REQUIRE(row.step());
    for (std::size_t i = 0; i < affinities.size(); ++i) {
      INFO(describe(value.view()) << " in column " << i << ": "
                                  << describe(row.value(static_cast<int>(i))));
      const bool kept = same_value(row.value(static_cast<int>(i)), value.view());
      // A NaN becomes NULL in any column: decode() has refused it before.
      if (value.kind != ValueClass::real || !std::isnan(value.real))
        REQUIRE(kept_by(affinities[i], value.view()) == kept);
    }
    row.reset();
    database.exec("DELETE FROM t");
  }
}

TEST_CASE("a rule is inverted if what comes of that is carried as the same again") {
  const auto ruled = [](Cast cast, ColumnType type, Affinity affinity) {
    TablePlan plan = plan_of(type, affinity);
    plan.rules.columns.resize(1);
    plan.rules.columns[0].cast = cast;
    return plan;
  };
  const TablePlan literal = ruled(Cast::literal, ColumnType::text, Affinity::blob);
  for (const Value& value : wire::every_kind_of_value()) {
    if (value.kind == ValueClass::null ||
        (value.kind == ValueClass::real && std::isnan(value.real)))
      continue;
    std::string scratch;
    const ValueView carried = apply_rule(literal.rules.columns[0], value.view(), scratch);
    Value back;
    const std::string_view why = decode(back, carried.bytes, literal, 0);
    INFO(carried.bytes << " " << why);
    REQUIRE(why.empty());
    REQUIRE(same_value(back.view(), value.view()));
  }
  for (const char* const odd :
       {"", "'", "'it's'", "x'0'", "x'0g'", "1.50", "abc", "inf", "nan", "X'00'"})
    CHECK_THAT(decoded(odd, literal), Catch::StartsWith("misfit"));
  const std::string midnight =
      bytes_of(text("2024-01-01 00:00:00Z").view(), ColumnType::timestamptz);
  const std::string half = bytes_of(text("2024-01-01 00:00:00.5Z").view(), ColumnType::timestamptz);
  const ColumnType zoned = ColumnType::timestamptz;
  CHECK(decoded(midnight, ruled(Cast::epoch_s, zoned, Affinity::integer)) == "1704067200");
  CHECK(decoded(midnight, ruled(Cast::epoch_ms, zoned, Affinity::integer)) == "1704067200000");
  CHECK(decoded(midnight, ruled(Cast::epoch_us, zoned, Affinity::integer)) == "1704067200000000");
  CHECK(decoded(half, ruled(Cast::epoch_s, zoned, Affinity::real)) == "1704067200.5");
  CHECK(decoded(half, ruled(Cast::epoch_ms, zoned, Affinity::integer)) == "1704067200500");
  CHECK(cannot_go_back(ruled(Cast::epoch_s, zoned, Affinity::real)).empty());
  CHECK(cannot_go_back(ruled(Cast::boolean, ColumnType::boolean, Affinity::text)).size() == 1);
  // What a rule that loses something made of a value stays, as long as it is still that.
  const TablePlan truth = ruled(Cast::boolean, ColumnType::boolean, Affinity::text);
  CHECK(still_means(text("yes").view(), std::string_view("\1"), truth, 0));
  CHECK_FALSE(still_means(text("yes").view(), std::string_view("\0", 1), truth, 0));
}

}  // namespace lockstep::postgres
