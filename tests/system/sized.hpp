// A slice of the long cases in CI, all of them in the soak.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>

namespace lockstep::test {

/// True with LOCKSTEP_SIZES=full in the environment.
inline bool full_size() {
  const char* sizes = std::getenv("LOCKSTEP_SIZES");
  return sizes != nullptr && std::string{sizes} == "full";
}

inline std::int64_t sized(std::int64_t whole, std::int64_t slice) {
  return full_size() ? whole : slice;
}

}  // namespace lockstep::test
