#include "model/spelling.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace lockstep {

namespace {

constexpr std::int64_t kSecondsPerDay = 86'400, kMicroseconds = 1'000'000;
constexpr unsigned kNoSeconds = 7;  // in place of the number of fraction digits
constexpr std::size_t kDayBytes = 10, kMinuteBytes = 16, kSecondBytes = 19;
constexpr std::string_view kZones[] = {"", "Z", "+00:00", "+00"};
// Sequelize's one spelling has the number of one that nobody writes, "YYYY-MM-DD HH:MM+00".
constexpr std::string_view kSequelizeZone = " +00:00",
                           kSequelize = "YYYY-MM-DD HH:MM:SS.fff +00:00";
constexpr unsigned kSequelizeSpelling = 3U << 4 | kNoSeconds;
constexpr std::int64_t kMillisecondsMin = -62'135'596'800'000,
                       kMillisecondsMax = 253'402'300'799'999;
constexpr std::int64_t kSecondsTo2000 = 946'684'800;
constexpr int kJsonDepthMax = 500;

/// The two digits at `at`, or -1.
int two(std::string_view text, std::size_t at) {
  if (!is_digit(text[at]) || !is_digit(text[at + 1])) return -1;
  return (text[at] - '0') * 10 + (text[at + 1] - '0');
}

int days_in(int year, int month) {
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : kDays[month - 1];
}

/// Days since 2000-01-01, counted in years that begin in March.
std::int32_t day_number(int year, int month, int day) {
  const int from_march = (month + 9) % 12;
  const int years = year - (month < 3 ? 1 : 0);
  const int leaps = years / 4 - years / 100 + years / 400;
  return 365 * years + leaps + (153 * from_march + 2) / 5 + day - 1 - 730'425;
}

struct Fraction {
  unsigned digits = 0;
  std::int64_t microseconds = 0;
  std::size_t end = 0;
};

std::optional<Fraction> parse_fraction(std::string_view text) {
  Fraction fraction{.end = kSecondBytes};
  if (text.size() == kSecondBytes || text[kSecondBytes] != '.') return fraction;
  for (++fraction.end; fraction.end < text.size() && is_digit(text[fraction.end]); ++fraction.end) {
    if (++fraction.digits > 6) return std::nullopt;
    fraction.microseconds = fraction.microseconds * 10 + (text[fraction.end] - '0');
  }
  if (fraction.digits == 0) return std::nullopt;
  for (unsigned i = fraction.digits; i < 6; ++i) fraction.microseconds *= 10;
  return fraction;
}

class JsonText {
 public:
  explicit JsonText(std::string_view text) : text_(text) {}

  bool whole() {
    if (!value(0)) return false;
    blanks();
    return at_ == text_.size();
  }

