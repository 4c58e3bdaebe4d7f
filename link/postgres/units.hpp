// Numbers that several files of this folder reckon with.
#pragma once

#include <cstdint>

namespace lockstep::postgres {

inline constexpr std::int64_t kMicroseconds = 1'000'000;  ///< in a second
/// The first double above every 64-bit integer.
inline constexpr double kTwoTo63 = 9'223'372'036'854'775'808.0;

}  // namespace lockstep::postgres
