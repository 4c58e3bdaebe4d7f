#include "ops/progress.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

using namespace lockstep;
using namespace lockstep::ops;

namespace {

using std::chrono::milliseconds;

TableProgress table_of(std::uint32_t id, std::int64_t rows, std::int64_t expected) {
  TableProgress table{id, "t" + std::to_string(id), rows, expected, false, false};
  table.begun = true;
  return table;
}

/// A copy whose time is made up: looked at 10 times a second, as a screen would.
class Copy {
 public:
  explicit Copy(std::vector<TableProgress> tables) {
    status_.migration = "shop";
    status_.phase = "snapshot";
    status_.tables = std::move(tables);
  }
  /// For so many seconds; `grow` is told the second since the start, as a fraction.
  Status run(double seconds, const std::function<void(Status&, double)>& grow) {
    const std::int64_t until = looked_ + static_cast<std::int64_t>(seconds * 10);
    Status shown;
    for (; looked_ < until; ++looked_) {
      grow(status_, static_cast<double>(looked_) / 10);
      shown = status_;
      history_.look(shown, SteadyTime{} + milliseconds{100 * looked_});
    }
    return shown;
  }
  /// The first table grows by so many rows a second.
  Status run(double seconds, double rows_per_second) {
    return run(seconds, [&](Status& status, double) {
      status.tables[0].rows += static_cast<std::int64_t>(rows_per_second / 10);
    });
  }
  Status& status() { return status_; }

 private:
  Status status_;
  CopyHistory history_;
  std::int64_t looked_ = 0;
};

std::string shown(double seconds) {
  return eta_text({seconds, seconds, seconds});
}

}  // namespace

