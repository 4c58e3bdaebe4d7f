// What the fuzz targets share: input cut into parts, and a claim whose failure libFuzzer keeps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "model/error.hpp"

namespace lockstep::fuzz {

/// Input read front to back; at the end every number is 0 and every text empty.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size)
      : rest_(reinterpret_cast<const char*>(data), size) {}

  std::uint8_t byte() {
    if (rest_.empty()) return 0;
    const auto value = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }
  std::uint64_t number() {
    std::uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value = value << 8 | byte();
    return value;
  }
  std::string_view text(std::size_t bytes) {
    const std::string_view taken = rest_.substr(0, bytes);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  [[nodiscard]] std::string_view rest() const { return rest_; }
  [[nodiscard]] bool empty() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

/// Runs `body`; an Error with one of the decoder's own codes is an answer, anything else a finding.
/// True if there was none.
template <class Body>
bool refused_by_name(std::string_view codes, Body body) {
  try {
    body();
    return false;
  } catch (const Error& error) {
    check(codes.find(error.code()) != std::string_view::npos, "a decoder refuses by its own code");
    return true;
  }
}

}  // namespace lockstep::fuzz
