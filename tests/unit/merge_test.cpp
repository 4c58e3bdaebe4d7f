#include "apply/merge.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "tests/support/shape_of.hpp"

using namespace lockstep;
using namespace lockstep::apply;
using test::plan_of;

namespace {

TablePlan orders() {
  return plan_of(
      4,
      "CREATE TABLE \"or\"\"ders\"(v REAL, b TEXT, \"lockstep_present\" BLOB, a INT, PRIMARY "
      "KEY(b, a))",
      {ColumnType::double_precision, ColumnType::text, ColumnType::bytea, ColumnType::bigint},
      "or\"ders");
}
TablePlan keys_only() {
  return plan_of(5, "CREATE TABLE t(a INT, b INT, PRIMARY KEY(b, a))",
                 {ColumnType::bigint, ColumnType::bigint});
}

}  // namespace

TEST_CASE("statements for one row name every column and every type") {
  CHECK(
      insert_row_sql("app", orders()) ==
      R"(INSERT INTO "app"."or""ders" ("v", "b", "lockstep_present", "a") VALUES ($1::double precision, $2::text, )"
      R"($3::bytea, $4::bigint))");
  CHECK(
      upsert_row_sql("app", orders()) ==
      R"(INSERT INTO "app"."or""ders" ("v", "b", "lockstep_present", "a") VALUES ($1::double precision, $2::text, )"
      R"($3::bytea, $4::bigint) ON CONFLICT ("b" COLLATE pg_catalog."default", "a") DO UPDATE SET "v" = EXCLUDED."v", )"
      R"("lockstep_present" = EXCLUDED."lockstep_present")");
  CHECK(delete_row_sql("app", orders()) ==
        R"(DELETE FROM "app"."or""ders" WHERE "b" = $1::text AND "a" = $2::bigint)");
}

TEST_CASE("a row that is all key has nothing to update") {
  CHECK(
      upsert_row_sql("app", keys_only()) ==
      R"(INSERT INTO "app"."t" ("a", "b") VALUES ($1::bigint, $2::bigint) ON CONFLICT ("b", "a") DO NOTHING)");
}

TEST_CASE("a key that is a double is written again, for 0.0 and -0.0 are one key") {
  const TablePlan plan =
      plan_of(1, "CREATE TABLE t(k REAL PRIMARY KEY)", {ColumnType::double_precision});
  CHECK(
      upsert_row_sql("app", plan) ==
      R"(INSERT INTO "app"."t" ("k") VALUES ($1::double precision) ON CONFLICT ("k") DO UPDATE SET "k" = EXCLUDED."k")");
}

TEST_CASE("staging has every column and a flag whose name no column has") {
  CHECK(
      create_staging_sql(orders()) ==
      R"(CREATE TEMPORARY TABLE IF NOT EXISTS pg_temp.lockstep_staging_4 ("lockstep_present_" boolean, "lockstep_slice" integer, )"
      R"("v" double precision, "b" text, "lockstep_present" bytea, "a" bigint) ON COMMIT DELETE ROWS)");
  CHECK(copy_staging_sql(orders()) == "COPY pg_temp.lockstep_staging_4 FROM STDIN (FORMAT binary)");
}

TEST_CASE("a merge deletes what is absent and upserts the rest") {
  CHECK(
      merge_delete_absent_sql("app", orders()) ==
      R"(DELETE FROM "app"."or""ders" AS t USING pg_temp.lockstep_staging_4 AS s WHERE t."b" = s."b" AND )"
      R"(t."a" = s."a" AND NOT s."lockstep_present_")");
  CHECK(
      merge_upsert_sql("app", orders()) ==
      R"(INSERT INTO "app"."or""ders" AS t ("v", "b", "lockstep_present", "a") SELECT "v", "b", "lockstep_present", "a" )"
      R"(FROM pg_temp.lockstep_staging_4 WHERE "lockstep_present_" ON CONFLICT ("b" COLLATE pg_catalog."default", "a") DO UPDATE SET )"
      R"("v" = EXCLUDED."v", "lockstep_present" = EXCLUDED."lockstep_present")");
}

TEST_CASE("of what was read twice the later slice stays in staging") {
  CHECK(
      keep_latest_sql(keys_only()) ==
      R"(DELETE FROM pg_temp.lockstep_staging_5 AS s USING (SELECT "b", "a", max("lockstep_slice") AS latest )"
      R"(FROM pg_temp.lockstep_staging_5 GROUP BY "b", "a" HAVING count(*) > 1) AS d )"
      R"(WHERE s."b" = d."b" AND s."a" = d."a" AND s."lockstep_slice" < d.latest)");
}

TEST_CASE("where staging holds the whole table, only what differs in a bit is written") {
  CHECK(
      merge_delete_missing_sql("app", keys_only()) ==
      R"(DELETE FROM "app"."t" AS t WHERE NOT EXISTS (SELECT 1 FROM pg_temp.lockstep_staging_5 AS s )"
      R"(WHERE t."b" = s."b" AND t."a" = s."a" AND s."lockstep_present"))");
  CHECK(merge_upsert_changed_sql("app", keys_only()) == merge_upsert_sql("app", keys_only()));
  CHECK_THAT(
      merge_upsert_changed_sql("app", orders()),
      Catch::EndsWith(
          R"( WHERE ROW(t."v", t."b", t."lockstep_present", t."a")::record OPERATOR(pg_catalog.*<>) )"
          R"(ROW(EXCLUDED."v", EXCLUDED."b", EXCLUDED."lockstep_present", EXCLUDED."a")::record)"));
}

TEST_CASE("the merge that is always right deletes every key and inserts every row") {
  CHECK(
      merge_delete_touched_sql("app", keys_only()) ==
      R"(DELETE FROM "app"."t" AS t USING pg_temp.lockstep_staging_5 AS s WHERE t."b" = s."b" AND t."a" = s."a")");
  CHECK(
      merge_insert_sql("app", keys_only()) ==
      R"(INSERT INTO "app"."t" AS t ("a", "b") SELECT "a", "b" FROM pg_temp.lockstep_staging_5 WHERE "lockstep_present")");
}
