#include "ops/schema_checks.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "apply/foreign_key_ledger.hpp"
#include "apply/target_schema.hpp"
#include "link/postgres/names.hpp"
#include "ops/names.hpp"
#include "switchover/sequences.hpp"

namespace lockstep::ops {

namespace {

using postgres::Connection;
using postgres::Result;

class SchemaChecks {
 public:
  SchemaChecks(Connection& target, const apply::LedgerRow& ledger,
               const std::vector<TablePlan>& plans)
      : target_(target), ledger_(ledger), plans_(plans) {}

  void check(const TablePlan& plan) {
    duplicate_keys(plan);
    indexes(plan);
    not_null(plan);
    sequences(plan);
  }

  void foreign_keys(const std::vector<std::string>& chosen) {
    for (const apply::ForeignKeySql& key : apply::own_foreign_keys(ledger_.target_schema, plans_)) {
      const auto child = std::find_if(plans_.begin(), plans_.end(),
                                      [&](const TablePlan& plan) { return plan.id == key.child; });
      if (child == plans_.end() || !(chosen.empty() || matches_any(child->name(), chosen)))
        continue;
      for (std::string& sentence :
           apply::foreign_keys_differ(target_, ledger_.migration, ledger_.target_schema, {key}))
        add("LS-V526", CheckCategory::keys, CheckSeverity::warning, *child, std::move(sentence));
      const Result orphans = target_.exec(key.orphans);
      if (const auto rows = static_cast<std::uint64_t>(orphans.integer(0, 0)); rows > 0)
        add("LS-V525", CheckCategory::keys, CheckSeverity::warning, *child,
            fmt::format("{} row(s) have no parent by foreign key {}", rows, key.name), rows);
    }
  }

  std::vector<CheckFinding> found{};

 private:
  void add(const char* code, CheckCategory category, CheckSeverity severity, const TablePlan& plan,
           std::string what, std::uint64_t rows = 1) {
    found.push_back({code, category, severity, plan.name(), std::move(what), rows});
  }

  // The rows themselves are read: an index that is damaged must not answer for them.
  void duplicate_keys(const TablePlan& plan) {
    std::vector<std::string> columns;
    for (const std::size_t column : plan.shape.key)
      columns.push_back(postgres::quoted(plan.target_column(column)));
    const Result rows = target_.exec(fmt::format(
        "SET LOCAL enable_indexonlyscan = off; SET LOCAL enable_indexscan = off; SELECT count(*) "
        "FROM (SELECT FROM {} GROUP BY {} HAVING count(*) > 1) AS twice",
        postgres::qualified(ledger_.target_schema, plan.target_name()), fmt::join(columns, ", ")));
    target_.exec("SET LOCAL enable_indexonlyscan = on; SET LOCAL enable_indexscan = on");
    if (const auto keys = static_cast<std::uint64_t>(rows.integer(0, 0)); keys > 0)
      add("LS-V524", CheckCategory::keys, CheckSeverity::critical, plan,
          fmt::format("{} key(s) are there more than once", keys), keys);
  }

  void indexes(const TablePlan& plan) {
    const Result rows = target_.query(
        "SELECT c.relname, i.indisvalid AND i.indisready FROM pg_catalog.pg_index AS i JOIN "
        "pg_catalog.pg_class AS c ON c.oid = i.indexrelid WHERE i.indrelid = to_regclass($1)",
        {postgres::qualified(ledger_.target_schema, plan.target_name())});
    std::set<std::string> there;
    for (int row = 0; row < rows.rows(); ++row) {
      there.emplace(rows.value(row, 0));
      if (!rows.boolean(row, 1))
        add("LS-V527", CheckCategory::schema, CheckSeverity::critical, plan,
            fmt::format("index {} is not valid", rows.value(row, 0)));
    }
    if (plan.existing) return;  // its indexes are their owner's choice
    for (const apply::IndexStatement& index :
         apply::key_statements(ledger_.target_schema, plan, plans_).indexes)
      if (!there.contains(index.name))
        add("LS-V528", CheckCategory::schema, CheckSeverity::warning, plan,
            fmt::format("index {} is not there", index.name));
  }

  void not_null(const TablePlan& plan) {
    const Result rows = target_.query(
        "SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = to_regclass($1) AND attnum > "
        "0 AND NOT attisdropped AND NOT attnotnull",
        {postgres::qualified(ledger_.target_schema, plan.target_name())});
    std::set<std::string, std::less<>> nullable;
    for (int row = 0; row < rows.rows(); ++row) nullable.emplace(rows.value(row, 0));
    for (std::size_t i = 0; i < plan.shape.columns.size(); ++i)
      if (plan.shape.columns[i].not_null && !plan.is_converted(i) &&
          nullable.contains(plan.target_column(i)))
        add("LS-V530", CheckCategory::schema, CheckSeverity::warning, plan,
            fmt::format("column {} is NOT NULL on the source and takes NULL on the target",
                        plan.shape.columns[i].name));
  }

  // The source gives the numbers while it is followed; whoever writes to the target meets this.
  void sequences(const TablePlan& plan) {
    for (const switchover::Numbered& each :
         switchover::numbered_tables(target_, ledger_.target_schema, {plan})) {
      const Result may =
          target_.query("SELECT pg_catalog.has_sequence_privilege($1::oid, 'SELECT')", {each.oid});
      if (!may.boolean(0, 0)) continue;
      // In numeric: from the least bigint to a sequence is further than a bigint goes. An empty
      // table has no largest value, which least() would pass over.
      const Result rows = target_.exec(fmt::format(
          "SELECT CASE WHEN b.behind > 9223372036854775807 THEN 9223372036854775807 WHEN b.behind "
          "> 0 THEN b.behind ELSE 0 END::bigint FROM (SELECT trunc((SELECT max({})::numeric FROM "
          "{}) - CASE WHEN is_called THEN last_value ELSE last_value - 1 END) AS behind FROM {}) "
          "AS b",
          each.column, each.target, each.sequence));
      if (rows.integer(0, 0) == 0) continue;
      add("LS-V529", CheckCategory::schema, CheckSeverity::warning, plan,
          fmt::format("the sequence of {} is {} behind its largest value: an INSERT on the target "
                      "would meet a number that is taken",
                      each.name, rows.integer(0, 0)));
    }
  }

  Connection& target_;
  const apply::LedgerRow& ledger_;
  const std::vector<TablePlan>& plans_;
};

}  // namespace

std::vector<CheckFinding> check_schema(Connection& target, const apply::LedgerRow& ledger,
                                       const std::vector<apply::LedgerTable>& tables,
                                       const std::vector<std::string>& chosen) {
  const std::vector<TablePlan> plans = apply::plans_of(tables);
  SchemaChecks checks(target, ledger, plans);
  for (const TablePlan& plan : plans)
    if (chosen.empty() || matches_any(plan.name(), chosen)) checks.check(plan);
  checks.foreign_keys(chosen);
  return std::move(checks.found);
}

}  // namespace lockstep::ops
