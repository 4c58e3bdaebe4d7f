#include <catch2/catch.hpp>

#include "verify/range.hpp"

using namespace lockstep;

TEST_CASE("both ends compare a column that may become text only while it has one type") {
  TablePlan plan;
  plan.shape.name = "t";
  plan.shape.columns.resize(2);
  plan.shape.columns[0].name = "id";
  plan.shape.columns[1].name = "n";
  plan.shape.key = {0};
  plan.types = {ColumnType::bigint, ColumnType::date};
  // Nothing of it may become text: as lockstep of before says it.
  CHECK(verify::compared_shape(plan) == fingerprint(plan.shape));
  plan.on_bad_value = {OnBadValue::stop, OnBadValue::text};
  TablePlan text = plan;
  text.types[1] = ColumnType::text;
  TablePlan ruled = text;
  ruled.rules.columns.resize(2);
  ruled.rules.columns[1].cast = Cast::text;
  CHECK(verify::compared_shape(plan) != verify::compared_shape(text));
  CHECK(verify::compared_shape(text) != verify::compared_shape(ruled));
  CHECK(verify::compared_shape(text) == verify::compared_shape(TablePlan(text)));
}
