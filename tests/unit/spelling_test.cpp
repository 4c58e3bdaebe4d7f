#include "model/spelling.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "model/promise.hpp"

using namespace lockstep;

namespace {

Column column(const std::string& declared) {
  Column made;
  made.name = "c";
  made.declared_type = declared;
  made.affinity = affinity_of(declared);
  return made;
}

ValueView text(std::string_view bytes) {
  return {.kind = ValueClass::text, .bytes = bytes};
}
ValueView integer(std::int64_t number) {
  return {.kind = ValueClass::integer, .integer = number};
}

/// The type that these values give a column; its class's (nothing) if they break the promise.
std::optional<ColumnType> type_of(const std::string& declared, const std::vector<ValueView>& values,
                                  Distinction distinction = Distinction::none,
                                  Usable* all = nullptr, Integers integers = Integers::unknown) {
  PromiseCensus census;
  const Promise promise = promise_of(column(declared));
  if (promise == Promise::none) return std::nullopt;
  for (const ValueView& value : values)
    if (!census.broken && !keeps(promise, value, census, integers)) {
      census.broken = true;
      census.broken_by = "id=7, " + describe(value);
    }
  const Usable usable = usable_type(column(declared), census, distinction);
  if (all != nullptr) *all = usable;
  return usable.type;
}

constexpr char kUuid[] = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
constexpr char kPlainUuid[] = "6ba7b8109dad11d180b400c04fd430c8";

}  // namespace

