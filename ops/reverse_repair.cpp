#include "ops/reverse_repair.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "apply/ledger.hpp"
#include "apply/quarantine.hpp"
#include "switchover/reverse_relog.hpp"
#include "verify/record.hpp"

namespace lockstep::ops {

namespace {

using switchover::RowsToLog;

RowsToLog rows_to_log(const TablePlan& plan, const std::vector<verify::DifferenceRecord>& found) {
  RowsToLog rows{.plan = &plan};
  for (const verify::DifferenceRecord& one : found)
    (one.kind == verify::Difference::extra ? rows.gone : rows.there)
        .push_back(verify::parse_key_bytes(one.key));
  return rows;
}

}  // namespace

BackRepair log_differences_back(postgres::Connection& target, const std::string& migration,
                                const std::string& schema, std::int64_t pass, bool again) {
  BackRepair repair;
  std::set<std::uint32_t> set_aside;
  for (const apply::QuarantinedRow& each : apply::read_quarantine(target, migration))
    set_aside.insert(each.row.table);
  const auto tables = apply::read_tables(target, migration);
  std::vector<RowsToLog> wanted;
  for (const verify::TableRecord& record : verify::read_records(target, pass)) {
    const auto table = std::find_if(tables.begin(), tables.end(),
                                    [&](const auto& one) { return one.plan.id == record.id; });
    if (record.different() == 0 || table == tables.end()) continue;
    const auto found = verify::read_differences(target, pass, record.id);
    wanted.push_back(rows_to_log(table->plan, found));
    wanted.back().anew = !set_aside.contains(record.id) &&
                         (found.size() < record.different() || (again && record.extra > 0));
  }
  switchover::Relogged logged = switchover::log_again(target, migration, schema, wanted);
  // Keys that only SQLite can spell.
  std::vector<RowsToLog> odd;
  for (RowsToLog& rows : wanted) {
    if (rows.anew) repair.anew.push_back(rows.plan->name());
    if (std::find(logged.odd.begin(), logged.odd.end(), rows.plan->id) == logged.odd.end())
      continue;
    if (set_aside.contains(rows.plan->id)) {
      repair.skipped += rows.gone.size();
      continue;
    }
    odd.push_back({.plan = rows.plan, .anew = true});
    repair.anew.push_back(rows.plan->name());
  }
  repair.rows = logged.rows;
  repair.snapshot = std::move(logged.snapshot);
  if (!odd.empty())
    repair.snapshot = switchover::log_again(target, migration, schema, odd).snapshot;
  return repair;
}

}  // namespace lockstep::ops
