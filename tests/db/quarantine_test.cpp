// Rows that the target cannot hold: absent there, kept in lockstep.quarantine, in one transaction
// with the position; and back as soon as their values fit.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "apply/quarantine.hpp"
#include "tests/support/fault.hpp"
#include "tests/support/followed_target.hpp"
#include "verify/compare.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

// In name order: a is table 1, k 2, w 3.
constexpr char kSchema[] =
    "CREATE TABLE a(id INTEGER PRIMARY KEY, n INT, u TEXT UNIQUE, r REAL, b BLOB, d DATETIME);"
    "CREATE TABLE k(k TEXT PRIMARY KEY, n INT);"
    "CREATE TABLE w(x REAL, y, z TEXT, PRIMARY KEY(x, y)) WITHOUT ROWID;"
    "INSERT INTO a VALUES (1, 1, 'a', 0.5, x'00', '2026-01-01 10:00:00'),"
    " (2, 2, 'b', 1.5, x'01', '2026-01-02 10:00:00');"
    "INSERT INTO k VALUES ('a', 1), ('b', 2);"
    "INSERT INTO w VALUES (0.5, 1, 'p'), (1.5, 2, 'q');";

/// What lockstep itself says of both sides; the quarantine's keys are known.
struct Verdict {
  std::uint64_t different = 0, quarantined = 0;
  std::string examples;
};
Verdict verdict(CapturedSource& source, FollowedTarget& target) {
  Verdict all;
  std::map<std::uint32_t, verify::QuarantinedKeys> keys;
  postgres::Connection connection = connect(target.dsn());
  for (const auto& each : apply::read_quarantine(connection, kMigration))
    keys[each.row.table].insert(each.row.key);
  for (const TablePlan& plan : source.plans()) {
    const verify::Comparison one = verify::compare_table(
        source.judge(), connection, "public", plan, [](std::uint64_t) {}, keys[plan.id]);
    all.different += one.missing + one.extra + one.differ;
    all.quarantined += one.quarantined;
    for (const std::string& example : one.examples) all.examples += example + "\n";
  }
  return all;
}
void require_only_quarantined(CapturedSource& source, FollowedTarget& target, std::uint64_t rows) {
  const Verdict found = verdict(source, target);
  INFO(found.examples);
  REQUIRE(found.different == 0);
  REQUIRE(found.quarantined == rows);
}

Rows quarantine(const FollowedTarget& target) {
  return target.query(
      "SELECT name, key, column_name, value, bytes, code, position, state, stale FROM "
      "lockstep.quarantine ORDER BY number");
}

struct World {
  explicit World(const std::string& schema = kSchema, OnBadValue choice = OnBadValue::quarantine)
      : source(schema) {
    source.choose(choice);
    source.install();
    target.emplace(server(), source);
  }
  void follow(bool staging) {
    apply::Applier applier = target->applier(target->connection(), staging);
    while (const auto batch = source.take()) static_cast<void>(apply_batch(applier, *batch));
  }
  CapturedSource source;
  std::optional<FollowedTarget> target;
};

struct Bad {
  const char* sql;
  const char* table;
  const char* key;
  const char* column;
  const char* value;
  const char* bytes;
};

}  // namespace