TEST_CASE("a backlog below nothing is named as what it is") {
  CHECK(backlog_text(0) == "0 changes");
  CHECK(backlog_text(1'200) == "1,200 changes");
  CHECK(backlog_text(-1'200) == "SQLite lacks 1,200 change(s) that were applied (an older file?)");
}

TEST_CASE("a steady copy has a rate after three seconds, and an ETA that is rows by rate") {
  Copy copy({table_of(1, 0, 100'000)});
  CHECK_FALSE(copy.run(3, 1'000).rows_per_second.has_value());
  const Status status = copy.run(3, 1'000);
  REQUIRE(status.rows_per_second.has_value());
  CHECK(*status.rows_per_second == Approx(1'000));
  REQUIRE(status.eta.has_value());
  CHECK(status.eta->seconds == Approx(94).margin(0.5));
  CHECK(status.eta->soonest_s == status.eta->latest_s);
  CHECK(copy_text(status) == "6.0 %  6,000 of 100,000 rows  1,000 rows/s  ETA 1 min 34 s");
  REQUIRE(status.tables[0].eta.has_value());
  CHECK(status.tables[0].eta->seconds == Approx(94).margin(0.5));
}

TEST_CASE("below one percent there is no ETA for thirty seconds") {
  Copy copy({table_of(1, 0, 10'000'000)});
  const Status early = copy.run(29, 1'000);
  CHECK(early.rows_per_second.has_value());
  CHECK_FALSE(early.eta.has_value());
  const Status late = copy.run(4, 1'000);
  CHECK(*share_of(late).percent < 1);
  REQUIRE(late.eta.has_value());
  CHECK(late.eta->seconds == Approx(9'967).margin(5));
}

TEST_CASE("rows that come in bursts have a steady rate once windows are longer than bursts") {
  Copy copy({table_of(1, 0, 10'000'000)});
  const Status status = copy.run(400, [](Status& now, double second) {
    if (std::fmod(second, 8.0) < 0.05) now.tables[0].rows += 80'000;
  });
  REQUIRE(status.eta.has_value());
  CHECK(*status.rows_per_second == Approx(10'000).epsilon(0.1));
  CHECK(status.eta->soonest_s == status.eta->latest_s);
}

TEST_CASE("one window of haste does not move the rate") {
  Copy copy({table_of(1, 0, 100'000'000)});
  static_cast<void>(copy.run(300, 1'000));
  static_cast<void>(copy.run(60, 50'000));
  const Status status = copy.run(60, 1'000);
  CHECK(*status.rows_per_second == Approx(1'000).epsilon(0.01));
}

TEST_CASE("a stall takes the ETA away, and it comes back when rows do") {
  Copy copy({table_of(1, 0, 10'000'000)});
  CHECK(copy.run(310, 10'000).eta.has_value());
  CHECK(copy.run(50, 0).eta.has_value());
  const Status stalled = copy.run(150, 0);
  CHECK_FALSE(stalled.eta.has_value());
  REQUIRE(stalled.rows_per_second.has_value());
  CHECK(*stalled.rows_per_second == 0);
  CHECK(copy_text(stalled) == "31.0 %  3,100,000 of 10,000,000 rows  0 rows/s");
  const Status again = copy.run(310, 10'000);
  REQUIRE(again.eta.has_value());
  CHECK(again.eta->seconds == Approx(380).epsilon(0.05));
}

TEST_CASE("rates that differ make the ETA a range around the median") {
  Copy copy({table_of(1, 0, 4'000'000)});
  const Status status = copy.run(301, [](Status& now, double second) {
    now.tables[0].rows += second < 121 ? 100 : second < 181 ? 200 : 400;
  });
  REQUIRE(status.eta.has_value());
  CHECK(*status.rows_per_second == Approx(2'000).epsilon(0.05));
  CHECK(status.eta->soonest_s < 0.6 * status.eta->seconds);
  CHECK(status.eta->latest_s > 1.8 * status.eta->seconds);
  CHECK(copy_text(status).find("ETA 13 min ") != std::string::npos);
  CHECK(copy_text(status).find(" to ") != std::string::npos);
}

TEST_CASE("what was longer than five minutes ago is forgotten") {
  Copy copy({table_of(1, 0, 100'000'000)});
  static_cast<void>(copy.run(1'000, 50'000));
  const Status status = copy.run(301, 1'000);
  CHECK(*status.rows_per_second == Approx(1'000));
  CHECK(status.eta->soonest_s == status.eta->latest_s);
}

TEST_CASE("without a census there are rows and a rate, and no percent and no ETA") {
  Copy copy({table_of(1, 5'000, 0)});
  const Status status = copy.run(40, 1'000);
  CHECK_FALSE(share_of(status).percent.has_value());
  CHECK_FALSE(status.eta.has_value());
  CHECK_FALSE(status.tables[0].eta.has_value());
  CHECK(copy_text(status) == "45,000 rows  1,000 rows/s");
}

TEST_CASE("rows of an earlier run are no rate of this one") {
  Copy copy({table_of(1, 900'000, 1'000'000), table_of(2, 900'000, 1'000'000)});
  copy.status().tables[1].begun = false;
  CHECK_FALSE(copy.run(10, 0).eta.has_value());
  static_cast<void>(copy.run(10, 1'000));
  copy.status().tables[1].begun = true;
  const Status status = copy.run(10, [](Status& now, double) { now.tables[1].rows += 100; });
  REQUIRE(status.tables[1].rows_per_second.has_value());
  CHECK(*status.tables[1].rows_per_second == Approx(1'000));
  CHECK(*status.rows_per_second == Approx(1'000));
}

TEST_CASE("a table that shrank is whole once it is copied") {
  Status status;
  status.tables = {table_of(1, 400, 1'000), table_of(2, 0, 600)};
  CHECK(*share_of(status).percent == Approx(25));
  status.tables[0].copied = true;
  CHECK(*share_of(status).percent == Approx(40));
  CHECK(*share_of(status.tables[0]).percent == Approx(100));
  status.tables[1].copied = true;  // every row of it was deleted
  CHECK(*share_of(status).percent == Approx(100));
}

TEST_CASE("rows that went back are a rate of zero, not below") {
  Copy copy({table_of(1, 100'000, 200'000)});
  const Status status = copy.run(20, -1'000.0);
  CHECK(*status.rows_per_second == 0);
  CHECK_FALSE(status.eta.has_value());
}

TEST_CASE("at 100 percent the line says what is awaited, and never that it is due") {
  Copy copy({table_of(1, 0, 10'000), table_of(2, 0, 10)});
  copy.status().tables[1].copied = true;
  const Status almost = copy.run(9.9, 1'000);
  CHECK(almost.tables[0].rows == 9'900);
  CHECK(almost.eta.has_value());
  CHECK(shown(0.001) == "ETA 1 s");
  const Status status = copy.run(10, 1'000);
  CHECK_FALSE(status.eta.has_value());
  CHECK_FALSE(status.tables[0].eta.has_value());
  CHECK(progress_line(status) ==
        "shop  snapshot  100.0 %  19,900 of 19,900 rows  1,000 rows/s  awaiting the last rows of "
        "t1");
  Status copied = status;
  copied.tables[0].copied = true;
  CHECK(copy_text(copied).find("every row is copied") != std::string::npos);
}

TEST_CASE("a share is rounded down: 100 percent is said of the whole alone") {
  Status status;
  status.tables = {table_of(1, 99'999, 100'000)};
  CHECK(*share_of(status).percent == Approx(99.9));
}

TEST_CASE("once the copy is over its rate and ETA are gone") {
  Copy copy({table_of(1, 0, 100'000)});
  CHECK(copy.run(10, 1'000).eta.has_value());
  copy.status().phase = "catchup";
  const Status status = copy.run(1, 0);
  CHECK_FALSE(status.eta.has_value());
  CHECK_FALSE(status.rows_per_second.has_value());
  CHECK(progress_line(status) ==
        "shop  catchup  awaiting what changed during the copy  0 changes applied  backlog -");
}

TEST_CASE("an ETA is told in the units of a person") {
  CHECK(shown(42.4) == "ETA 42 s");
  CHECK(shown(364) == "ETA 6 min 04 s");
  CHECK(shown(3'600 * 5 + 60 * 7) == "ETA 5 h 07 min");
  CHECK(shown(86'400 * 2 + 3'600 * 3) == "ETA 2 d 03 h");
  CHECK(eta_text({400, 310, 542}) == "ETA 5 min 10 s to 9 min 02 s");
}

TEST_CASE("while indexes are built the line counts tables and names those at work") {
  Status status;
  for (std::uint32_t i = 1; i <= 12; ++i) status.tables.push_back(table_of(i, 5, 5));
  for (std::size_t i = 0; i < 3; ++i) status.tables[i].indexed = true;
  CHECK(index_text(status) == "3 of 12 indexed");
  status.tables[3].name = "ohlcv_data";
  status.tables[3].indexing = true;
  CHECK(index_text(status) == "3 of 12 indexed, building ohlcv_data");
  for (std::size_t i = 4; i < 7; ++i) status.tables[i].indexing = true;
  CHECK(index_text(status) == "3 of 12 indexed, building ohlcv_data, t5 and 2 more");
}

TEST_CASE("of 500 tables under way five have a line, and none that waits or is copied") {
  std::vector<TableProgress> tables;
  for (std::uint32_t i = 0; i < 500; ++i) tables.push_back(table_of(i, 10, 1'000));
  for (std::size_t i = 0; i < 10; ++i) tables[i].copied = true;
  for (std::size_t i = 10; i < 20; ++i) tables[i].begun = false;
  Copy copy(tables);
  const Status status = copy.run(10, [](Status& now, double) {
    for (TableProgress& table : now.tables)
      if (under_way(table)) table.rows += 1;
  });
  const auto lines = progress_block(status, {119, true});
  REQUIRE(lines.size() == 7);
  for (std::size_t i = 1; i <= 5; ++i)
    CHECK(lines[i].starts_with("  t" + std::to_string(19 + i) + " "));
  CHECK(lines[1].find(" 11.0 %  110 of 1,000 rows  10 rows/s  ETA 1 min 29 s") !=
        std::string::npos);
  CHECK(lines[6] == "  and 475 more");
}

TEST_CASE("the block has a bar for the whole and one for each table, in what the terminal knows") {
  Status status;
  status.migration = "shop";
  status.phase = "snapshot";
  status.tables = {table_of(1, 500, 1'000)};
  const std::string half =
      "\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588"
      "\u2591\u2591\u2591\u2591\u2591\u2591\u2591\u2591\u2591\u2591";
  const auto lines = progress_block(status, {100, true});
  REQUIRE(lines.size() == 2);
  CHECK(lines[0] == "shop  snapshot  " + half + "  50.0 %  500 of 1,000 rows");
  CHECK(lines[1] == "  t1                        " + half + "   50.0 %  500 of 1,000 rows");
  CHECK(progress_block(status, {100, false})[0] ==
        "shop  snapshot  ##########----------  50.0 %  500 of 1,000 rows");
  CHECK(progress_block(status, {40, true})[0] == "shop  snapshot  50.0 %  500 of 1,000 row");
  status.awaited = Awaited{"LS-T201", "the target", 0};
  CHECK(progress_block(status, {100, true})[2] ==
        "  waiting since 1970-01-01T00:00:00Z: the target");
  status.phase = "streaming";
  CHECK(progress_block(status, {200, true}) == std::vector<std::string>{progress_line(status)});
}

TEST_CASE("a line is cut by columns, and no name steers the terminal") {
  CHECK(cut("abc", {3, true}) == "abc");
  CHECK(cut("abcd", {3, true}) == "abc");
  CHECK(cut("\u00fcber", {2, true}) == "\u00fcb");
  CHECK(cut("\u65e5\u672c\u8a9e", {5, true}) == "\u65e5\u672c");
  CHECK(cut("\u65e5\u672c", {5, false}) == "??");
  CHECK(cut("\x1b[2Jx\ny\x7f", {80, true}) == "?[2Jx?y?");
  CHECK(cut("a\u009b2J", {80, true}) == "a?2J");
  CHECK(cut("\xff\xe6\x97", {80, true}) == "???");
  CHECK(cut("\xf0\x9f\x98\x80z", {3, true}) == "\xf0\x9f\x98\x80z");
}
