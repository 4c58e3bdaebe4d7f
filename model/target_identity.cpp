#include "model/target_identity.hpp"

#include <fmt/format.h>

#include <charconv>

namespace lockstep {

std::string to_string(const TargetIdentity& identity) {
  return fmt::format("{}/{}/{}", identity.system, identity.database, identity.timeline);
}

std::optional<TargetIdentity> parse_target_identity(std::string_view text) {
  const std::size_t first = text.find('/'), last = text.rfind('/');
  if (first == std::string_view::npos || first == last) return std::nullopt;
  TargetIdentity identity{std::string(text.substr(0, first)),
                          std::string(text.substr(first + 1, last - first - 1))};
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + last + 1, end, identity.timeline);
  const bool whole = parsed.ec == std::errc{} && parsed.ptr == end;
  if (!whole || identity.system.empty() || identity.database.empty()) return std::nullopt;
  return identity;
}

Kinship kinship(const TargetIdentity& known, const TargetIdentity& seen) {
  if (known.system != seen.system || known.database != seen.database) return Kinship::other;
  if (seen.timeline == known.timeline) return Kinship::same;
  return seen.timeline > known.timeline ? Kinship::later : Kinship::earlier;
}

}  // namespace lockstep
