// The seed of a test that rolls dice: the same on each run of a commit, printed so that a failure
// can be replayed.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace lockstep::test {

inline constexpr std::uint64_t kDefaultSeed = 20'240'607;

/// A decimal number means itself; any other text (a commit's hash) is hashed; no text means the
/// default.
[[nodiscard]] constexpr std::uint64_t seed_from(std::string_view text) {
  if (text.empty()) return kDefaultSeed;
  std::uint64_t number = 0;
  std::uint64_t hash = 14'695'981'039'346'656'037ULL;  // FNV-1a
  bool decimal = text.size() <= 19;
  for (const char c : text) {
    decimal = decimal && c >= '0' && c <= '9';
    if (decimal) number = number * 10 + static_cast<std::uint64_t>(c - '0');
    hash = (hash ^ static_cast<unsigned char>(c)) * 1'099'511'628'211ULL;
  }
  return decimal ? number : hash >> 2;  // 19 digits at most, so the printed number means itself
}

/// From LOCKSTEP_SEED; in CI, ops/test.sh sets that to the commit. Printed once per program.
[[nodiscard]] inline std::uint64_t test_seed() {
  static const std::uint64_t seed = [] {
    const char* text = std::getenv("LOCKSTEP_SEED");
    const std::uint64_t value = seed_from(text == nullptr ? "" : text);
    fmt::print(stderr, "seed: LOCKSTEP_SEED={}\n", value);
    return value;
  }();
  return seed;
}

}  // namespace lockstep::test
