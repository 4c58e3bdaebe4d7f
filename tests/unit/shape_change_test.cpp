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
  CHECK(statements_between(before, appended) == 1U);
  CHECK_FALSE(statements_between(before, before));
  CHECK_FALSE(statements_between(appended, before));
  TableShape between = before;
  between.columns.insert(between.columns.begin() + 1, kMore);
  CHECK_FALSE(statements_between(before, between));
  TableShape retyped = appended;
  retyped.columns[1].declared_type = "BIGINT";
  CHECK_FALSE(statements_between(before, retyped));
  TableShape by_rowid = appended;
  by_rowid.keyed_by_rowid = true;
  CHECK_FALSE(statements_between(before, by_rowid));
}

TEST_CASE("each index that came or went is a statement, if it was made by one", "[shape_change]") {
  const auto with = [](TableShape table, const std::string& name, bool unique = false) {
    Index& index = table.indexes.emplace_back();
    index.name = name;
    index.unique = unique;
    index.terms.emplace_back().column = 1;
    return table;
  };
  const TableShape none = shape(), one = with(none, "i"), two = with(one, "j");
  CHECK(statements_between(none, one) == 1U);
  CHECK(statements_between(none, two) == 2U);
  CHECK(statements_between(two, none) == 2U);
  CHECK(statements_between(one, with(none, "j")) == 2U);
  TableShape more = one;
  more.columns.push_back(kMore);
  CHECK(statements_between(none, more) == 2U);
  TableShape descending = one;
  descending.indexes[0].terms[0].descending = true;
  CHECK(statements_between(one, descending) == 2U);
  // What REPLACE takes away by a new one is not logged yet; of one that went it is, for nothing.
  const TableShape unique = with(none, "i", true);
  CHECK_FALSE(statements_between(none, unique));
  CHECK_FALSE(statements_between(one, unique));
  CHECK(statements_between(unique, none) == 1U);
  // A constraint's goes with a rebuild only.
  TableShape constraint = unique;
  constraint.indexes[0].origin = IndexOrigin::unique_constraint;
  CHECK_FALSE(statements_between(constraint, none));
  CHECK_FALSE(statements_between(none, constraint));
}

TEST_CASE("a rebuild cannot hide behind as many columns as it has statements", "[shape_change]") {
  CHECK(ops::nothing_else_happened(4, 5, 1));
  CHECK(ops::nothing_else_happened(0, 6, 6));
  CHECK_FALSE(ops::nothing_else_happened(4, 6, 1));
  CHECK_FALSE(ops::nothing_else_happened(4, 11, 7));
  CHECK_FALSE(ops::nothing_else_happened(-1, 0, 1));
  CHECK_FALSE(ops::nothing_else_happened(5, 4, 1));
  CHECK_FALSE(ops::nothing_else_happened(4, 4, 0));
}

TEST_CASE("what triggers and expressions lean on is told, though no column changed",
          "[shape_change]") {
  const TableShape before = shape();
  TableShape bare = before, folded = before, any = before;
  bare.without_rowid = true;
  folded.columns[1].collation = "NOCASE";
  any.columns[1].affinity = Affinity::blob;
  for (const TableShape& now : {bare, folded, any}) {
    CHECK(fingerprint(now) == fingerprint(before));
    CHECK(stored_otherwise(before, now).size() == 1);
    CHECK_FALSE(shape_change(before, now).same);
    CHECK_FALSE(statements_between(before, now));
  }
  CHECK(shape_change(before, bare).can_be_followed());
  CHECK(shape_change(before, folded).can_be_followed());
  CHECK_FALSE(shape_change(before, any).can_be_followed());
  CHECK(stored_otherwise(before, before).empty());
}

TEST_CASE("a type that is carried brings its spelling and what was told of it", "[shape_change]") {
  TablePlan before;
  before.id = 7;
  before.shape = shape();
  before.shape.columns = {column("id", "INTEGER"), column("n", "UUID"), column("d", "DATETIME")};
  before.types = {ColumnType::bigint, ColumnType::uuid, ColumnType::timestamp};
  before.spellings = {{}, {1, true}, {3, false}};
  before.left_out = {"plain index i: too long", "the type that id (INTEGER) promises: before"};
  TablePlan now = before;
  now.id = 1;
  now.types[1] = ColumnType::text;
  now.spellings = {{}, {}, {1, true}};
  now.left_out = {"plain index k: too long", "the type that n (UUID) promises: now"};
  const TablePlan carried = carry_decisions(before, now);
  CHECK(carried.id == 7);
  CHECK(carried.types == before.types);
  CHECK(carried.spellings == std::vector<ColumnSpelling>{{}, {1, true}, {1, true}});
  CHECK(carried.left_out ==
        std::vector<std::string>{"plain index k: too long",
                                 "the type that id (INTEGER) promises: before"});
}

}  // namespace lockstep
