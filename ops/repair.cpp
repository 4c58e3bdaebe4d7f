#include "ops/repair.hpp"

#include <algorithm>

#include "apply/ledger.hpp"
#include "capture/install.hpp"
#include "capture/relog.hpp"
#include "verify/range.hpp"
#include "verify/record.hpp"

namespace lockstep::ops {

namespace {

// The keys of one table in the source's own spelling.
void add_keys(std::vector<capture::KeyToRead>& keys, Repair& repair, sqlite::Database& source,
              const TablePlan& plan, const std::vector<verify::DifferenceRecord>& found) {
  std::vector<verify::Key> shown;
  for (const verify::DifferenceRecord& one : found)
    shown.push_back(verify::parse_key_bytes(one.key));
  for (auto& key : verify::source_keys(source, plan, shown)) {
    if (key)
      keys.push_back({plan.id, std::move(*key)});
    else
      ++repair.skipped;
  }
}

}  // namespace

Repair log_differences(const std::string& path, postgres::Connection& target,
                       const std::string& migration, std::int64_t pass) {
  Repair repair;
  std::vector<capture::KeyToRead> keys;
  const auto tables = apply::read_tables(target, migration);
  sqlite::Database source = sqlite::Database::open(path, sqlite::OpenMode::read_write);
  for (const apply::LedgerTable& table : tables) {
    const auto found = verify::read_differences(target, pass, table.plan.id);
    if (!found.empty()) add_keys(keys, repair, source, table.plan, found);
  }
  if (!keys.empty()) capture::log_keys(source, keys);
  repair.rows = keys.size();
  const auto installed = capture::read_installed(source);
  check(installed.has_value(), "a source that is followed has lockstep's tables");
  repair.position = capture::newest_position(source, installed->era);
  return repair;
}

}  // namespace lockstep::ops
