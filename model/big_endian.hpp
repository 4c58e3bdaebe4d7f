// Whole numbers with their highest byte first: on our wire, in PostgreSQL's binary formats, in
// canonical bytes. Any thread.
#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>

namespace lockstep {

template <std::integral Number>
[[nodiscard]] constexpr Number swapped_to_big_endian(Number number) {
  if constexpr (std::endian::native == std::endian::big || sizeof(Number) == 1)
    return number;
  else if constexpr (sizeof(Number) == 8)
    return static_cast<Number>(__builtin_bswap64(static_cast<std::uint64_t>(number)));
  else if constexpr (sizeof(Number) == 4)
    return static_cast<Number>(__builtin_bswap32(static_cast<std::uint32_t>(number)));
  else
    return static_cast<Number>(__builtin_bswap16(static_cast<std::uint16_t>(number)));
}

/// `bytes` has sizeof(Number) of them.
template <std::integral Number>
[[nodiscard]] Number load_big_endian(const char* bytes) {
  Number number = 0;
  std::memcpy(&number, bytes, sizeof number);
  return swapped_to_big_endian(number);
}

template <std::integral Number>
void store_big_endian(char* to, Number number) {
  number = swapped_to_big_endian(number);
  std::memcpy(to, &number, sizeof number);
}

template <std::integral Number>
void append_big_endian(std::string& out, Number number) {
  std::array<char, sizeof(Number)> bytes;
  store_big_endian(bytes.data(), number);
  out.append(bytes.data(), bytes.size());
}

}  // namespace lockstep
