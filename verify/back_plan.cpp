#include "verify/back_plan.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace lockstep::verify {

namespace {

bool only_held(const TablePlan& plan, std::size_t column) {
  const Column& one = plan.shape.columns[column];
  return one.generated != Generated::no && one.computed_as.empty() && !plan.is_key(column);
}

// Shorter lists say nothing of the columns behind their end.
template <typename List>
void erase_at(List& list, std::size_t at) {
  if (at < list.size()) list.erase(list.begin() + static_cast<std::ptrdiff_t>(at));
}

void move_up(std::size_t& column, std::size_t gone) {
  if (column > gone) --column;
}

void erase_column(TablePlan& plan, std::size_t gone) {
  erase_at(plan.shape.columns, gone);
  erase_at(plan.types, gone);
  erase_at(plan.spellings, gone);
  erase_at(plan.on_bad_value, gone);
  erase_at(plan.personal, gone);
  erase_at(plan.rules.columns, gone);
  if (plan.existing) erase_at(plan.existing->columns, gone);
  for (std::size_t& column : plan.shape.key) move_up(column, gone);
  if (plan.shape.rowid_alias) move_up(*plan.shape.rowid_alias, gone);
  const auto has_gone = [&](const Index& index) {
    return std::any_of(index.terms.begin(), index.terms.end(),
                       [&](const IndexTerm& term) { return term.column == gone; });
  };
  std::erase_if(plan.shape.indexes, has_gone);
  for (Index& index : plan.shape.indexes)
    for (IndexTerm& term : index.terms)
      if (term.column) move_up(*term.column, gone);
}

}  // namespace

std::vector<std::string> not_comparable_back(const TablePlan& plan) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < plan.shape.columns.size(); ++i)
    if (only_held(plan, i)) names.push_back(plan.shape.columns[i].name);
  return names;
}

TablePlan comparable_back(TablePlan plan) {
  for (std::size_t i = plan.shape.columns.size(); i-- > 0;)
    if (only_held(plan, i)) erase_column(plan, i);
  return plan;
}

}  // namespace lockstep::verify
