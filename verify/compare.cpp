#include "verify/compare.hpp"

#include <fmt/format.h>

#include <cmath>
#include <compare>
#include <utility>

#include "link/postgres/copy.hpp"
#include "link/postgres/names.hpp"
#include "link/wire/control.hpp"
#include "model/value.hpp"
#include "verify/digest.hpp"
#include "verify/range_sql.hpp"
#include "verify/source_rows.hpp"
#include "verify/values.hpp"

namespace lockstep::verify {

namespace {

constexpr std::size_t kExamplesMax = 5;
constexpr std::uint64_t kRowsPerProgress = 4'096;

using Row = std::vector<Value>;

class Comparer {
 public:
  Comparer(const TablePlan& plan, Comparison& result) : plan_(plan), result_(result) {}

  [[nodiscard]] Key key(const Row& row) const {
    Key key;
    for (const std::size_t column : plan_.shape.key) key.push_back(row[column]);
    return key;
  }

  void values(const Row& source, const Row& target) {
    for (std::size_t i = 0; i < source.size(); ++i) {
      if (same_value(source[i].view(), target[i].view())) continue;
      ++result_.differ;
      example(fmt::format("{}: {} is {} on the source and {} on the target", key_of(source),
                          plan_.shape.columns[i].name, describe(source[i].view()),
                          describe(target[i].view())));
      return;
    }
  }

  void missing(const Row& source) {
    ++result_.missing;
    example(key_of(source) + ": on the source only");
  }
  void not_there(const std::string& key) {
    ++result_.differ;
    example(key + ": in quarantine, but not on the source");
  }
  void extra(const Row& target) {
    ++result_.extra;
    example(key_of(target) + ": on the target only");
  }

 private:
  [[nodiscard]] std::string key_of(const Row& row) const {
    return describe_key(plan_.shape, key(row));
  }
  void example(std::string text) {
    if (result_.examples.size() < kExamplesMax) result_.examples.push_back(std::move(text));
  }

  const TablePlan& plan_;
  Comparison& result_;
};

// As the quarantine has it: -0.0 and 0.0 are one key.
std::string key_text(const TablePlan& plan, const Row& row) {
  std::vector<Value> key;
  for (const std::size_t column : plan.shape.key) {
    key.push_back(row[column]);
    if (key.back().kind == ValueClass::real && std::abs(key.back().real) <= 0) key.back().real = 0;
  }
  return wire::encode_key(key);
}

}  // namespace

Comparison compare_table(sqlite::Database& source, postgres::Connection& target,
                         const std::string& schema, const TablePlan& plan,
                         const std::function<void(std::uint64_t)>& progress,
                         QuarantinedKeys quarantined) {
  Comparison result;
  result.table = plan.name();
  Comparer comparer(plan, result);
  SourceRows source_rows(source, plan);
  postgres::CopyOut target_rows(target, target_range_sql(schema, plan, true, true));
  std::vector<std::optional<std::string_view>> fields;
  Row left(plan.types.size()), right(plan.types.size());

  const auto next_source = [&] {
    do {
      if (!source_rows.next(left)) return false;
      if (++result.source_rows % kRowsPerProgress == 0) progress(result.source_rows);
    } while (!quarantined.empty() && quarantined.erase(key_text(plan, left)) > 0 &&
             ++result.quarantined > 0);
    for (std::size_t i = 0; i < left.size(); ++i) respell(left[i], plan, i);
    return true;
  };
  const auto next_target = [&] {
    if (!target_rows.next(fields)) return false;
    check(fields.size() == right.size(), "the server sends the columns that were asked for");
    for (std::size_t i = 0; i < right.size(); ++i) read_target(right[i], fields[i], plan, i);
    ++result.target_rows;
    return true;
  };

  bool on_source = next_source(), on_target = next_target();
  while (on_source || on_target) {
    const auto order = !on_target   ? std::weak_ordering::less
                       : !on_source ? std::weak_ordering::greater
                                    : key_order(comparer.key(left), comparer.key(right));
    if (order < 0) {
      comparer.missing(left);
    } else if (order > 0) {
      comparer.extra(right);
    } else {
      comparer.values(left, right);
    }
    if (order <= 0) on_source = next_source();
    if (order >= 0) on_target = next_target();
  }
  for (const std::string& key : quarantined) comparer.not_there(key);
  return result;
}

}  // namespace lockstep::verify
