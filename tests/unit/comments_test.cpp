#include "link/sqlite/comments.hpp"

#include <catch2/catch.hpp>

#include "apply/target_schema.hpp"
#include "tests/support/shape_of.hpp"

using namespace lockstep;

namespace {

std::string shown(const std::string& sql) {
  std::string text;
  for (const sqlite::Comment& comment : sqlite::read_comments(sql))
    text += comment.column + "=" + comment.text + "|";
  return text;
}

}  // namespace

TEST_CASE("a comment belongs to the column beside or below it, or to the table", "[comments]") {
  CHECK(shown(R"(CREATE TABLE orders ( -- what was bought
  -- the number
  id INTEGER PRIMARY KEY, -- never used twice
  total DECIMAL(10,2), /* in euro,
                        * with tax */
  "odd "" name" TEXT DEFAULT '-- no comment' NOT NULL /* odd */,
  state TEXT CHECK (state IN ('a', -- inside
                              'b')), --- dashes
  last INT -- at the end
  -- old INT
);)") == "=what was bought|id=the number\nnever used twice|total=in euro,\nwith tax|"
         "odd \" name=odd|state=dashes|last=at the end|");
  CHECK(shown("CREATE TABLE /* head */ t(a, -- a\nPRIMARY KEY (a) -- of the key\n)") ==
        "=head|a=a|");
  CHECK(shown("CREATE TABLE t(a,\n -- of a constraint\nCONSTRAINT c CHECK (a > 0), -- and this\n"
              "/* of b */ b\n /* in b */ INT)") == "b=of b\nin b|");
  for (const char* none : {"", "CREATE TABLE t(a)", "CREATE TABLE t(a --", "CREATE TABLE t(a --\n)",
                           "CREATE TABLE t(a /*", "CREATE TABLE t(a /**/)", "-- no table"})
    CHECK(shown(none).empty());
}

TEST_CASE("comments are spelled for PostgreSQL, but for those that it cannot hold", "[comments]") {
  const TablePlan plan =
      test::plan_of(1, "CREATE TABLE t( -- it's\na INT, -- \xff\nb INT -- a \\ ä\n)",
                    {ColumnType::bigint, ColumnType::bigint});
  CHECK(apply::comments_sql("public", plan) ==
        std::vector<std::string>{R"(COMMENT ON TABLE "public"."t" IS 'it''s')",
                                 R"(COMMENT ON COLUMN "public"."t"."b" IS E'a \\ ä')"});
}
