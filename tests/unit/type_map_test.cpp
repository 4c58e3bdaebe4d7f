#include "model/type_map.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

using namespace lockstep;

namespace {

Column column(const std::string& declared) {
  Column made;
  made.name = "c";
  made.declared_type = declared;
  made.affinity = affinity_of(declared);
  return made;
}

ColumnCensus census(std::uint64_t nulls, std::uint64_t integers, std::uint64_t reals,
                    std::uint64_t texts, std::uint64_t blobs) {
  ColumnCensus made;
  made.count = {nulls, integers, reals, texts, blobs};
  made.example = {"", "id=1, 1", "id=2, 1.5", "id=3, 'x'", "id=4, x'00'"};
  return made;
}

}  // namespace

TEST_CASE("a column gets the type of the one class its values have, whatever was declared") {
  std::string why;
  for (const char* declared : {"", "INTEGER", "REAL", "TEXT", "BLOB", "DATE"}) {
    INFO(declared);
    CHECK(decide_type(column(declared), census(3, 1, 0, 0, 0), ColumnUse::plain, why) ==
          ColumnType::bigint);
    CHECK(decide_type(column(declared), census(0, 0, 9, 0, 0), ColumnUse::plain, why) ==
          ColumnType::double_precision);
    CHECK(decide_type(column(declared), census(0, 0, 0, 1, 0), ColumnUse::plain, why) ==
          ColumnType::text);
    CHECK(decide_type(column(declared), census(1, 0, 0, 0, 1), ColumnUse::plain, why) ==
          ColumnType::bytea);
  }
  CHECK(why.empty());
}

TEST_CASE("a column with several classes has no type, and the reason names a row of each") {
  std::string why;
  CHECK_FALSE(decide_type(column("INT"), census(7, 2, 0, 3, 0), ColumnUse::plain, why));
  CHECK(why == "column c mixes storage classes: 2 integer (id=1, 1), 3 text (id=3, 'x')");
  CHECK_FALSE(decide_type(column("INT"), census(0, 1, 1, 0, 0), ColumnUse::plain, why));
  CHECK(why == "column c mixes storage classes: 1 integer (id=1, 1), 1 real (id=2, 1.5)");
  CHECK_FALSE(decide_type(column(""), census(0, 0, 0, 1, 1), ColumnUse::plain, why));
}

TEST_CASE("texts that PostgreSQL cannot hold are named") {
  std::string why;
  ColumnCensus bad = census(0, 0, 0, 5, 0);
  bad.nul_texts = 2;
  bad.bad_text_example = "id=3, 'a\\x00'";
  CHECK_FALSE(decide_type(column("TEXT"), bad, ColumnUse::plain, why));
  CHECK(why ==
        "column c has 2 text(s) with U+0000, which PostgreSQL text cannot hold (id=3, 'a\\x00')");
  bad.nul_texts = 0;
  bad.invalid_texts = 1;
  CHECK_FALSE(decide_type(column("TEXT"), bad, ColumnUse::plain, why));
  CHECK(why == "column c has 1 text(s) that are not valid UTF-8 (id=3, 'a\\x00')");
}

TEST_CASE("a column without values goes by its declaration") {
  const std::vector<std::pair<std::string, ColumnType>> table{
      {"INTEGER", ColumnType::bigint},
      {"BIGINT", ColumnType::bigint},
      {"REAL", ColumnType::double_precision},
      {"DOUBLE PRECISION", ColumnType::double_precision},
      {"VARCHAR(20)", ColumnType::text},
      {"TEXT", ColumnType::text},
      {"BLOB", ColumnType::bytea},
      {"", ColumnType::text},
      {"BOOLEAN", ColumnType::bigint},
      {"bool", ColumnType::bigint},
      {"DECIMAL(10,2)", ColumnType::numeric},
      {"numeric", ColumnType::numeric},
      {"MONEY", ColumnType::numeric},
      {"ENUM", ColumnType::text},
      {"DATE", ColumnType::text},
      {"DATETIME", ColumnType::text},
      {"UUID", ColumnType::text},
      {"JSON", ColumnType::text}};
  for (const auto& [declared, type] : table) {
    INFO(declared);
    std::string why;
    CHECK(default_type(column(declared), ColumnUse::plain) == type);
    CHECK(decide_type(column(declared), census(4, 0, 0, 0, 0), ColumnUse::plain, why) == type);
  }
}

