// What a configuration of lockstep says about names and values, read anew here: the judge shares
// no code with what it judges.
#pragma once

#include <fnmatch.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace compare {

/// A value of the source, before and behind its rules.
struct SourceValue {
  enum class Class : std::uint8_t { null, integer, real, text, blob };
  Class kind = Class::null;
  std::int64_t integer = 0;
  double real = 0;
  std::string bytes{};
};

struct ColumnRule {
  std::string rename{}, type{};
  std::optional<std::string> nul{};  ///< what takes the place of U+0000
  std::optional<SourceValue> otherwise{};
  bool may_be_text = false;  ///< it became text if it had to

  [[nodiscard]] bool changes_values() const { return !type.empty() || nul || otherwise; }
};

/// Nothing of a constructed one: no rules.
class Rules {
 public:
  Rules() = default;
  explicit Rules(const std::string& path) {
    std::ifstream file(path);
    if (!file) throw std::runtime_error("cannot read " + path);
    config_ = nlohmann::json::parse(file, nullptr, true, /*ignore_comments=*/true);
  }

  [[nodiscard]] bool compares(const std::string& table) const {
    const nlohmann::json tables = member(config_, "tables");
    if (matches(tables, "exclude", table)) return false;
    return !tables.contains("include") || matches(tables, "include", table);
  }

  [[nodiscard]] std::string target_table(const std::string& table) const {
    return member(member(config_, "tables"), "rename").value(table, table);
  }

  /// Columns that only the target has, and the text of what each row has there.
  [[nodiscard]] std::map<std::string, std::string> added(const std::string& table) const {
    std::map<std::string, std::string> constants;
    const nlohmann::json columns = member(member(member(config_, "tables"), "add"), table);
    for (const auto& [name, value] : columns.items())
      constants.emplace(name, value.is_string() ? value.get<std::string>() : value.dump());
    return constants;
  }

  [[nodiscard]] ColumnRule column(const std::string& table, const std::string& name) const {
    const nlohmann::json found = member(member(config_, "columns"), table + "." + name);
    ColumnRule rule{.rename = found.value("rename", ""), .type = found.value("type", "")};
    const std::string nul = found.value("nul", "");
    if (nul == "strip") rule.nul = "";
    if (nul == "bytea") rule.type = nul;
    if (nul.starts_with("replace:")) rule.nul = nul.substr(nul.find(':') + 1);
    rule.may_be_text = found.value("on_bad_value", config_.value("on_bad_value", "")) == "text";
    if (found.contains("default_if_null")) rule.otherwise = constant(found["default_if_null"]);
    return rule;
  }

 private:
  static nlohmann::json member(const nlohmann::json& object, const std::string& name) {
    return object.is_object() && object.contains(name) ? object[name] : nlohmann::json::object();
  }

  static bool matches(const nlohmann::json& tables, const char* list, const std::string& table) {
    for (const nlohmann::json& glob : tables.value(list, nlohmann::json::array()))
      if (glob == table || fnmatch(glob.get<std::string>().c_str(), table.c_str(), 0) == 0)
        return true;
    return false;
  }

  static SourceValue constant(const nlohmann::json& value) {
    using Class = SourceValue::Class;
    if (value.is_string()) return {.kind = Class::text, .bytes = value.get<std::string>()};
    if (value.is_boolean()) return {.kind = Class::integer, .integer = value.get<bool>() ? 1 : 0};
    if (value.is_number_integer())
      return {.kind = Class::integer, .integer = value.get<std::int64_t>()};
    return {.kind = Class::real, .real = value.get<double>()};
  }

  nlohmann::json config_ = nlohmann::json::object();
};

}  // namespace compare
