// The members "columns", "tables.rename" and "tables.add" of a configuration file. Pure.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "config/problem.hpp"
#include "model/rule.hpp"

namespace lockstep::config {

/// `document` is as the schema says; what the schema cannot say goes to `problems`.
[[nodiscard]] RuleSet read_rules(const nlohmann::json& document,
                                 const std::map<std::string, int>& lines,
                                 std::vector<Problem>& problems);

}  // namespace lockstep::config
