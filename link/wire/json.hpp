// Strict reading of JSON bodies, for this folder's sources only: nlohmann converts numbers silently
// (-1 to unsigned, 1.5 to 1) and throws exceptions of its own; here everything that does not fit is
// Error LS-W504.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "model/shape.hpp"
#include "model/value.hpp"

namespace lockstep::wire {

using Json = nlohmann::json;

[[noreturn]] void throw_unfit(std::string_view body_of, std::string_view why);

/// Throws LS-W504 on what is no JSON, and on JSON nested deeper than any body of ours (a hostile 4
/// MiB of brackets would cost hundreds of megabytes).
[[nodiscard]] Json parse_json(std::string_view body_of, std::string_view text);
/// Never throws on text that is not UTF-8: bad bytes become U+FFFD.
[[nodiscard]] std::string dump_json(const Json& json);

/// Exact for any bytes: a JSON string, or {"hex": "..."} for what is not UTF-8 or has NUL (jsonb
/// refuses it).
[[nodiscard]] Json exact_text(std::string_view text);
[[nodiscard]] std::string to_hex(std::string_view bytes);
[[nodiscard]] std::optional<std::string> from_hex(std::string_view hex);
[[nodiscard]] bool is_utf8(std::string_view text);

/// One JSON object or array, and the name to blame.
class JsonReader {
 public:
  JsonReader(std::string_view body_of, const Json& json) : body_of_(body_of), json_(json) {}
  [[nodiscard]] const Json& json() const { return json_; }
  [[nodiscard]] std::string_view body_of() const { return body_of_; }

  [[nodiscard]] bool has(const char* member) const;  ///< there and not null
  [[nodiscard]] JsonReader member(const char* member) const;
  [[nodiscard]] std::string string(const char* member) const;
  [[nodiscard]] std::string exact_text(const char* member) const;
  [[nodiscard]] bool boolean(const char* member) const;
  [[nodiscard]] std::int64_t integer(const char* member) const;
  [[nodiscard]] std::uint64_t count(const char* member) const;
  [[nodiscard]] std::uint32_t table(const char* member) const;
  /// Throws unless this is an array.
  [[nodiscard]] const Json& array() const;

 private:
  std::string_view body_of_;
  const Json& json_;
};

[[nodiscard]] std::string read_exact_text(std::string_view body_of, const Json& json);
[[nodiscard]] std::int64_t read_integer(std::string_view body_of, const Json& json);
[[nodiscard]] std::uint64_t read_count(std::string_view body_of, const Json& json);

[[nodiscard]] Json plan_to_json(const TablePlan& plan);
[[nodiscard]] TablePlan plan_from_json(std::string_view body_of, const Json& json);
/// An empty object if there are none.
[[nodiscard]] Json rules_to_json(const TableRules& rules);
[[nodiscard]] TableRules rules_from_json(const JsonReader& from, std::size_t columns);
/// Of a plan that has its shape and its rules.
[[nodiscard]] Json existing_to_json(const ExistingTarget& existing);
[[nodiscard]] ExistingTarget existing_from_json(const JsonReader& from, const TablePlan& plan);
[[nodiscard]] Json texts_to_json(const std::vector<std::string>& texts);
[[nodiscard]] std::vector<std::string> texts_from_json(const JsonReader& from);
[[nodiscard]] Json key_to_json(const std::vector<Value>& key);
[[nodiscard]] std::vector<Value> key_from_json(std::string_view body_of, const Json& json);

}  // namespace lockstep::wire
