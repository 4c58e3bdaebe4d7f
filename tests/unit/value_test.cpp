#include "model/value.hpp"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

using namespace lockstep;

namespace {

ValueView integer(std::int64_t number) {
  return {.kind = ValueClass::integer, .integer = number};
}
ValueView real(double number) {
  return {.kind = ValueClass::real, .real = number};
}
ValueView text(std::string_view bytes) {
  return {.kind = ValueClass::text, .bytes = bytes};
}
ValueView blob(std::string_view bytes) {
  return {.kind = ValueClass::blob, .bytes = bytes};
}

}  // namespace

TEST_CASE("values are the same only if class and bits are") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  // Each is the same as itself and as no other.
  const std::vector<ValueView> all{{},
                                   integer(0),
                                   integer(1),
                                   real(0.0),
                                   real(-0.0),
                                   real(1),
                                   real(nan),
                                   real(std::nextafter(1, 2)),
                                   text(""),
                                   text("1"),
                                   text("a"),
                                   text("a "),
                                   text(std::string_view("a\0", 2)),
                                   blob(""),
                                   blob("a")};
  for (std::size_t i = 0; i < all.size(); ++i)
    for (std::size_t j = 0; j < all.size(); ++j) {
      INFO(i << " and " << j);
      CHECK(same_value(all[i], all[j]) == (i == j));
    }
}

TEST_CASE("a value of its own outlives what it was taken from") {
  std::string bytes = "some text that is longer than a short string";
  const Value kept(text(bytes));
  bytes.assign(bytes.size(), 'x');
  CHECK(same_value(kept.view(), text("some text that is longer than a short string")));
  const Value copy = kept;
  CHECK(same_value(copy.view(), kept.view()));
}

TEST_CASE("values are shown so that their class can be told") {
  CHECK(describe({}) == "NULL");
  CHECK(describe(integer(-42)) == "-42");
  CHECK(describe(integer(std::numeric_limits<std::int64_t>::min())) == "-9223372036854775808");
  CHECK(describe(real(1.5)) == "1.5");
  CHECK(describe(real(0.1)) == "0.1");
  CHECK(describe(real(1.0)) != describe(integer(1)));
  CHECK(describe(real(-0.0)) != describe(real(0.0)));
  CHECK(describe(text("it")) == "'it'");
  CHECK(describe(text("")) == "''");
  CHECK(describe(blob(std::string_view("\x00\xff", 2))) == "x'00ff'");
  CHECK(describe(blob("")) == "x''");
}

TEST_CASE("a shown value is short and leaves the terminal alone") {
  const std::string sixty(60, 'a'), fifty_nine(59, 'a');
  CHECK(describe(text(sixty)) == fmt::format("'{}'", sixty));
  CHECK(describe(text(sixty + "a")) == fmt::format("'{}'... (61 bytes)", sixty));
  CHECK(describe(blob(std::string(31, 'a'))).ends_with("'... (31 bytes)"));
  CHECK(describe(text("\x1b[2J\r\n\x7f")) == "'\\x1b[2J\\x0d\\x0a\\x7f'");
  CHECK(describe(text(std::string_view("a\0b", 3))) == "'a\\x00b'");
  CHECK(describe(text("\xffz")) == "'\\xffz'");
  CHECK(describe(text("größe")) == "'größe'");
  // Not cut in the middle of a character.
  CHECK(describe(text(fifty_nine + "é")) == fmt::format("'{}é'... (61 bytes)", fifty_nine));
}
