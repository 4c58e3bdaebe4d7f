// Hostile values of every type that a column can become or can have been, as SQLite has them and as
// PostgreSQL's own SQL makes them.
#pragma once

#include <fmt/format.h>

#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "model/shape.hpp"
#include "model/target_type.hpp"
#include "model/value.hpp"

namespace lockstep::test {

/// The same value on both sides.
struct Twin {
  Value sqlite;
  std::string sql;  ///< an expression of PostgreSQL's
};
using Twins = std::vector<Twin>;

inline Value integer(std::int64_t value) {
  return Value({.kind = ValueClass::integer, .integer = value});
}
inline Value real(double value) {
  return Value({.kind = ValueClass::real, .real = value});
}
inline Value text(std::string_view bytes) {
  return Value({.kind = ValueClass::text, .bytes = bytes});
}
inline Value blob(std::string_view bytes) {
  return Value({.kind = ValueClass::blob, .bytes = bytes});
}

inline std::string hex(std::string_view bytes) {
  std::string digits;
  for (const char byte : bytes) digits += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return digits;
}
inline Twin twin_text(std::string_view bytes, const std::string& type = "text") {
  return {text(bytes),
          fmt::format("convert_from(decode('{}', 'hex'), 'UTF8')::{}", hex(bytes), type)};
}
inline Twin twin_blob(std::string_view bytes) {
  return {blob(bytes), fmt::format("decode('{}', 'hex')", hex(bytes))};
}
inline Twin twin_real(double value) {
  return {real(value), std::isinf(value) ? fmt::format("'{}Infinity'::float8", value < 0 ? "-" : "")
                                         : fmt::format("'{:.17g}'::float8", value)};
}
inline Twin twin_integer(std::int64_t value) {
  return {integer(value), fmt::format("'{}'::bigint", value)};
}

inline Twins integers(std::mt19937_64& random) {
  Twins twins;
  for (const std::int64_t value :
       {std::int64_t{0}, std::int64_t{1}, std::int64_t{-1},
        std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max(),
        std::int64_t{1} << 53, (std::int64_t{1} << 53) + 1})
    twins.push_back(twin_integer(value));
  for (int i = 0; i < 200; ++i) twins.push_back(twin_integer(static_cast<std::int64_t>(random())));
  return twins;
}

inline Twins reals(std::mt19937_64& random) {
  using Real = std::numeric_limits<double>;
  Twins twins;
  for (const double value :
       {0.0, -0.0, 1.0, std::nextafter(1.0, 2.0), 0.1, -0.1, Real::infinity(), -Real::infinity(),
        Real::denorm_min(), Real::min(), Real::max(), 1e22, 1e23})
    twins.push_back(twin_real(value));
  while (twins.size() < 300)
    if (const auto value = std::bit_cast<double>(random()); std::isfinite(value))
      twins.push_back(twin_real(value));
  return twins;
}

// What SQLite's NUMERIC affinity keeps: a number that is whole is an integer. Zeros behind the
// digits say nothing.
inline Twins numerics(std::mt19937_64& random) {
  Twins twins;
  for (const auto& [value, digits] :
       std::vector<std::pair<double, const char*>>{{0.1, "0.1"},
                                                   {-0.25, "-0.250000"},
                                                   {1e-10, "0.0000000001"},
                                                   {1234567.891, "1234567.891"},
                                                   {5e-324, "5e-324"},
                                                   {1e19, "10000000000000000000.000"},
                                                   {1e300, "1e300"}})
    twins.push_back({real(value), fmt::format("'{}'::numeric", digits)});
  for (const auto& [value, digits] : std::vector<std::pair<std::int64_t, const char*>>{
           {0, "0.00"},
           {1, "1"},
           {-1, "-1.0"},
           {9223372036854775807, "9223372036854775807"},
           {std::numeric_limits<std::int64_t>::min(), "-9223372036854775808"},
           {100, "1e2"}})
    twins.push_back({integer(value), fmt::format("'{}'::numeric", digits)});
  for (const char* sign : {"", "-"})
    twins.push_back(
        {real(*sign == '-' ? -INFINITY : INFINITY), fmt::format("'{}Infinity'::numeric", sign)});
  for (int i = 0; i < 200; ++i) {
    const auto cents = static_cast<std::int64_t>(random() % 1'000'000'000) * 100 + 1 +
                       static_cast<std::int64_t>(random() % 99);
    twins.push_back({real(static_cast<double>(cents) / 100),
                     fmt::format("'{}.{:02}'::numeric", cents / 100, cents % 100)});
  }
  return twins;
}

// In a column of REAL affinity, which has no integers.
inline Twins numerics_of_reals(std::mt19937_64& random) {
  Twins twins;
  for (Twin& twin : numerics(random))
    if (twin.sqlite.kind == ValueClass::real) twins.push_back(std::move(twin));
  for (const char* digits :
       {"0.00", "1", "-1.0", "1e2", "9007199254740992", "9223372036854774784.000"})
    twins.push_back({real(std::strtod(digits, nullptr)), fmt::format("'{}'::numeric", digits)});
  return twins;
}

inline Twins texts(const std::string& type = "text") {
  Twins twins;
  for (const std::string_view bytes : {"",
                                       " ",
                                       "a",
                                       "A",
                                       "a ",
                                       " a",
                                       "\xc3\xa4",
                                       "a\xcc\x88",
                                       "\xc3\x84",
                                       "ss",
                                       "\xc3\x9f",
                                       "\n",
                                       "\\",
                                       "'",
                                       "\\x00",
                                       "\xf0\x9f\x90\x98",
                                       "\xef\xbf\xbd",
                                       "NULL",
                                       "\t",
                                       "\r\n",
                                       "\xe2\x80\x8b",
                                       "1",
                                       "01"})
    twins.push_back(twin_text(bytes, type));
  std::string large;
  large.resize(1U << 20U, 'x');
  twins.push_back(twin_text(large, type));
  large.back() = 'y';
  twins.push_back(twin_text(large, type));
  return twins;
}

inline Twins blobs(std::mt19937_64& random) {
  using std::string_literals::operator""s;
  Twins twins;
  for (const std::string& bytes : {""s, "\0"s, "\0\0"s, "a"s, "\\x61"s, "\xff\xfe"s, "\n"s})
    twins.push_back(twin_blob(bytes));
  std::string large(1 << 20, '\0');
  for (char& byte : large) byte = static_cast<char>(random());
  twins.push_back(twin_blob(large));
  large.back() = static_cast<char>(large.back() ^ 1);
  twins.push_back(twin_blob(large));
  return twins;
}

inline Twins days() {
  Twins twins;
  for (const char* day : {"0001-01-01", "1582-10-10", "1969-12-31", "1970-01-01", "1999-12-31",
                          "2000-01-01", "2000-02-29", "2024-02-29", "9999-12-31"})
    twins.push_back({text(day), fmt::format("date '{}'", day)});
  return twins;
}

// Written in ways of their own; read back as microseconds.
inline Twins instants(const std::string& type, const std::string& zone) {
  Twins twins;
  for (const auto& [given, meant] : std::vector<std::pair<const char*, const char*>>{
           {"0001-01-01 00:00", "0001-01-01 00:00:00"},
           {"1969-12-31T23:59:59.999999", "1969-12-31 23:59:59.999999"},
           {"1970-01-01 00:00:00.000001", "1970-01-01 00:00:00.000001"},
           {"1999-12-31 23:59:59.9", "1999-12-31 23:59:59.900000"},
           {"2000-01-01 00:00:00.100000", "2000-01-01 00:00:00.1"},
           {"2024-03-31T02:30:00", "2024-03-31 02:30:00"},
           {"2024-10-27 02:30:00.000", "2024-10-27 02:30:00"},
           {"9999-12-31 23:59:59.999999", "9999-12-31 23:59:59.999999"}})
    twins.push_back({text(std::string(given) + zone),
                     fmt::format("{} '{}{}'", type, meant, zone.empty() ? "" : "+00")});
  return twins;
}

inline Twins milliseconds(const std::string& type) {
  Twins twins;
  for (const std::int64_t value :
       {std::int64_t{0}, std::int64_t{1}, std::int64_t{-1}, std::int64_t{946684799999},
        std::int64_t{1700000000123}, std::int64_t{-62135596800000}})
    twins.push_back(
        {integer(value), fmt::format("({} 'epoch' + '{} milliseconds'::interval)", type, value)});
  return twins;
}

inline Twins uuids() {
  return {
      {text("00000000-0000-4000-8000-000000000000"),
       "'00000000-0000-4000-8000-000000000000'::uuid"},
      {text("6BA7B8109DAD11D180B400C04FD430C8"), "'6ba7b810-9dad-11d1-80b4-00c04fd430c8'::uuid"},
      {text("6ba7b810-9dad-11d1-80b4-00c04fd430c9"), "'6BA7B8109DAD11D180B400C04FD430C9'::uuid"},
      {text("ffffffffffff4fffbfffffffffffffff"), "'ffffffff-ffff-4fff-bfff-ffffffffffff'::uuid"}};
}

// As written: blanks, order and members that are there twice count.
inline Twins json_texts() {
  Twins twins;
  for (const char* json : {"{}", "{ }", "null", "\"\"", R"({"a": 1,  "a":2})", R"({"a":2})", "1",
                           "1.0", "1e0", "[1, 2]", "[1,2]", R"("\u00e4")", "\"\xc3\xa4\"", "\" \""})
    twins.push_back(twin_text(json, "json"));
  return twins;
}

inline Twins jsonb_texts() {
  return {{text(R"({"b":1, "a" : [1.50, true, null]})"),
           R"('{"a": [1.50, true, null], "b": 1}'::jsonb)"},
          {text(R"({"a":2})"), R"('{"a":1,"a":2}'::jsonb)"},
          {text(R"("\u00e4")"), "'\"\xc3\xa4\"'::jsonb"},
          {text("1.0"), "'1.0'::jsonb"},
          {text("[]"), "'[ ]'::jsonb"},
          {text("{}"), "'{}'::jsonb"}};
}

/// One column to be looked at: what it is on PostgreSQL, how its values travel, and values.
struct Held {
  std::string type;  ///< on PostgreSQL
  ColumnType carried = ColumnType::text;
  std::optional<TargetType> there{};  ///< of a table that was there
  Twins twins{};
  Affinity affinity = Affinity::blob;  ///< of the column in SQLite
};

/// A type that is new does not compile here until it has values.
inline Held held_as(ColumnType type, std::mt19937_64& random) {
  const auto held = [&](Twins twins) {
    return Held{std::string(to_string(type)), type, std::nullopt, std::move(twins)};
  };
  switch (type) {
    case ColumnType::bigint:
      return held(integers(random));
    case ColumnType::double_precision:
      return held(reals(random));
    case ColumnType::text:
      return held(texts());
    case ColumnType::bytea:
      return held(blobs(random));
    case ColumnType::numeric:
      return held(numerics(random));
    case ColumnType::boolean:
      return held({{integer(0), "false"}, {integer(1), "true"}});
    case ColumnType::date:
      return held(days());
    case ColumnType::timestamp:
      return held(instants("timestamp", ""));
    case ColumnType::timestamptz:
      return held(instants("timestamptz", "Z"));
    case ColumnType::uuid:
      return held(uuids());
    case ColumnType::json:
      return held(json_texts());
    case ColumnType::timestamp_ms:
      return held(milliseconds("timestamp"));
  }
  FAIL("a type without a name");
  return {};
}

inline Twins of_type(Twins twins, const std::string& type) {
  for (Twin& twin : twins) twin.sql = fmt::format("({})::{}", twin.sql, type);
  return twins;
}

/// Likewise, for the types of tables that were there; a kind may be filled by several of ours.
inline std::vector<Held> held_there(TargetKind kind, std::mt19937_64& random) {
  const auto held = [&](const std::string& type, ColumnType carried, Twins twins) {
    auto parsed = parse_target_type(type);
    REQUIRE(parsed);
    REQUIRE(parsed->kind == kind);
    return Held{type, carried, std::move(parsed), std::move(twins)};
  };
  const auto of_reals = [](Held one) {
    one.affinity = Affinity::real;
    return one;
  };
  using C = ColumnType;
  switch (kind) {
    case TargetKind::integer: {
      const Twins small{twin_integer(0), twin_integer(-32768), twin_integer(32767)};
      return {held("smallint", C::bigint, small), held("integer", C::bigint, small),
              held("bigint", C::bigint, integers(random))};
    }
    case TargetKind::double_precision:
      return {held("double precision", C::double_precision, reals(random))};
    case TargetKind::real:
      return {held("real", C::double_precision,
                   {twin_real(0.0), twin_real(-0.0), twin_real(0.5), twin_real(0.1F),
                    twin_real(16777216), twin_real(-INFINITY)})};
    case TargetKind::numeric:
      return {held("numeric", C::numeric, numerics(random)),
              held("numeric(10,4)", C::numeric,
                   {{real(0.5), "0.5"},
                    {integer(7), "7"},
                    {real(-123456.7891), "-123456.7891"},
                    {integer(0), "0"}}),
              of_reals(held("numeric", C::numeric, numerics_of_reals(random))),
              of_reals(held("numeric(15,4)", C::numeric,
                            {{real(0.5), "0.5"}, {real(7), "7"}, {real(0), "0"}}))};
    case TargetKind::text:
      return {held("text", C::text, texts()), held("character varying(2)", C::text,
                                                   {twin_text(""), twin_text(" "), twin_text("a "),
                                                    twin_text("\xc3\xa4\xc3\xa4")})};
    case TargetKind::character:
      return {
          held("character(2)", C::text,
               {twin_text("ab"), twin_text("AB"), twin_text(" b"), twin_text("\xc3\xa4\xc3\x9f")})};
    case TargetKind::bytea:
      return {held("bytea", C::bytea, blobs(random))};
    case TargetKind::boolean:
      return {held("boolean", C::boolean, {{integer(0), "false"}, {integer(1), "true"}})};
    case TargetKind::date:
      return {held("date", C::date, days())};
    case TargetKind::timestamp:
      return {held("timestamp without time zone", C::timestamp, instants("timestamp", "")),
              held("timestamp without time zone", C::timestamptz,
                   of_type(instants("timestamp", ""), "timestamp")),
              held("timestamp without time zone", C::timestamp_ms, milliseconds("timestamp"))};
    case TargetKind::timestamptz: {
      Twins no_zone = instants("timestamptz", "+00:00");  // no zone is UTC
      for (Twin& twin : no_zone) twin.sqlite.bytes.resize(twin.sqlite.bytes.size() - 6);
      return {held("timestamp with time zone", C::timestamptz, instants("timestamptz", "+00:00")),
              held("timestamp with time zone", C::timestamp, std::move(no_zone)),
              held("timestamp with time zone", C::timestamp_ms, milliseconds("timestamptz"))};
    }
    case TargetKind::time:
      return {held("time without time zone", C::text,
                   {{text("00:00"), "time '00:00:00'"},
                    {text("23:59:59.999999"), "time '23:59:59.999999'"},
                    {text("12:00:00.5"), "time '12:00:00.500'"},
                    {text("12:00:01.50"), "time '12:00:01.5'"}}),
              held("time without time zone", C::timestamp,
                   {{text("2000-01-01 00:00:00"), "time '00:00:00'"},
                    {text("2000-01-01 23:59:59.999999"), "time '23:59:59.999999'"}})};
    case TargetKind::uuid:
      return {held("uuid", C::uuid, uuids())};
    case TargetKind::json:
      return {held("json", C::json, json_texts())};
    case TargetKind::jsonb:
      return {held("jsonb", C::json, jsonb_texts())};
    case TargetKind::enumeration:
      return {Held{"mood",
                   C::text,
                   TargetType{TargetKind::enumeration, 0, 0, {"sad", "Sad", " sad"}},
                   {{text("sad"), "'sad'::mood"},
                    {text("Sad"), "'Sad'::mood"},
                    {text(" sad"), "' sad'::mood"}}}};
    case TargetKind::inet:
      return {held("inet", C::text,
                   {{text("10.0.0.1"), "inet '10.0.0.1'"},
                    {text("10.0.0.1/24"), "inet '10.0.0.1/24'"},
                    {text("::1"), "inet '::1'"},
                    {text("::ffff:1.2.3.4"), "inet '::ffff:1.2.3.4'"}})};
    case TargetKind::interval:
      return {held(
          "interval", C::bigint,
          {{integer(0), "make_interval()"},
           {integer(1), "interval '1 microsecond'"},
           {integer(-1), "interval '-1 microsecond'"},
           {integer(86'400'000'001), "make_interval(days => 1) + interval '1 microsecond'"},
           {integer(-86'399'999'999), "make_interval(days => -1) + interval '1 microsecond'"}})};
  }
  FAIL("a kind without a name");
  return {};
}

}  // namespace lockstep::test
