// What assess says of the formats of values, and which rule carries them for what they mean.
#include "model/formats.hpp"

#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <vector>

#include "ops/column_formats.hpp"

using namespace lockstep;

namespace {

Column column(const std::string& name, const std::string& declared) {
  Column made;
  made.name = name;
  made.declared_type = declared;
  made.affinity = affinity_of(declared);
  return made;
}

using Found = std::map<std::string, std::uint64_t>;

Found found_in(const std::vector<std::string>& texts) {
  Formats formats;
  for (const std::string& text : texts) formats.see(text);
  const auto named = formats.named();
  return {named.begin(), named.end()};
}

ColumnCensus census(const std::vector<std::string>& texts,
                    const std::vector<std::int64_t>& integers = {},
                    const std::vector<double>& reals = {}) {
  ColumnCensus made;
  const auto see = [&](const ValueView& value) {
    ++made.count[static_cast<std::size_t>(value.kind)];
    made.extremes.see(value);
  };
  for (const std::string& text : texts) {
    see({.kind = ValueClass::text, .bytes = text});
    made.formats.see(text);
  }
  for (const std::int64_t number : integers) see({.kind = ValueClass::integer, .integer = number});
  for (const double number : reals) see({.kind = ValueClass::real, .real = number});
  return made;
}

Found formats(const Column& of, const ColumnCensus& found) {
  const auto named = ops::formats_of(of, found);
  return {named.begin(), named.end()};
}

}  // namespace

TEST_CASE("texts are counted by the format they are written in") {
  CHECK(found_in({"2024-01-02", "2024-02-29", "2024-02-30"}) == Found{{"YYYY-MM-DD", 2}});
  CHECK(found_in({"2024-01-02 03:04:05", "2024-01-02T03:04:05", "2024-01-02T03:04:05.123Z",
                  "2024-01-02 03:04:05.123456+00:00", "2024-01-02 03:04"}) ==
        Found{{"YYYY-MM-DD HH:MM:SS", 1},
              {"YYYY-MM-DDTHH:MM:SS", 1},
              {"YYYY-MM-DDTHH:MM:SS.fffZ", 1},
              {"YYYY-MM-DD HH:MM:SS.ffffff+00:00", 1},
              {"YYYY-MM-DD HH:MM", 1}});
  CHECK(found_in({"2024-01-02 03:04:05+02:00", "2024-01-02T03:04:05.5-0330"}) ==
        Found{{"instant with another offset than UTC", 2}});
  CHECK(found_in({"2024-01-02 03:04:05.123456789", "2024-01-02T03:04:05.1234567Z"}) ==
        Found{{"instant with more than 6 digits of a second", 2}});
  CHECK(found_in({"03:04", "03:04:05.5", "25:00"}) == Found{{"HH:MM:SS", 2}});
  CHECK(found_in({"6ba7b810-9dad-11d1-80b4-00c04fd430c8", "6BA7B8109DAD11D180B400C04FD430C8"}) ==
        Found{{"uuid xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", 1},
              {"uuid XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX", 1}});
  CHECK(found_in({"{\"a\":1}", "[]", "[1", "{}"}) == Found{{"json", 3}});
  CHECK(found_in({"true", "False", "yes", "N", "t", "on"}) == Found{{"boolean true/false", 2},
                                                                    {"boolean yes/no", 1},
                                                                    {"boolean y/n", 1},
                                                                    {"boolean t/f", 1},
                                                                    {"boolean on/off", 1}});
  CHECK(found_in({"", "hello", "2024", "12345678901234567890", "2024-01-02 ", "-", "nothing"})
            .empty());
  Formats sum, other;
  sum.see("2024-01-02");
  other.see("{}");
  other.see("2024-01-02");
  sum.add(other);
  CHECK(sum.count_of(FormatKind::day) == 2);
  CHECK(sum.count_of(FormatKind::json) == 1);
}

