#include "apply/upsert_key.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "link/postgres/names.hpp"

namespace lockstep::apply {

// By columns alone ON CONFLICT takes every unique index over them for the one that is meant, one
// whose collation makes two keys one as well. Ours has the default one.
std::string conflict_target(const TablePlan& plan) {
  std::vector<std::string> names;
  for (const std::size_t column : plan.shape.key) {
    std::string& name = names.emplace_back(postgres::quoted(plan.target_column(column)));
    if (!plan.existing && plan.types[column] == ColumnType::text)
      name += R"( COLLATE pg_catalog."default")";
  }
  return fmt::format(" ON CONFLICT ({})", fmt::join(names, ", "));
}

// A table that was there has what collations it has: such an index is named by LS-T221 and LS-T214,
// and until then the row that it found is proven to be of the same key. The error is the refusal;
// no value is in it, and nothing of it is constant, which the planner would evaluate.
std::string same_key_or_error(const TablePlan& plan, const std::string& row) {
  std::vector<std::string> terms;
  std::string text;
  for (const std::size_t column : plan.shape.key) {
    if (!plan.existing || plan.types[column] != ColumnType::text) continue;
    const std::string name = postgres::quoted(plan.target_column(column));
    terms.push_back(fmt::format("{1}.{0} = EXCLUDED.{0}", name, row));
    text = fmt::format("{}.{}", row, name);
  }
  if (terms.empty()) return {};
  return fmt::format(
      "CASE WHEN {} THEN true ELSE ('a unique index takes two keys for one' || left({}::text, "
      "0))::integer = 0 END",
      fmt::join(terms, " AND "), text);
}

std::string keep_row(const TablePlan& plan, const std::string& row) {
  const std::string proof = same_key_or_error(plan, row);
  if (proof.empty()) return conflict_target(plan) + " DO NOTHING";
  std::string name;  // a number may be GENERATED ALWAYS, which nobody may set
  for (const std::size_t column : plan.shape.key)
    if (plan.types[column] == ColumnType::text) name = postgres::quoted(plan.target_column(column));
  return fmt::format("{0} DO UPDATE SET {1} = EXCLUDED.{1} WHERE NOT {2}", conflict_target(plan),
                     name, proof);
}

}  // namespace lockstep::apply
