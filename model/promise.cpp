#include "model/promise.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cctype>
#include <cmath>

#include "model/spelling.hpp"

namespace lockstep {

namespace {

constexpr std::uint64_t kWithoutZone = 0xffff;  // spellings 0 to 15
// In 1973: what is less may count seconds (of the years up to 5138).
constexpr std::int64_t kSurelyMilliseconds = 100'000'000'000;

std::string upper_without_blanks(std::string_view text) {
  std::string result;
  for (const char c : text)
    if (c != ' ') result += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return result;
}

// Nil and max have no version; they say nothing of the other values.
bool has_one_digit(const Uuid& uuid) {
  return (uuid.bytes[0] == 0 || uuid.bytes[0] == '\xff') &&
         std::all_of(uuid.bytes.begin(), uuid.bytes.end(),
                     [&](char byte) { return byte == uuid.bytes[0]; });
}

// CHAR(32) holds digests as well: only what says that it is a UUID is one.
bool names_its_version(const Uuid& uuid) {
  const auto nibble = [&](std::size_t byte) {
    return static_cast<unsigned char>(uuid.bytes[byte]) >> 4;
  };
  return nibble(6) >= 1 && nibble(6) <= 8 && nibble(8) >= 8 && nibble(8) <= 11;
}

std::string_view wanted(Promise promise) {
  switch (promise) {
    case Promise::boolean:
      return "0 or 1";
    case Promise::date:
      return "a date YYYY-MM-DD";
    case Promise::instant:
      return "YYYY-MM-DD HH:MM:SS[.ffffff] with no offset, Z or +00:00, nor milliseconds since "
             "1970 "
             "(of 1973 and later)";
    case Promise::uuid:
    case Promise::uuid_text:
      return "a UUID of one case";
    case Promise::json:
      return "JSON";
    case Promise::none:
      break;
  }
  return "";
}

ColumnType type_of(Promise promise, const PromiseCensus& census) {
  switch (promise) {
    case Promise::boolean:
      return ColumnType::boolean;
    case Promise::date:
      return ColumnType::date;
    case Promise::instant:
      if (census.milliseconds > 0) return ColumnType::timestamp_ms;
      return (census.spellings & kWithoutZone) != 0 ? ColumnType::timestamp
                                                    : ColumnType::timestamptz;
    case Promise::json:
      return ColumnType::json;
    case Promise::uuid:
    case Promise::uuid_text:
    case Promise::none:
      break;
  }
  return ColumnType::uuid;
}

}  // namespace

Promise promise_of(const Column& column) {
  if (column.is_rowid) return Promise::none;
  const std::string declared = upper_without_blanks(column.declared_type);
  const auto says = [&](std::string_view word) { return declared.find(word) != std::string::npos; };
  if (column.affinity == Affinity::text && column.json_checked) return Promise::json;
  if (column.affinity == Affinity::text)
    return declared == "CHAR(32)" || declared == "CHAR(36)" ? Promise::uuid_text : Promise::none;
  if (column.affinity != Affinity::numeric) return Promise::none;
  if (says("BOOL")) return Promise::boolean;
  if (says("DATETIME") || says("TIMESTAMP")) return Promise::instant;
  if (declared == "DATE") return Promise::date;
  if (says("UUID") || says("GUID") || says("UNIQUEIDENTIFIER")) return Promise::uuid;
  return says("JSON") ? Promise::json : Promise::none;
}

bool keeps(Promise promise, const ValueView& value, PromiseCensus& census, Integers integers) {
  const auto spelled = [&](unsigned spelling) {
    census.spellings |= std::uint64_t{1} << spelling;
    ++census.kept;
    return true;
  };
  if (promise == Promise::boolean) {
    census.kept += 1;
    return value.kind == ValueClass::integer && (value.integer == 0 || value.integer == 1);
  }
  if (promise == Promise::instant && value.kind == ValueClass::integer) {
    census.kept += 1;
    census.milliseconds += 1;
    return (integers == Integers::milliseconds || value.integer >= kSurelyMilliseconds) &&
           instant_of_milliseconds(value.integer);
  }
  // JSON that is a number: NUMERIC affinity makes one of it. What else is there decides the type.
  if (promise == Promise::json && value.kind == ValueClass::integer) return true;
  if (promise == Promise::json && value.kind == ValueClass::real) return std::isfinite(value.real);
  if (value.kind != ValueClass::text) return false;
  switch (promise) {
    case Promise::date:
      return parse_day(value.bytes) && spelled(0);
    case Promise::instant: {
      const auto instant = parse_instant(value.bytes);
      if (instant && instant->empty_fraction) ++census.empty_fractions;
      return instant && spelled(instant->spelling);
    }
    case Promise::uuid:
    case Promise::uuid_text: {
      const auto uuid = parse_uuid(value.bytes);
      if (!uuid) return false;
      if (promise == Promise::uuid_text && has_one_digit(*uuid)) {
        census.spellings |= std::uint64_t{1} << uuid->spelling;
        return true;
      }
      return (promise == Promise::uuid || names_its_version(*uuid)) && spelled(uuid->spelling);
    }
    case Promise::json:
      census.kept += 1;
      return is_json(value.bytes);
    case Promise::boolean:
    case Promise::none:
      break;
  }
  return false;
}

void add(PromiseCensus& sum, const PromiseCensus& other) {
  if (!sum.broken) sum.broken_by = other.broken_by;
  sum.broken = sum.broken || other.broken;
  sum.kept += other.kept;
  sum.spellings |= other.spellings;
  sum.milliseconds += other.milliseconds;
  sum.empty_fractions += other.empty_fractions;
}

std::string_view obstacle(Promise promise, const PromiseCensus& census, Distinction distinction) {
  if (promise == Promise::json && distinction != Distinction::none)
    return "it is in an index, and json has no order";
  const bool several = std::popcount(census.spellings) > 1;
  if (promise == Promise::uuid || promise == Promise::uuid_text)
    return several ? "its UUIDs are spelled in several ways" : "";
  if (promise != Promise::instant) return "";
  if (census.milliseconds > 0)
    return census.spellings != 0 ? "some values are numbers and some are texts" : "";
  if (!several) return "";
  if ((census.spellings & kWithoutZone) != 0 && (census.spellings & ~kWithoutZone) != 0)
    return "some values have a zone and some have none";
  // Python leaves out an empty fraction: with 0 or 6 digits each instant still has one spelling.
  const unsigned only = 63U - static_cast<unsigned>(std::countl_zero(census.spellings | 1));
  const bool as_python =
      census.spellings == (std::uint64_t{1} << only | std::uint64_t{1} << (only & ~7U)) &&
      (only & 7) < 7 && census.empty_fractions == 0;
  if (distinction == Distinction::key) return "it is in the key, and spelled in several ways";
  if (distinction == Distinction::unique && !as_python)
    return "it is in a unique index, and spelled in several ways";
  return "";
}

std::string promised_type(const Column& column) {
  return fmt::format("the type that {} ({}) promises", column.name, column.declared_type);
}

Usable usable_type(const Column& column, const PromiseCensus& census, Distinction distinction) {
  Usable usable;
  const Promise promise = promise_of(column);
  if (promise == Promise::none || (!census.broken && census.kept == 0)) return usable;
  const auto stays = [&](const std::string& why) {
    // Most CHAR(32) and CHAR(36) are not meant as UUIDs.
    if (promise != Promise::uuid_text)
      usable.why_not = fmt::format("{}: {}", promised_type(column), why);
    return usable;
  };
  if (census.broken)
    return stays(
        fmt::format("not {}: {}; correct such rows before the copy, or leave the column "
                    "as it is",
                    wanted(promise), census.broken_by));
  if (const std::string_view why = obstacle(promise, census, distinction); !why.empty())
    return stays(std::string(why));
  usable.type = type_of(promise, census);
  usable.spelling = {census.spellings,
                     distinction == Distinction::key || distinction == Distinction::unique};
  return usable;
}

}  // namespace lockstep
