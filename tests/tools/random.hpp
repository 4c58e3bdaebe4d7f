// The dice of the programs around the product: the same numbers for the same seed everywhere.
#pragma once

#include <cstdint>

namespace tools {

/// splitmix64: the standard library's distributions differ between implementations, this does not.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31U);
  }
  /// Evenly from low to high, both included.
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(next() % static_cast<std::uint64_t>(high - low + 1));
  }
  bool one_in(std::int64_t chances) { return between(1, chances) == 1; }

 private:
  std::uint64_t state_;
};

}  // namespace tools
