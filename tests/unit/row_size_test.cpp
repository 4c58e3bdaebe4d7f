#include "link/postgres/row_size.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "model/error.hpp"
#include "tests/support/shape_of.hpp"

using namespace lockstep;
using postgres::RowSize;

namespace {

std::uint64_t size_of(std::size_t columns, const ValueView& value, bool numeric = false) {
  RowSize size(columns);
  for (std::size_t i = 0; i < columns; ++i) size.add(value, numeric);
  return size.bytes();
}

}  // namespace

TEST_CASE("a row is measured as it is on a page, what can be moved away aside") {
  const ValueView number{.kind = ValueClass::integer, .integer = 1};
  const ValueView short_text{.kind = ValueClass::text, .bytes = "abc"};
  const std::string long_bytes(5'000, 'x');
  const ValueView long_text{.kind = ValueClass::text, .bytes = long_bytes};
  CHECK(size_of(8, {}) == 24);
  CHECK(size_of(1, number) == 32);
  CHECK(size_of(1, short_text) == 28);
  CHECK(size_of(1, long_text) == 48);
  CHECK(size_of(1, number, true) == 39);
  RowSize aligned(2);
  aligned.add(short_text, false);
  aligned.add(number, false);
  CHECK(aligned.bytes() == 40);
  // The promise behind kAlwaysFits.
  CHECK(size_of(postgres::kAlwaysFits, long_text) <= postgres::kRowBytesMax);
  CHECK(size_of(340, long_text) > postgres::kRowBytesMax);
}

TEST_CASE("a key that is too long is named, at any place in the row") {
  const TablePlan plan = test::plan_of(1, "CREATE TABLE t(v TEXT, k TEXT PRIMARY KEY)",
                                       {ColumnType::text, ColumnType::text});
  const auto code = [&](const std::string& v, const std::string& k) -> std::string {
    constexpr std::size_t kHead = 9;  // length, table, present
    std::string entry;
    EntryWriter writer(entry);
    writer.begin(1, true);
    writer.put({.kind = ValueClass::text, .bytes = v});
    writer.put({.kind = ValueClass::text, .bytes = k});
    writer.end();
    const std::string_view values = std::string_view(entry).substr(kHead);
    try {
      postgres::check_size(plan, EntryView{.table = 1, .present = true, .values = values});
    } catch (const Error& error) {
      CHECK_THAT(std::string(error.what()), Catch::Contains("t is too large"));
      return error.code();
    }
    return "fits";
  };
  CHECK(code("x", "k") == "fits");
  CHECK(code(std::string(9'000, 'v'), "k") == "fits");
  CHECK(code("x", std::string(2'592, 'k')) == "fits");
  CHECK(code("x", std::string(2'593, 'k')) == "LS-D413");
}
