// Which way changes travel, and what people read of the two sides then.
#pragma once

#include <cstdint>
#include <string_view>

namespace lockstep {

enum class Flow : std::uint8_t {
  forward,  ///< from SQLite to PostgreSQL
  reverse   ///< from PostgreSQL to SQLite: after a cutover
};

/// As records on the target and JSON have it.
[[nodiscard]] constexpr std::string_view to_string(Flow flow) {
  return flow == Flow::forward ? "forward" : "reverse";
}

/// SOURCE and TARGET of the command line are the source and the target until a cutover; after it
/// PostgreSQL is the source, and people read the names of the engines.
struct SideNames {
  std::string_view sqlite, postgres;
};
[[nodiscard]] constexpr SideNames side_names(Flow flow) {
  return flow == Flow::forward ? SideNames{"the source", "the target"}
                               : SideNames{"SQLite", "PostgreSQL"};
}

}  // namespace lockstep