TEST_CASE("a plain column of NUMERIC affinity that holds integers and reals is numeric") {
  std::string why;
  for (const char* declared : {"NUMERIC", "DECIMAL(10,2)", "DATETIME", "BOOLEAN", "UUID"}) {
    INFO(declared);
    CHECK(decide_type(column(declared), census(1, 2, 3, 0, 0), ColumnUse::plain, why) ==
          ColumnType::numeric);
  }
  for (const char* declared : {"INT", "REAL", "TEXT", "BLOB", ""}) {
    INFO(declared);
    CHECK_FALSE(decide_type(column(declared), census(1, 2, 3, 0, 0), ColumnUse::plain, why));
  }
  CHECK_FALSE(decide_type(column("NUMERIC"), census(0, 2, 3, 1, 0), ColumnUse::plain, why));
  CHECK_FALSE(decide_type(column("NUMERIC"), census(0, 2, 3, 0, 1), ColumnUse::plain, why));
}

TEST_CASE("a column declared to hold decimals is numeric while it holds one class of numbers") {
  std::string why;
  for (const char* declared : {"NUMERIC", "decimal(5,2)", "DEC(5)", "NUM", "NUMBER(10)", "MONEY",
                               "smallmoney", "CURRENCY", "UNSIGNED DECIMAL"}) {
    INFO(declared);
    const auto type_for = [&](const ColumnCensus& found) {
      return decide_type(column(declared), found, ColumnUse::plain, why);
    };
    CHECK(type_for(census(1, 2, 0, 0, 0)) == ColumnType::numeric);
    CHECK(type_for(census(1, 0, 2, 0, 0)) == ColumnType::numeric);
    CHECK(type_for(census(1, 0, 0, 0, 0)) == ColumnType::numeric);
    CHECK(type_for(census(1, 0, 0, 2, 0)) == ColumnType::text);
    CHECK(type_for(census(1, 0, 0, 0, 2)) == ColumnType::bytea);
  }
  for (const char* declared :
       {"BOOLEAN", "DATE", "TIME", "DATETIME", "TIMESTAMP", "ENUM", "UUID"}) {
    INFO(declared);
    CHECK(decide_type(column(declared), census(1, 2, 0, 0, 0), ColumnUse::plain, why) ==
          ColumnType::bigint);
    CHECK(decide_type(column(declared), census(1, 0, 2, 0, 0), ColumnUse::plain, why) ==
          ColumnType::double_precision);
  }
}

TEST_CASE("a key is never numeric") {
  std::string why;
  const auto type_for = [&](const ColumnCensus& found) {
    return decide_type(column("NUMERIC"), found, ColumnUse::key, why);
  };
  CHECK(type_for(census(0, 2, 0, 0, 0)) == ColumnType::bigint);
  CHECK(type_for(census(0, 0, 2, 0, 0)) == ColumnType::double_precision);
  CHECK(type_for(census(0, 0, 0, 0, 0)) == ColumnType::double_precision);
  CHECK(why.empty());
  CHECK_FALSE(type_for(census(0, 1, 1, 0, 0)));
  CHECK(why == "column c mixes storage classes: 1 integer (id=1, 1), 1 real (id=2, 1.5)");
}

TEST_CASE("reals that numeric could not tell from integers keep a column from being numeric") {
  std::string why;
  ColumnCensus odd = census(0, 0, 2, 0, 0);
  odd.whole_reals = 1;
  odd.whole_real_example = "id=7, 5.0";
  CHECK(decide_type(column("DECIMAL"), odd, ColumnUse::plain, why) == ColumnType::double_precision);
  odd.count[static_cast<std::size_t>(ValueClass::integer)] = 1;
  CHECK_FALSE(decide_type(column("DECIMAL"), odd, ColumnUse::plain, why));
  CHECK(why ==
        "column c mixes storage classes: 1 integer (id=1, 1), 2 real (id=2, 1.5); 1 of the reals "
        "equal(s) an integer (id=7, 5.0)");
}
