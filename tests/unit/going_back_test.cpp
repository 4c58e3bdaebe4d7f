// How what cannot go back into SQLite is counted and said.
#include <catch2/catch.hpp>

#include "switchover/going_back.hpp"

namespace lockstep::test {

using switchover::RefusedRows;
using switchover::RowRefused;

TEST_CASE("rows that cannot go back are counted by column, and one alone is named as ever") {
  RefusedRows rows;
  CHECK(rows.empty());
  rows.add(RowRefused("t", "1", {{"at", "infinite"}}));
  CHECK_FALSE(rows.empty());
  CHECK(rows.error().facts().what ==
        "a row of PostgreSQL cannot go back into SQLite: table t, key (1), column at");
  CHECK(rows.error().facts().why == "infinite");
  rows.add(RowRefused("t", "2", {{"at", "infinite"}, {"d", "not a number"}}));
  CHECK(rows.error().facts().what ==
        "2 rows cannot go back (t.at: 2, t.d: 1); the first: a row of PostgreSQL cannot go back "
        "into SQLite: table t, key (1), column at");
  const auto columns = rows.by_column();
  REQUIRE(columns.size() == 2);
  CHECK(columns[0].keys == std::vector<std::string>{"1", "2"});
  CHECK(switchover::counted(columns[0]) == "t.at: 2 rows, key (1), (2): infinite");
  CHECK(switchover::counted({"t", "x", "only PostgreSQL has it"}) == "t.x: only PostgreSQL has it");
  const RowRefused both("t", "3", {{"a", "one"}, {"b", "two"}});
  CHECK(both.facts().why == "a: one; b: two");
  CHECK(both.code() == "LS-X606");
}

TEST_CASE("however many columns cannot go back, what is remembered has an end") {
  RefusedRows rows;
  constexpr int kColumns = 1'000, kRows = 5;
  for (int row = 0; row < kRows; ++row)
    for (int column = 0; column < kColumns; ++column)
      rows.add(RowRefused("t", std::to_string(row), {{"c" + std::to_string(column), "why"}}));
  const auto columns = rows.by_column();
  CHECK(columns.size() == 101);
  std::int64_t sum = 0;
  for (const auto& one : columns) {
    sum += one.rows.value_or(0);
    CHECK(one.keys.size() <= 3);
  }
  CHECK(sum == kColumns * kRows);  // none is lost
  CHECK(rows.error().facts().what.size() < 1'000);
  RefusedRows table;
  table.add("f", Error({.code = "LS-X606", .what = "cannot write", .why = "no such function"}));
  CHECK(table.error().facts().what == "cannot write");
  CHECK_FALSE(table.by_column().front().rows.has_value());
}

}  // namespace lockstep::test
