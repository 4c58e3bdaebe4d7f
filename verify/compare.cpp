#include "verify/compare.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <compare>
#include <utility>

#include "link/postgres/copy.hpp"
#include "link/postgres/names.hpp"
#include "link/wire/control.hpp"
#include "model/value.hpp"
#include "verify/digest.hpp"
#include "verify/range_sql.hpp"
#include "verify/shown_key.hpp"
#include "verify/source_rows.hpp"
#include "verify/values.hpp"

namespace lockstep::verify {

namespace {

constexpr std::size_t kExamplesMax = 5;
constexpr std::uint64_t kRowsPerProgress = 4'096;

using Row = std::vector<Value>;

class Comparer {
 public:
  Comparer(const TablePlan& plan, Comparison& result, Flow flow)
      : plan_(plan), result_(result), names_(side_names(flow)), forward_(flow == Flow::forward) {}

  [[nodiscard]] Key key(const Row& row) const {
    Key key;
    for (const std::size_t column : plan_.shape.key) key.push_back(row[column]);
    return key;
  }

  /// True if they are the same.
  bool values(const Row& sqlite, const Row& postgres, const WrongConstants& wrong) {
    std::vector<std::string> columns;
    for (std::size_t i = 0; i < sqlite.size(); ++i)
      if (!same_value(sqlite[i].view(), postgres[i].view()))
        columns.push_back(both_values(plan_, i, sqlite[i], postgres[i], names_));
    for (const std::string& each : wrong_constants(plan_, wrong)) columns.push_back(each);
    if (columns.empty()) return true;
    ++result_.differ;
    example(fmt::format("{}: {}", key_of(sqlite), fmt::join(columns, "; ")));
    return false;
  }

  void in_sqlite_only(const Row& row) {
    ++(forward_ ? result_.missing : result_.extra);
    example(fmt::format("{}: on {} only", key_of(row), names_.sqlite));
  }
  // After a cutover whoever writes to PostgreSQL may bring such a row back.
  void not_there(const std::string& key) {
    if (!forward_) return;
    ++result_.differ;
    example(key + ": in quarantine, but not on the source");
  }
  void in_postgres_only(const Row& row) {
    ++(forward_ ? result_.extra : result_.missing);
    example(fmt::format("{}: on {} only", key_of(row), names_.postgres));
  }

 private:
  [[nodiscard]] std::string key_of(const Row& row) const { return describe_key(plan_, key(row)); }
  void example(std::string text) {
    if (result_.examples.size() < kExamplesMax) result_.examples.push_back(std::move(text));
  }

  const TablePlan& plan_;
  Comparison& result_;
  SideNames names_;
  bool forward_;
};

// As the quarantine has it.
std::string key_text(const TablePlan& plan, const Row& row) {
  Key key;
  for (const std::size_t column : plan.shape.key) key.push_back(row[column]);
  return wire::encode_key(with_one_zero(std::move(key)));
}

}  // namespace

Comparison compare_table(sqlite::Database& sqlite, postgres::Connection& postgres,
                         const std::string& schema, const TablePlan& plan,
                         const std::function<void(std::uint64_t)>& progress,
                         QuarantinedKeys quarantined, Flow flow) {
  Comparison result;
  result.table = plan.name();
  Comparer comparer(plan, result, flow);
  SourceRows source_rows(sqlite, plan);
  postgres::CopyOut target_rows(postgres, target_range_sql(schema, plan, true, true));
  std::uint64_t in_sqlite = 0, in_postgres = 0;
  std::vector<std::optional<std::string_view>> fields;
  Row left(plan.types.size()), right(plan.types.size());

  WrongConstants wrong;
  std::string own_key, scratch;
  std::uint64_t left_hash = 0;
  const auto waits = [&] {
    if (quarantined.empty()) return false;
    own_key = key_text(plan, left);
    return flow == Flow::forward && quarantined.erase(own_key) > 0 && ++result.quarantined > 0;
  };
  const auto next_source = [&] {
    do {
      if (!source_rows.next(left)) return false;
      if (++in_sqlite % kRowsPerProgress == 0) progress(in_sqlite);
    } while (waits());
    for (std::size_t i = 0; i < left.size(); ++i) respell(left[i], plan, i);
    left_hash = row_hash(left, scratch);
    result.source_digest += left_hash;
    return true;
  };
  const auto next_target = [&] {
    if (!target_rows.next(fields)) return false;
    wrong = read_target_fields(right, fields, plan);
    ++in_postgres;
    return true;
  };

  bool on_source = next_source(), on_target = next_target();
  while (on_source || on_target) {
    const auto order = !on_target   ? std::weak_ordering::less
                       : !on_source ? std::weak_ordering::greater
                                    : key_order(plan.shape.key, left, right);
    // After a cutover a row that waits may be on both sides: whoever writes there made it.
    bool same = false;
    if (order < 0 && quarantined.erase(own_key) > 0) {
      ++result.quarantined;
    } else if (order < 0) {
      comparer.in_sqlite_only(left);
    } else if (order > 0) {
      comparer.in_postgres_only(right);
    } else {
      same = comparer.values(left, right, wrong);
    }
    // The same values have the same bytes, and so the same hash.
    if (order >= 0) result.target_digest += same ? left_hash : target_hash(right, wrong, scratch);
    if (order <= 0) on_source = next_source();
    if (order >= 0) on_target = next_target();
  }
  for (const std::string& key : quarantined) comparer.not_there(key);
  if (flow == Flow::reverse) std::swap(result.source_digest, result.target_digest);
  result.source_rows = flow == Flow::forward ? in_sqlite : in_postgres;
  result.target_rows = flow == Flow::forward ? in_postgres : in_sqlite;
  return result;
}

}  // namespace lockstep::verify
