#include "config/validate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>
#pragma GCC diagnostic pop

#include "config/line_index.hpp"

namespace lockstep::config {

namespace {

using nlohmann::json;

std::size_t edits_between(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({changed, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

std::string nearest_of(const std::string& typed, const json& properties) {
  std::string nearest;
  std::size_t fewest = std::max<std::size_t>(3, typed.size() / 2 + 1);  // two are forgiven at least
  for (const auto& [name, value] : properties.items())
    if (const std::size_t edits = edits_between(typed, name); edits < fewest) {
      fewest = edits;
      nearest = name;
    }
  return nearest;
}

std::string names_of(const json& properties) {
  std::string names;
  for (const auto& [name, value] : properties.items()) names += (names.empty() ? "" : ", ") + name;
  return names;
}

// The schema of what stands at `path`; null where the schema does not say.
const json& schema_at(const json& schema, const std::vector<std::string>& path) {
  static const json nothing;
  const json* at = &schema;
  for (const std::string& step : path) {
    if (at->contains("properties") && (*at)["properties"].contains(step))
      at = &(*at)["properties"][step];
    else if (at->contains("items"))
      at = &(*at)["items"];
    else if (at->contains("additionalProperties") && (*at)["additionalProperties"].is_object())
      at = &(*at)["additionalProperties"];
    else
      return nothing;
  }
  return *at;
}

const json* value_at(const json& document, const std::vector<std::string>& path) {
  const json* at = &document;
  for (const std::string& step : path) {
    if (at->is_object() && at->contains(step)) {
      at = &(*at)[step];
    } else if (at->is_array()) {
      const auto number = static_cast<std::size_t>(std::stoul("0" + step));
      if (number >= at->size()) return nullptr;
      at = &(*at)[number];
    } else {
      return nullptr;
    }
  }
  return at;
}

bool has_type(const json& value, const std::string& type) {
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  return type == value.type_name();
}

// What is wrong with this value itself, not with what it contains.
std::vector<Mistake> explain(const json& value, const json& schema, const std::string& path) {
  std::vector<Mistake> found;
  const std::string meaning = schema.value("description", "");
  if (schema.contains("type") && !has_type(value, schema["type"])) {
    found.push_back({path,
                     fmt::format("this has to be of type {}, not {}",
                                 schema["type"].get<std::string>(), value.type_name()),
                     meaning});
    return found;
  }
  if (schema.contains("const") && value != schema["const"])
    found.push_back({path, fmt::format("this has to be {}", schema["const"].dump()), meaning});
  if (schema.contains("minLength") && value.is_string() &&
      value.get_ref<const std::string&>().empty())
    found.push_back({path, "this is empty", meaning});
  if (schema.contains("minimum") && value.is_number() &&
      value.get<double>() < schema["minimum"].get<double>())
    found.push_back(
        {path, fmt::format("this has to be at least {}", schema["minimum"].dump()), meaning});
  if (!value.is_object()) return found;
  const json properties = schema.value("properties", json::object());
  if (schema.contains("additionalProperties") && schema["additionalProperties"] == false)
    for (const auto& [name, member] : value.items()) {
      if (properties.contains(name)) continue;
      const std::string nearest = nearest_of(name, properties);
      found.push_back(
          {pointer_to(path, name), "there is no such key",
           nearest.empty() ? "known here: " + names_of(properties) : "did you mean: " + nearest});
    }
  for (const json& name : schema.value("required", json::array()))
    if (!value.contains(name))
      found.push_back({path, fmt::format("\"{}\" is missing", name.get<std::string>()), ""});
  return found;
}

std::string pointer_of(const std::vector<std::string>& steps) {
  std::string pointer;
  for (const std::string& step : steps) pointer = pointer_to(pointer, step);
  return pointer;
}

// valijson reports a mistake at every level above it, too.
bool is_above_another(const std::string& path, const std::set<std::string>& paths) {
  const auto next = paths.upper_bound(path + "/");
  return next != paths.end() && next->starts_with(path + "/");
}

// valijson writes "[tables]" for a step; the first one is the whole.
std::vector<std::string> steps_of(const std::vector<std::string>& context) {
  std::vector<std::string> steps;
  for (std::size_t i = 1; i < context.size(); ++i)
    steps.push_back(context[i].substr(1, context[i].size() - 2));
  return steps;
}

}  // namespace

std::vector<Mistake> mistakes_in(const json& document, const json& schema) {
  valijson::Schema rules;
  valijson::SchemaParser().populateSchema(valijson::adapters::NlohmannJsonAdapter(schema), rules);
  valijson::ValidationResults results;
  valijson::Validator validator;
  if (validator.validate(rules, valijson::adapters::NlohmannJsonAdapter(document), &results))
    return {};
  std::vector<std::pair<std::vector<std::string>, std::string>> reported;
  std::set<std::string> paths;
  valijson::ValidationResults::Error error;
  while (results.popError(error)) {
    reported.emplace_back(steps_of(error.context), error.description);
    paths.insert(pointer_of(reported.back().first));
  }
  std::vector<Mistake> mistakes;
  std::set<std::string> done;
  for (const auto& [steps, description] : reported) {
    const std::string path = pointer_of(steps);
    if (!done.insert(path).second) continue;
    const json* value = value_at(document, steps);
    const json& rule = schema_at(schema, steps);
    std::vector<Mistake> found;
    if (value != nullptr && rule.is_object()) found = explain(*value, rule, path);
    if (found.empty() && !is_above_another(path, paths)) {
      const std::string meaning = rule.is_object() ? rule.value("description", "") : "";
      found.push_back(
          {path, meaning.empty() ? description : "this is none of what it may be", meaning});
    }
    mistakes.insert(mistakes.end(), found.begin(), found.end());
  }
  return mistakes;
}

}  // namespace lockstep::config