TEST_CASE("days: what exists from year 1 to 9999, in one spelling") {
  CHECK(parse_day("2000-01-01") == 0);
  CHECK(parse_day("2000-03-01") == 60);
  CHECK(parse_day("1999-12-31") == -1);
  CHECK(parse_day("0001-01-01") == -730'119);
  CHECK(parse_day("9999-12-31") == 2'921'939);
  CHECK(parse_day("2024-02-29"));
  for (const char* no :
       {"",           "2024-02-30",  "2023-02-29",          "1900-02-29",  "2024-00-01",
        "2024-13-01", "2024-01-00",  "2024-01-32",          "2024-04-31",  "0000-01-01",
        "0000-00-00", "-0044-03-15", "12024-01-01",         "2024-1-2",    "2024/01/02",
        "20240102",   "01/02/2024",  "2024-01-02 ",         " 2024-01-02", "now",
        "today",      "infinity",    "2024-01-02 00:00:00", "2024-0a-02",  "+024-01-02"})
    CHECK_FALSE(parse_day(no));
}

TEST_CASE("instants: every spelling that is listed, and nothing that PostgreSQL would change") {
  const std::int64_t base = ((8'767 * 24 + 3) * 60 + 4) * 60'000'000LL;  // 2024-01-02 03:04
  for (const char* zone : {"", "Z", "+00:00", "+00"})
    for (const char* between : {" ", "T"}) {
      const std::string minute = std::string("2024-01-02") + between + "03:04";
      CHECK(parse_instant(minute + zone)->microseconds == base);
      std::string fraction = ".";
      CHECK(parse_instant(minute + ":05" + zone)->microseconds == base + 5'000'000);
      std::int64_t worth = 900'000, sum = 0;
      for (int digits = 1; digits <= 6; ++digits, worth /= 10) {
        fraction += '9';
        sum += worth;
        CHECK(parse_instant(minute + ":05" + fraction + zone)->microseconds ==
              base + 5'000'000 + sum);
      }
    }
  CHECK(parse_instant("1999-12-31 23:59:59.999999")->microseconds == -1);
  CHECK(parse_instant("2024-01-02 03:04:05.000")->empty_fraction);
  CHECK_FALSE(parse_instant("2024-01-02 03:04:05.001")->empty_fraction);
  CHECK_FALSE(parse_instant("2024-01-02 03:04")->empty_fraction);
  for (const char* no : {"2024-01-02",
                         "2024-01-02 24:00:00",
                         "2024-06-30 23:59:60",
                         "2024-01-02 03:04:05.",
                         "2024-01-02 03:04:05.1234567",
                         "2024-01-02 03:04:05+02:00",
                         "2024-01-02 03:04:05-00:00",
                         "2024-01-02 03:04:05 UTC",
                         "2024-01-02 03:04:05z",
                         "2024-01-02t03:04:05",
                         "2024-01-02  03:04:05",
                         "2024-01-02 3:04:05",
                         "2024-01-02 03:60:00",
                         "2024-01-02 03:04:5",
                         "2024-02-30 00:00:00",
                         "0000-00-00 00:00:00",
                         "12024-01-01 00:00:00",
                         "03:04:05",
                         "now",
                         "2024-01-02 03:04:",
                         "2024-01-02 03:04.5",
                         "2024-01-02 03:04:05 ",
                         "infinity",
                         "2024-01-02 03:04:05+00:0",
                         "2024-01-02 03:04:05,5",
                         "2024-01-02T03:04:05ZZ"})
    CHECK_FALSE(parse_instant(no));
}

TEST_CASE("UUIDs: one case, with all dashes or none") {
  CHECK(parse_uuid(kUuid)->bytes == parse_uuid(kPlainUuid)->bytes);
  CHECK(parse_uuid(kUuid)->bytes == parse_uuid("6BA7B810-9DAD-11D1-80B4-00C04FD430C8")->bytes);
  CHECK(static_cast<unsigned char>(parse_uuid(kUuid)->bytes[0]) == 0x6b);
  CHECK(static_cast<unsigned char>(parse_uuid(kUuid)->bytes[15]) == 0xc8);
  for (const char* no :
       {"", "6ba7b810-9dad-11d1-80b4-00c04fd430cg", "{6ba7b810-9dad-11d1-80b4-00c04fd430c8}",
        "6Ba7b810-9dad-11d1-80b4-00c04fd430c8", "6ba7b8109dad-11d1-80b4-00c04fd430c8-",
        "6ba7b8109dad11d180b400c04fd430c", "6ba7b8109dad11d180b400c04fd430c88"})
    CHECK_FALSE(parse_uuid(no));
}

TEST_CASE("every spelling has a name of its own in the ledger") {
  for (const ColumnType type :
       {ColumnType::date, ColumnType::timestamp, ColumnType::timestamptz, ColumnType::uuid})
    for (unsigned i = 0; i < spellings_of(type); ++i)
      CHECK(parse_spelling(type, spelling_name(type, i)) == i);
  const auto name = [](const char* example) {
    return spelling_name(ColumnType::timestamp, parse_instant(example)->spelling);
  };
  CHECK(name("2024-01-02T03:04Z") == "YYYY-MM-DDTHH:MMZ");
  CHECK(name("2024-01-02 03:04:05.123+00:00") == "YYYY-MM-DD HH:MM:SS.fff+00:00");
  CHECK(name("2024-01-02 03:04:05.123 +00:00") == "YYYY-MM-DD HH:MM:SS.fff +00:00");
  CHECK(parse_instant("2024-01-02 03:04:05.123 +00:00")->microseconds ==
        parse_instant("2024-01-02 03:04:05.123Z")->microseconds);
  for (const char* no : {"2024-01-02 03:04+00", "2024-01-02 03:04:05.12 +00:00",
                         "2024-01-02 03:04:05.123 Z", "2024-01-02T03:04:05.123 +00:00"})
    CHECK_FALSE(parse_instant(no));
  CHECK_FALSE(parse_spelling(ColumnType::timestamp, "DD.MM.YYYY"));
  CHECK_FALSE(parse_spelling(ColumnType::text, "YYYY-MM-DD"));
}

TEST_CASE("the ORMs' columns get the types they want") {
  // Django: an empty fraction is left out. Rails: always six digits. CURRENT_TIMESTAMP: none.
  CHECK(type_of("datetime", {text("2024-01-02 03:04:05.678901"), text("2024-01-02 03:04:05")}) ==
        ColumnType::timestamp);
  CHECK(type_of("datetime(6)", {text("2024-01-02 03:04:05.000000")}) == ColumnType::timestamp);
  CHECK(type_of("TIMESTAMP", {text("2024-01-02T03:04:05Z"), text("2024-01-02 03:04:05+00:00")}) ==
        ColumnType::timestamptz);
  CHECK(type_of("DATETIME", {text("2024-01-02 03:04:05.678 +00:00")}) == ColumnType::timestamptz);
  CHECK(type_of("DATETIME", {integer(1'709'290'000'123), integer(253'402'300'799'999)}) ==
        ColumnType::timestamp_ms);
  CHECK_FALSE(type_of("DATETIME", {integer(1'709'290'000)}));  // as well seconds
  CHECK_FALSE(type_of("DATETIME", {integer(253'402'300'800'000)}));
  const auto prisma = [](std::int64_t value) {
    return type_of("DATETIME", {integer(value)}, Distinction::none, nullptr,
                   Integers::milliseconds);
  };
  for (const std::int64_t value : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1'709'290'000},
                                   std::int64_t{-62'135'596'800'000}})
    CHECK(prisma(value) == ColumnType::timestamp_ms);
  CHECK_FALSE(prisma(253'402'300'800'000));
  CHECK_FALSE(type_of("DATETIME", {integer(1'709'290'000'123), text("2024-01-02 03:04:05")}));
  CHECK(type_of("DATE", {text("2024-01-02")}) == ColumnType::date);
  CHECK(type_of("bool", {integer(0), integer(1)}) == ColumnType::boolean);
  CHECK(type_of("char(32)", {text(kPlainUuid)}) == ColumnType::uuid);
  CHECK(type_of("CHAR (36)", {text(kUuid)}) == ColumnType::uuid);
  CHECK(type_of("uuid", {text(kUuid)}) == ColumnType::uuid);
  CHECK(type_of("JSON", {text("{\"a\": 1}"), text("[]")}) == ColumnType::json);
  CHECK_FALSE(type_of("JSON", {integer(7)}));  // a number by NUMERIC affinity
  for (const char* declared :
       {"TEXT", "VARCHAR(36)", "INTEGER", "", "BLOB", "REAL", "TIME", "DECIMAL(10,2)", "UPDATED"})
    CHECK(promise_of(column(declared)) == Promise::none);
}

TEST_CASE("one odd value, or two that do not agree, and the column keeps the type of its class") {
  Usable all;
  CHECK_FALSE(type_of("DATE", {text("2024-01-02"), text("soon")}, Distinction::none, &all));
  CHECK(all.why_not ==
        "the type that c (DATE) promises: not a date YYYY-MM-DD: id=7, 'soon'; correct such rows "
        "before the copy, or leave the column as it is");
  CHECK_FALSE(type_of("DATETIME", {text("2024-01-02 03:04:05Z"), text("2024-01-02 03:04:05")},
                      Distinction::none, &all));
  CHECK(all.why_not ==
        "the type that c (DATETIME) promises: some values have a zone and some have none");
  CHECK_FALSE(type_of("DATETIME", {integer(1'704'164'645)}, Distinction::none, &all));
  CHECK_THAT(all.why_not, Catch::Contains("id=7, 1704164645"));
  CHECK_FALSE(type_of("BOOLEAN", {integer(0), integer(2)}));
  CHECK_FALSE(type_of("BOOLEAN", {text("true")}));
  CHECK_FALSE(type_of("JSON", {text("{bad")}));
  CHECK_FALSE(type_of("UUID", {text(kUuid), text(kPlainUuid)}));
  CHECK_FALSE(type_of("DATE", {}));
  // A digest in CHAR(32) is no UUID, and nobody is told of it.
  CHECK_FALSE(
      type_of("CHAR(32)",
              {text("d41d8cd98f00b204e9800998ecf8427e"), text("00000000000000000000000000000000")},
              Distinction::none, &all));
  CHECK(all.why_not.empty());
}

TEST_CASE("where values must stay apart, one value has one spelling") {
  const std::vector<ValueView> python{text("2024-01-02 03:04:05"),
                                      text("2024-01-02 03:04:05.678901")};
  const std::vector<ValueView> twice{text("2024-01-02 03:04:05"), text("2024-01-02T03:04:05")};
  const std::vector<ValueView> zeros{text("2024-01-02 03:04:05"),
                                     text("2024-01-02 03:04:05.000000")};
  CHECK(type_of("DATETIME", twice, Distinction::indexed) == ColumnType::timestamp);
  CHECK_FALSE(type_of("DATETIME", twice, Distinction::unique));
  CHECK_FALSE(type_of("DATETIME", zeros, Distinction::unique));
  CHECK_FALSE(type_of("DATETIME", python, Distinction::key));
  CHECK(type_of("JSON", {text("1.0")}) == ColumnType::json);
  CHECK_FALSE(type_of("JSON", {text("{}")}, Distinction::indexed));
  Usable all;
  CHECK(type_of("DATETIME", python, Distinction::unique, &all) == ColumnType::timestamp);
  REQUIRE(all.spelling.bound);
  const auto admitted = [&](std::string_view value) {
    return admits(all.spelling, ColumnType::timestamp, value);
  };
  CHECK(admitted("2025-01-02 03:04:05"));
  CHECK(admitted("2025-01-02 03:04:05.000001"));
  CHECK_FALSE(admitted("2025-01-02 03:04:05.000000"));
  CHECK_FALSE(admitted("2025-01-02T03:04:05"));
  CHECK_FALSE(admitted("2025-01-02 03:04:05.001"));
  CHECK(admits({}, ColumnType::timestamp, "2025-01-02T03:04:05"));
  CHECK(type_of("UUID", {text(kUuid)}, Distinction::key, &all) == ColumnType::uuid);
  CHECK(admits(all.spelling, ColumnType::uuid, kUuid));
  CHECK_FALSE(admits(all.spelling, ColumnType::uuid, kPlainUuid));
}