TEST_CASE("a row that does not fit is absent and kept, whatever its value, until it fits") {
  const bool staging = GENERATE(false, true);
  const Bad bad =
      GENERATE(Bad{"UPDATE a SET n = 'abc' WHERE id = 1", "a", R"([["integer",1]])", "n",
                   R"(["text","abc"])", "3"},
               Bad{"UPDATE a SET n = 1.5 WHERE id = 1", "a", R"([["integer",1]])", "n",
                   R"(["real","3ff8000000000000"])", "8"},
               Bad{"UPDATE a SET u = 'a' || char(0) || 'b' WHERE id = 1", "a", R"([["integer",1]])",
                   "u", R"(["text",{"hex":"610062"}])", "3"},
               Bad{"UPDATE a SET u = CAST(x'c3' AS TEXT) WHERE id = 1", "a", R"([["integer",1]])",
                   "u", R"(["text",{"hex":"c3"}])", "1"},
               Bad{"UPDATE a SET d = 'soon' WHERE id = 1", "a", R"([["integer",1]])", "d",
                   R"(["text","soon"])", "4"},
               Bad{"UPDATE a SET b = 7 WHERE id = 1", "a", R"([["integer",1]])", "b",
                   R"(["integer",7])", "8"},
               Bad{"INSERT INTO k VALUES (x'00ff', 1)", "k", R"([["blob","00ff"]])", "k",
                   R"(["blob","00ff"])", "2"},
               Bad{"INSERT INTO k VALUES (CAST(x'ff' AS TEXT), 1)", "k",
                   R"([["text",{"hex":"ff"}]])", "k", R"(["text",{"hex":"ff"}])", "1"},
               Bad{"INSERT INTO w VALUES (-0.0, x'aa', 'r')", "w",
                   R"([["real","0000000000000000"],["blob","aa"]])", "y", R"(["blob","aa"])", "1"});
  INFO(bad.sql << (staging ? ", staging" : ", small"));
  World world;
  FollowedTarget& target = *world.target;
  target.copy_and_index();
  world.source.app().exec(fmt::format("BEGIN; INSERT INTO a(id) VALUES (10); {}; COMMIT", bad.sql));
  world.follow(staging);
  CHECK(target.position() == world.source.position());
  CHECK(quarantine(target) == Rows{{bad.table, bad.key, bad.column, bad.value, bad.bytes, "LS-D401",
                                    to_string(world.source.position()), "held", "f"}});
  CHECK(target.query("SELECT count(*) FROM a WHERE id = 10") == Rows{{"1"}});
  require_only_quarantined(world.source, target, 1);
  world.source.app().exec(
      "UPDATE a SET n = 1, u = 'fine', b = x'00', d = NULL WHERE id = 1; UPDATE k SET k = 'fine' "
      "WHERE typeof(k) = 'blob' OR n = 1 AND k <> 'a'; UPDATE w SET y = 3 WHERE typeof(y) = "
      "'blob'");
  world.follow(staging);
  CHECK(quarantine(target).empty());
  CHECK(target.difference() == "");
  // So does its end.
  world.source.app().exec("DELETE FROM k WHERE k = 'fine'; " + std::string(bad.sql));
  world.follow(staging);
  require_only_quarantined(world.source, target, 1);
  world.source.app().exec(
      "DELETE FROM a WHERE id = 1; DELETE FROM k WHERE n = 1 AND k <> 'a'; DELETE FROM w WHERE "
      "typeof(y) = 'blob'");
  world.follow(staging);
  CHECK(quarantine(target).empty());
  require_only_quarantined(world.source, target, 0);
  saw_fault(
      "A24",
      "GO: where the owner chose quarantine the row is kept there, absent until a value fits");
}

TEST_CASE("of one row the last that a batch says counts, in quarantine as on the target") {
  World world;
  FollowedTarget& target = *world.target;
  target.copy_and_index();
  capture::BatchLimits limits;
  limits.pace.slice_wal = limits.pace.slice_journal = limits.gather_max = Milliseconds{0};
  limits.slice_bytes_max = 1;
  limits.scan_rows = 1;
  const bool ends_well = GENERATE(false, true);
  int turn = 0;
  world.source.slice(limits, [&] {
    if (turn++ > 3) return;
    const bool well = ends_well == (turn % 2 == 0);
    world.source.app().exec(well ? "UPDATE a SET n = 5 WHERE id = 1"
                                 : "UPDATE a SET n = 'x' || n WHERE id = 1");
  });
  world.source.app().exec("UPDATE a SET n = 'abc' WHERE id = 1; UPDATE a SET n = 3 WHERE id = 2");
  world.follow(false);
  require_only_quarantined(world.source, target, ends_well ? 0 : 1);
  CHECK(turn > 3);
}

