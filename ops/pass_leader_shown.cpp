// What people are shown of rows that differ: key, columns and both values.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "link/wire/control.hpp"
#include "ops/pass_leader.hpp"
#include "verify/shown_key.hpp"
#include "verify/values.hpp"

namespace lockstep::ops {

using wire::Kind;

namespace {

constexpr std::size_t kShownPerTable = 5;
static_assert(kShownPerTable <= wire::kRowsWithTexts);
// Of longer keys fewer rows are shown: the request fits a message.
constexpr std::size_t kShownKeyBytes = 1u << 20;

// The outlines are behind the columns, each with its column's number.
std::string where_apart(const wire::ShownRow& source, std::size_t columns, std::size_t column,
                        const Value& value) {
  for (std::size_t i = columns; i < source.values.size(); ++i)
    if (source.values[i].hash == column) return verify::where_apart(source.values[i].text, value);
  return {};
}

// Of a row that both sides have.
std::vector<std::string> columns_apart(const TablePlan& plan, const wire::ShownRow& source,
                                       const std::optional<verify::TargetRow>& target,
                                       const SideNames& names) {
  std::vector<std::string> columns;
  if (!target) return columns;
  for (std::size_t i = 0; i < std::min(target->values.size(), source.values.size()); ++i) {
    const Value& value = target->values[i];
    if (verify::value_hash(value) == source.values[i].hash) continue;
    const std::string here = verify::shown_value(plan, i, value.view());
    columns.push_back(fmt::format("{} is {} on {} and {} on {}{}", plan.shape.columns[i].name,
                                  source.values[i].text, names.sqlite, here, names.postgres,
                                  where_apart(source, target->values.size(), i, value)));
  }
  for (std::string& each : verify::wrong_constants(plan, target->wrong))
    columns.push_back(std::move(each));
  return columns;
}

}  // namespace

// At a barrier of its own: the views at which they were found are closed.
std::vector<verify::DifferenceRecord> PassLeader::show(
    std::size_t table, const std::vector<verify::RowDifference>& found) {
  std::vector<verify::DifferenceRecord> records;
  for (const verify::RowDifference& one : found)
    records.push_back({records_[table].id, one.kind, one.key, ""});
  const std::uint64_t known = records_[table].different();
  const std::size_t wanted = known >= kShownPerTable ? 0 : kShownPerTable - known;
  if (wanted == 0 || found.empty()) return records;
  wire::BarrierWanted barrier;
  barrier.barrier = new_barrier(ahead_);
  barrier.table = records_[table].id;
  barrier.shape = verify::compared_shape(plan_of(table));
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < std::min(wanted, found.size()); ++i) {
    bytes += found[i].key.size();
    if (bytes > kShownKeyBytes) break;
    barrier.keys.push_back(found[i].key);
  }
  if (barrier.keys.empty()) return records;
  parts_.mail.request(Kind::barrier_wanted, wire::encode_barrier_wanted(barrier));
  static_cast<void>(await(barrier.barrier, Kind::barrier));
  const wire::ShownRows rows =
      wire::decode_shown_rows(await(barrier.barrier, Kind::shown_rows).body);
  postgres::Connection& view = view_of(barrier.barrier);
  for (std::size_t i = 0; i < std::min(rows.rows.size(), barrier.keys.size()); ++i)
    records[i].shown = shown(table, found[i], rows.rows[i], view);
  view.exec("ROLLBACK");
  return records;
}

std::string PassLeader::shown(std::size_t table, const verify::RowDifference& difference,
                              const wire::ShownRow& source, postgres::Connection& view) const {
  const TablePlan& plan = plan_of(table);
  const verify::Key key = verify::parse_key_bytes(difference.key);
  const std::string name = verify::describe_key(plan, key);
  const SideNames names = side_names(parts_.target.history.flow);
  if (verify::has_null(key)) return fmt::format("{}: on {} only", name, names.postgres);
  const auto target = verify::read_target_row(view, parts_.target.schema, plan, key);
  if (!source.there && !target && !goes_back() && difference.kind == verify::Difference::differ)
    return name + ": in quarantine, but not on the source";
  if (source.there && !target) return fmt::format("{}: on {} only", name, names.sqlite);
  // Some keys only PostgreSQL can spell: nobody can ask for their rows.
  const auto extra = goes_back() ? verify::Difference::missing : verify::Difference::extra;
  const bool cannot_ask = difference.kind == extra && !verify::target_may_have(plan, key);
  if (!source.there && (target || cannot_ask))
    return fmt::format("{}: on {} only", name, names.postgres);
  if (const auto columns = columns_apart(plan, source, target, names); !columns.empty())
    return fmt::format("{}: {}", name, fmt::join(columns, "; "));
  return fmt::format("{}: {} when it was compared; written since, and equal now", name,
                     to_string(difference.kind));
}

}  // namespace lockstep::ops
