#include "verify/values.hpp"

#include <fmt/format.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <iterator>
#include <limits>
#include <utility>

#include "link/postgres/entry_check.hpp"
#include "link/postgres/names.hpp"
#include "link/postgres/numeric.hpp"
#include "model/big_endian.hpp"
#include "model/spelling.hpp"
#include "verify/json_meaning.hpp"
#include "verify/shown_key.hpp"

namespace lockstep::verify {

namespace {

constexpr std::size_t kMinuteBytes = 16, kSecondBytes = 19;
constexpr std::int64_t kSecondMicros = 1'000'000, kDaySeconds = 86'400;
constexpr std::int64_t kPerMillisecond = 1'000;
constexpr std::int64_t kMillisecondsTo2000 = 946'684'800'000;  // of 1970, PostgreSQL begins in 2000
constexpr std::array<std::size_t, 4> kDashes{8, 13, 18, 23};

// Spelled as "YYYY-MM-DD HH:MM:SS[.f]": no zeros at the end of the fraction, no zone.
void respell_instant(std::string& text) {
  if (text.size() < kMinuteBytes) return;
  if (text[10] == 'T') text[10] = ' ';
  for (const std::string_view zone : {"Z", " +00:00", "+00:00", "+00"})
    if (text.size() >= kMinuteBytes + zone.size() && text.ends_with(zone)) {
      text.resize(text.size() - zone.size());
      break;
    }
  if (text.size() == kMinuteBytes) text += ":00";
  if (text.size() <= kSecondBytes || text[kSecondBytes] != '.') return;
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
}

void respell_uuid(std::string& text) {
  if (text.size() == 32)
    for (const std::size_t dash : kDashes) text.insert(dash, 1, '-');
  for (char& c : text)
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
}

// HH:MM is HH:MM:SS, and zeros at the end of a fraction say nothing.
void respell_time(std::string& text) {
  constexpr std::size_t kClockMinuteBytes = 5;
  if (text.size() == kClockMinuteBytes) text += ":00";
  if (text.find('.') == std::string::npos) return;
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
}

bool there_is(const TablePlan& plan, std::size_t column, TargetKind kind) {
  return plan.existing && plan.existing->columns[column].holds.kind == kind;
}

template <typename Number>
std::optional<Number> big_endian(std::string_view bytes) {
  if (bytes.size() != sizeof(Number)) return std::nullopt;
  return load_big_endian<Number>(bytes.data());
}

// Each row with a date comes by: fmt takes three times as long.
template <std::size_t kDigits>
void append_digits(std::string& out, std::uint64_t number) {
  std::array<char, kDigits> digits;
  for (std::size_t i = kDigits; i-- > 0; number /= 10)
    digits[i] = static_cast<char>('0' + number % 10);
  out.append(digits.data(), digits.size());
}

/// Of a number of days since 2000-01-01; years beyond four digits and infinity equal no text.
void append_day(std::string& out, std::int64_t days) {
  using std::chrono::sys_days, std::chrono::year_month_day;
  constexpr std::int64_t kEndOfYear9999 = 2'921'939, kStartOfYear1 = -730'119;
  if (days < kStartOfYear1 || days > kEndOfYear9999) {
    fmt::format_to(std::back_inserter(out), "{}{}", kNoDate, days);
    return;
  }
  const sys_days from = sys_days(std::chrono::year(2000) / 1 / 1);
  const year_month_day date(from + std::chrono::days(days));
  append_digits<4>(out, static_cast<unsigned>(static_cast<int>(date.year())));
  out += '-';
  append_digits<2>(out, static_cast<unsigned>(date.month()));
  out += '-';
  append_digits<2>(out, static_cast<unsigned>(date.day()));
}

void append_instant(std::string& out, std::int64_t microseconds) {
  std::int64_t seconds = microseconds / kSecondMicros, fraction = microseconds % kSecondMicros;
  if (fraction < 0) --seconds, fraction += kSecondMicros;
  std::int64_t day = seconds / kDaySeconds, second = seconds % kDaySeconds;
  if (second < 0) --day, second += kDaySeconds;
  append_day(out, day);
  const auto of_day = static_cast<std::uint64_t>(second);
  out += ' ';
  append_digits<2>(out, of_day / 3'600);
  out += ':';
  append_digits<2>(out, of_day / 60 % 60);
  out += ':';
  append_digits<2>(out, of_day % 60);
  if (fraction == 0) return;
  out += '.';
  append_digits<6>(out, static_cast<std::uint64_t>(fraction));
  while (out.back() == '0') out.pop_back();
}

void append_uuid(std::string& out, std::string_view bytes) {
  constexpr std::string_view kHex = "0123456789abcdef";
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    const auto byte = static_cast<unsigned char>(bytes[i]);
    out += kHex[byte >> 4U];
    out += kHex[byte & 15U];
  }
}

/// Of days and time: a day is 24 hours. Months are no number of microseconds.
bool read_interval_there(Value& out, std::string_view field) {
  constexpr std::size_t kBytes = 16;
  if (field.size() != kBytes) return false;
  const auto time = load_big_endian<std::int64_t>(field.data());
  const auto days = load_big_endian<std::int32_t>(field.data() + 8);
  if (load_big_endian<std::int32_t>(field.data() + 12) != 0) return false;
  const std::int64_t whole = static_cast<std::int64_t>(days) * kDaySeconds;
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max() / kSecondMicros;
  if (whole > kMost || whole < -kMost) return false;
  const std::int64_t microseconds = whole * kSecondMicros;
  if (time > 0 ? microseconds > std::numeric_limits<std::int64_t>::max() - time
               : microseconds < std::numeric_limits<std::int64_t>::min() - time)
    return false;
  out.kind = ValueClass::integer;
  out.integer = microseconds + time;
  return true;
}

void set_bytes(Value& out, ValueClass kind, std::string_view bytes) {
  out.kind = kind;
  out.bytes.assign(bytes);
}

/// False: the bytes are none of that type.
bool read_field(Value& out, std::string_view field, ColumnType type) {
  switch (type) {
    case ColumnType::bigint: {
      const auto number = big_endian<std::int64_t>(field);
      out.kind = ValueClass::integer;
      out.integer = number.value_or(0);
      return number.has_value();
    }
    case ColumnType::double_precision: {
      const auto bits = big_endian<std::uint64_t>(field);
      out.kind = ValueClass::real;
      out.real = std::bit_cast<double>(bits.value_or(0));
      return bits.has_value();
    }
    case ColumnType::boolean:
      out.kind = ValueClass::integer;
      out.integer = field == "\1" ? 1 : 0;
      return field.size() == 1;
    case ColumnType::numeric:
      out = postgres::decode_numeric(field);
      return true;
    case ColumnType::text:
    case ColumnType::json:
      set_bytes(out, ValueClass::text, field);
      return true;
    case ColumnType::bytea:
      set_bytes(out, ValueClass::blob, field);
      return true;
    case ColumnType::date: {
      const auto days = big_endian<std::int32_t>(field);
      set_bytes(out, ValueClass::text, {});
      append_day(out.bytes, days.value_or(0));
      return days.has_value();
    }
    case ColumnType::timestamp:
    case ColumnType::timestamptz: {
      const auto instant = big_endian<std::int64_t>(field);
      set_bytes(out, ValueClass::text, {});
      append_instant(out.bytes, instant.value_or(0));
      return instant.has_value();
    }
    case ColumnType::timestamp_ms: {
      const auto instant = big_endian<std::int64_t>(field);
      out.kind = ValueClass::integer;
      out.integer = instant.value_or(0) / kPerMillisecond + kMillisecondsTo2000;
      return instant.has_value() && *instant % kPerMillisecond == 0;
    }
    case ColumnType::uuid:
      set_bytes(out, ValueClass::text, {});
      append_uuid(out.bytes, field);
      return field.size() == 16;
  }
  return false;
}

constexpr std::size_t kCanonicalHeadBytes = 1 + sizeof(std::uint64_t);

/// Writes at most kCanonicalHeadBytes and the value's bytes; returns their end.
char* put_canonical(char* out, const ValueView& value) {
  *out++ = static_cast<char>(value.kind);
  std::uint64_t number = value.bytes.size();
  switch (value.kind) {
    case ValueClass::null:
      return out;
    case ValueClass::integer:
      number = static_cast<std::uint64_t>(value.integer);
      break;
    case ValueClass::real:
      number = std::bit_cast<std::uint64_t>(value.real);
      break;
    case ValueClass::text:
    case ValueClass::blob:
      break;
  }
  store_big_endian(out, number);
  out += sizeof number;
  if (value.kind != ValueClass::text && value.kind != ValueClass::blob) return out;
  return std::copy(value.bytes.begin(), value.bytes.end(), out);
}

// What has months, or is of no year that SQLite can spell, differs from all that SQLite has.
std::string from_1970(const std::string& name) {
  return fmt::format(
      "CASE WHEN date_part('month', {0}) = 0 AND date_part('year', {0}) = 0 AND {0} BETWEEN "
      "'-719162 days' AND '2932896 days 23:59:59.999999' THEN timestamp '1970-01-01' + {0} WHEN "
      "{0} IS NOT NULL THEN '-infinity' END",
      name);
}

}  // namespace

bool is_respelled(const TablePlan& plan, std::size_t column) {
  switch (plan.types[column]) {
    case ColumnType::uuid:
    case ColumnType::timestamp:
    case ColumnType::timestamptz:
      return true;
    case ColumnType::bigint:
    case ColumnType::double_precision:
    case ColumnType::text:
    case ColumnType::bytea:
    case ColumnType::numeric:
    case ColumnType::boolean:
    case ColumnType::date:
    case ColumnType::json:
    case ColumnType::timestamp_ms:
      return there_is(plan, column, TargetKind::time) || there_is(plan, column, TargetKind::jsonb);
  }
  return true;
}

void respell(Value& value, const TablePlan& plan, std::size_t column) {
  const ColumnType type = plan.types[column];
  if (postgres::is_numeric_of_reals(plan, column)) postgres::make_real(value);
  if (value.kind != ValueClass::text) return;
  if (plan.is_key(column) && is_respelled(plan, column) &&
      !postgres::value_fits(plan, column, value.view()))
    return mark(value);
  if (type == ColumnType::text && there_is(plan, column, TargetKind::time))
    respell_time(value.bytes);
  if (there_is(plan, column, TargetKind::jsonb)) value.bytes = json_meaning(value.bytes);
  if (type == ColumnType::uuid) respell_uuid(value.bytes);
  if (type == ColumnType::timestamp || type == ColumnType::timestamptz)
    respell_instant(value.bytes);
}

void read_target(Value& out, const std::optional<std::string_view>& field, const TablePlan& plan,
                 std::size_t column) {
  out.kind = ValueClass::null;
  out.bytes.clear();
  if (!field) return;
  const bool read =
      plan.types[column] == ColumnType::bigint && there_is(plan, column, TargetKind::interval)
          ? read_interval_there(out, *field)
          : read_field(out, *field, plan.types[column]);
  if (!read) set_bytes(out, ValueClass::blob, *field);
  if (postgres::is_numeric_of_reals(plan, column)) postgres::make_real(out);
  if (out.kind == ValueClass::text && there_is(plan, column, TargetKind::jsonb))
    out.bytes = json_meaning(out.bytes);
}

std::string shown_column(const TablePlan& plan, std::size_t column) {
  const std::string name = postgres::quoted(plan.target_column(column));
  if (!plan.existing) return name;
  // As they are, intervals have their parts, and addresses no length that says nothing.
  if (there_is(plan, column, TargetKind::interval))
    return plan.types[column] == ColumnType::timestamp ? from_1970(name) : name;
  if (there_is(plan, column, TargetKind::inet)) return fmt::format("abbrev({})", name);
  const ColumnType type = plan.types[column];  // that of milliseconds would round
  if (type == ColumnType::timestamp && there_is(plan, column, TargetKind::time))
    return fmt::format("date '2000-01-01' + {}", name);
  return fmt::format("{}::{}", name,
                     to_string(type == ColumnType::timestamp_ms ? ColumnType::timestamp : type));
}

void append_canonical(std::string& out, const ValueView& value) {
  const std::size_t begin = out.size();
  out.resize(begin + kCanonicalHeadBytes + value.bytes.size());
  out.resize(static_cast<std::size_t>(put_canonical(out.data() + begin, value) - out.data()));
}

// Each value of each row comes by: `scratch` grows to the longest row and is written over.
std::uint64_t row_hash(const std::vector<Value>& row, std::string& scratch) {
  std::size_t most = 0;
  for (const Value& value : row) most += kCanonicalHeadBytes + value.bytes.size();
  if (scratch.size() < most) scratch.resize(most);
  char* end = scratch.data();
  for (const Value& value : row) end = put_canonical(end, value.view());
  return XXH3_64bits(scratch.data(), static_cast<std::size_t>(end - scratch.data()));
}

std::uint64_t value_hash(const Value& value) {
  std::string bytes;
  append_canonical(bytes, value.view());
  return XXH3_64bits(bytes.data(), bytes.size());
}

std::string masked(const ValueView& value) {
  if (value.kind == ValueClass::null) return "NULL";
  const std::uint64_t hash = value_hash(Value(value));
  if (value.kind != ValueClass::text && value.kind != ValueClass::blob)
    return fmt::format("xxh3:{:016x} ({})", hash, to_string(value.kind));
  std::size_t size = value.bytes.size();
  if (value.kind == ValueClass::text)  // bytes that go on with a character are none
    for (const char byte : value.bytes)
      if ((static_cast<unsigned char>(byte) & 0xc0U) == 0x80U) --size;
  return fmt::format("xxh3:{:016x} ({}, {} {})", hash, to_string(value.kind), size,
                     value.kind == ValueClass::text ? "characters" : "bytes");
}

std::string shown_value(const TablePlan& plan, std::size_t column, const ValueView& value) {
  return plan.is_personal(column) ? masked(value) : describe(value);
}

}  // namespace lockstep::verify
