// Keys that do not fit their column: their rows wait in quarantine. They have no place among the
// target's keys, end no range, and are never taken for another row's key.
#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/spelling.hpp"
#include "tests/support/captured_source.hpp"
#include "tests/support/followed_target.hpp"
#include "verify/held_rows.hpp"
#include "verify/range.hpp"
#include "verify/shown_key.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

constexpr char kLower[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
constexpr char kUpper[] = "XXXXXXXX-XXXX-XXXX-XXXX-XXXXXXXXXXXX";
constexpr char kTail[] = "-9dad-41d1-80b4-00c04fd430c8";

std::string uuid(const std::string& head) {
  return head + kTail;
}
std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return text;
}

struct Keys {
  std::string what;
  ColumnType type;
  std::vector<std::string> spellings;  ///< that the column admits; none: its values are no texts
  std::vector<std::string> fit, held;  ///< SQL of SQLite
  bool sorted = false;
};

std::string text(const std::string& value) {
  return "'" + value + "'";
}

std::vector<Keys> all_keys() {
  using C = ColumnType;
  const std::string a = uuid("aaaaaaaa"), b = uuid("bbbbbbbb"), one = uuid("11111111");
  const std::string noon = "2024-01-02 12:00:00", four = "2024-01-02T04:00:00";
  return {
      {"the twin of a UUID", C::uuid, {kLower}, {text(a), text(b), text(one)}, {text(upper(a))}},
      {"the twin of one in upper case, spelled as the target shows it",
       C::uuid,
       {kUpper},
       {text(upper(a)), text(upper(b)), text(upper(one))},
       {text(a)}},
      {"a UUID in another case",
       C::uuid,
       {kLower},
       {text(a), text(one)},
       {text(uuid("FFFFFFFF")), text(uuid("0000000F"))}},
      {"no UUID, which begins as one", C::uuid, {kLower}, {text(a), text(one)}, {"'FDMIN'", "'A'"}},
      {"other classes", C::uuid, {kLower}, {text(a), text(one)}, {"7", "x'00ff'", "x'61'"}},
      {"the twin in a table that is sorted",
       C::uuid,
       {kLower, kUpper},
       {text(a), text(upper(b)), text(one)},
       {text("AAAaaaaa" + std::string(kTail)), "'FDMIN'"},
       true},
      {"a T among blanks",
       C::timestamp,
       {"YYYY-MM-DD HH:MM:SS"},
       {text(noon), "'2024-01-02 13:00:00'", "'2024-01-02 04:00:00'"},
       {text(four), "'2024-01-02T12:00:00'"}},
      {"a blank among T, as the target shows it",
       C::timestamp,
       {"YYYY-MM-DDTHH:MM:SS"},
       {"'2024-01-02T12:00:00'", text(four)},
       {text(noon), "'2024-01-02 05:00:00'"}},
      {"texts among numbers", C::bigint, {}, {"1", "2", "3", "4"}, {"'abc'", "'abd'", "x'00'"}},
      {"numbers and more before texts", C::text, {}, {"'a'", "'b'"}, {"1", "2", "3", "x'61'"}},
      {"nothing else", C::bigint, {}, {}, {"'abc'", "'abd'"}},
  };
}

TablePlan plan_of(const Keys& keys) {
  TablePlan plan;
  plan.id = 1;
  plan.shape.name = "t";
  plan.shape.columns.resize(2);
  plan.shape.columns[0].name = "k";
  plan.shape.columns[1].name = "n";
  plan.shape.columns[1].affinity = Affinity::integer;
  plan.shape.key = {0};
  plan.shape.without_rowid = true;
  plan.types = {keys.type, ColumnType::bigint};
  plan.spellings.resize(2);
  plan.spellings[0].bound = !keys.spellings.empty();
  for (const std::string& name : keys.spellings)
    plan.spellings[0].found |= std::uint64_t{1} << parse_spelling(keys.type, name).value();
  return plan;
}

constexpr int kHeldValue = 99;

