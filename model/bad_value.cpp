#include "model/bad_value.hpp"

#include <set>

namespace lockstep {

std::string_view to_string(OnBadValue choice) {
  switch (choice) {
    case OnBadValue::stop:
      return "stop";
    case OnBadValue::quarantine:
      return "quarantine";
    case OnBadValue::text:
      return "text";
  }
  return "?";
}

std::optional<OnBadValue> parse_on_bad_value(std::string_view text) {
  for (const OnBadValue choice : {OnBadValue::stop, OnBadValue::quarantine, OnBadValue::text})
    if (to_string(choice) == text) return choice;
  return std::nullopt;
}

std::vector<OnBadValue> choices_for(const BadValuePolicy& policy, const TableShape& shape,
                                    const TablePlan* before, OnBadValue otherwise) {
  std::vector<OnBadValue> choices;
  for (const Column& column : shape.columns) {
    const auto named = policy.columns.find(shape.name + "." + column.name);
    const auto was = before != nullptr ? before->shape.column_named(column.name) : std::nullopt;
    if (was && before->became_text(*was))
      choices.push_back(OnBadValue::text);
    else if (named != policy.columns.end())
      choices.push_back(named->second);
    else if (policy.all)
      choices.push_back(*policy.all);
    else
      choices.push_back(was ? before->on_bad_value_of(*was) : otherwise);
  }
  return choices;
}

TableRules with_fallbacks(TableRules rules, const TableShape& shape, const TablePlan* before) {
  for (std::size_t i = 0; before != nullptr && i < shape.columns.size(); ++i) {
    const auto was = before->shape.column_named(shape.columns[i].name);
    if (!was || !before->became_text(*was)) continue;
    rules.columns.resize(shape.columns.size());
    if (rules.columns[i].cast == Cast::none) rules.columns[i].cast = Cast::text;
  }
  return rules;
}

std::vector<bool> personal_for(const BadValuePolicy& policy, const TableShape& shape,
                               const TablePlan* before) {
  std::vector<bool> personal;
  for (const Column& column : shape.columns) {
    const auto was = before != nullptr ? before->shape.column_named(column.name) : std::nullopt;
    personal.push_back(policy.personal ? policy.personal->contains(shape.name + "." + column.name)
                                       : was && before->is_personal(*was));
  }
  return personal;
}

std::vector<std::string> unknown_columns(const BadValuePolicy& policy,
                                         const std::vector<const TableShape*>& shapes) {
  std::set<std::string> known;
  for (const TableShape* shape : shapes)
    for (const Column& column : shape->columns) known.insert(shape->name + "." + column.name);
  std::vector<std::string> unknown;
  for (const auto& [name, choice] : policy.columns)
    if (!known.contains(name)) unknown.push_back(name);
  if (policy.personal)
    for (const std::string& name : *policy.personal)
      if (!known.contains(name) && !policy.columns.contains(name)) unknown.push_back(name);
  return unknown;
}

}  // namespace lockstep
