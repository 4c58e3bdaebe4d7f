// How far along a line of history: era, seq and that change's identity.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lockstep {

/// Which line of history a position belongs to: 128 random bits, new at install and at every
/// handover. Text form: a lower-case UUID (8-4-4-4-12), as PostgreSQL's uuid type prints it.
struct Era {
  std::array<std::uint8_t, 16> bytes{};
  friend bool operator==(const Era&, const Era&) = default;
};

[[nodiscard]] std::string to_string(const Era& era);
[[nodiscard]] std::optional<Era> parse_era(std::string_view text);

/// "Everything up to here": the change with number `seq`, proven by the random `identity` stored in
/// that very row of the change table. A number alone is not a position: a restored
/// file reuses it.
struct Position {
  Era era;
  std::int64_t seq = 0;
  std::int64_t identity = 0;

  friend bool operator==(const Position&, const Position&) = default;
  /// Positions of different eras are not ordered. Same era and seq but another identity: not
  /// ordered either.
  friend std::partial_ordering operator<=>(const Position& a, const Position& b) {
    if (a.era != b.era) return std::partial_ordering::unordered;
    if (a.seq == b.seq && a.identity != b.identity) return std::partial_ordering::unordered;
    return a.seq <=> b.seq;
  }
};

/// "era/seq/identity", e.g. 6ba7b810-9dad-41d1-80b4-00c04fd430c8/1204/-77120934. What status prints
/// and `wait --for applied=` takes.
[[nodiscard]] std::string to_string(const Position& position);
[[nodiscard]] std::optional<Position> parse_position(std::string_view text);

}  // namespace lockstep
