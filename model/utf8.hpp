// Well-formed UTF-8, as PostgreSQL means it: no surrogates, no overlong forms, at most U+10FFFF.
#pragma once

#include <cstddef>

namespace lockstep {

/// Bytes of the well-formed character at `at` that begins with a byte over 0x7f; 0 if it is not
/// well-formed. The bounds of the second byte keep out overlong forms, surrogates and what lies
/// beyond U+10FFFF.
[[nodiscard]] inline std::size_t utf8_multibyte_length(const unsigned char* at, std::size_t left) {
  const auto follows = [&](std::size_t i) { return (at[i] & 0xc0) == 0x80; };
  const unsigned char lead = at[0];
  if (lead < 0xc2) return 0;
  if (lead < 0xe0) return left >= 2 && follows(1) ? 2 : 0;
  if (lead < 0xf0) {
    if (left < 3 || !follows(1) || !follows(2)) return 0;
    if (lead == 0xe0 && at[1] < 0xa0) return 0;
    if (lead == 0xed && at[1] > 0x9f) return 0;
    return 3;
  }
  if (lead > 0xf4 || left < 4 || !follows(1) || !follows(2) || !follows(3)) return 0;
  if (lead == 0xf0 && at[1] < 0x90) return 0;
  if (lead == 0xf4 && at[1] > 0x8f) return 0;
  return 4;
}

}  // namespace lockstep
