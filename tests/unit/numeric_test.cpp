#include "link/postgres/numeric.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "link/postgres/encode.hpp"
#include "link/postgres/entry_check.hpp"
#include "model/error.hpp"
#include "model/row_stream.hpp"
#include "tests/support/shape_of.hpp"

using namespace lockstep;
using namespace lockstep::postgres;

namespace {

constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kTwoTo63 = 9'223'372'036'854'775'808.0;

ValueView integer(std::int64_t value) {
  return {.kind = ValueClass::integer, .integer = value};
}
ValueView real(double value) {
  return {.kind = ValueClass::real, .real = value};
}

std::string raw(const ValueView& value) {
  std::string out;
  append_numeric(out, value);
  return out;
}

std::string words(const std::vector<int>& numbers) {
  std::string out;
  for (const int number : numbers) {
    out += static_cast<char>(number >> 8 & 0xff);
    out += static_cast<char>(number & 0xff);
  }
  return out;
}

std::string shown(const std::vector<int>& numbers) {
  return describe(decode_numeric(words(numbers)).view());
}

}  // namespace

TEST_CASE("a number is digits to base 10,000, with as many decimals as it has") {
  // count, weight, sign, scale, digits
  CHECK(raw(integer(0)) == words({0, 0, 0, 0}));
  CHECK(raw(integer(7)) == words({1, 0, 0, 0, 7}));
  CHECK(raw(integer(-10'000)) == words({1, 1, 0x4000, 0, 1}));
  CHECK(raw(integer(10'001)) == words({2, 1, 0, 0, 1, 1}));
  CHECK(raw(integer(kMax)) == words({5, 4, 0, 0, 922, 3372, 368, 5477, 5807}));
  CHECK(raw(integer(kMin)) == words({5, 4, 0x4000, 0, 922, 3372, 368, 5477, 5808}));
  CHECK(raw(real(12.3)) == words({2, 0, 0, 1, 12, 3000}));
  CHECK(raw(real(-0.05)) == words({1, -1, 0x4000, 2, 500}));
  CHECK(raw(real(0.00012345)) == words({2, -1, 0, 8, 1, 2345}));
  CHECK(raw(real(0.00001)) == words({1, -2, 0, 5, 1000}));
  CHECK(raw(real(1e23)) == words({1, 5, 0, 0, 1000}));
  CHECK(raw(real(5e-324)) == words({1, -81, 0, 324, 5}));
  CHECK(raw(real(kTwoTo63)) == words({5, 4, 0, 0, 922, 3372, 368, 5477, 6000}));
  CHECK(raw(real(kInfinity)) == words({0, 0, 0xd000, 0}));
  CHECK(raw(real(-kInfinity)) == words({0, 0, 0xf000, 0}));
  std::string field;
  append_field(field, real(12.3), ColumnType::numeric);
  CHECK(field == words({0, 12}) + raw(real(12.3)));
  field.clear();
  append_raw(field, integer(7), ColumnType::numeric);
  CHECK(field == raw(integer(7)));
}

TEST_CASE("numeric takes what comes back from it with its class and its bits") {
  for (const std::int64_t value : {std::int64_t{0}, std::int64_t{-1}, kMin, kMax}) {
    CHECK(misfit_of(integer(value), ColumnType::numeric) == Misfit::none);
    CHECK(same_value(decode_numeric(raw(integer(value))).view(), integer(value)));
  }
  for (const double value :
       {0.5, -0.1, 1e23, 5e-324, 1.7976931348623157e308, 0.1 + 0.2, kTwoTo63, -kTwoTo63,
        std::nextafter(1.0, 2.0), 4503599627370495.5, kInfinity, -kInfinity}) {
    INFO(value);
    CHECK(misfit_of(real(value), ColumnType::numeric) == Misfit::none);
    CHECK(same_value(decode_numeric(raw(real(value))).view(), real(value)));
  }
  for (const double value :
       {0.0, -0.0, 5.0, -1e18, std::nextafter(kTwoTo63, 0.0), std::nextafter(-kTwoTo63, 0.0)}) {
    INFO(value);
    CHECK(misfit_of(real(value), ColumnType::numeric) == Misfit::whole_real);
  }
  CHECK(misfit_of(real(std::nan("")), ColumnType::numeric) == Misfit::wrong_class);
  CHECK(misfit_of({.kind = ValueClass::text, .bytes = "1"}, ColumnType::numeric) ==
        Misfit::wrong_class);
  CHECK(misfit_of({.kind = ValueClass::blob, .bytes = "1"}, ColumnType::numeric) ==
        Misfit::wrong_class);
  CHECK(misfit_of({}, ColumnType::numeric) == Misfit::none);
}

TEST_CASE("a numeric that holds reals alone takes whole ones, and gives them back as reals") {
  const double below = std::nextafter(kTwoTo63, 0.0);
  CHECK(raw(real(5.0)) == raw(integer(5)));
  CHECK(raw(real(below)) == raw(integer(9'223'372'036'854'774'784)));
  for (const double value : {0.0, 5.0, -1e18, 9'007'199'254'740'992.0, below, -below, 0.5, 1e23}) {
    INFO(value);
    CHECK(fits_numeric_of_reals(real(value)));
    Value back = decode_numeric(raw(real(value)));
    make_real(back);
    CHECK(same_value(back.view(), real(value)));
  }
  CHECK_FALSE(fits_numeric_of_reals(real(-0.0)));
  CHECK_FALSE(fits_numeric_of_reals(real(std::nan(""))));
  CHECK_FALSE(fits_numeric_of_reals({.kind = ValueClass::text, .bytes = "5"}));
  // What no real equals stays what it is.
  for (const std::int64_t value : {std::int64_t{9'007'199'254'740'993}, kMax, kMax - 511}) {
    Value odd(integer(value));
    make_real(odd);
    CHECK(same_value(odd.view(), integer(value)));
  }
}

TEST_CASE("zeros at the end of a numeric say nothing, its value says the class") {
  CHECK(shown({2, 0, 0, 2, 5, 0}) == "5");
  CHECK(shown({2, 0, 0, 2, 5, 1000}) == "5.1");
  CHECK(shown({0, 0, 0x4000, 3}) == "0");
  CHECK(shown({1, 2, 0, 0, 3}) == "300000000");
  CHECK(shown({5, 4, 0, 0, 922, 3372, 368, 5477, 5807}) == "9223372036854775807");
}

TEST_CASE("a number that no value is written as is told by its digits") {
  CHECK(shown({0, 0, 0xc000, 0}) == "'NaN'");
  // These would read as 0.1, as 2^63 and as 4.0.
  CHECK(shown({5, -1, 0, 17, 1000, 0, 0, 0, 1000}) == "'0.10000000000000001'");
  CHECK(shown({5, 4, 0, 0, 922, 3372, 368, 5477, 5808}) == "'9223372036854775808'");
  CHECK(shown({7, 0, 0, 24, 4, 0, 0, 0, 0, 0, 1}) == "'4.000000000000000000000001'");
  CHECK(shown({1, -100, 0, 400, 1}) == "'0." + std::string(58, '0') + "'... (402 bytes)");
  CHECK(decode_numeric(words({1, 100, 0, 0, 1})).bytes == "1" + std::string(400, '0'));
}

TEST_CASE("bytes that are no numeric are told as bytes") {
  for (const std::vector<int>& bad : std::vector<std::vector<int>>{
           {}, {0, 0, 0}, {1, 0, 0, 0}, {0, 0, 0, 0, 1}, {1, 0, 0, 0, 10'000}, {1, 0, 1, 0, 1}}) {
    const std::string bytes = words(bad);
    CHECK(same_value(decode_numeric(bytes).view(), {.kind = ValueClass::blob, .bytes = bytes}));
  }
}

TEST_CASE("an entry with a real that numeric would turn into an integer is refused by name") {
  TablePlan plan = test::plan_of(1, "CREATE TABLE t(id INTEGER PRIMARY KEY, price DECIMAL)",
                                 {ColumnType::bigint, ColumnType::numeric});
  const auto refusal = [&](const ValueView& price) -> std::string {
    std::string bytes;
    EntryWriter writer(bytes);
    writer.begin(1, true);
    writer.put(integer(7));
    writer.put(price);
    writer.end();
    EntryReader reader;
    reader.feed(bytes);
    try {
      static_cast<void>(check_entry(plan, reader.next().value()));
    } catch (const Error& error) {
      return error.facts().code + " " + error.facts().what + ": " + error.facts().why;
    }
    return "";
  };
  CHECK(refusal(integer(5)).empty());
  CHECK(refusal(real(5.5)).empty());
  CHECK(refusal({}).empty());
  CHECK(
      refusal(real(5.0)) ==
      "LS-D401 a value of t.price cannot be stored in PostgreSQL as it is: row id=7, value 5.0: a "
      "real equal to an integer, which numeric could not tell from that integer");
  CHECK(refusal({.kind = ValueClass::text, .bytes = "n/a"}) ==
        "LS-D401 a value of t.price cannot be stored in PostgreSQL as it is: row id=7, value "
        "'n/a': it is text, the column was decided to be numeric");
  // Of a table that was there, where SQLite's column says that all are reals.
  plan.existing.emplace();
  plan.existing->columns = {
      {"id", "bigint", true, parse_target_type("bigint").value()},
      {"price", "numeric(15,4)", false, parse_target_type("numeric(15,4)").value()}};
  CHECK_THAT(refusal(real(5.0)), Catch::Contains("a real equal to an integer"));
  plan.shape.columns[1].affinity = Affinity::real;
  CHECK(refusal(real(5.0)).empty());
  CHECK(refusal(real(5.5)).empty());
  CHECK_THAT(refusal(real(5.12345)), Catch::Contains("more digits behind the point"));
  CHECK_THAT(refusal(real(-0.0)), Catch::Contains("a real equal to an integer"));
  plan.rules.columns.resize(2);
  plan.rules.columns[1].cast = Cast::double_precision;  // its values are the rule's
  CHECK_THAT(refusal(real(5.0)), Catch::Contains("a real equal to an integer"));
}
