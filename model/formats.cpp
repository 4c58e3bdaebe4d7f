#include "model/formats.hpp"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <optional>

#include "model/spelling.hpp"

namespace lockstep {

namespace {

// Below are the spellings of instants.
constexpr std::uint8_t kDay = 64, kOffset = 65, kLongFraction = 66, kClock = 67, kUuid = 68,
                       kJson = 72, kWords = 73;
constexpr std::string_view kYesAndNo[][2] = {
    {"true", "false"}, {"yes", "no"}, {"on", "off"}, {"t", "f"}, {"y", "n"}};
constexpr std::uint8_t kZonedFrom = 16;  // spellings 0 to 15 have no zone
constexpr std::size_t kMinuteBytes = 16, kSecondBytes = 19;

std::optional<std::uint8_t> instant_format(std::string_view text) {
  if (const auto instant = parse_instant(text)) return instant->spelling;
  const std::size_t sign = text.find_last_of("+-");
  if (sign != std::string_view::npos && sign >= kMinuteBytes && text.size() - sign <= 6 &&
      parse_instant(text.substr(0, sign)))
    return kOffset;
  if (text.size() > kSecondBytes && text[kSecondBytes] == '.' &&
      parse_instant(text.substr(0, kSecondBytes))) {
    const std::size_t end = text.find_first_not_of("0123456789", kSecondBytes + 1);
    if (std::min(end, text.size()) > kSecondBytes + 7) return kLongFraction;
  }
  return std::nullopt;
}

std::optional<std::uint8_t> word_format(std::string_view text) {
  for (std::uint8_t i = 0; i < std::size(kYesAndNo); ++i)
    for (const std::string_view word : kYesAndNo[i])
      if (word.size() == text.size() &&
          std::equal(word.begin(), word.end(), text.begin(), [](char a, unsigned char b) {
            return a == static_cast<char>(std::tolower(b));
          }))
        return static_cast<std::uint8_t>(kWords + i);
  return std::nullopt;
}

// Most texts are told by their length and first bytes.
std::optional<std::uint8_t> format_of(std::string_view text) {
  if (text.empty()) return std::nullopt;
  if (text[0] == '{' || text[0] == '[') return is_json(text) ? std::optional(kJson) : std::nullopt;
  if (text.size() == 32 || text.size() == 36)
    if (const auto uuid = parse_uuid(text))
      return static_cast<std::uint8_t>(kUuid + uuid->spelling);
  if (!is_digit(text[0])) return text.size() <= 5 ? word_format(text) : std::nullopt;
  if (text.size() == 10 && text[4] == '-')
    return parse_day(text) ? std::optional(kDay) : std::nullopt;
  if (text.size() >= kMinuteBytes && text[4] == '-') return instant_format(text);
  constexpr std::size_t kClockBytesMax = 15;
  if (text.size() >= 5 && text.size() <= kClockBytesMax && text[2] == ':' &&
      text.find_first_not_of("0123456789:.") == std::string_view::npos &&
      parse_instant("2000-01-01 " + std::string(text)))
    return kClock;
  return std::nullopt;
}

FormatKind kind_of(std::uint8_t format) {
  if (format < kZonedFrom) return FormatKind::instant;
  if (format < kDay) return FormatKind::zoned_instant;
  if (format == kDay) return FormatKind::day;
  if (format == kOffset) return FormatKind::other_offset;
  if (format == kLongFraction) return FormatKind::long_fraction;
  if (format == kClock) return FormatKind::clock;
  if (format < kJson) return FormatKind::uuid;
  return format == kJson ? FormatKind::json : FormatKind::boolean;
}

std::string name_of(std::uint8_t format) {
  switch (kind_of(format)) {
    case FormatKind::instant:
    case FormatKind::zoned_instant:
      return spelling_name(ColumnType::timestamp, format);
    case FormatKind::day:
      return spelling_name(ColumnType::date, 0);
    case FormatKind::other_offset:
      return "instant with another offset than UTC";
    case FormatKind::long_fraction:
      return "instant with more than 6 digits of a second";
    case FormatKind::clock:
      return "HH:MM:SS";
    case FormatKind::uuid:
      return "uuid " + spelling_name(ColumnType::uuid, format - kUuid);
    case FormatKind::json:
      return "json";
    case FormatKind::boolean:
      break;
  }
  const auto& words = kYesAndNo[std::min<std::size_t>(format - kWords, std::size(kYesAndNo) - 1)];
  return "boolean " + std::string(words[0]) + "/" + std::string(words[1]);
}

}  // namespace

void Formats::see(std::string_view text) {
  const auto format = format_of(text);
  if (!format) return;
  for (auto& [known, count] : found)
    if (known == *format) {
      ++count;
      return;
    }
  found.emplace_back(*format, 1);
}

void Formats::add(const Formats& other) {
  for (const auto& more : other.found) {
    const auto same = std::find_if(found.begin(), found.end(),
                                   [&](const auto& each) { return each.first == more.first; });
    if (same == found.end())
      found.push_back(more);
    else
      same->second += more.second;
  }
}

std::uint64_t Formats::count_of(FormatKind kind) const {
  std::uint64_t sum = 0;
  for (const auto& [format, count] : found)
    if (kind_of(format) == kind) sum += count;
  return sum;
}

std::vector<std::pair<std::string, std::uint64_t>> Formats::named() const {
  std::vector<std::pair<std::string, std::uint64_t>> names;
  names.reserve(found.size());
  for (const auto& [format, count] : found) names.emplace_back(name_of(format), count);
  return names;
}

}  // namespace lockstep
