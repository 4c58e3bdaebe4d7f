// What may be said of all tables when they were compared at different times.
#include "ops/proven.hpp"

#include <catch2/catch.hpp>

#include "ops/verify_request.hpp"

namespace lockstep::ops {
namespace {

TablePlan plan(std::uint32_t id, const std::string& name) {
  TablePlan one;
  one.id = id;
  one.shape.name = name;
  return one;
}

verify::TableResult result(std::uint32_t id, std::int64_t different, Milliseconds age,
                           const std::string& problem = "") {
  verify::TableResult one;
  one.id = id;
  one.different = different;
  one.age = age;
  one.problem = problem;
  return one;
}

constexpr Milliseconds kHour{3'600'000}, kSecond{1'000};

}  // namespace

TEST_CASE("all tables are proven by the oldest word, and not by fewer than all", "[unit]") {
  const std::vector<TablePlan> followed{plan(1, "a"), plan(2, "b")};
  CHECK(proven({result(1, 0, kSecond), result(2, 0, 5 * kSecond)}, followed, kHour).clean);
  CHECK(proven({result(1, 0, kSecond), result(2, 0, 5 * kSecond)}, followed, kHour).found ==
        "equal, 5 s ago");
  CHECK_FALSE(proven({result(1, 0, kSecond), result(2, 0, 2 * kHour)}, followed, kHour).clean);
  CHECK_FALSE(proven({}, followed, kHour).clean);
  CHECK(proven({}, followed, kHour).found == "never compared");
  const Proven some = proven({result(1, 0, kSecond)}, followed, kHour);
  CHECK_FALSE(some.clean);
  CHECK(some.found == "never compared: b");
  const Proven wrong =
      proven({result(1, 3, kSecond), result(2, 0, kSecond, "LS-T211: gone")}, followed, kHour);
  CHECK_FALSE(wrong.clean);
  CHECK(wrong.found == "different: a (3 rows); not compared: b");
  // Of a table that is followed no longer nothing is asked.
  CHECK(
      proven({result(1, 0, kSecond), result(2, 0, kSecond), result(3, 9, kSecond)}, followed, kHour)
          .clean);
}

TEST_CASE("the way back proves no table with a column that PostgreSQL only holds", "[unit]") {
  TablePlan computed = plan(2, "b");
  Column column;
  column.name = "g";
  column.generated = Generated::stored;
  computed.shape.columns.push_back(column);
  std::vector<TablePlan> followed{plan(1, "a"), computed};
  const std::vector<verify::TableResult> back{result(1, 0, kSecond), result(2, 0, kSecond)};
  const Proven now = proven(without_partial(back, followed), followed, kHour, {}, "not compared");
  CHECK_FALSE(now.clean);
  CHECK(now.found == "not compared: b");
  // A later comparison of the way there does.
  CHECK(proven(joined({result(2, 0, kSecond)}, without_partial(back, followed)), followed, kHour)
            .clean);
  // What it has found counts.
  CHECK(proven(without_partial({result(1, 0, kSecond), result(2, 3, kSecond)}, followed), followed,
               kHour)
            .found == "different: b (3 rows)");
  // PostgreSQL computes it itself.
  followed[1].shape.columns[0].computed_as = "n + 1";
  CHECK(proven(without_partial(back, followed), followed, kHour).clean);
}

TEST_CASE("of a table that was altered since, equality is proven no more", "[unit]") {
  const std::vector<TablePlan> followed{plan(1, "a"), plan(2, "b")};
  const auto with = [&](const std::map<std::uint32_t, std::string>& altered) {
    return proven({result(1, 0, kSecond), result(2, 0, kSecond)}, followed, kHour, {},
                  "never compared", altered);
  };
  CHECK(with({}).clean);
  CHECK(with({{9, "its columns"}}).clean);
  CHECK_FALSE(with({{2, "its columns"}}).clean);
  CHECK(with({{2, "its columns"}}).found ==
        "altered on PostgreSQL since it was compared: b (its columns)");
  CHECK_FALSE(with({{2, "its columns"}}).different);
}

TEST_CASE("what is known of a table now goes before what was known of it", "[unit]") {
  const std::vector<TablePlan> followed{plan(1, "a"), plan(2, "b")};
  const auto all = joined({result(1, 3, kSecond)}, {result(1, 0, kSecond), result(2, 0, kSecond)});
  CHECK(all.size() == 2);
  const Proven wrong = proven(all, followed, kHour);
  CHECK_FALSE(wrong.clean);
  CHECK(wrong.different);
  CHECK(proven(joined({result(1, 0, kSecond)}, all), followed, kHour).clean);
  CHECK_FALSE(proven({result(1, 0, kSecond)}, followed, kHour, {}, "not since").different);
  CHECK(proven({result(1, 0, kSecond)}, followed, kHour, {}, "not since").found == "not since: b");
  CHECK(proven({}, followed, kHour, {}, "not since").found == "not since");
}

TEST_CASE("what is waived does not keep tables from being proven, while it is", "[unit]") {
  const std::vector<TablePlan> followed{plan(1, "a"), plan(2, "b")};
  const auto waivers = [](const std::string& check, std::uint64_t rows, const std::string& until) {
    return Waivers{{{check, "a", rows, "known", "kim", until}}, "2026-11-22"};
  };
  const std::vector<verify::TableResult> wrong{result(1, 3, 2 * kHour), result(2, 0, kSecond)};
  const Proven good = proven(wrong, followed, 3 * kHour, waivers("LS-V501", 3, "2026-11-22"));
  CHECK(good.clean);
  CHECK(good.found ==
        "equal but for waivers, 2 h ago; waived: a (3 rows; waived until 2026-11-22 by kim: "
        "known)");
  // Its age counts as any other's.
  CHECK_FALSE(proven(wrong, followed, kHour, waivers("LS-V501", 3, "2026-11-22")).clean);
  const Proven late = proven(wrong, followed, 3 * kHour, waivers("LS-V501", 3, "2026-11-21"));
  CHECK_FALSE(late.clean);
  CHECK(late.found == "different: a (3 rows; the waiver of kim ended with 2026-11-21)");
  CHECK_FALSE(proven(wrong, followed, 3 * kHour, waivers("LS-V501", 2, "2026-11-22")).clean);
  CHECK_FALSE(proven(wrong, followed, 3 * kHour, waivers("LS-V534", 3, "2026-11-22")).clean);
  // Nobody can answer for what was never looked at.
  CHECK_FALSE(
      proven({result(1, 3, kSecond)}, followed, kHour, waivers("LS-V501", 3, "2026-11-22")).clean);
  const StillDifferent none = still_different(wrong, followed, waivers("LS-V501", 3, "2026-11-22"));
  CHECK(none.rows == 0);
  CHECK_FALSE(none.waived.empty());
  CHECK(still_different(wrong, followed, waivers("LS-V501", 2, "2026-11-22")).rows == 3);
  CHECK(still_different(wrong, {plan(2, "b")}, waivers("LS-V501", 3, "2026-11-22")).rows == 3);
}

TEST_CASE("globs that match nothing are named", "[unit]") {
  CHECK(unmatched({}, {"a"}).empty());
  CHECK(unmatched({"a*", "b"}, {"ab", "b"}).empty());
  CHECK(unmatched({"A", "a*", "x", "?"}, {"ab", "[1]"}) == std::vector<std::string>{"A", "x", "?"});
  CHECK(unmatched({"[1]"}, {"[1]"}).empty());  // a name is a name, whatever it looks like
  VerifyRequest request;
  request.repair = true;
  CHECK_THROWS_AS(require_answerable(request, false), Error);
  CHECK_NOTHROW(require_answerable(request, true));
  request.yes = true;
  CHECK_NOTHROW(require_answerable(request, false));
}

}  // namespace lockstep::ops
