// Tables that are copied in parts, side by side, while the application writes.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "link/sqlite/shape.hpp"
#include "tests/support/followed_target.hpp"
#include "tests/support/seed.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

constexpr std::int64_t kFirst = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kLast = std::numeric_limits<std::int64_t>::max();

/// Row n of 100, spread over all rowids there are, both ends and both sides of each cut among them.
constexpr char kSchema[] =
    "CREATE TABLE \"all\"(id INTEGER PRIMARY KEY, v INT);"
    "CREATE TABLE bag(v INT, w TEXT);"
    "CREATE TABLE hole(id INTEGER PRIMARY KEY, v INT);"
    "CREATE TABLE text_key(k TEXT PRIMARY KEY, v INT) WITHOUT ROWID;"
    "INSERT INTO \"all\" WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n LIMIT 99)"
    " SELECT -9223372036854775808 + i * 186330748219288400, i FROM n;"
    "INSERT INTO \"all\" VALUES (9223372036854775807, 99);"
    "INSERT INTO bag(rowid, v, w) SELECT v * 9000 - 450000, v, 'w' || v FROM \"all\";"
    "INSERT INTO hole VALUES (-1000000, 1), (1000000, 2);"
    "INSERT INTO text_key SELECT 'k' || v, v FROM \"all\";";

std::string around_cuts(const std::vector<std::int64_t>& points) {
  std::string sql;
  for (const std::int64_t point : points)
    for (const std::int64_t id : {point, point + 1})
      sql += fmt::format("INSERT OR IGNORE INTO \"all\" VALUES ({}, 7);", id);
  return sql;
}

/// What one session was given and has not yet loaded.
struct Lane {
  std::unique_ptr<postgres::Connection> connection;
  std::deque<snapshot::Reader::Slice> slices;
  std::optional<std::uint32_t> reads;  ///< the part that the reader gives it
  std::unique_ptr<snapshot::Loader> loader;
  std::uint32_t loads = 0;
};

