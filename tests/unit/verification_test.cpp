// What a comparison is made of: canonical bytes, blocks, joins, and the messages that carry them.
#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "link/wire/verification.hpp"
#include "model/error.hpp"
#include "tests/support/seed.hpp"
#include "verify/digest.hpp"
#include "verify/held_rows.hpp"
#include "verify/values.hpp"

namespace lockstep::verify {
namespace {

Value integer(std::int64_t number) {
  Value value;
  value.kind = ValueClass::integer;
  value.integer = number;
  return value;
}
Value real(double number) {
  Value value;
  value.kind = ValueClass::real;
  value.real = number;
  return value;
}
Value bytes(ValueClass kind, std::string text) {
  Value value;
  value.kind = kind;
  value.bytes = std::move(text);
  return value;
}
std::vector<Value> unlike_values() {
  return {Value{},
          integer(0),
          integer(1),
          integer(-1),
          real(0.0),
          real(-0.0),
          real(1.0),
          bytes(ValueClass::text, ""),
          bytes(ValueClass::blob, ""),
          bytes(ValueClass::text, "a"),
          bytes(ValueClass::text, "a "),
          bytes(ValueClass::text, "A"),
          bytes(ValueClass::blob, "a"),
          bytes(ValueClass::text, std::string("a\0", 2))};
}

RangeRows rows_of(const std::vector<std::pair<std::int64_t, std::uint64_t>>& rows) {
  RangeRows range;
  for (const auto& [key, hash] : rows) range.add({integer(key)}, hash);
  range.end_block();
  return range;
}

}  // namespace

TEST_CASE("values have the same canonical bytes only if they are the same") {
  const auto values = unlike_values();
  for (std::size_t a = 0; a < values.size(); ++a)
    for (std::size_t b = 0; b < values.size(); ++b) {
      INFO(a << " and " << b);
      CHECK((value_hash(values[a]) == value_hash(values[b])) == (a == b));
    }
  std::string out;
  append_canonical(out, integer(1).view());
  CHECK(out == std::string("\x01\0\0\0\0\0\0\0\x01", 9));
  out.clear();
  append_canonical(out, real(-0.0).view());
  CHECK(out == std::string("\x02\x80\0\0\0\0\0\0\0", 9));
}

TEST_CASE("where one value ends and the next begins is part of a row's hash") {
  std::string scratch;
  const auto hash = [&](const char* a, const char* b) {
    return row_hash({bytes(ValueClass::text, a), bytes(ValueClass::text, b)}, scratch);
  };
  CHECK(hash("ab", "c") != hash("a", "bc"));
  CHECK(hash("", "abc") != hash("abc", ""));
  CHECK(hash("x", "y") != hash("y", "x"));
}

TEST_CASE("a key comes back from its canonical bytes, and nothing else does") {
  const Key key = unlike_values();
  const Key back = parse_key_bytes(key_bytes(key));
  REQUIRE(back.size() == key.size());
  for (std::size_t i = 0; i < key.size(); ++i) CHECK(same_value(back[i].view(), key[i].view()));
  const std::string whole = key_bytes({integer(7), bytes(ValueClass::text, "seven")});
  for (std::size_t cut = 1; cut < whole.size(); ++cut)
    if (cut != 9) CHECK_THROWS_AS(parse_key_bytes(whole.substr(0, cut)), Error);
  CHECK_THROWS_AS(parse_key_bytes("\x05"), Error);
}

TEST_CASE("keys are ordered as both sides read them") {
  CHECK((key_order({integer(2)}, {integer(10)}) < 0));
  CHECK((key_order({integer(1)}, {real(1.5)}) < 0));
  CHECK((key_order({integer(9'007'199'254'740'993)}, {real(9'007'199'254'740'992.0)}) > 0));
  CHECK((key_order({bytes(ValueClass::text, "a")}, {bytes(ValueClass::text, "\xc3\xa9")}) < 0));
  CHECK((key_order({bytes(ValueClass::text, "Z")}, {bytes(ValueClass::text, "a")}) < 0));
  CHECK((key_order({integer(1), integer(2)}, {integer(1), integer(3)}) < 0));
  // As PostgreSQL sorts it, and no row of SQLite has it.
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK((key_order({real(nan)}, {real(std::numeric_limits<double>::infinity())}) > 0));
  CHECK((key_order({integer(7)}, {real(nan)}) < 0));
  CHECK((key_order({real(nan)}, {real(nan)}) == 0));
  CHECK_FALSE(source_may_have({real(nan)}));
  CHECK_FALSE(source_may_have({integer(1), Value()}));
  CHECK(source_may_have({integer(1), real(0.5)}));
}

TEST_CASE("a block's digest counts every row, whatever their order, and rows twice") {
  const RangeRows range = rows_of({{1, 10}, {2, 20}});
  CHECK(range.digest_of(0) == 30);
  CHECK(range.rows_of(0) == 2);
  CHECK(rows_of({{1, 10}, {1, 10}, {2, 20}}).digest_of(0) != range.digest_of(0));
  RangeRows full;
  for (std::size_t i = 0; i < kBlockRows; ++i) {
    CHECK(!full.block_full());
    full.add({integer(static_cast<std::int64_t>(i))}, i);
  }
  CHECK(full.block_full());
}

TEST_CASE("two blocks are joined by key: missing, extra, differ") {
  const RangeRows source = rows_of({{1, 10}, {2, 20}, {3, 30}, {5, 50}});
  const RangeRows target = rows_of({{1, 10}, {2, 21}, {4, 40}, {5, 50}, {5, 50}});
  std::vector<std::string> found;
  for (const RowDifference& one : differences(source.rows_in(0), target.rows_in(0)))
    found.push_back(std::string(to_string(one.kind)) + " " +
                    std::to_string(parse_key_bytes(one.key)[0].integer));
  std::sort(found.begin(), found.end());
  CHECK(found == std::vector<std::string>{"differ 2", "extra 4", "extra 5", "missing 3"});
  CHECK(differences(source.rows_in(0), source.rows_in(0)).empty());
}

TEST_CASE("a held row takes the difference that it is, and no other") {
  using Found = std::vector<std::string>;
  const auto told = [](const std::vector<RowDifference>& found) {
    Found texts;
    for (const RowDifference& one : found)
      texts.push_back(std::string(to_string(one.kind)) + " " +
                      describe(parse_key_bytes(one.key)[0].view()));
    return texts;
  };
  const auto one = [](Difference kind, const Value& key) {
    return RowDifference{kind, key_bytes({key})};
  };
  using D = Difference;
  const std::vector<RowDifference> both{one(D::missing, integer(1)), one(D::extra, integer(2)),
                                        one(D::differ, integer(3))};
  auto found = both;
  CHECK(take_held(found, {{integer(1)}}, D::missing) == 1);
  CHECK(told(found) == Found{"extra 2", "differ 3"});
  // They are on the target, too.
  found = both;
  CHECK(take_held(found, {{integer(2)}, {integer(3)}}, D::missing) == 0);
  CHECK(told(found) == Found{"missing 1", "extra 2", "differ 3"});
  // Nobody has it; after a cutover somebody may have made it on both sides.
  CHECK(take_held(found, {{integer(4)}}, D::missing) == 0);
  CHECK(told(found) == Found{"missing 1", "extra 2", "differ 3", "differ 4"});
  found = both;
  CHECK(take_held(found, {{integer(2)}, {integer(4)}}, D::extra) == 1);
  CHECK(told(found) == Found{"missing 1", "differ 3"});
  // -0.0 waits as 0.0; the target has neither, or wrongly the other.
  found = {one(D::missing, real(-0.0)), one(D::extra, real(0.0))};
  CHECK(take_held(found, {{real(0.0)}}, D::missing) == 1);
  CHECK(told(found) == Found{"extra 0.0"});
  CHECK(take_held(found, {}, D::missing) == 0);
  CHECK(found.size() == 1);
}

TEST_CASE("instants, UUIDs and numbers of both engines meet in one spelling") {
  TablePlan plan;
  plan.shape.name = "t";
  const auto source = [&](ColumnType type, const char* text) {
    plan.types = {type};
    Value value = bytes(ValueClass::text, text);
    respell(value, plan, 0);
    return value.bytes;
  };
  const auto target = [&](ColumnType type, std::int64_t number) {
    plan.types = {type};
    std::string field;
    for (int shift = 56; shift >= 0; shift -= 8) field += static_cast<char>(number >> shift);
    Value value;
    read_target(value, field, plan, 0);
    return value;
  };
  for (const char* text : {"2000-01-01T00:00:01.500Z", "2000-01-01 00:00:01.5 +00:00",
                           "2000-01-01 00:00:01.500000+00"})
    CHECK(source(ColumnType::timestamptz, text) == "2000-01-01 00:00:01.5");
  CHECK(target(ColumnType::timestamptz, 1'500'000).bytes == "2000-01-01 00:00:01.5");
  CHECK(target(ColumnType::timestamp, -1).bytes == "1999-12-31 23:59:59.999999");
  CHECK(source(ColumnType::timestamp, "2000-01-01 00:00") == "2000-01-01 00:00:00");
  CHECK(source(ColumnType::uuid, "0123456789ABCDEF0123456789ABCDEF") ==
        "01234567-89ab-cdef-0123-456789abcdef");
  CHECK(target(ColumnType::timestamp_ms, 5'000).integer == 946'684'800'005);
  // A microsecond more is no number of milliseconds: it equals nothing.
  CHECK(target(ColumnType::timestamp_ms, 5'001).kind == ValueClass::blob);
}

TEST_CASE("messages of a comparison come back, and whatever is none is refused as LS-W504") {
  using namespace wire;
  const BarrierWanted wanted{7, 3, "0123456789abcdef", "after", {"k1", ""}, 99};
  CHECK(decode_barrier_wanted(encode_barrier_wanted(wanted)).keys == wanted.keys);
  CHECK(decode_barrier_wanted(encode_barrier_wanted(wanted)).after == wanted.after);
  const Digests digests{7, {{"k", 5, 6}, {std::nullopt, 0, 0}}, std::nullopt};
  CHECK(decode_digests(encode_digests(digests)).blocks.size() == 2);
  const Digests open{7, {{"k", 5, 6}}, "K"};
  CHECK(decode_digests(encode_digests(open)).resume == "K");
  CHECK_THROWS_AS(decode_digests(encode_digests({7, {{"k", 5, 6}}, std::nullopt})), Error);
  CHECK_THROWS_AS(decode_digests(encode_digests({7, {{std::nullopt, 0, 0}}, "K"})), Error);
  CHECK_THROWS_AS(decode_digests(encode_digests({7, {}, std::nullopt})), Error);
  const std::vector<std::string> bodies{
      encode_barrier_wanted(wanted),
      encode_barrier({7, Position{}}),
      encode_digests(digests),
      encode_narrow({7, {1, 2}}),
      encode_block_rows({7, 1, {{"k", 5}}}),
      encode_shown_rows({7, {{"k", true, {{5, "v"}}}}}),
      encode_barrier_failed({7, {.code = "LS-X", .what = "w"}}),
      encode_query_answers({7, {{{{{QueryCell::Kind::number, "1"}, {}}}, true, "p"}}})};
  const std::vector<std::function<void(const std::string&)>> decoders{
      [](const auto& body) { static_cast<void>(decode_barrier_wanted(body)); },
      [](const auto& body) { static_cast<void>(decode_barrier(body)); },
      [](const auto& body) { static_cast<void>(decode_digests(body)); },
      [](const auto& body) { static_cast<void>(decode_narrow(body)); },
      [](const auto& body) { static_cast<void>(decode_block_rows(body)); },
      [](const auto& body) { static_cast<void>(decode_shown_rows(body)); },
      [](const auto& body) { static_cast<void>(decode_barrier_failed(body)); },
      [](const auto& body) { static_cast<void>(decode_query_answers(body)); }};
  BarrierWanted asks{7, 0, "", std::nullopt, {}, 0, {"SELECT 1", "SELECT 2"}};
  CHECK(decode_barrier_wanted(encode_barrier_wanted(asks)).queries == asks.queries);
  const QueryAnswers answers{7, {{{{{QueryCell::Kind::number, "1"}, {}}}, true, "p"}}};
  CHECK(decode_query_answers(encode_query_answers(answers)).answers[0].rows ==
        answers.answers[0].rows);
  std::mt19937_64 dice(test::test_seed());
  int read = 0, refused = 0;
  for (int round = 0; round < 5'000; ++round) {
    const std::size_t kind = dice() % bodies.size();
    std::string body = bodies[kind];
    for (std::uint64_t changes = dice() % 3; changes > 0 && !body.empty(); --changes) {
      if (dice() % 3 == 0) body.erase(dice() % body.size(), 1 + dice() % 9);
      if (!body.empty()) body[dice() % body.size()] = static_cast<char>(dice());
    }
    try {
      decoders[kind](body);
      ++read;
    } catch (const Error& error) {
      ++refused;
      if (error.code() != "LS-W504") FAIL(error.code());
    }
  }
  CHECK(read > 500);
  CHECK(refused > 500);
}

}  // namespace lockstep::verify
