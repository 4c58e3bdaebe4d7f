// What lockstep assess says in JSON, and the file that answers it.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "config/validate.hpp"
#include "tests/system/world.hpp"

namespace lockstep::test {

using nlohmann::json;

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// Its JSON, which has to be as published.
inline json assessment(const Outcome& outcome) {
  INFO(everything(outcome));
  const json page = json::parse(outcome.output);
  const json schema = json::parse(contents(LOCKSTEP_SOURCE_DIR "/ops/assessment.schema.json"));
  std::string mistakes;
  for (const auto& mistake : config::mistakes_in(page, schema))
    mistakes += mistake.path + ": " + mistake.what + "\n";
  REQUIRE(mistakes.empty());
  return page;
}

inline json assess(const std::vector<std::string>& arguments, int code) {
  std::vector<std::string> all{"assess", "--json"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  const Outcome outcome = lockstep(all);
  require_code(outcome, code);
  return assessment(outcome);
}

inline std::set<std::string> tables_with(const json& page, const std::string& severity,
                                         const std::string& code = "") {
  std::set<std::string> tables;
  for (const json& finding : page["findings"])
    if (finding["severity"] == severity && (code.empty() || finding["code"] == code))
      tables.insert(finding["table"].get<std::string>());
  return tables;
}

inline const json& named(const json& list, const std::string& name) {
  const auto found =
      std::find_if(list.begin(), list.end(), [&](const json& one) { return one["name"] == name; });
  REQUIRE(found != list.end());
  return *found;
}

inline std::string config_of(const TempDir& folder, const json& config) {
  const std::string path = folder.file("lockstep.json");
  std::ofstream(path) << config.dump(1);
  std::filesystem::permissions(path, std::filesystem::perms{0600});
  return path;
}

}  // namespace lockstep::test
