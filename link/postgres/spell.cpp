#include "link/postgres/spell.hpp"

#include <fmt/format.h>

#include <bit>
#include <chrono>
#include <cmath>
#include <iterator>
#include <optional>
#include <utility>

#include "link/postgres/decode.hpp"
#include "link/postgres/units.hpp"
#include "model/spelling.hpp"

namespace lockstep::postgres {

namespace {

constexpr std::int64_t kDaySeconds = 86'400;

std::string clock_of(std::int64_t of_day, ColumnType type, std::uint64_t found) {
  if (found == 0) {
    const bool zoned = type == ColumnType::timestamptz;
    const unsigned spelling = zoned ? static_cast<unsigned>(Zone::zero) << 4U : 0U;
    const auto whole = spell_clock(of_day, spelling);
    return whole ? *whole : spell_clock(of_day, with_six_digits(spelling)).value();
  }
  std::optional<std::string> best;
  for (std::uint64_t left = found; left != 0; left &= left - 1) {
    auto clock = spell_clock(of_day, static_cast<unsigned>(std::countr_zero(left)));
    if (clock && (!best || clock->size() < best->size())) best = std::move(clock);
  }
  if (best) return *std::move(best);
  const auto first = static_cast<unsigned>(std::countr_zero(found));
  return spell_clock(of_day, with_six_digits(first)).value();
}

}  // namespace

bool append_day(std::string& out, std::int64_t days) {
  using std::chrono::sys_days, std::chrono::year_month_day;
  constexpr std::int64_t kFirst = -730'119, kLast = 2'921'939;  // 0001-01-01, 9999-12-31
  if (days < kFirst || days > kLast) return false;
  const year_month_day date(sys_days(std::chrono::year(2000) / 1 / 1) + std::chrono::days(days));
  fmt::format_to(std::back_inserter(out), "{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                 static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
  return true;
}

bool spell_instant(std::string& out, std::int64_t microseconds, ColumnType type,
                   const ColumnSpelling& spelling) {
  constexpr std::int64_t kDay = kDaySeconds * kMicroseconds;
  std::int64_t day = microseconds / kDay, of_day = microseconds % kDay;
  if (of_day < 0) --day, of_day += kDay;
  out.clear();
  if (!append_day(out, day)) return false;
  out += clock_of(of_day, type, spelling.found);
  return true;
}

void spell_uuid(std::string& out, std::string_view bytes, const ColumnSpelling& spelling) {
  const unsigned form =
      spelling.found == 0 ? 0U : static_cast<unsigned>(std::countr_zero(spelling.found));
  const std::string_view hex = (form & 1U) != 0 ? "0123456789ABCDEF" : "0123456789abcdef";
  out.clear();
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if ((form & 2U) == 0 && (i == 4 || i == 6 || i == 8 || i == 10)) out += '-';
    const auto byte = static_cast<unsigned char>(bytes[i]);
    out += hex[byte >> 4U];
    out += hex[byte & 15U];
  }
}

bool looks_like_number(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  std::size_t at = 0;
  const auto digits = [&] {
    const std::size_t from = at;
    while (at < text.size() && digit(text[at])) ++at;
    return at - from;
  };
  while (at < text.size() && blank(text[at])) ++at;
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
  std::size_t found = digits();
  if (at < text.size() && text[at] == '.') ++at, found += digits();
  if (found == 0) return false;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    if (digits() == 0) return false;
  }
  while (at < text.size() && blank(text[at])) ++at;
  return at == text.size();
}

bool kept_by(Affinity affinity, const ValueView& value) {
  switch (value.kind) {
    case ValueClass::null:
    case ValueClass::blob:
      return true;
    case ValueClass::integer:
      return affinity != Affinity::text && affinity != Affinity::real;
    case ValueClass::real:
      if (affinity == Affinity::text || std::isnan(value.real)) return false;
      if (affinity == Affinity::blob) return true;
      // A REAL column keeps whole numbers as integers, and those have no -0.
      if (affinity == Affinity::real) return value.real != 0 || !std::signbit(value.real);
      return std::abs(value.real) >= kTwoTo63 || value.real != std::trunc(value.real);
    case ValueClass::text:
      return affinity == Affinity::text || affinity == Affinity::blob ||
             !looks_like_number(value.bytes);
  }
  return false;
}

}  // namespace lockstep::postgres
