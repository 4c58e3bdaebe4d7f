#include "ops/repair.hpp"

#include <algorithm>
#include <utility>

#include "apply/dual_write.hpp"
#include "apply/ledger.hpp"
#include "capture/install.hpp"
#include "capture/relog.hpp"
#include "verify/range.hpp"
#include "verify/record.hpp"

namespace lockstep::ops {

namespace {

/// Of one table.
struct KeysToLog {
  std::vector<capture::KeyToRead> keys;  // in the source's own spelling
  std::uint64_t unknown = 0;             // those that it cannot spell
};

KeysToLog keys_to_log(sqlite::Database& source, const TablePlan& plan,
                      const std::vector<verify::DifferenceRecord>& found) {
  KeysToLog logged;
  std::vector<verify::Key> shown;
  shown.reserve(found.size());
  for (const verify::DifferenceRecord& one : found)
    shown.push_back(verify::parse_key_bytes(one.key));
  for (auto& key : verify::source_keys(source, plan, shown)) {
    if (key)
      logged.keys.push_back({plan.id, std::move(*key)});
    else
      ++logged.unknown;
  }
  return logged;
}

}  // namespace

Repair log_differences(const std::string& path, postgres::Connection& target,
                       const std::string& migration, std::int64_t pass) {
  Repair repair;
  std::vector<capture::KeyToRead> keys;
  std::vector<std::uint32_t> anew;
  const auto tables = apply::read_tables(target, migration);
  const auto dual = apply::read_dual_tables(target, migration);
  sqlite::Database source = sqlite::Database::open(path, sqlite::OpenMode::read_write);
  for (const verify::TableRecord& record : verify::read_records(target, pass)) {
    const auto table = std::find_if(tables.begin(), tables.end(),
                                    [&](const auto& one) { return one.plan.id == record.id; });
    if (record.different() == 0 || table == tables.end()) continue;
    const bool both_sides = apply::find_dual(dual, record.id) != nullptr;
    const auto found = verify::read_differences(target, pass, record.id);
    KeysToLog logged;
    if (both_sides || found.size() == record.different())
      logged = keys_to_log(source, table->plan, found);
    if (!both_sides && (found.size() < record.different() || logged.unknown > 0)) {
      anew.push_back(record.id);
      repair.anew.push_back(table->plan.name());
      continue;
    }
    std::move(logged.keys.begin(), logged.keys.end(), std::back_inserter(keys));
    repair.skipped += logged.unknown;
  }
  if (!keys.empty() || !anew.empty()) capture::log_again(source, keys, anew);
  repair.rows = keys.size();
  const auto installed = capture::read_installed(source);
  check(installed.has_value(), "a source that is followed has lockstep's tables");
  repair.position = capture::newest_position(source, installed->era);
  return repair;
}

}  // namespace lockstep::ops
