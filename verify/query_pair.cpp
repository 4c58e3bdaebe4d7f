#include "verify/query_pair.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <cstdlib>

#include "link/postgres/names.hpp"
#include "link/sqlite/database.hpp"
#include "link/sqlite/shape.hpp"
#include "model/error.hpp"
#include "verify/query.hpp"
#include "verify/values.hpp"

namespace lockstep::verify {

namespace {

constexpr std::array kKinds{QueryPair::Kind::counts, QueryPair::Kind::columns,
                            QueryPair::Kind::validator};

// Both begin with the number of rows; the target's has those in quarantine next, the source's 0.
constexpr std::size_t kFirstColumn = 2, kCellsPerColumn = 3;

// Values that a rule makes are others on the target, and personal ones would be seen.
bool is_counted(const TablePlan& plan, std::size_t column) {
  return !plan.is_converted(column) && !plan.is_personal(column);
}

// Where both engines have the same order.
bool has_extremes(const TablePlan& plan, std::size_t column) {
  const ColumnType type = plan.types[column];
  if (plan.existing && plan.existing->columns[column].holds.kind == TargetKind::interval)
    return false;
  return type == ColumnType::bigint || type == ColumnType::double_precision ||
         type == ColumnType::numeric || type == ColumnType::text;
}

std::string source_statistics(const TablePlan& plan) {
  std::string sql;
  for (std::size_t i = 0; i < plan.shape.columns.size(); ++i) {
    if (!is_counted(plan, i)) continue;
    const std::string name = sqlite::source_name(plan.shape, i);
    const std::string collated = name + " COLLATE BINARY";
    sql += has_extremes(plan, i) ? fmt::format(", count({0}), min({1}), max({1})", name, collated)
                                 : fmt::format(", count({}), NULL, NULL", name);
  }
  return sql;
}

std::string target_statistics(const TablePlan& plan) {
  std::string sql;
  for (std::size_t i = 0; i < plan.shape.columns.size(); ++i) {
    if (!is_counted(plan, i)) continue;
    const std::string name = postgres::quoted(plan.target_column(i));
    const std::string shown =
        shown_column(plan, i) + (plan.types[i] == ColumnType::text ? " COLLATE \"C\"" : "");
    sql += has_extremes(plan, i) ? fmt::format(", count({0}), min({1}), max({1})", name, shown)
                                 : fmt::format(", count({}), NULL, NULL", name);
  }
  return sql;
}

std::uint64_t number_in(const Answer& answer, std::size_t cell) {
  return std::strtoull(answer.rows.front()[cell].text.c_str(), nullptr, 10);
}

std::string both(const Cell& source, const Cell& target) {
  return fmt::format("{} on the source and {} on the target", describe(source), describe(target));
}

bool same(const Cell& a, const Cell& b) {
  return a.kind == b.kind &&
         (a.kind == Cell::Kind::number ? same_number(a.text, b.text) : a.text == b.text);
}

void compare_columns(Verdict& verdict, const TablePlan& plan, const Answer& source,
                     const Answer& target) {
  constexpr std::array kWhat{"values that are not NULL", "the smallest", "the largest"};
  std::vector<std::string> differences;
  std::size_t at = kFirstColumn;
  for (std::size_t i = 0; i < plan.shape.columns.size(); ++i) {
    if (!is_counted(plan, i)) continue;
    for (std::size_t cell = 0; cell < kCellsPerColumn; ++cell, ++at) {
      const Cell& left = source.rows.front()[at];
      const Cell& right = target.rows.front()[at];
      if (!same(left, right))
        differences.push_back(
            fmt::format("{}: {}: {}", plan.shape.columns[i].name, kWhat[cell], both(left, right)));
    }
  }
  if (differences.empty()) return;
  verdict.holds = false;
  if (verdict.rows == 0) verdict.rows = 1;
  verdict.what +=
      (verdict.what.empty() ? "" : "; ") + fmt::format("{}", fmt::join(differences, "; "));
}

void judge_table(Verdict& verdict, const TablePlan& plan, const Answer& source,
                 const Answer& target) {
  const std::size_t cells = source.rows.size() == 1 ? source.rows.front().size() : 0;
  if (cells < kFirstColumn || target.rows.size() != 1 || target.rows.front().size() != cells) {
    verdict.answered = false;
    verdict.what = "the answers do not fit the question";
    return;
  }
  const std::uint64_t left = number_in(source, 0), right = number_in(target, 0);
  verdict.quarantined = number_in(target, 1);
  const std::uint64_t there = right + verdict.quarantined;
  verdict.source = std::to_string(left);
  verdict.target = std::to_string(right);
  verdict.rows = left > there ? left - there : there - left;
  verdict.holds = left == there;
  if (!verdict.holds)
    verdict.what = fmt::format("{} rows on the source and {} on the target", left, right);
  // Rows in quarantine are missing from the target's numbers, as they should be.
  if (verdict.kind == QueryPair::Kind::columns && verdict.quarantined == 0)
    compare_columns(verdict, plan, source, target);
}

}  // namespace

std::string_view to_string(QueryPair::Kind kind) {
  switch (kind) {
    case QueryPair::Kind::counts:
      return "counts";
    case QueryPair::Kind::columns:
      return "columns";
    case QueryPair::Kind::validator:
      return "validator";
  }
  return "?";
}

std::optional<QueryPair::Kind> parse_pair_kind(std::string_view text) {
  for (const QueryPair::Kind kind : kKinds)
    if (to_string(kind) == text) return kind;
  return std::nullopt;
}

std::string source_sql(const QueryPair& pair, const TablePlan* plan) {
  if (pair.kind == QueryPair::Kind::validator) return pair.source;
  check(plan != nullptr, "a table that is counted has a plan");
  return fmt::format("SELECT count(*), 0{} FROM {}",
                     pair.kind == QueryPair::Kind::columns ? source_statistics(*plan) : "",
                     sqlite::quoted(plan->name()));
}

std::string target_sql(const QueryPair& pair, const TablePlan* plan, const std::string& schema,
                       const std::string& migration) {
  if (pair.kind == QueryPair::Kind::validator) return pair.target;
  check(plan != nullptr, "a table that is counted has a plan");
  return fmt::format(
      "SELECT count(*), (SELECT count(*) FROM lockstep.quarantine WHERE migration = {} AND id = "
      "{}){} FROM {}",
      postgres::literal(migration), plan->id,
      pair.kind == QueryPair::Kind::columns ? target_statistics(*plan) : "",
      postgres::qualified(schema, plan->target_name()));
}

Verdict judge(const QueryPair& pair, const TablePlan* plan, const Answer& source,
              const Answer& target) {
  Verdict verdict;
  verdict.kind = pair.kind;
  verdict.name = pair.name;
  if (!source.problem.empty() || !target.problem.empty()) {
    verdict.what = !source.problem.empty() ? source.problem : target.problem;
    verdict.rows = 1;
    return verdict;
  }
  verdict.answered = true;
  if (pair.kind != QueryPair::Kind::validator) {
    judge_table(verdict, *plan, source, target);
    return verdict;
  }
  const auto relation = parse_relation(pair.expect);
  check(relation.has_value(), "a validator's relation was looked at before");
  verdict.what = broken(*relation, source, target);
  verdict.holds = verdict.what.empty();
  verdict.rows = verdict.holds ? 0 : 1;
  // Equal to what is not personal is not personal either.
  const bool equal = relation->kind == Relation::Kind::equal && verdict.holds;
  const bool personal = source.personal || (target.personal && !equal);
  verdict.source = describe(source, personal);
  verdict.target = describe(target, personal);
  return verdict;
}

}  // namespace lockstep::verify
