// Which tables the application writes on both sides: what has to begin, change and end, and what
// cannot be.
#include "apply/dual_write.hpp"

#include <catch2/catch.hpp>

#include "apply/merge.hpp"
#include "tests/support/shape_of.hpp"

namespace lockstep::apply {
namespace {

using Catch::Contains;
using test::plan_of;

LedgerTable table(std::uint32_t id, const std::string& name) {
  LedgerTable made;
  made.plan = plan_of(id, "CREATE TABLE " + name + "(id INTEGER PRIMARY KEY, n INT)",
                      {ColumnType::bigint, ColumnType::bigint}, name);
  return made;
}

}  // namespace

TEST_CASE("dual writing follows the configuration, table by table") {
  std::vector<LedgerTable> tables{table(1, "a"), table(2, "b"), table(3, "c")};
  const DualPolicy source = DualPolicy::source, skip = DualPolicy::skip;
  DualChange change = dual_change({}, tables, {{"a", source}, {"c", skip}, {"gone", source}});
  CHECK(change.begun == std::map<std::uint32_t, DualPolicy>{{1, source}, {3, skip}});
  CHECK(change.ended.empty());
  const std::vector<DualTable> now{{.id = 1, .policy = source}, {.id = 2, .policy = skip}};
  change = dual_change(now, tables, {{"a", skip}, {"b", skip}, {"c", source}});
  CHECK(change.begun == std::map<std::uint32_t, DualPolicy>{{3, source}});
  CHECK(change.changed == std::map<std::uint32_t, DualPolicy>{{1, skip}});
  CHECK(change.ended.empty());
  CHECK(dual_change(now, tables, {}).ended == std::vector<std::uint32_t>{1, 2});
  tables.erase(tables.begin());  // no longer followed
  CHECK(dual_change(now, tables, {{"a", source}, {"b", skip}}).ended ==
        std::vector<std::uint32_t>{1});
  // The name is the one in SQLite.
  tables[0].plan.rules.rename = "other";
  CHECK(dual_change({}, tables, {{"other", source}}).begun.empty());
  CHECK(dual_change({}, tables, {{"b", source}}).begun.contains(2));
}

TEST_CASE("a table without a key that the application knows cannot be dual-written") {
  CHECK(why_not_dual(table(1, "a").plan).empty());
  TablePlan plan = table(1, "a").plan;
  plan.shape.keyed_by_rowid = true;
  CHECK_THAT(why_not_dual(plan), Contains("rowid"));
  plan = table(1, "a").plan;
  plan.existing.emplace();
  plan.existing->columns.resize(2);
  CHECK_THAT(why_not_dual(plan), Contains("unique index"));
  plan.existing->upserts = true;
  CHECK(why_not_dual(plan).empty());
  for (const DualPolicy policy : {DualPolicy::source, DualPolicy::skip, DualPolicy::fail})
    CHECK(parse_dual_policy(to_string(policy)) == policy);
  CHECK_FALSE(parse_dual_policy("always"));
}

TEST_CASE("rows are compared by what PostgreSQL would hold of them") {
  TablePlan plan = plan_of(7, "CREATE TABLE t(k REAL PRIMARY KEY, n NUMERIC, v TEXT)",
                           {ColumnType::double_precision, ColumnType::numeric, ColumnType::text});
  CHECK(dual_columns(plan) ==
        "sha256(record_send(ROW((t.\"k\"::double precision + 0)::double precision))) "
        "sha256(record_send(ROW((t.\"k\"::double precision + 0)::double precision, "
        "trim_scale(t.\"n\"::numeric), t.\"v\"::text)))");
  plan.existing.emplace();
  plan.existing->columns = {
      {"k", "double precision"}, {"n", "numeric(12,2)"}, {"v", "character(3)"}};
  CHECK_THAT(dual_columns(plan),
             Contains("trim_scale(t.\"n\"::numeric(12,2)), t.\"v\"::character(3)"));
  // A row that is nothing but its key is never updated.
  const TablePlan key = plan_of(8, "CREATE TABLE t(a INT PRIMARY KEY)", {ColumnType::bigint});
  CHECK(dual_update_sql("app", key, Conflicts::overwritten).empty());
  CHECK_THAT(dual_update_sql("app", plan, Conflicts::kept), Contains("AND NOT (x.theirs"));
}

}  // namespace lockstep::apply
