// How the texts of a column are written, counted: days, instants, times, UUIDs, JSON, words for
// yes and no. Says what is there; what a type takes is model/spelling's. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lockstep {

enum class FormatKind : std::uint8_t {
  day,            ///< YYYY-MM-DD
  instant,        ///< without a zone
  zoned_instant,  ///< Z, +00:00, +00
  other_offset,   ///< an instant with another offset
  long_fraction,  ///< an instant with more than six digits of a second
  clock,          ///< HH:MM[:SS[.ffffff]]
  uuid,
  json,
  boolean  ///< true false t f yes no y n on off
};

class Formats {
 public:
  void see(std::string_view text);
  void add(const Formats& other);

  [[nodiscard]] std::uint64_t count_of(FormatKind kind) const;
  /// "YYYY-MM-DD HH:MM:SS.ffffff", "json", ..., in the order in which they were met.
  [[nodiscard]] std::vector<std::pair<std::string, std::uint64_t>> named() const;

  /// Number of a format, and how many texts are written so: as the record of a census keeps it.
  std::vector<std::pair<std::uint8_t, std::uint64_t>> found{};
};

}  // namespace lockstep