TEST_CASE("the copy leaves rows out that do not fit the type of the most") {
  // A class has to be the largest to decide; NUMERIC holds integers and reals together.
  World world(
      "CREATE TABLE a(id INTEGER PRIMARY KEY, n INT, d DECIMAL(10,2), t TEXT);"
      "INSERT INTO a WITH RECURSIVE i(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i LIMIT 3000)"
      " SELECT i, i, i + (i % 2) * 0.5, 't' || i FROM i;"
      "UPDATE a SET n = 'abc' WHERE id % 1000 = 7; UPDATE a SET d = 'n/a' WHERE id = 8;"
      "UPDATE a SET t = CAST(x'ff' AS TEXT) WHERE id = 9; UPDATE a SET t = x'00' WHERE id = 10;"
      "CREATE TABLE even(v); INSERT INTO even VALUES (1), ('x'), ('y'), (2);");
  FollowedTarget& target = *world.target;
  CHECK(world.source.plans()[0].types[1] == ColumnType::bigint);
  CHECK(world.source.plans()[0].types[2] == ColumnType::numeric);
  CHECK(world.source.plans()[0].types[3] == ColumnType::text);
  CHECK(world.source.plans()[1].types[0] == ColumnType::text);  // nothing is declared
  target.copy_and_index();
  CHECK(target.query("SELECT count(*) FROM lockstep.quarantine WHERE id = 1") == Rows{{"6"}});
  CHECK(target.query("SELECT sum(rows) FROM lockstep.ledger_parts") == Rows{{"3004"}});
  CHECK(target.query("SELECT count(*) FROM a") == Rows{{"2994"}});
  require_only_quarantined(world.source, target, 8);
  world.source.app().exec(
      "UPDATE a SET n = 7, d = 8.5, t = 't' WHERE id % 1000 IN (7, 8, 9, 10); UPDATE even SET v = "
      "'z'");
  world.follow(false);
  CHECK(quarantine(target).empty());
  CHECK(target.difference() == "");
}

TEST_CASE("a table that is read anew keeps what still does not fit, by its number and as skipped") {
  World world;
  FollowedTarget& target = *world.target;
  target.copy_and_index();
  world.source.app().exec(
      "INSERT INTO a(id, n) VALUES (3, 'three'), (4, 'four'), (5, 'five'), (6, 'six');"
      "UPDATE k SET n = 'k' WHERE k = 'a'");
  world.follow(false);
  const Rows numbers = target.query(
      "SELECT number, since FROM lockstep.quarantine WHERE id = 1 "
      "AND key LIKE '%3%'");
  postgres::Connection connection = connect(target.dsn());
  const auto rows = apply::read_quarantine(connection, kMigration);
  REQUIRE(rows.size() == 5);
  CHECK(apply::set_skipped(connection, kMigration, {rows[0].number, rows[1].number}, true) == 2);
  world.source.app().exec(
      "DROP TRIGGER _lockstep_1_update; DROP TRIGGER _lockstep_1_delete; DROP TRIGGER "
      "_lockstep_1_insert; UPDATE a SET n = 4 WHERE id = 4; DELETE FROM a WHERE id = 5; UPDATE a "
      "SET n = 'new' WHERE id = 6");
  CHECK(world.source.reinstall() == std::vector<std::string>{"a"});
  world.follow(false);
  CHECK(target.query("SELECT key, value, state FROM lockstep.quarantine ORDER BY number") ==
        Rows{{R"([["integer",3]])", R"(["text","three"])", "skipped"},
             {R"([["integer",6]])", R"(["text","new"])", "held"},
             {R"([["text","a"]])", R"(["text","k"])", "held"}});
  CHECK(target.query("SELECT number, since FROM lockstep.quarantine WHERE id = 1 AND key LIKE "
                     "'%3%'") == numbers);
  require_only_quarantined(world.source, target, 3);
  // Another value that does not fit is not what was accepted.
  world.source.app().exec("UPDATE a SET u = 'same n' WHERE id = 3");
  world.follow(false);
  CHECK(apply::count_quarantine(connection, kMigration) == apply::QuarantineCounts{2, 1});
  world.source.app().exec("UPDATE a SET n = 'worse' WHERE id = 3");
  world.follow(false);
  CHECK(apply::count_quarantine(connection, kMigration) == apply::QuarantineCounts{3, 0});
}

TEST_CASE("a batch that is not committed leaves the quarantine as it was") {
  World world;
  FollowedTarget& target = *world.target;
  target.copy_and_index();
  world.source.app().exec("UPDATE a SET n = 'abc' WHERE id = 1");
  world.follow(false);
  const Rows before = quarantine(target);
  world.source.app().exec("UPDATE a SET n = 1 WHERE id = 1; UPDATE a SET n = 'b' WHERE id = 2");
  const Batch batch = world.source.take().value();
  {
    apply::Applier applier = target.applier(target.connection(), true);
    applier.begin(batch.begin);
    for (const capture::Slice& slice : batch.slices) applier.entries(slice.entries);
  }
  CHECK(quarantine(target) == before);
  {
    // The position is elsewhere: the compare-and-set refuses the whole.
    apply::Applier applier = target.applier(target.connection());
    Batch wrong = batch;
    wrong.begin.from.seq -= 1;
    CHECK(facts_of([&] { (void)apply_batch(applier, wrong); }).code == "LS-R705");
  }
  CHECK(quarantine(target) == before);
  apply::Applier applier = target.applier(target.connection());
  CHECK(apply_batch(applier, batch).entries == 2);
  CHECK(applier.quarantined() == apply::QuarantineCounts{1, 0});
  require_only_quarantined(world.source, target, 1);
}

