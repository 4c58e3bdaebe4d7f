#include "ops/column_formats.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <string_view>

#include "model/spelling.hpp"
#include "snapshot/distinction.hpp"

namespace lockstep::ops {

namespace {

// Of 1990 to 2100; what is outside is no time stamp that an application has written.
constexpr std::int64_t kEpochFrom = 631'152'000, kEpochUntil = 4'102'444'800;
// Of 1900 to 2100.
constexpr double kJulianFrom = 2'415'020.5, kJulianUntil = 2'488'069.5;

std::uint64_t counted(const ColumnCensus& census, ValueClass kind) {
  return census.count[static_cast<std::size_t>(kind)];
}

std::string lower(std::string_view text) {
  std::string result;
  for (const char c : text)
    result += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

// created_at, createdAt, expires, last_seen, mtime: by the declaration, or by the name's last word.
bool sounds_like_a_moment(const Column& column) {
  const std::string declared = lower(column.declared_type), name = lower(column.name);
  for (const std::string_view word : {"date", "time"})
    if (declared.find(word) != std::string::npos) return true;
  for (const std::string_view word :
       {"date", "time", "timestamp", "created", "updated", "modified", "changed", "deleted",
        "expires", "expiry", "seen", "login", "_at", "_on", "_ts", "_utc", "_unix", "epoch"})
    if (name.ends_with(word)) return true;
  return name == "at" || name == "ts" || column.name.ends_with("At") ||
         column.name.ends_with("Date");
}

// The unit in which every integer of the column is a moment; empty: none.
std::string epoch_of(const Column& column, const ColumnCensus& census,
                     Integers integers = Integers::unknown) {
  const Extremes& ends = census.extremes;
  if (!ends.integer_min || !sounds_like_a_moment(column)) return {};
  if (integers == Integers::milliseconds && promise_of(column) == Promise::instant)
    return instant_of_milliseconds(*ends.integer_min) && instant_of_milliseconds(*ends.integer_max)
               ? "epoch-ms"
               : "";
  std::int64_t unit = 1;
  for (const char* name : {"epoch-s", "epoch-ms", "epoch-us"}) {
    if (*ends.integer_min >= kEpochFrom * unit && *ends.integer_max < kEpochUntil * unit)
      return name;
    unit *= 1'000;
  }
  return {};
}

bool holds_julian_days(const Column& column, const ColumnCensus& census) {
  const Extremes& ends = census.extremes;
  return ends.real_min && *ends.real_min >= kJulianFrom && *ends.real_max < kJulianUntil &&
         sounds_like_a_moment(column);
}

// Rails gives times the day 2000-01-01; no rule makes a time of them.
bool says_time_of_day(const Column& column) {
  const std::string declared = lower(column.declared_type);
  return declared.starts_with("time") && !declared.starts_with("timestamp");
}

// As Sequelize and Laravel declare what is true or false, after MySQL.
bool says_tinyint_1(const Column& column) {
  std::string declared;
  for (const char c : lower(column.declared_type))
    if (c != ' ') declared += c;
  return declared == "tinyint(1)";
}

bool are_zero_or_one(const Extremes& ends) {
  return !ends.integer_min || (*ends.integer_min >= 0 && *ends.integer_max <= 1);
}

// Of texts alone.
std::string meaning_of_texts(const Formats& formats, std::uint64_t texts) {
  const auto all = [&](FormatKind kind) { return formats.count_of(kind) == texts; };
  if (texts == 0) return {};
  if (all(FormatKind::day)) return "date";
  if (all(FormatKind::instant)) return "timestamp";
  if (formats.count_of(FormatKind::zoned_instant) + formats.count_of(FormatKind::other_offset) ==
      texts)
    return "timestamptz";
  if (all(FormatKind::boolean)) return "boolean";
  if (all(FormatKind::uuid)) return "uuid";
  return all(FormatKind::json) ? "json" : "";
}

}  // namespace

std::vector<std::pair<std::string, std::uint64_t>> formats_of(const Column& column,
                                                              const ColumnCensus& census) {
  auto all = census.formats.named();
  const std::uint64_t integers = counted(census, ValueClass::integer);
  if (const std::string unit = epoch_of(column, census); !unit.empty())
    all.emplace_back(unit, integers);
  else if (integers > 0 && promise_of(column) == Promise::boolean &&
           are_zero_or_one(census.extremes))
    all.emplace_back("boolean 0/1", integers);
  if (holds_julian_days(column, census))
    all.emplace_back("julian day", counted(census, ValueClass::real));
  return all;
}

bool may_be_converted(const TableShape& shape, std::size_t column) {
  return snapshot::distinction_of(shape, column) < Distinction::unique;
}

std::string type_line(const TableShape& shape, std::size_t column, const std::string& type) {
  const nlohmann::json place = shape.name + "." + shape.columns[column].name;
  return fmt::format(R"("columns": {{ {}: {{ "type": "{}" }} }})",
                     place.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), type);
}

std::string meaning_of(const Column& column, const ColumnCensus& census, Integers counted_in) {
  const std::uint64_t texts = counted(census, ValueClass::text),
                      integers = counted(census, ValueClass::integer),
                      reals = counted(census, ValueClass::real);
  if (counted(census, ValueClass::blob) > 0 || census.nul_texts + census.invalid_texts > 0)
    return {};
  const std::string of_texts = meaning_of_texts(census.formats, texts);
  const Promise promise = promise_of(column);
  if (promise == Promise::json && integers + reals > 0) return census.promise.broken ? "" : "json";
  if (reals > 0) return {};
  if (integers == 0)
    return says_time_of_day(column) && of_texts == "timestamp" ? std::string() : of_texts;
  if (texts > 0 && of_texts.empty()) return {};
  const bool words =
      texts == 0 ? promise == Promise::boolean || says_tinyint_1(column) : of_texts == "boolean";
  if (words) return are_zero_or_one(census.extremes) ? "boolean" : "";
  const bool moments = texts == 0 || of_texts == "timestamp" || of_texts == "timestamptz";
  return moments ? epoch_of(column, census, counted_in) : "";
}

}  // namespace lockstep::ops
