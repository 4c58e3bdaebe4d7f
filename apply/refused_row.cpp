#include "apply/refused_row.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "model/entry_key.hpp"
#include "model/value.hpp"

namespace lockstep::apply {

namespace {

bool of_constraint(const Error& refusal) {
  return refusal.foreign().starts_with("23");
}

std::string key_shown(const TablePlan& plan, const EntryView& entry) {
  std::vector<std::string> shown;
  const std::vector<ValueView> values = key_of(plan, entry);
  for (std::size_t i = 0; i < std::min(values.size(), plan.shape.key.size()); ++i) {
    const std::size_t column = plan.shape.key[i];
    if (plan.is_personal(column)) return "(its key is marked as personal data)";
    shown.push_back(fmt::format("{} = {}", plan.target_column(column), describe(values[i])));
  }
  return fmt::format("with {}", fmt::join(shown, ", "));
}

}  // namespace

bool has_personal_data(const TablePlan& plan) {
  return std::find(plan.personal.begin(), plan.personal.end(), true) != plan.personal.end();
}

// The server's words come in any language; what it quotes stands behind them (errors.cpp of
// link/postgres). A semicolon in a name takes more away, never less.
Error without_values(const Error& refusal) {
  if (!of_constraint(refusal)) return refusal;
  ErrorFacts facts = refusal.facts();
  facts.why = facts.why.substr(0, facts.why.find("; "));
  return Error(std::move(facts));
}

Error about_row(const Error& refusal, const TablePlan& plan, const EntryView& entry) {
  constexpr std::string_view kUnique = "23505";  // what it quotes is the value that is there twice
  if (!of_constraint(refusal)) return refusal;
  const bool quoted = refusal.foreign() == kUnique && !has_personal_data(plan);
  ErrorFacts facts = (quoted ? refusal : without_values(refusal)).facts();
  facts.what = fmt::format("the target refused the row of {} {}", plan.target_name(),
                           key_shown(plan, entry));
  return Error(std::move(facts));
}

}  // namespace lockstep::apply
