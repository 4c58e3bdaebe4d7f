#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "ops/findings.hpp"

namespace lockstep::ops {

namespace {

using nlohmann::ordered_json;

// Lists grow, objects meet, of two words for one thing the first stays.
void merge_into(ordered_json& all, const ordered_json& one) {
  for (const auto& [name, value] : one.items()) {
    if (!all.contains(name)) {
      all[name] = value;
    } else if (value.is_object()) {
      merge_into(all[name], value);
    } else if (value.is_array()) {
      for (const ordered_json& element : value)
        if (std::find(all[name].begin(), all[name].end(), element) == all[name].end())
          all[name].push_back(element);
    }
  }
}

std::string dumped(const ordered_json& value) {
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

// An object of one plain value stands on one line.
void write_members(std::string& text, const ordered_json& object, const std::string& indent) {
  bool first = true;
  for (const auto& [name, value] : object.items()) {
    text += fmt::format("{}{}{}: ", first ? "" : ",\n", indent, dumped(name));
    first = false;
    if (!value.is_object()) {
      text += dumped(value);
    } else if (value.size() == 1 && !value.begin()->is_structured()) {
      text += fmt::format("{{ {}: {} }}", dumped(value.begin().key()), dumped(*value.begin()));
    } else {
      text += "{\n";
      write_members(text, value, indent + "  ");
      text += "\n" + indent + "}";
    }
  }
}

}  // namespace

std::string deciding_config(const std::vector<Finding>& findings) {
  ordered_json all{{"version", 1}};
  for (const Finding& finding : findings) {
    if (finding.severity != Severity::blocker || finding.decide_config.empty()) continue;
    const ordered_json one = ordered_json::parse("{" + finding.decide_config + "}", nullptr, false);
    if (one.is_object()) merge_into(all, one);
  }
  if (all.size() == 1) return {};
  std::string text = "{\n";
  write_members(text, all, "  ");
  return text + "\n}\n";
}

}  // namespace lockstep::ops
