// Which values a column of a table that was there holds as they are.
#include "model/target_type.hpp"

#include <catch2/catch.hpp>
#include <limits>

#include "verify/json_meaning.hpp"

namespace lockstep {
namespace {

bool fits(const ValueView& value, std::string_view type) {
  const auto parsed = parse_target_type(type);
  REQUIRE(parsed);
  return misfit_of_target(value, *parsed).empty();
}
bool fits(std::int64_t value, std::string_view type) {
  return fits(ValueView{.kind = ValueClass::integer, .integer = value}, type);
}
bool fits(double value, std::string_view type) {
  return fits(ValueView{.kind = ValueClass::real, .real = value}, type);
}
bool fits(const char* value, std::string_view type) {
  return fits(ValueView{.kind = ValueClass::text, .bytes = value}, type);
}

}  // namespace

TEST_CASE("numbers fit a type of the target only where it keeps every bit and digit") {
  CHECK(fits(std::int64_t{32767}, "smallint"));
  CHECK_FALSE(fits(std::int64_t{32768}, "smallint"));
  CHECK(fits(std::int64_t{-2147483648}, "integer"));
  CHECK_FALSE(fits(std::int64_t{-2147483649}, "integer"));
  CHECK(fits(std::numeric_limits<std::int64_t>::min(), "bigint"));
  CHECK_FALSE(fits(1.0, "bigint"));
  CHECK_FALSE(fits(std::int64_t{1}, "double precision"));
  CHECK(fits(0.5, "real"));
  CHECK_FALSE(fits(0.1, "real"));
  CHECK_FALSE(fits(1e300, "real"));
  CHECK(fits(std::int64_t{99999999}, "numeric(10,2)"));
  CHECK_FALSE(fits(std::int64_t{100000000}, "numeric(10,2)"));
  CHECK(fits(99999999.25, "numeric(10,2)"));
  CHECK_FALSE(fits(0.125, "numeric(10,2)"));
  CHECK(fits(0.00123, "numeric(3,5)"));
  CHECK(fits(0.0, "numeric(3,5)"));
  CHECK_FALSE(fits(0.0123, "numeric(3,5)"));
  CHECK_FALSE(fits(0.001234, "numeric(3,5)"));
  CHECK(fits(0.0625, "numeric(4,4)"));
  CHECK_FALSE(fits(std::int64_t{100}, "numeric(4,-2)"));
  CHECK_FALSE(fits(std::numeric_limits<double>::infinity(), "numeric(4,2)"));
  CHECK(fits(1e-300, "numeric"));
  CHECK(fits(std::int64_t{1}, "boolean"));
  CHECK_FALSE(fits(std::int64_t{2}, "boolean"));
}

TEST_CASE("texts fit a type of the target only where nothing is cut, padded or rounded") {
  CHECK(fits("\xc3\xa9\xc3\xa9\xc3\xa9", "character varying(3)"));
  CHECK_FALSE(fits("abcd", "character varying(3)"));
  // The server itself would cut blanks at the end without a word.
  CHECK_FALSE(fits("abc ", "character varying(3)"));
  CHECK(fits("abc", "character(3)"));
  CHECK_FALSE(fits("ab", "character(3)"));
  CHECK_FALSE(fits("ab ", "character(3)"));
  CHECK(fits("2024-01-02 03:04:05.123000", "timestamp(3) without time zone"));
  CHECK_FALSE(fits("2024-01-02 03:04:05.1234", "timestamp(3) without time zone"));
  CHECK(fits("2024-01-02 03:04:05Z", "timestamp with time zone"));
  CHECK_FALSE(fits("2024-01-02", "timestamp with time zone"));
  CHECK(fits("12:30", "time without time zone"));
  CHECK(fits("12:30:00.120000", "time(2) without time zone"));
  CHECK_FALSE(fits("12:30:00.123", "time(2) without time zone"));
  CHECK_FALSE(fits("12:30:00Z", "time without time zone"));
  CHECK_FALSE(fits("24:00:00", "time without time zone"));
  CHECK(fits(R"({"a": "\ud83d\ude00", "b": 1e5})", "jsonb"));
  CHECK(fits(R"({"a": "\u0000"})", "json"));
  CHECK_FALSE(fits(R"({"a": "\u0000"})", "jsonb"));
  CHECK_FALSE(fits(R"({"a": "\ud83d"})", "jsonb"));
  CHECK_FALSE(fits(R"({"a": "\ude00"})", "jsonb"));
  CHECK_FALSE(fits("1e200000", "jsonb"));
  const auto number = [](std::size_t whole, std::size_t fraction, const std::string& behind = "") {
    return "[" + std::string(whole, '7') + "." + std::string(fraction, '0') + behind + ", 1]";
  };
  CHECK(fits(number(131'072, 16'383).c_str(), "jsonb"));
  CHECK_FALSE(fits(number(131'073, 1).c_str(), "jsonb"));
  CHECK_FALSE(fits(number(1, 16'384).c_str(), "jsonb"));
  CHECK(fits(number(1, 16'384).c_str(), "json"));
  CHECK(fits(number(1, 16'384, "e1").c_str(), "jsonb"));
  CHECK_FALSE(fits(number(1, 16'383, "E-1").c_str(), "jsonb"));
  CHECK_FALSE(fits(number(131'072, 1, "e+1").c_str(), "jsonb"));
  CHECK(fits(("[1.5,2e3,\"" + std::string(131'073, '7') + "\",0.25e-1]").c_str(), "jsonb"));
  CHECK(fits(R"("\\u0000")", "jsonb"));
  CHECK_FALSE(fits("x", "bytea"));
  for (const char* type :
       {"cidr", "integer[]", "mood", "interval day to second", "citext", "money", "\"char\""})
    CHECK_FALSE(parse_target_type(type));
}

TEST_CASE("addresses fit as PostgreSQL spells them, labels as they are") {
  for (const char* address :
       {"10.0.0.1", "10.0.0.1/24", "0.0.0.0/0", "::", "::1", "2001:db8::ff:0/64", "::ffff:10.1.2.3",
        "::1.2.3.4", "1:0:2:3:4:5:6:7"}) {
    INFO(address);
    CHECK(fits(address, "inet"));
  }
  for (const char* address : {"10.0.0.1/32", "10.0.0.01", "10.0.0", "10.0.0.1/033", "10.0.0.1/",
                              "2001:DB8::1", "0:0::1", "::1/128", "::ffff:a01:203", " ::1",
                              "fe80::1%eth0", "", "localhost", "10.0.0.1/-1", "10.0.0.1/+1"}) {
    INFO(address);
    CHECK_FALSE(fits(address, "inet"));
  }
  CHECK_FALSE(fits(std::int64_t{1}, "inet"));
  const TargetType mood{TargetKind::enumeration, 0, 0, {"sad", "it''s \"ok\""}};
  const auto is_label = [&](std::string_view text) {
    return misfit_of_target({.kind = ValueClass::text, .bytes = text}, mood).empty();
  };
  CHECK(is_label("sad"));
  CHECK(is_label("it''s \"ok\""));
  CHECK_FALSE(is_label("SAD"));
  CHECK_FALSE(is_label(""));
}

TEST_CASE("integers fit as microseconds into an interval, as milliseconds into an instant") {
  CHECK(fits("1969-12-31 23:59:59.999999", "interval"));
  CHECK_FALSE(fits("1970-01-02 00:00:00.000001", "interval(3)"));
  CHECK_FALSE(fits("1970-01-02 00:00:00Z", "interval"));
  CHECK_FALSE(fits("1 day", "interval"));
  CHECK(fits(std::numeric_limits<std::int64_t>::min(), "interval"));
  CHECK_FALSE(fits(std::int64_t{1}, "interval(3)"));
  CHECK_FALSE(fits(1.5, "interval"));
  CHECK(fits(std::int64_t{1704164645678}, "timestamp(3) without time zone"));
  CHECK(fits(std::int64_t{1704164645678}, "timestamp with time zone"));
  CHECK_FALSE(fits(std::int64_t{1704164645678}, "timestamp(2) without time zone"));
  CHECK(fits(std::int64_t{1704164645000}, "timestamp(0) without time zone"));
  CHECK_FALSE(fits(std::int64_t{999'999'999'999'999}, "timestamp without time zone"));
  CHECK_FALSE(fits(1.5, "timestamp without time zone"));
}

TEST_CASE("two JSON texts have one meaning if jsonb takes them for equal") {
  const auto same = [](std::string_view a, std::string_view b) {
    return verify::json_meaning(a) == verify::json_meaning(b);
  };
  CHECK(same(R"({"b": 1.50, "a": [true, null]})", R"({"a":[true,null],"b":15e-1})"));
  CHECK(same(R"({"a": 1, "a": 2})", R"({"a": 2})"));
  CHECK(same(R"("\u00e9")", "\"\xc3\xa9\""));
  CHECK(same("18446744073709551617", "18446744073709551617.0"));
  CHECK_FALSE(same("18446744073709551617", "18446744073709551616"));
  CHECK_FALSE(same("0.1", "0.10000000000000001"));
  CHECK_FALSE(same("[1,2]", "[2,1]"));
  CHECK_FALSE(same("\"1\"", "1"));
  CHECK_FALSE(same("{}", "[]"));
  CHECK(same("-0", "0"));
  // jsonb keeps numbers that no double has room for.
  CHECK(same("[1e400, -2.5E-400]", "[10e399,-25e-401]"));
  CHECK(same("1e3", "1000"));
  CHECK(same("1" + std::string(400, '0'), "1e400"));
  CHECK_FALSE(same("1e400", "1e401"));
  CHECK_FALSE(same("\"1e400\"", "1e400"));
  // What is no JSON stays as it is.
  for (const char* text : {"01", "1.", "-", "1e", "+1", "[1 2]", "\"\\", "1e400x"})
    CHECK(verify::json_meaning(text) == text);
}

}  // namespace lockstep
