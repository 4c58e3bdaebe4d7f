// The keys that apply remembers: complete from some position on, or not at all.
#include <catch2/catch.hpp>
#include <set>
#include <string>
#include <thread>

#include "apply/recent_keys.hpp"
#include "tests/support/shape_of.hpp"

namespace lockstep::apply {
namespace {

TablePlan table(std::uint32_t id) {
  return test::plan_of(id, "CREATE TABLE t(v TEXT, k INTEGER PRIMARY KEY)",
                       {ColumnType::text, ColumnType::bigint});
}

Position at(std::int64_t seq, std::uint8_t era = 1) {
  Position position;
  position.era.bytes[0] = era;
  position.seq = seq;
  position.identity = seq * 7;
  return position;
}

std::string values(std::int64_t key, bool present) {
  std::string entry;
  EntryWriter writer(entry);
  writer.begin(0, present);
  if (present) writer.put({.kind = ValueClass::text, .bytes = "v"});
  writer.put({.kind = ValueClass::integer, .integer = key});
  writer.end();
  return entry.substr(kEntryPrefixBytes + 5);
}

void touch(RecentKeys& keys, std::uint32_t id, std::int64_t key, bool present = true) {
  const std::string bytes = values(key, present);
  keys.touch(table(id), {id, present, bytes});
}

void batch(RecentKeys& keys, std::int64_t from, std::int64_t to, std::uint32_t id,
           std::vector<std::int64_t> rows) {
  keys.begin(at(from));
  for (const std::int64_t row : rows) touch(keys, id, row);
  keys.committed(at(to));
}

std::multiset<std::int64_t> keys_of(const RecentKeys::Since& since, std::uint32_t id) {
  std::multiset<std::int64_t> found;
  since.each_key(id, [&](std::string_view bytes) {
    ValueCursor cursor(bytes);
    found.insert(cursor.next()->integer);
    CHECK(!cursor.next());
  });
  return found;
}

using Keys = std::multiset<std::int64_t>;

}  // namespace

TEST_CASE("keys are remembered with their batch, whether the row is there or not", "[unit]") {
  RecentKeys keys;
  CHECK(!keys.since(at(0)).complete);
  CHECK(!keys.since(at(0)).from);
  keys.resume(at(10));
  CHECK(keys.since(at(10)).complete);
  CHECK(keys.since(at(10)).tables.empty());
  batch(keys, 10, 20, 1, {1, 2});
  keys.begin(at(20));
  touch(keys, 1, 2, false);
  touch(keys, 2, 9);
  keys.committed(at(30));
  CHECK(keys_of(keys.since(at(10)), 1) == Keys{1, 2, 2});
  CHECK(keys_of(keys.since(at(19)), 1) == Keys{1, 2, 2});
  CHECK(keys_of(keys.since(at(20)), 1) == Keys{2});
  CHECK(keys_of(keys.since(at(20)), 2) == Keys{9});
  CHECK(keys.since(at(20)).tables == std::set<std::uint32_t>{1, 2});
  CHECK(keys.since(at(30)).tables.empty());
  CHECK(keys.since(at(30)).complete);
}

TEST_CASE("what is not remembered is not claimed", "[unit]") {
  RecentKeys keys;
  keys.resume(at(10));
  batch(keys, 10, 20, 1, {1});
  CHECK(!keys.since(at(9)).complete);
  CHECK(keys.since(at(9)).from == at(10));
  CHECK(!keys.since(at(21)).complete);
  CHECK(!keys.since(at(15, 2)).complete);
  // A batch that was not committed, and the same rows again.
  keys.begin(at(20));
  touch(keys, 1, 5);
  batch(keys, 20, 22, 1, {6});
  CHECK(keys_of(keys.since(at(10)), 1) == Keys{1, 6});
  // The answer to a COMMIT was lost: the ledger is further than we know.
  keys.resume(at(25));
  CHECK(!keys.since(at(22)).complete);
  CHECK(keys.since(at(22)).from == at(25));
  batch(keys, 40, 50, 1, {7});
  CHECK(!keys.since(at(25)).complete);
  CHECK(keys_of(keys.since(at(40)), 1) == Keys{7});
  keys.resume(at(50));
  CHECK(keys.since(at(40)).complete);
}

TEST_CASE("the oldest keys are forgotten, and the position since which they are known moves",
          "[unit]") {
  const bool by_keys = GENERATE(true, false);
  // 17 bytes each
  RecentKeys keys(by_keys ? RecentKeysLimits{100, 1 << 20, 1 << 20}
                          : RecentKeysLimits{1'000'000, 1'700, 60});
  keys.resume(at(0));
  for (std::int64_t seq = 1; seq <= 1'000; ++seq) batch(keys, seq - 1, seq, 1, {seq});
  const auto since = keys.since(at(0));
  CHECK(!since.complete);
  REQUIRE(since.from);
  CHECK(since.from->seq >= 900);
  CHECK(since.from->seq < 910);
  const std::int64_t from = since.from->seq;
  CHECK(!keys.since(at(from - 1)).complete);
  const Keys known = keys_of(keys.since(at(from)), 1);
  CHECK(known.size() == static_cast<std::size_t>(1'000 - from));
  CHECK(*known.begin() == from + 1);
  // One batch alone is too much.
  std::vector<std::int64_t> many(101);
  batch(keys, 1'000, 1'200, 1, many);
  CHECK(!keys.since(at(1'000)).complete);
  CHECK(keys.since(at(1'000)).from == at(1'200));
  CHECK(keys.since(at(1'200)).complete);
}

TEST_CASE("a table that was read anew is told, and its rows are not remembered one by one",
          "[unit]") {
  RecentKeys keys;
  keys.resume(at(10));
  batch(keys, 10, 20, 1, {1});
  keys.begin(at(20));
  keys.reset(1);
  for (int row = 0; row < 50; ++row) touch(keys, 1, row);
  touch(keys, 2, 3);
  keys.committed(at(30));
  batch(keys, 30, 40, 1, {4});
  CHECK(keys.since(at(10)).anew == std::set<std::uint32_t>{1});
  CHECK(keys_of(keys.since(at(10)), 2) == Keys{3});
  CHECK(keys.since(at(29)).anew.contains(1));
  CHECK(keys.since(at(30)).anew.empty());
  CHECK(keys_of(keys.since(at(30)), 1) == Keys{4});
  CHECK(keys.read_anew_since(1, at(30)));
  CHECK_FALSE(keys.read_anew_since(1, at(31)));
  CHECK_FALSE(keys.read_anew_since(2, at(10)));
  // From before what it remembers, and another source.
  CHECK(keys.read_anew_since(2, at(9)));
  CHECK(keys.read_anew_since(2, at(40, 2)));
  CHECK(RecentKeys().read_anew_since(2, at(40)));
}

TEST_CASE("which tables were read anew is known longer than keys are", "[unit]") {
  RecentKeys keys({.keys_max = 10});
  keys.resume(at(0));
  for (int seq = 1; seq <= 100; ++seq) batch(keys, seq - 1, seq, 1, {seq});
  REQUIRE_FALSE(keys.since(at(1)).complete);
  CHECK_FALSE(keys.read_anew_since(1, at(1)));
  keys.begin(at(100));
  keys.reset(1);
  keys.committed(at(101));
  CHECK(keys.read_anew_since(1, at(101)));
  CHECK(keys.times_read_anew(1) == keys.times_read_anew(2) + 1);
  const std::uint64_t times = keys.times_read_anew(2);
  CHECK_FALSE(keys.read_anew_since(2, at(1)));
  keys.resume(at(50));
  CHECK(keys.times_read_anew(2) != times);
  CHECK(keys.read_anew_since(2, at(1)));
}

TEST_CASE("what was answered stays as it is while more is written", "[unit]") {
  RecentKeys keys;
  keys.resume(at(0));
  batch(keys, 0, 1, 1, {1});
  const auto since = keys.since(at(0));
  std::thread writer([&] {
    for (std::int64_t seq = 2; seq < 2'000; ++seq) batch(keys, seq - 1, seq, 1, {seq});
  });
  for (int look = 0; look < 50; ++look) CHECK(keys_of(since, 1) == Keys{1});
  writer.join();
  CHECK(keys_of(keys.since(at(0)), 1).size() == 1'999);
}

}  // namespace lockstep::apply