 private:
  [[nodiscard]] char here() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void blanks() {
    while (here() == ' ' || here() == '\t' || here() == '\n' || here() == '\r') ++at_;
  }
  bool take(char c) {
    if (here() != c) return false;
    ++at_;
    return true;
  }
  bool word(std::string_view wanted) {
    if (text_.substr(at_, wanted.size()) != wanted) return false;
    at_ += wanted.size();
    return true;
  }
  bool digits() {
    if (!is_digit(here())) return false;
    while (is_digit(here())) ++at_;
    return true;
  }
  bool number() {
    take('-');
    if (!take('0') && !digits()) return false;
    if (take('.') && !digits()) return false;
    if (!take('e') && !take('E')) return true;
    if (!take('+')) take('-');
    return digits();
  }
  bool string() {
    if (!take('"')) return false;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"') return true;
      if (static_cast<unsigned char>(c) < 0x20) return false;
      if (c != '\\') continue;
      const char escaped = here();
      ++at_;
      if (escaped == 'u') {
        for (int i = 0; i < 4; ++i, ++at_)
          if (std::string_view("0123456789abcdefABCDEF").find(here()) == std::string_view::npos)
            return false;
      } else if (std::string_view("\"\\/bfnrt").find(escaped) == std::string_view::npos) {
        return false;
      }
    }
    return false;
  }
  bool member(int depth) {
    blanks();
    if (!string()) return false;
    blanks();
    return take(':') && value(depth);
  }
  bool list(char end, int depth) {
    ++at_;
    blanks();
    if (take(end)) return true;
    do {
      if (!(end == '}' ? member(depth) : value(depth))) return false;
      blanks();
    } while (take(','));
    return take(end);
  }
  bool value(int depth) {  // NOLINT(misc-no-recursion): its depth is bounded
    if (depth > kJsonDepthMax) return false;
    blanks();
    switch (here()) {
      case '{':
        return list('}', depth + 1);
      case '[':
        return list(']', depth + 1);
      case '"':
        return string();
      case 't':
        return word("true");
      case 'f':
        return word("false");
      case 'n':
        return word("null");
      default:
        return number();
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::optional<std::int32_t> parse_day(std::string_view text) {
  if (text.size() != kDayBytes || text[4] != '-' || text[7] != '-') return std::nullopt;
  const int century = two(text, 0), rest = two(text, 2), month = two(text, 5), day = two(text, 8);
  if (century < 0 || rest < 0 || month < 1 || month > 12) return std::nullopt;
  const int year = century * 100 + rest;
  if (year == 0 || day < 1 || day > days_in(year, month)) return std::nullopt;
  return day_number(year, month, day);
}

std::optional<Instant> parse_instant(std::string_view text) {
  if (text.size() < kMinuteBytes || (text[10] != ' ' && text[10] != 'T') || text[13] != ':')
    return std::nullopt;
  const auto day = parse_day(text.substr(0, kDayBytes));
  const int hour = two(text, 11), minute = two(text, 14);
  if (!day || hour < 0 || hour > 23 || minute < 0 || minute > 59) return std::nullopt;
  int second = 0;
  Fraction fraction{.digits = kNoSeconds, .end = kMinuteBytes};
  if (text.size() >= kSecondBytes && text[16] == ':') {
    second = two(text, 17);
    const auto found = parse_fraction(text);
    if (second < 0 || second > 59 || !found) return std::nullopt;
    fraction = *found;
  }
  std::string_view rest = text.substr(fraction.end);
  const bool sequelize = rest == kSequelizeZone && fraction.digits == 3 && text[10] == ' ';
  if (sequelize) rest.remove_prefix(1);
  const auto* const zone = std::find(std::begin(kZones), std::end(kZones), rest);
  if (zone == std::end(kZones)) return std::nullopt;
  Instant instant;
  instant.zone = static_cast<Zone>(zone - std::begin(kZones));
  instant.microseconds =
      ((*day * kSecondsPerDay) + hour * 3'600 + minute * 60 + second) * kMicroseconds +
      fraction.microseconds;
  instant.spelling = static_cast<std::uint8_t>(static_cast<unsigned>(instant.zone) << 4 |
                                               (text[10] == 'T' ? 8U : 0U) | fraction.digits);
  if (instant.spelling == kSequelizeSpelling) return std::nullopt;
  if (sequelize) instant.spelling = kSequelizeSpelling;
  instant.empty_fraction =
      fraction.digits > 0 && fraction.digits < kNoSeconds && fraction.microseconds == 0;
  return instant;
}

std::optional<std::string> spell_clock(std::int64_t of_day, unsigned spelling) {
  const bool sequelize = spelling == kSequelizeSpelling;
  const unsigned digits = sequelize ? 3 : spelling & 7;
  const std::int64_t second = of_day / kMicroseconds;
  std::string fraction = fmt::format("{:06}", of_day % kMicroseconds);
  const std::size_t shown = digits == kNoSeconds ? 0 : digits;
  if (fraction.find_first_not_of('0', shown) != std::string::npos) return std::nullopt;
  if (digits == kNoSeconds && second % 60 != 0) return std::nullopt;
  fraction.resize(shown);
  std::string clock = fmt::format("{}{:02}:{:02}", !sequelize && (spelling & 8) != 0 ? 'T' : ' ',
                                  second / 3'600, second / 60 % 60);
  if (digits != kNoSeconds) clock += fmt::format(":{:02}", second % 60);
  if (shown > 0) clock.append(".").append(fraction);
  return clock.append(sequelize ? kSequelizeZone : kZones[spelling >> 4 & 3]);
}

unsigned with_six_digits(unsigned spelling) {
  if (spelling == kSequelizeSpelling) return static_cast<unsigned>(Zone::zero) << 4 | 6U;
  return (spelling & ~7U) | 6U;
}

std::optional<std::int64_t> instant_of_milliseconds(std::int64_t milliseconds) {
  if (milliseconds < kMillisecondsMin || milliseconds > kMillisecondsMax) return std::nullopt;
  return milliseconds * 1'000 - kSecondsTo2000 * kMicroseconds;
}

std::optional<Uuid> parse_uuid(std::string_view text) {
  const bool dashed = text.size() == 36;
  if (!dashed && text.size() != 32) return std::nullopt;
  Uuid uuid;
  bool lower = false, upper = false;
  std::size_t digits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (dashed && (i == 8 || i == 13 || i == 18 || i == 23)) {
      if (c != '-') return std::nullopt;
      continue;
    }
    int digit = 0;
    if (is_digit(c))
      digit = c - '0';
    else if (c >= 'a' && c <= 'f')
      lower = true, digit = c - 'a' + 10;
    else if (c >= 'A' && c <= 'F')
      upper = true, digit = c - 'A' + 10;
    else
      return std::nullopt;
    char& byte = uuid.bytes[digits / 2];
    byte =
        static_cast<char>(digits % 2 == 0 ? digit << 4 : static_cast<unsigned char>(byte) | digit);
    ++digits;
  }
  if (lower && upper) return std::nullopt;
  uuid.spelling = static_cast<std::uint8_t>((dashed ? 0U : 2U) | (upper ? 1U : 0U));
  return uuid;
}

bool is_json(std::string_view text) {
  return JsonText(text).whole();
}

unsigned spellings_of(ColumnType type) {
  if (type == ColumnType::date) return 1;
  if (type == ColumnType::timestamp || type == ColumnType::timestamptz) return 64;
  return type == ColumnType::uuid ? 4 : 0;
}

std::string spelling_name(ColumnType type, unsigned spelling) {
  if (type == ColumnType::uuid) {
    constexpr const char* kNames[] = {
        "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", "XXXXXXXX-XXXX-XXXX-XXXX-XXXXXXXXXXXX",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX"};
    return kNames[spelling & 3];
  }
  if (type != ColumnType::date && spelling == kSequelizeSpelling) return std::string(kSequelize);
  std::string name = "YYYY-MM-DD";
  if (type == ColumnType::date) return name;
  const unsigned digits = spelling & 7;
  name += (spelling & 8) != 0 ? "THH:MM" : " HH:MM";
  if (digits != kNoSeconds) name += ":SS";
  if (digits > 0 && digits != kNoSeconds) name += "." + std::string(digits, 'f');
  return name + std::string(kZones[spelling >> 4 & 3]);
}

std::optional<unsigned> parse_spelling(ColumnType type, std::string_view name) {
  for (unsigned spelling = 0; spelling < spellings_of(type); ++spelling)
    if (spelling_name(type, spelling) == name) return spelling;
  return std::nullopt;
}

bool admits(const ColumnSpelling& column, ColumnType type, std::string_view text) {
  if (!column.bound) return true;
  const auto among = [&](unsigned spelling) { return (column.found >> spelling & 1) != 0; };
  if (type == ColumnType::uuid) {
    const auto uuid = parse_uuid(text);
    return uuid && among(uuid->spelling);
  }
  if (type != ColumnType::timestamp && type != ColumnType::timestamptz) return true;
  const auto instant = parse_instant(text);
  if (!instant || !among(instant->spelling)) return false;
  const bool several = (column.found & (column.found - 1)) != 0;
  return !several || !instant->empty_fraction;
}

}  // namespace lockstep
