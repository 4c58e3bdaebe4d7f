// A parsed file against the JSON Schema, as one sentence for each mistake. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace lockstep::config {

/// A mistake and where it is, as a JSON pointer.
struct Mistake {
  std::string path;
  std::string what;
  std::string todo;
};

/// `schema` may use type, properties, additionalProperties, required, items, const, pattern,
/// minimum, minLength and anyOf; other keywords are checked too, but explained in valijson's words.
[[nodiscard]] std::vector<Mistake> mistakes_in(const nlohmann::json& document,
                                               const nlohmann::json& schema);

}  // namespace lockstep::config