TEST_CASE("numbers are moments by their range, where the column says that it holds some") {
  CHECK(formats(column("created_at", "INTEGER"), census({}, {1'704'164'645, 1'704'164'646})) ==
        Found{{"epoch-s", 2}});
  CHECK(formats(column("createdAt", "INTEGER"), census({}, {1'704'164'645'123})) ==
        Found{{"epoch-ms", 1}});
  CHECK(formats(column("x", "DATETIME"), census({}, {1'704'164'645'123'456})) ==
        Found{{"epoch-us", 1}});
  CHECK(formats(column("day", "DATE"), census({}, {}, {2'460'000.5})) == Found{{"julian day", 1}});
  CHECK(formats(column("paid", "BOOLEAN"), census({}, {0, 1})) == Found{{"boolean 0/1", 2}});
  CHECK(formats(column("amount", "INTEGER"), census({}, {1'704'164'645})).empty());
  CHECK(formats(column("created_at", "INTEGER"), census({}, {0, 1'704'164'645})).empty());
  CHECK(formats(column("distance", "REAL"), census({}, {}, {2'460'000.5})).empty());
}

TEST_CASE("the rule that carries every value for what it means") {
  const Column at = column("at", "DATETIME"), flag = column("flag", "BOOLEAN");
  using ops::meaning_of;
  CHECK(meaning_of(at, census({"2024-01-02T03:04:05"}, {1'704'164'645'123})) == "epoch-ms");
  CHECK(meaning_of(at, census({"2024-01-02 03:04:05Z"}, {1'704'164'645})) == "epoch-s");
  CHECK(meaning_of(flag, census({"true", "no"}, {0, 1})) == "boolean");
  CHECK(meaning_of(column("at", "TEXT"), census({"2024-01-02 03:04:05"})) == "timestamp");
  CHECK(meaning_of(column("at", "TEXT"), census({"2024-01-02 03:04:05+02:00"})) == "timestamptz");
  CHECK(meaning_of(column("at", "TEXT"), census({"2024-01-02"})) == "date");
  // Before 1990, and after 2100: only in a file of Prisma's.
  const ColumnCensus upgraded =
      census({"2024-01-02T03:04:05.678+00:00"}, {-2'208'988'800'000, 253'402'300'799'999});
  CHECK(meaning_of(at, upgraded).empty());
  CHECK(meaning_of(at, upgraded, Integers::milliseconds) == "epoch-ms");
  CHECK(meaning_of(at, census({}, {253'402'300'800'000}), Integers::milliseconds).empty());
  // What true and false are for Sequelize and Laravel; JSON that is a number.
  CHECK(meaning_of(column("done", "TINYINT(1)"), census({}, {0, 1})) == "boolean");
  CHECK(meaning_of(column("done", "TINYINT(1)"), census({}, {0, 2})).empty());
  CHECK(meaning_of(column("done", "TINYINT"), census({}, {0, 1})).empty());
  const Column data = column("data", "JSONB");
  CHECK(meaning_of(data, census({"{}", "true", "\"s\""}, {7}, {1.5})) == "json");
  ColumnCensus broken = census({"{}", "{bad"}, {7});
  broken.promise.broken = true;
  CHECK(meaning_of(data, broken).empty());
  // Not what one rule would carry: something would be guessed or lost.
  CHECK(meaning_of(at, census({"2024-01-02 03:04:05", "soon"}, {1'704'164'645'123})).empty());
  CHECK(meaning_of(at, census({"2024-01-02 03:04:05", "2024-01-02 03:04:05Z"})).empty());
  CHECK(meaning_of(at, census({"2024-01-02 03:04:05"}, {7})).empty());
  CHECK(meaning_of(at, census({"2024-01-02 03:04:05.123456789"})).empty());
  CHECK(meaning_of(flag, census({"true"}, {2})).empty());
  CHECK(meaning_of(flag, census({"true"}, {1}, {0.5})).empty());
  CHECK(meaning_of(at, census({})).empty());
}