TEST_CASE("many rows and long values go to quarantine in pieces; of a value over 1 MiB its begin") {
  World world;
  FollowedTarget& target = *world.target;
  target.copy_and_index();
  world.source.app().exec(
      "INSERT INTO a(id, n) WITH RECURSIVE i(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM i LIMIT "
      "500) SELECT i, CASE i % 2 WHEN 0 THEN i ELSE CAST(zeroblob(9000) AS TEXT) || i END FROM i;"
      "INSERT INTO k VALUES ('long', zeroblob(1048577))");
  world.follow(false);
  require_only_quarantined(world.source, target, 251);
  CHECK(target.query("SELECT bytes, length(value) FROM lockstep.quarantine WHERE id = 2") ==
        Rows{{"1048577", std::to_string(2 * 1048576 + 11)}});
  CHECK(target.query("SELECT count(*) FROM lockstep.quarantine WHERE position IS NULL") ==
        Rows{{"0"}});
  SECTION("as in the copy") {
    World copied(
        "CREATE TABLE a(id INTEGER PRIMARY KEY, n INT);"
        "INSERT INTO a WITH RECURSIVE i(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM i LIMIT 801)"
        " SELECT i, CASE i % 2 WHEN 0 THEN i ELSE CAST(zeroblob(9000) AS TEXT) || i END FROM i;");
    copied.target->copy_and_index();
    require_only_quarantined(copied.source, *copied.target, 400);
  }
}

TEST_CASE("a quarantine of more than 100,000 rows is a wrong type, and stops by name") {
  World world;
  FollowedTarget& target = *world.target;
  target.copy_and_index();
  target.query(
      "INSERT INTO lockstep.quarantine (migration, id, name, key, key_digest, column_name, value, "
      "bytes, code, reason) SELECT 'test', 1, 'a', format('[[\"integer\",%s]]', i), "
      "sha256(i::text::bytea), 'n', '[\"null\",null]', 0, 'x', 'x' FROM generate_series(1000001, "
      "1100000) AS i");
  world.source.app().exec("UPDATE a SET n = 'abc' WHERE id = 1");
  const Position before = target.position();
  CHECK(facts_of([&] { world.follow(false); }).code == "LS-D403");
  CHECK(target.position() == before);
  CHECK(target.query("SELECT count(*) FROM a") == Rows{{"2"}});
}

TEST_CASE("one column that has to stop stops the row, whatever the others choose") {
  World world;
  FollowedTarget& target = *world.target;
  target.copy_and_index();
  world.source.app().exec("UPDATE a SET n = 'abc', u = x'00' WHERE id = 1");
  const Batch batch = world.source.take().value();
  std::vector<TablePlan> plans = world.source.plans();
  plans[0].on_bad_value[2] = OnBadValue::stop;
  apply::Applier applier(target.connection(), plans, {.migration = kMigration, .schema = "public"});
  const ErrorFacts facts = facts_of([&] { (void)apply_batch(applier, batch); });
  CHECK(facts.code == "LS-D401");
  CHECK_THAT(facts.what, Catch::Contains("a.u"));
  CHECK(quarantine(target).empty());
}

TEST_CASE(
    "the ledger of an older lockstep gets a quarantine, and the last one that goes takes it") {
  World world;
  postgres::Connection connection = connect(world.target->dsn());
  connection.exec("DROP TABLE lockstep.quarantine");
  CHECK(apply::count_quarantine(connection, kMigration).empty());
  CHECK(apply::read_quarantine(connection, kMigration).empty());
  apply::create_ledger(connection);
  CHECK(apply::quarantine_exists(connection));
  apply::create_ledger(connection);
  apply::remove_ledger(connection, kMigration);
  CHECK(world.target->query("SELECT 1 FROM pg_namespace WHERE nspname = 'lockstep'").empty());
}

}  // namespace lockstep::test
