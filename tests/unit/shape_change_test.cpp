#include <catch2/catch.hpp>

#include "model/shape_change.hpp"
#include "ops/added_columns.hpp"

namespace lockstep {
namespace {

Column column(const std::string& name, const std::string& type) {
  Column made;
  made.name = name;
  made.declared_type = type;
  made.affinity = affinity_of(type);
  return made;
}

TableShape shape() {
  TableShape table;
  table.name = "t";
  table.columns = {column("id", "INTEGER"), column("n", "INT")};
  table.key = {0};
  table.rowid_alias = 0;
  return table;
}

const Column kMore = column("more", "TEXT");

}  // namespace

TEST_CASE("another key, kind of key or affinity can never be followed", "[shape_change]") {
  const TableShape before = shape();
  TableShape other_key = before, text_key = before, plain_key = before;
  other_key.key = {0, 1};
  other_key.rowid_alias.reset();
  text_key.columns[0].declared_type = "TEXT";
  text_key.columns[0].affinity = Affinity::text;
  plain_key.columns[0].declared_type = "INT";
  plain_key.rowid_alias.reset();
  for (const TableShape& now : {other_key, text_key, plain_key}) {
    const ShapeChange change = shape_change(before, now);
    CHECK_FALSE(change.same);
    CHECK(change.altered.size() == 1);
    CHECK_FALSE(change.can_be_followed());
  }
}

TEST_CASE("columns are appended only if all else is as it was", "[shape_change]") {
  const TableShape before = shape();
  TableShape appended = before;
  appended.columns.push_back(kMore);
  CHECK(only_appended(before, appended));
  CHECK_FALSE(only_appended(before, before));
  TableShape between = before;
  between.columns.insert(between.columns.begin() + 1, kMore);
  CHECK_FALSE(only_appended(before, between));
  TableShape indexed = appended;
  indexed.indexes.emplace_back().name = "i";
  CHECK_FALSE(only_appended(before, indexed));
  TableShape retyped = appended;
  retyped.columns[1].declared_type = "BIGINT";
  CHECK_FALSE(only_appended(before, retyped));
  TableShape by_rowid = appended;
  by_rowid.keyed_by_rowid = true;
  CHECK_FALSE(only_appended(before, by_rowid));
}

TEST_CASE("a rebuild cannot hide behind as many columns as it has statements", "[shape_change]") {
  CHECK(ops::only_columns_came(4, 5, 1));
  CHECK(ops::only_columns_came(0, 6, 6));
  CHECK_FALSE(ops::only_columns_came(4, 6, 1));
  CHECK_FALSE(ops::only_columns_came(4, 11, 7));
  CHECK_FALSE(ops::only_columns_came(-1, 0, 1));
  CHECK_FALSE(ops::only_columns_came(5, 4, 1));
  CHECK_FALSE(ops::only_columns_came(4, 4, 0));
}

}  // namespace lockstep