/// Both sides of one table.
class Sides {
 public:
  explicit Sides(const Keys& keys) : plan(plan_of(keys)) {
    Application app(folder_.file("a"));
    app.exec("CREATE TABLE t(k PRIMARY KEY, n INT) WITHOUT ROWID");
    target.exec(
        fmt::format("CREATE TABLE public.t(k {} PRIMARY KEY, n bigint)", to_string(keys.type)));
    int n = 0;
    for (const std::string& key : keys.fit) {
      app.exec(fmt::format("INSERT INTO t VALUES ({}, {})", key, ++n));
      target.exec(fmt::format("INSERT INTO public.t VALUES ({}, {})", key, n));
    }
    for (const std::string& key : keys.held)
      app.exec(fmt::format("INSERT INTO t VALUES ({}, {})", key, kHeldValue));
    source.emplace(sqlite::Database::open(folder_.file("a"), sqlite::OpenMode::read_only));
  }
  /// As the quarantine has them: every key that does not fit.
  [[nodiscard]] std::vector<verify::Key> held() {
    std::vector<verify::Key> keys;
    sqlite::Statement rows(*source, "SELECT k FROM t");
    while (rows.step()) {
      verify::Key key{Value(rows.value(0))};
      if (verify::Key shown = verify::carried_key(plan, key); !verify::target_may_have(plan, shown))
        keys.push_back(std::move(shown));
    }
    return keys;
  }
  /// The whole table, so many rows at a time.
  [[nodiscard]] std::vector<verify::RowDifference> walk(std::uint64_t rows_max) {
    std::vector<verify::RowDifference> found;
    std::optional<verify::Key> after, resume;
    rows = 0;
    ranges = 0;
    for (bool done = false; !done; ++ranges) {
      const verify::SourceRange here = verify::read_source_range(
          *source, plan, resume, Deadline(Milliseconds{60'000}), {.rows_max = rows_max});
      const verify::RangeRows there =
          verify::read_target_range(target, "public", plan, after, here.blocks);
      for (std::size_t block = 0; block < here.blocks.size(); ++block)
        for (auto& one : verify::differences(here.rows.rows_in(block), there.rows_in(block)))
          found.push_back(std::move(one));
      rows += here.rows.rows();
      after = here.blocks.back().last;
      resume = here.resume;
      done = here.done;
    }
    return found;
  }

 private:
  TempDir folder_;

 public:
  TablePlan plan;
  std::optional<sqlite::Database> source;
  postgres::Connection target = connect(fresh_database(server()));
  std::uint64_t rows = 0;
  std::size_t ranges = 0;
};

std::vector<std::string> described(const TablePlan& plan,
                                   const std::vector<verify::RowDifference>& found) {
  std::vector<std::string> texts;
  for (const verify::RowDifference& one : found)
    texts.push_back(std::string(to_string(one.kind)) + " " +
                    verify::describe_key(plan, verify::parse_key_bytes(one.key)));
  std::sort(texts.begin(), texts.end());
  return texts;
}

}  // namespace

TEST_CASE("rows whose key does not fit are missing, and nothing else is", "[db]") {
  for (const Keys& keys : all_keys()) {
    INFO(keys.what);
    Sides sides(keys);
    const auto held = sides.held();
    REQUIRE(held.size() == keys.held.size());
    std::vector<std::string> expected;
    for (const std::string& key : keys.held) expected.push_back("missing k=" + key);
    std::sort(expected.begin(), expected.end());
    for (const std::uint64_t rows_max : {1, 2, 3, 1'000}) {
      INFO(rows_max << " rows at a time");
      auto found = sides.walk(rows_max);
      CHECK(sides.rows == keys.fit.size() + keys.held.size());
      if (rows_max == 1) CHECK(sides.ranges == (keys.sorted ? 1 : keys.fit.size() + 1));
      CHECK(described(sides.plan, found) == expected);
      CHECK(verify::take_held(found, held, verify::Difference::missing) == held.size());
      CHECK(found.empty());
    }
    // For people, and for a repair.
    for (const verify::Key& key : held) {
      CHECK_FALSE(verify::read_target_row(sides.target, "public", sides.plan, key));
      int rows = 0;
      verify::read_source_rows(*sides.source, sides.plan, {key},
                               [&](std::size_t, const std::vector<Value>&) { ++rows; });
      CHECK(rows == 1);
      const auto own = verify::source_keys(*sides.source, sides.plan, {key});
      REQUIRE(own[0]);
      CHECK("k=" + describe(own[0]->at(0).view()) == verify::describe_key(sides.plan, key));
    }
  }
}

TEST_CASE("a row in quarantine hides no difference of the row that is spelled like it", "[db]") {
  for (const Keys& keys : all_keys()) {
    if (keys.fit.empty()) continue;
    INFO(keys.what);
    Sides sides(keys);
    const auto held = sides.held();
    // The value of the row that waits, on the row that is there.
    sides.target.exec(
        fmt::format("UPDATE public.t SET n = {} WHERE k = {}", kHeldValue, keys.fit[0]));
    auto found = sides.walk(2);
    CHECK(verify::take_held(found, held, verify::Difference::missing) == held.size());
    REQUIRE(found.size() == 1);
    CHECK(found[0].kind == verify::Difference::differ);
    sides.target.exec("DELETE FROM public.t WHERE k = " + keys.fit[0]);
    found = sides.walk(2);
    CHECK(verify::take_held(found, held, verify::Difference::missing) == held.size());
    REQUIRE(found.size() == 1);
    CHECK(found[0].kind == verify::Difference::missing);
    // Asked for by their keys, as those that were written since a position.
    std::vector<std::pair<std::string, verify::Key>> asked;
    std::vector<verify::Key> own, there;
    sqlite::Statement rows(*sides.source, "SELECT k FROM t");
    while (rows.step()) {
      const verify::Key key{Value(rows.value(0))};
      asked.emplace_back(verify::key_bytes(verify::carried_key(sides.plan, key)), key);
    }
    std::sort(asked.begin(), asked.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    for (const auto& [shown, key] : asked) {
      own.push_back(key);
      if (auto parsed = verify::parse_key_bytes(shown); verify::target_may_have(sides.plan, parsed))
        there.push_back(std::move(parsed));
    }
    CHECK(there.size() == keys.fit.size());
    const auto here =
        verify::read_source_keys(*sides.source, sides.plan, own, Deadline(Milliseconds{60'000}));
    REQUIRE(here.blocks.size() == 1);
    const auto target =
        verify::read_target_keys(sides.target, "public", sides.plan, there, here.blocks);
    found = verify::differences(here.rows.rows_in(0), target.rows_in(0));
    CHECK(verify::take_held(found, held, verify::Difference::missing) == held.size());
    CHECK(found.size() == 1);
  }
}

TEST_CASE("many rows whose key does not fit are cut into blocks like any", "[db]") {
  constexpr std::size_t kHeld = 2 * verify::kBlockRows + 500;
  // Before all that fit, and behind all of them.
  for (Keys keys : {Keys{"numbers", ColumnType::text, {}, {"'a'", "'b'"}, {}},
                    Keys{"texts", ColumnType::bigint, {}, {"1", "2"}, {}}}) {
    INFO(keys.what);
    for (std::size_t i = 0; i < kHeld; ++i)
      keys.held.push_back(
          fmt::format(fmt::runtime(keys.type == ColumnType::text ? "{}" : "'key {}'"), i));
    Sides sides(keys);
    const verify::SourceRange range = verify::read_source_range(
        *sides.source, sides.plan, std::nullopt, Deadline(Milliseconds{60'000}));
    CHECK(range.done);
    REQUIRE(range.blocks.size() == 3);
    for (const verify::Block& block : range.blocks) CHECK(block.rows <= verify::kBlockRows);
    auto found = sides.walk(1'000'000);
    CHECK(found.size() == kHeld);
    CHECK(verify::take_held(found, sides.held(), verify::Difference::missing) == kHeld);
    CHECK(found.empty());
  }
}

}  // namespace lockstep::test
