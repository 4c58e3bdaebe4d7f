#include "capture/emptied.hpp"

#include <catch2/catch.hpp>
#include <utility>

#include "capture/schema_watch.hpp"

namespace lockstep::test {
using capture::column_that_may_come_again;
using capture::ValueCounts;

namespace {

ValueView integer(std::int64_t number) {
  ValueView value;
  value.kind = ValueClass::integer;
  value.integer = number;
  return value;
}

Column named(std::string name) {
  Column column;
  column.name = std::move(name);
  return column;
}

TableShape table(std::vector<Column> columns) {
  TableShape shape;
  shape.name = "t";
  shape.columns = std::move(columns);
  return shape;
}

}  // namespace

TEST_CASE("rows differ in more than were changed only if no value could be that of all others") {
  ValueCounts counts;
  CHECK_FALSE(counts.differ_in_more_than(0));
  counts.add(ValueView{});
  counts.add(ValueView{});
  CHECK_FALSE(counts.differ_in_more_than(0));
  counts.add(integer(0));
  CHECK(counts.differ_in_more_than(0));
  CHECK_FALSE(counts.differ_in_more_than(1));  // one was written since
  counts.add(integer(0));
  counts.add(integer(0));
  CHECK(counts.differ_in_more_than(1));
  CHECK_FALSE(counts.differ_in_more_than(2));
  for (const ValueClass kind : {ValueClass::text, ValueClass::blob, ValueClass::real}) {
    ValueView zero;
    zero.kind = kind;
    zero.bytes = "0";
    counts.add(zero);
  }
  CHECK(counts.differ_in_more_than(4));
  CHECK_FALSE(counts.differ_in_more_than(5));
}

TEST_CASE("a large table is read anew in doubt a few times only, a small one each time") {
  capture::SchemaWatch watch;
  int small = 0, large = 0;
  for (int time = 0; time < 10; ++time) {
    watch.weighed({{"small", "large"}, {"large"}});
    small += static_cast<int>(watch.in_question().count("small"));
    large += static_cast<int>(watch.in_question().count("large"));
    watch.answered("small");
    watch.answered("large");
  }
  CHECK(small == 10);
  CHECK(large == 3);
}

TEST_CASE("the column that may go and come again is the last one with values of its own") {
  TableShape shape = table({named("id"), named("v")});
  CHECK(column_that_may_come_again(shape) == 1);
  shape.columns.push_back(named("g"));
  shape.columns.back().generated = Generated::virtual_column;
  shape.columns.push_back(named("r"));
  shape.columns.back().is_rowid = true;
  CHECK(column_that_may_come_again(shape) == 1);
  // SQLite would refuse to add these to a table with rows.
  shape.columns[1].not_null = true;
  CHECK(column_that_may_come_again(shape) == std::nullopt);
  shape.columns[1].default_sql = "0";
  CHECK(column_that_may_come_again(shape) == 1);
  shape.rowid_alias = 1;
  CHECK(column_that_may_come_again(shape) == std::nullopt);
  shape.rowid_alias.reset();
  shape.indexes.emplace_back();
  shape.indexes.back().terms.emplace_back();
  shape.indexes.back().terms.back().column = 1;
  CHECK(column_that_may_come_again(shape) == 1);
  shape.indexes.back().origin = IndexOrigin::unique_constraint;
  CHECK(column_that_may_come_again(shape) == std::nullopt);
}

}  // namespace lockstep::test
