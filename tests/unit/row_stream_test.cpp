#include "model/row_stream.hpp"

#include <algorithm>
#include <bit>
#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

#include "model/error.hpp"
#include "tests/support/seed.hpp"

using namespace lockstep;

namespace {

struct Row {
  std::uint32_t table = 0;
  bool present = false;
  std::vector<Value> values;
};

Value random_value(std::mt19937_64& random) {
  Value value;
  value.kind = static_cast<ValueClass>(random() % 5);
  if (value.kind == ValueClass::integer)
    value.integer = static_cast<std::int64_t>(random() >> random() % 64);
  if (value.kind == ValueClass::real) value.real = std::bit_cast<double>(random());
  if (value.kind == ValueClass::text || value.kind == ValueClass::blob) {
    value.bytes.resize(random() % 8 == 0 ? random() % 5'000 : random() % 12);
    for (char& c : value.bytes) c = static_cast<char>(random());
  }
  return value;
}

Row random_row(std::mt19937_64& random) {
  Row row{static_cast<std::uint32_t>(random()), random() % 2 == 0, {}};
  for (std::size_t n = random() % 6; n > 0; --n) row.values.push_back(random_value(random));
  return row;
}

std::string encoded(const std::vector<Row>& rows) {
  std::string bytes;
  EntryWriter writer(bytes);
  for (const Row& row : rows) {
    writer.begin(row.table, row.present);
    for (const Value& value : row.values) writer.put(value.view());
    writer.end();
  }
  return bytes;
}

void check_row(const EntryView& entry, const Row& row) {
  CHECK(entry.table == row.table);
  CHECK(entry.present == row.present);
  ValueCursor cursor(entry.values);
  for (const Value& value : row.values) {
    const auto found = cursor.next();
    REQUIRE(found);
    CHECK(same_value(*found, value.view()));
  }
  CHECK_FALSE(cursor.next());
  CHECK_FALSE(cursor.malformed());
}

std::string code_of(std::string_view bytes) {
  EntryReader reader;
  try {
    reader.feed(bytes);
    while (reader.next()) {
    }
  } catch (const Error& error) {
    CHECK(error.retry() == Retry::new_session);
    return error.code();
  }
  return reader.at_boundary() ? "whole" : "waiting";
}

}  // namespace

TEST_CASE("rows come back from fragments of any size") {
  std::mt19937_64 random(test::test_seed());
  for (int round = 0; round < 30; ++round) {
    std::vector<Row> rows;
    for (std::size_t n = random() % 40; n > 0; --n) rows.push_back(random_row(random));
    const std::string bytes = encoded(rows);
    const std::size_t fragment_max = round == 0 ? 1 : 1 + random() % 3'000;
    EntryReader reader;
    std::size_t at = 0, row = 0;
    while (at < bytes.size()) {
      const std::size_t length =
          std::min<std::size_t>(1 + random() % fragment_max, bytes.size() - at);
      reader.feed(std::string_view(bytes).substr(at, length));
      at += length;
      while (const auto entry = reader.next()) check_row(*entry, rows.at(row++));
    }
    CHECK(row == rows.size());
    CHECK(reader.at_boundary());
  }
}

TEST_CASE("an entry has the bytes that the format says") {
  const std::string bytes =
      encoded({{7,
                true,
                {Value(ValueView{.kind = ValueClass::integer, .integer = -2}),
                 Value(ValueView{.kind = ValueClass::text, .bytes = "hi"}), Value()}}});
  const std::string expected(
      "\0\0\0\x16"
      "\0\0\0\x07"
      "\x01"
      "\x01\xff\xff\xff\xff\xff\xff\xff\xfe"
      "\x03\0\0\0\x02hi"
      "\0",
      26);
  CHECK(bytes == expected);
}

TEST_CASE("an abandoned entry leaves no byte behind") {
  std::string bytes = encoded({{1, true, {}}});
  const std::string before = bytes;
  EntryWriter writer(bytes);
  writer.begin(2, true);
  writer.put(ValueView{.kind = ValueClass::text, .bytes = "gone"});
  writer.abandon();
  CHECK(bytes == before);
}

TEST_CASE("half an entry waits for its rest") {
  const std::string bytes = encoded({{1, true, {Value()}}});
  for (std::size_t length = 1; length < bytes.size(); ++length)
    CHECK(code_of(std::string_view(bytes).substr(0, length)) == "waiting");
  CHECK(code_of(bytes) == "whole");
  CHECK(code_of("") == "whole");
}

TEST_CASE("bytes that cannot be an entry are named, at once") {
  const auto entry = [](std::uint32_t length, const std::string& body) {
    std::string bytes;
    put_u32(bytes, length);
    return bytes + body;
  };
  CHECK(code_of(entry(0, "")) == "LS-W501");
  CHECK(code_of(entry(4, std::string(4, '\0'))) == "LS-W501");
  CHECK(code_of(entry(5, std::string("\0\0\0\1\2", 5))) == "LS-W501");
  CHECK(code_of(entry(0xffffffff, "")) == "LS-W501");
  CHECK(code_of(entry(kEntryBytesMax + 1, "")) == "LS-W501");
  CHECK(code_of(entry(kEntryBytesMax, "")) == "waiting");
}

TEST_CASE("values that are cut short or of no class are malformed, not read past their end") {
  std::string eight;
  put_u64(eight, 5);
  for (const std::string& bad :
       {std::string("\x05"), std::string("\xff"), "\x01" + eight.substr(1),
        "\x02" + eight.substr(2), std::string("\x03"), std::string("\x03\0\0\0", 4),
        std::string("\x03\0\0\0\2a", 6), std::string("\x04\xff\xff\xff\xff", 5)}) {
    ValueCursor cursor(bad);
    CHECK_FALSE(cursor.next());
    CHECK(cursor.malformed());
    CHECK_FALSE(cursor.next());
  }
}

TEST_CASE("random bytes never crash the reader") {
  std::mt19937_64 random(test::test_seed() + 1);
  std::size_t named = 0;
  for (int round = 0; round < 3'000; ++round) {
    std::string bytes = encoded({random_row(random), random_row(random)});
    for (std::size_t n = 1 + random() % 3; n > 0; --n)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    EntryReader reader;
    try {
      reader.feed(bytes);
      while (const auto entry = reader.next()) {
        ValueCursor cursor(entry->values);
        while (cursor.next()) {
        }
      }
    } catch (const Error& error) {
      CHECK(error.code() == "LS-W501");
      ++named;
    }
  }
  CHECK(named > 100);
}
