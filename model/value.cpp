#include "model/value.hpp"

#include <fmt/format.h>

#include "model/utf8.hpp"

namespace lockstep {

namespace {

constexpr std::size_t kShownBytesMax = 60;

// What is printed must not change the terminal it is printed on, nor be invalid in JSON: control
// characters and bytes that are not UTF-8 are escaped.
std::string shown_text(std::string_view bytes) {
  std::string out = "'";
  std::size_t at = 0;
  while (at < bytes.size() && at < kShownBytesMax) {
    const auto code = static_cast<unsigned char>(bytes[at]);
    std::size_t length = 1;
    if (code >= 0x80)
      length = utf8_multibyte_length(reinterpret_cast<const unsigned char*>(bytes.data()) + at,
                                     bytes.size() - at);
    if (length == 0 || code < 0x20 || code == 0x7f) {
      out += fmt::format("\\x{:02x}", code);
      ++at;
    } else {
      out += bytes.substr(at, length);
      at += length;
    }
  }
  out += '\'';
  if (bytes.size() > kShownBytesMax) out += fmt::format("... ({} bytes)", bytes.size());
  return out;
}

// 1.0, not 1: a real is told from an integer by its looks.
std::string shown_real(double number) {
  std::string text = fmt::format("{}", number);
  if (text.find_first_not_of("-0123456789") == std::string::npos) text += ".0";
  return text;
}

std::string shown_blob(std::string_view bytes) {
  std::string out = "x'";
  for (const char c : bytes.substr(0, kShownBytesMax / 2))
    out += fmt::format("{:02x}", static_cast<unsigned char>(c));
  out += '\'';
  if (bytes.size() > kShownBytesMax / 2) out += fmt::format("... ({} bytes)", bytes.size());
  return out;
}

}  // namespace

std::string_view to_string(ValueClass kind) {
  switch (kind) {
    case ValueClass::null:
      return "null";
    case ValueClass::integer:
      return "integer";
    case ValueClass::real:
      return "real";
    case ValueClass::text:
      return "text";
    case ValueClass::blob:
      return "blob";
  }
  return "?";
}

std::string describe(const ValueView& value) {
  switch (value.kind) {
    case ValueClass::null:
      return "NULL";
    case ValueClass::integer:
      return fmt::format("{}", value.integer);
    case ValueClass::real:
      return shown_real(value.real);
    case ValueClass::text:
      return shown_text(value.bytes);
    case ValueClass::blob:
      return shown_blob(value.bytes);
  }
  return "?";
}

}  // namespace lockstep