/// The copy, by two sessions in any order, until `slices_max` were loaded or all is there.
void copy_some(CapturedSource& source, const std::string& dsn, std::mt19937_64& random,
               std::size_t slices_max) {
  std::array<Lane, 2> lanes;
  for (Lane& lane : lanes) lane.connection = std::make_unique<postgres::Connection>(connect(dsn));
  const std::vector<OpenPart> parts = open_parts(*lanes[0].connection);
  snapshot::ReaderLimits limits;
  limits.parts_at_once = 2;
  limits.gather_max = Milliseconds{0};
  limits.slice.bytes_max = 100;
  limits.chunk_bytes_target = 250;
  snapshot::Reader reader(sqlite::Database::open(source.path(), sqlite::OpenMode::read_only),
                          source.plans(), limits);
  reader.request(requests_for(parts));
  while (!reader.done()) {
    snapshot::Reader::Slice slice = reader.slice();
    auto lane = std::find_if(lanes.begin(), lanes.end(),
                             [&](const Lane& one) { return one.reads == slice.part; });
    if (lane == lanes.end())
      lane = std::find_if(lanes.begin(), lanes.end(), [](const Lane& one) { return !one.reads; });
    REQUIRE(lane != lanes.end());  // no more parts at a time than there are sessions
    lane->reads = slice.part;
    if (slice.chunk_end && slice.chunk_end->done) lane->reads.reset();
    lane->slices.push_back(std::move(slice));
    const std::uint64_t id = random();
    (void)source.app().attempt(fmt::format("INSERT OR REPLACE INTO \"all\" VALUES ({}, 1)",
                                           static_cast<std::int64_t>(id)));
    (void)source.app().attempt(
        fmt::format("UPDATE OR IGNORE \"all\" SET id = -id / 3 WHERE v = {}", random() % 100));
    source.app().exec(
        fmt::format("DELETE FROM \"all\" WHERE v = {0}; UPDATE bag SET v = v + 1 "
                    "WHERE v = {0}",
                    random() % 100));
    (void)source.app().attempt(fmt::format("UPDATE OR IGNORE bag SET rowid = {} WHERE v = {}",
                                           random() % 400'000, random() % 100));
  }
  for (; slices_max > 0 && !(lanes[0].slices.empty() && lanes[1].slices.empty()); --slices_max) {
    Lane& any = lanes[random() % 2];
    Lane& lane = any.slices.empty() ? (&any == &lanes[0] ? lanes[1] : lanes[0]) : any;
    const snapshot::Reader::Slice slice = std::move(lane.slices.front());
    lane.slices.pop_front();
    if (!lane.loader || lane.loads != slice.part) {
      const OpenPart& open = parts.at(slice.part);
      lane.loader.reset();
      lane.loader = std::make_unique<snapshot::Loader>(
          *lane.connection, kMigration, "public", open.plan, open.part.number, open.part.cursor);
      lane.loads = slice.part;
    }
    lane.loader->rows(slice.entries);
    if (slice.chunk_end) lane.loader->chunk_end(*slice.chunk_end);
  }
}

}  // namespace

TEST_CASE("a table is cut where its rowids say, over the whole range of them") {
  const TempDir folder;
  Application app(folder.file("a"));
  app.exec("CREATE TABLE t(id INTEGER PRIMARY KEY); CREATE TABLE w(k PRIMARY KEY) WITHOUT ROWID");
  const auto points = [&](const std::string& table = "t") {
    auto database = sqlite::Database::open(folder.file("a"), sqlite::OpenMode::read_only);
    return snapshot::split_points(database, sqlite::read_shape(database, table));
  };
  const auto ends = [&](std::int64_t first, std::int64_t last) {
    app.exec(
        fmt::format("DELETE FROM t; INSERT INTO t VALUES ({}); INSERT OR IGNORE INTO t VALUES "
                    "({})",
                    first, last));
    return points();
  };
  CHECK(points().empty());
  CHECK(points("w").empty());
  CHECK(ends(5, 5).empty());
  CHECK(ends(kFirst, kFirst).empty());
  CHECK(ends(0, 199'999).empty());
  CHECK(ends(0, 200'000) == std::vector<std::int64_t>{100'000});
  CHECK(ends(-100'000, 100'000) == std::vector<std::int64_t>{0});
  CHECK(ends(kLast - 200'000, kLast) == std::vector<std::int64_t>{kLast - 100'000});
  CHECK(ends(kFirst, kFirst + 300'000) ==
        std::vector<std::int64_t>{kFirst + 100'000, kFirst + 200'000});
  const std::vector<std::int64_t> widest = ends(kFirst, kLast);
  REQUIRE(widest.size() == 7);
  CHECK(std::is_sorted(widest.begin(), widest.end()));
  CHECK(widest.front() < -6'000'000'000'000'000'000);
  CHECK(widest.back() > 6'000'000'000'000'000'000);
}

TEST_CASE("parts that are copied side by side, and crashes, leave no gap and nothing twice") {
  std::mt19937_64 random(test_seed());
  CapturedSource source(kSchema);
  {
    auto database = sqlite::Database::open(source.path(), sqlite::OpenMode::read_only);
    source.app().exec(
        around_cuts(snapshot::split_points(database, sqlite::read_shape(database, "all"))));
  }
  source.install();
  FollowedTarget target(server(), source);
  std::map<std::string, std::size_t> counts;
  for (const OpenPart& open : open_parts(target.connection())) ++counts[open.plan.name()];
  CHECK(counts ==
        std::map<std::string, std::size_t>{{"all", 8}, {"bag", 8}, {"hole", 8}, {"text_key", 1}});
  SECTION("while nobody writes every row comes once") {
    copy_all(source, target.connection());
    CHECK(target.difference() == "");
  }
  SECTION("while the application writes, with crashes, the batch makes it equal") {
    int crashes = 0;
    for (; !open_parts(target.connection()).empty(); ++crashes) {
      REQUIRE(crashes < 100);
      copy_some(source, target.dsn(), random, 10 + random() % 40);
    }
    CHECK(crashes > 2);
    apply::move_phase(target.connection(), kMigration, apply::Phase::snapshot,
                      apply::Phase::catchup, false);
    apply::Applier applier = target.applier(target.connection(), false, false);
    (void)apply_batch(applier, source.take().value());
    target.index();
    CHECK(target.difference() == "");
    CHECK(target.ledger()->consistent);
  }
}

}  // namespace lockstep::test
