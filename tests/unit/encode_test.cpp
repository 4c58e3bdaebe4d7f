#include "link/postgres/encode.hpp"

#include <catch2/catch.hpp>
#include <cstdint>
#include <limits>

using namespace lockstep;
using namespace lockstep::postgres;

namespace {

ValueView integer(std::int64_t value) {
  return {.kind = ValueClass::integer, .integer = value};
}
ValueView real(double value) {
  return {.kind = ValueClass::real, .real = value};
}
ValueView text(std::string_view bytes) {
  return {.kind = ValueClass::text, .bytes = bytes};
}
ValueView blob(std::string_view bytes) {
  return {.kind = ValueClass::blob, .bytes = bytes};
}

constexpr ColumnType kTypes[] = {ColumnType::bigint, ColumnType::double_precision, ColumnType::text,
                                 ColumnType::bytea};

std::string field(const ValueView& value, ColumnType type) {
  std::string out = "before";
  append_field(out, value, type);
  REQUIRE(out.substr(0, 6) == "before");
  return out.substr(6);
}

std::string bytes(std::initializer_list<int> values) {
  std::string out;
  for (const int value : values) out += static_cast<char>(value);
  return out;
}

std::string utf8_of(std::uint32_t point) {
  const auto tail = [&](int shift) { return static_cast<char>(0x80 | ((point >> shift) & 0x3f)); };
  if (point < 0x80) return {static_cast<char>(point)};
  if (point < 0x800) return {static_cast<char>(0xc0 | (point >> 6)), tail(0)};
  if (point < 0x10000) return {static_cast<char>(0xe0 | (point >> 12)), tail(6), tail(0)};
  return {static_cast<char>(0xf0 | (point >> 18)), tail(12), tail(6), tail(0)};
}

}  // namespace

TEST_CASE("fields are a big-endian length and the value") {
  CHECK(field(integer(std::numeric_limits<std::int64_t>::min()), ColumnType::bigint) ==
        bytes({0, 0, 0, 8, 0x80, 0, 0, 0, 0, 0, 0, 0}));
  CHECK(field(integer(0x0102030405060708), ColumnType::bigint) ==
        bytes({0, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8}));
  CHECK(field(real(-2.0), ColumnType::double_precision) ==
        bytes({0, 0, 0, 8, 0xc0, 0, 0, 0, 0, 0, 0, 0}));
  CHECK(field(text("abc"), ColumnType::text) == bytes({0, 0, 0, 3, 'a', 'b', 'c'}));
  CHECK(field(blob({"\0\xff", 2}), ColumnType::bytea) == bytes({0, 0, 0, 2, 0, 0xff}));
  CHECK(field(text(""), ColumnType::text) == bytes({0, 0, 0, 0}));
  for (const ColumnType type : kTypes) CHECK(field({}, type) == bytes({0xff, 0xff, 0xff, 0xff}));
}

TEST_CASE("a tuple head is the number of its fields, a raw value has no length") {
  std::string out;
  append_tuple_head(out, 1600);
  append_raw(out, integer(-2), ColumnType::bigint);
  append_raw(out, text("x"), ColumnType::text);
  CHECK(out == bytes({0x06, 0x40, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 'x'}));
}

TEST_CASE("only the own class of a column fits it, and NULL fits all") {
  const ValueView values[] = {integer(1), real(1), text("1"), blob("1")};
  for (std::size_t value = 0; value < 4; ++value)
    for (std::size_t type = 0; type < 4; ++type)
      CHECK(misfit_of(values[value], kTypes[type]) ==
            (value == type ? Misfit::none : Misfit::wrong_class));
  for (const ColumnType type : kTypes) CHECK(misfit_of({}, type) == Misfit::none);
}

TEST_CASE("infinities fit double precision, NaN does not") {
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK(misfit_of(real(infinity), ColumnType::double_precision) == Misfit::none);
  CHECK(misfit_of(real(-infinity), ColumnType::double_precision) == Misfit::none);
  CHECK(misfit_of(real(std::numeric_limits<double>::quiet_NaN()), ColumnType::double_precision) ==
        Misfit::wrong_class);
}

TEST_CASE("NUL and bad UTF-8 are found at every place of a text, and the first one is told") {
  for (std::size_t size = 1; size < 40; ++size) {
    for (std::size_t at = 0; at < size; ++at) {
      std::string bad(size, 'a');
      CHECK(misfit_of(text(bad), ColumnType::text) == Misfit::none);
      bad[at] = '\0';
      CHECK(misfit_of(text(bad), ColumnType::text) == Misfit::nul_in_text);
      CHECK(misfit_of(blob(bad), ColumnType::bytea) == Misfit::none);
      CHECK(valid_utf8(bad));
      bad[at] = '\x80';
      CHECK(misfit_of(text(bad), ColumnType::text) == Misfit::invalid_utf8);
      CHECK_FALSE(valid_utf8(bad));
      bad += '\0';
      CHECK(misfit_of(text(bad), ColumnType::text) == Misfit::invalid_utf8);
    }
  }
  CHECK(misfit_of(text({"\0\x80", 2}), ColumnType::text) == Misfit::nul_in_text);
}

TEST_CASE("a byte of 0x01 or 0x7f next to a NUL or a letter is no NUL") {
  const std::string odd = "\x01\x7f\x01\x01\x7f\x01\x7f\x01\x01\x01";
  for (std::size_t size = 0; size <= odd.size(); ++size)
    CHECK(misfit_of(text(std::string_view(odd).substr(0, size)), ColumnType::text) == Misfit::none);
}

TEST_CASE("every code point is valid except the surrogates, and no end of it may be missing") {
  for (std::uint32_t point = 0; point <= 0x10ffff; ++point) {
    const std::string one = utf8_of(point);
    const bool surrogate = point >= 0xd800 && point <= 0xdfff;
    if (valid_utf8(one) == surrogate || valid_utf8("ascii---" + one + "tail") == surrogate) {
      INFO(point);
      REQUIRE(false);
    }
    if (one.size() > 1 && valid_utf8(one.substr(0, one.size() - 1))) {
      INFO(point);
      REQUIRE(false);
    }
  }
}

TEST_CASE("overlong forms, what lies beyond U+10FFFF and stray bytes are not UTF-8") {
  for (const std::string_view bad :
       {"\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80", "\xff",
        "\xbf", "\xc3(", "\xe2\x82(", "\xe2(\x82", "\xf0\x9f\x92(", "\xed\xa0\x80", "\xc3\xa9\x80"})
    CHECK_FALSE(valid_utf8(bad));
  CHECK(valid_utf8("\xc3\xa9\xe2\x82\xac\xf0\x9f\x92\xa9z"));
}
