#include "model/position.hpp"

#include <fmt/format.h>

#include <charconv>

namespace lockstep {

namespace {

constexpr std::size_t kEraTextBytes = 36;

std::optional<std::uint8_t> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<std::uint8_t>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<std::uint8_t>(c - 'a' + 10);
  return std::nullopt;
}

std::optional<std::int64_t> parse_number(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

std::string to_string(const Era& era) {
  std::string out;
  out.reserve(kEraTextBytes);
  for (std::size_t i = 0; i < era.bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += fmt::format("{:02x}", era.bytes[i]);
  }
  return out;
}

std::optional<Era> parse_era(std::string_view text) {
  if (text.size() != kEraTextBytes) return std::nullopt;
  Era era;
  std::size_t at = 0;
  for (std::size_t i = 0; i < era.bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) {
      if (text[at++] != '-') return std::nullopt;
    }
    const auto high = hex_digit(text[at++]);
    const auto low = hex_digit(text[at++]);
    if (!high || !low) return std::nullopt;
    era.bytes[i] = static_cast<std::uint8_t>(*high * 16 + *low);
  }
  return era;
}

std::string to_string(const Position& position) {
  return fmt::format("{}/{}/{}", to_string(position.era), position.seq, position.identity);
}

std::optional<Position> parse_position(std::string_view text) {
  const std::size_t first = text.find('/');
  if (first == std::string_view::npos) return std::nullopt;
  const std::size_t second = text.find('/', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  const auto era = parse_era(text.substr(0, first));
  const auto seq = parse_number(text.substr(first + 1, second - first - 1));
  const auto identity = parse_number(text.substr(second + 1));
  if (!era || !seq || !identity) return std::nullopt;
  return Position{*era, *seq, *identity};
}

}  // namespace lockstep
