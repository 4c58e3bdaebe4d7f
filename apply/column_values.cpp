#include "apply/column_values.hpp"

#include <fmt/format.h>

#include "link/postgres/names.hpp"

namespace lockstep::apply {

namespace {

constexpr char kInterval[] =
    "make_interval(days => ({us} / 86400000000)::integer, secs => ({us} % 86400000000)::double "
    "precision / 1000000)";
constexpr char kFrom1970[] = "({} - timestamp '1970-01-01')";

}  // namespace

std::string assigned(const TablePlan& plan, std::size_t column, std::string value) {
  if (!plan.existing) return value;
  const ExistingColumn& there = plan.existing->columns[column];
  if (there.holds.kind == TargetKind::interval)
    return plan.types[column] == ColumnType::timestamp
               ? fmt::format(kFrom1970, value)
               : fmt::format(kInterval, fmt::arg("us", value));
  return needs_cast(there.holds.kind) ? fmt::format("{}::{}", value, there.type) : value;
}

std::string type_of(const TablePlan& plan, std::size_t column) {
  return plan.existing ? plan.existing->columns[column].type
                       : std::string(to_string(plan.types[column]));
}

std::string comparable(const TablePlan& plan, std::size_t column, std::string_view row) {
  const std::string type = type_of(plan, column);
  std::string value = fmt::format("{}.{}", row, postgres::quoted(plan.target_column(column)));
  if (plan.existing && plan.existing->columns[column].holds.kind == TargetKind::interval)
    return fmt::format("justify_hours({})", row == "t" ? value : assigned(plan, column, value));
  value += "::" + type;
  if (type.starts_with("numeric")) return fmt::format("trim_scale({})", value);
  if (plan.is_key(column) && plan.types[column] == ColumnType::double_precision)
    return fmt::format("({} + 0)::{}", value, type);
  return value;
}

}  // namespace lockstep::apply
