#include "ops/printable.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "model/utf8.hpp"

namespace lockstep::ops {

namespace {

// C1 controls, line and paragraph separators, and everything that reorders what follows.
bool misleads(std::string_view letter) {
  if (letter.size() == 2)
    return letter[0] == '\xc2' && static_cast<unsigned char>(letter[1]) < 0xa0;
  if (letter.size() != 3 || letter[0] != '\xe2') return false;
  const auto second = static_cast<unsigned char>(letter[1]);
  const auto third = static_cast<unsigned char>(letter[2]);
  return (second == 0x80 && ((third >= 0xa8 && third <= 0xae) || third == 0x8e || third == 0x8f)) ||
         (second == 0x81 && third >= 0xa6 && third <= 0xa9);
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
    const bool ascii = bytes[0] < 0x80;
    const std::size_t length = ascii ? 1 : utf8_multibyte_length(bytes, text.size());
    const std::string_view letter = text.substr(0, std::max<std::size_t>(length, 1));
    const bool shown =
        ascii ? bytes[0] >= 0x20 && bytes[0] != 0x7f : length > 0 && !misleads(letter);
    if (shown)
      out += letter;
    else
      for (const char c : letter) out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    text.remove_prefix(letter.size());
  }
  return out;
}

}  // namespace lockstep::ops
