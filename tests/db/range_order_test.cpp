// Keys whose type keeps only what a text means are compared range by range, with bounded memory,
// wherever all spellings that the column may have are in the order of what they mean; else the
// table is sorted as a whole.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

#include "model/spelling.hpp"
#include "tests/support/captured_source.hpp"
#include "tests/support/followed_target.hpp"
#include "tests/support/seed.hpp"
#include "verify/range.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

constexpr int kRows = 3'000;

struct Key {
  std::string type;  ///< on PostgreSQL
  TargetType holds;  ///< of a table that was there
  ColumnType carried;
  std::vector<std::string> spellings;
  std::string text;  ///< SQL of SQLite: a text of i.v (1, 2, …) in one of them
};

std::vector<Key> keys() {
  using C = ColumnType;
  const TargetType uuid{TargetKind::uuid}, plain{TargetKind::timestamp, 6},
      zoned{TargetKind::timestamptz, 6};
  const std::string days = "strftime('%Y-%m-%d %H:%M:%S', i.v * 7919 % 100000, 'unixepoch')";
  const std::string fraction =
      "CASE i.v % 3 WHEN 0 THEN '' ELSE printf('.%06d', 1 + i.v * 37 % 1000) END";
  return {{"uuid",
           uuid,
           C::uuid,
           {"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
           "printf('%032x', i.v * 2654435761)"},
          {"uuid",
           uuid,
           C::uuid,
           {"XXXXXXXX-XXXX-XXXX-XXXX-XXXXXXXXXXXX"},
           "upper(printf('%08x-00ab-4abc-8abc-0123456789ab', i.v * 40503 % 1000003))"},
          {"timestamp", plain, C::timestamp, {"YYYY-MM-DD HH:MM:SS"}, days},
          {"timestamp",
           plain,
           C::timestamp,
           {"YYYY-MM-DD HH:MM:SS", "YYYY-MM-DD HH:MM:SS.ffffff"},
           days + " || " + fraction},
          {"timestamptz",
           zoned,
           C::timestamp,
           {"YYYY-MM-DD HH:MM:SS", "YYYY-MM-DD HH:MM:SS.ffffff"},
           days + " || " + fraction},
          {"timestamptz",
           zoned,
           C::timestamptz,
           {"YYYY-MM-DDTHH:MM:SS+00:00"},
           "strftime('%Y-%m-%dT%H:%M:%S+00:00', i.v * 7919 % 100000, 'unixepoch')"}};
}

TablePlan plan_for(const Key& key, bool there) {
  TablePlan plan;
  plan.id = 1;
  plan.shape.name = "t";
  plan.shape.columns.resize(2);
  plan.shape.columns[0].name = "k";
  plan.shape.columns[0].affinity = Affinity::text;
  plan.shape.columns[1].name = "n";
  plan.shape.columns[1].affinity = Affinity::integer;
  plan.shape.key = {0};
  plan.shape.without_rowid = true;
  plan.types = {key.carried, ColumnType::bigint};
  plan.spellings.resize(2);
  plan.spellings[0].bound = true;
  for (const std::string& name : key.spellings)
    plan.spellings[0].found |= std::uint64_t{1} << parse_spelling(key.carried, name).value();
  if (!there) return plan;
  plan.existing.emplace();
  plan.existing->columns = {{"k", key.type, true, key.holds},
                            {"n", "bigint", false, {TargetKind::integer, 64}}};
  plan.existing->key = {"k"};
  return plan;
}

struct Walked {
  std::size_t ranges = 0;
  std::uint64_t rows = 0;
  std::vector<std::string> wrong;  ///< kind and key
};

/// All of the table, so many rows at a time. A table that has to be sorted may have fewer.
Walked walk(sqlite::Database& source, postgres::Connection& target, const TablePlan& plan) {
  const verify::RangeLimits limits{.rows_max = 400, .sorted_rows_max = kRows - 1};
  Walked walked;
  std::optional<verify::Key> after, resume;
  for (bool done = false; !done; ++walked.ranges) {
    const verify::SourceRange here =
        verify::read_source_range(source, plan, resume, Deadline(Milliseconds{60'000}), limits);
    const verify::RangeRows there =
        verify::read_target_range(target, "public", plan, after, here.blocks);
    for (std::size_t block = 0; block < here.blocks.size(); ++block)
      for (const auto& one : verify::differences(here.rows.rows_in(block), there.rows_in(block)))
        walked.wrong.push_back(std::string(verify::to_string(one.kind)) + " " +
                               verify::parse_key_bytes(one.key)[0].bytes);
    walked.rows += here.rows.rows();
    after = here.blocks.back().last;
    resume = here.resume;
    done = here.done;
  }
  return walked;
}

}  // namespace

TEST_CASE("uuids and instants as keys are compared in ranges, also where the table was there",
          "[db]") {
  for (const Key& key : keys()) {
    for (const bool there : {false, true}) {
      if (!there && key.type == "timestamptz" && key.carried == ColumnType::timestamp) continue;
      INFO(key.type << " as " << to_string(key.carried) << ", " << key.spellings.back()
                    << (there ? ", was there" : ""));
      const TempDir folder;
      Application(folder.file("a"))
          .exec(fmt::format(
              "CREATE TABLE t(k TEXT PRIMARY KEY, n INT) WITHOUT ROWID; WITH RECURSIVE i(v) AS "
              "(SELECT 1 UNION ALL SELECT v + 1 FROM i WHERE v < {}) INSERT INTO t SELECT {}, v "
              "FROM i",
              kRows, key.text));
      sqlite::Database source =
          sqlite::Database::open(folder.file("a"), sqlite::OpenMode::read_only);
      postgres::Connection target = connect(fresh_database(server()));
      target.exec(fmt::format("CREATE TABLE public.t(k {} PRIMARY KEY, n bigint)", key.type));
      sqlite::Statement rows(source, "SELECT k, n FROM t ORDER BY n");
      std::string values;
      while (rows.step())
        values += fmt::format("{}('{}', {})", values.empty() ? "" : ", ", rows.value(0).bytes,
                              rows.value(1).integer);
      target.exec("INSERT INTO public.t VALUES " + values);
      const TablePlan plan = plan_for(key, there);
      const Walked equal = walk(source, target, plan);
      CHECK(equal.rows == kRows);
      CHECK(equal.ranges == kRows / 400 + 1);
      CHECK(equal.wrong.empty());

      const postgres::Result gone = target.exec(
          "WITH wrong AS (UPDATE public.t SET n = -1 WHERE n = 1777 RETURNING k) DELETE FROM "
          "public.t "
          "WHERE n = 42 RETURNING k");
      CHECK(gone.rows() == 1);
      const Walked wrong = walk(source, target, plan);
      CHECK(wrong.rows == kRows);
      REQUIRE(wrong.wrong.size() == 2);
      CHECK((wrong.wrong[0].starts_with("missing") != wrong.wrong[1].starts_with("missing")));

      // Several widths or cases: what they mean has another order than the texts.
      TablePlan several = plan;
      several.spellings[0].found = ~std::uint64_t{0};
      CHECK_THROWS_WITH(walk(source, target, several), Catch::Contains("LS-V508"));
      several = plan;
      several.spellings[0].bound = false;
      CHECK_THROWS_WITH(walk(source, target, several), Catch::Contains("LS-V508"));
    }
  }
}

}  // namespace lockstep::test
