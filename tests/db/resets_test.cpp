// Tables that are read anew: lost triggers, rebuilt tables, renumbered rowids.
#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

#include "tests/support/fault.hpp"
#include "tests/support/followed_target.hpp"
#include "tests/support/seed.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

// In name order: a is table 1, bag 2, k 3. No index of bag keeps its rowids when VACUUM copies it.
constexpr char kSchema[] =
    "CREATE TABLE a(id INTEGER PRIMARY KEY, u TEXT UNIQUE, x);"
    "CREATE TABLE bag(v INT, w TEXT);"
    "CREATE TABLE k(k TEXT COLLATE NOCASE PRIMARY KEY, v INT);"
    "INSERT INTO a VALUES (1, 'a', 0.5), (2, 'b', -0.0), (3, 'c', 1.5), (4, NULL, 2.5);"
    "INSERT INTO bag WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 40)"
    " SELECT i, 'w' || i FROM n;"
    "INSERT INTO k VALUES ('a', 1), ('b', 2);";

constexpr char kRebuild[] =
    "BEGIN; CREATE TABLE new_a(id INTEGER PRIMARY KEY, u TEXT UNIQUE, x);"
    "INSERT INTO new_a SELECT * FROM a; DROP TABLE a; ALTER TABLE new_a RENAME TO a; COMMIT;";
constexpr char kRenameAway[] =
    "BEGIN; ALTER TABLE a RENAME TO old_a; CREATE TABLE a(id INTEGER PRIMARY KEY, u TEXT UNIQUE, "
    "x);"
    "INSERT INTO a SELECT * FROM old_a; COMMIT;";

/// What a batch finds out only by reading all of table a.
constexpr char kUnlogged[] =
    "UPDATE a SET x = 7.5 WHERE id = 1; DELETE FROM a WHERE id = 4; INSERT INTO a VALUES (9, 'n', "
    "1.0)";

capture::BatchLimits tiny() {
  capture::BatchLimits limits;
  limits.pace.slice_wal = limits.pace.slice_journal = limits.gather_max = Milliseconds{0};
  limits.slice_bytes_max = 1;
  limits.scan_rows = 1;
  return limits;
}

std::size_t resets_of(const Batch& batch, std::uint32_t table) {
  std::size_t count = 0;
  for (const capture::Slice& slice : batch.slices)
    count += static_cast<std::size_t>(std::count(slice.resets.begin(), slice.resets.end(), table));
  return count;
}

/// Deletes three of four rows of bag and renumbers what is left.
void renumber(CapturedSource& source) {
  source.app().exec("DELETE FROM bag WHERE rowid % 4 <> 0");
  const std::string before = source.app().value("SELECT max(rowid) FROM bag");
  source.app().exec("VACUUM");
  REQUIRE(source.app().value("SELECT max(rowid) FROM bag") != before);
}

}  // namespace

TEST_CASE("lost triggers block by name, also while nothing is logged") {
  const std::string loss = GENERATE(
      as<std::string>{}, "DROP TRIGGER _lockstep_1_update", "DROP TRIGGER _lockstep_1_probe_insert",
      kRebuild, kRenameAway,
      "DROP TRIGGER _lockstep_1_delete; CREATE TRIGGER _lockstep_1_delete AFTER DELETE ON a BEGIN "
      "SELECT 1; END");
  INFO(loss);
  CapturedSource source(kSchema);
  source.install();
  REQUIRE(source.follow() == "");
  source.app().exec(loss);
  const auto blocked = [&](auto&& action) {
    const ErrorFacts facts = facts_of(action);
    CHECK(facts.code == "LS-S306");
    CHECK(facts.exit == ExitCode::stopped);
    CHECK(static_cast<int>(facts.exit) == 7);
    CHECK(facts.what.find("under a") != std::string::npos);
    CHECK(facts.why.find("trigger _lockstep_1_") != std::string::npos);
  };
  blocked([&] { (void)source.take(); });
  blocked([&] { (void)source.take(); });
  blocked([&] { source.tail().prove(source.position()); });
  source.app().exec(kUnlogged);
  blocked([&] { (void)source.take(); });
  CHECK(source.reinstall() == std::vector<std::string>{"a"});
  CHECK(source.reinstall().empty());
  CHECK(source.app().value("SELECT count(*) FROM _lockstep_changes WHERE tbl = -1") == "1");
  const auto batch = source.take();
  REQUIRE(batch);
  CHECK(resets_of(*batch, 1) == 1);
  CHECK(resets_of(*batch, 3) == 0);
  source.apply(*batch);
  CHECK(source.difference() == "");
  source.app().exec("UPDATE a SET x = 8.5 WHERE id = 1; DELETE FROM a WHERE id = 9");
  CHECK(source.follow() == "");
  CHECK_FALSE(source.take());
}

TEST_CASE("triggers that are lost in the middle of a batch block it") {
  CapturedSource source(kSchema);
  source.install();
  bool lost = false;
  source.slice(tiny(), [&] {
    if (!std::exchange(lost, true)) source.app().exec(kRebuild + std::string(kUnlogged));
  });
  source.app().exec("UPDATE a SET x = 3.5");
  CHECK(facts_of([&] { (void)source.take(); }).code == "LS-S306");
  CHECK(source.reinstall() == std::vector<std::string>{"a"});
  CHECK(source.follow() == "");
}

TEST_CASE("a table is read anew while the application writes to it") {
  const std::string journal = GENERATE(as<std::string>{}, "WAL", "DELETE");
  INFO(journal);
  CapturedSource source(kSchema, journal);
  source.install();
  std::mt19937_64 random(test_seed());
  int writes_left = 0;
  const auto write = [&] {
    if (writes_left-- <= 0) return;
    const std::uint64_t id = random() % 12;
    (void)source.app().attempt(fmt::format("INSERT OR REPLACE INTO a VALUES ({}, '{}', {}.5)", id,
                                           random() % 9, random() % 9));
    (void)source.app().attempt(fmt::format("DELETE FROM a WHERE id = {}", random() % 12));
    (void)source.app().attempt(
        fmt::format("UPDATE OR IGNORE a SET id = {} WHERE id = {}", random() % 12, random() % 12));
    (void)source.app().attempt("UPDATE bag SET v = v + 1 WHERE rowid < 3");
  };
  auto limits = tiny();
  limits.slice_bytes_max = 60;
  source.slice(limits, write);
  const int rounds = journal == "WAL" ? 3 : 1;  // there a slice waits for the disk
  for (int round = 0; round < rounds; ++round) {
    source.app().exec(
        "DROP TRIGGER _lockstep_1_update; DROP TRIGGER _lockstep_1_insert;"
        "DROP TRIGGER _lockstep_1_delete");
    writes_left = 20;
    for (int n = 0; n < 10; ++n) write();
    REQUIRE(source.reinstall() == std::vector<std::string>{"a"});
    writes_left = 20;
    const auto batch = source.take();
    REQUIRE(batch);
    CHECK(writes_left < 0);
    CHECK(resets_of(*batch, 1) >= 1);
    source.apply(*batch);
    REQUIRE(source.difference() == "");
  }
}

TEST_CASE("a table is read anew to its end although each slice has changes enough of its own") {
  CapturedSource source(kSchema);
  source.install();
  source.app().exec("DROP TRIGGER _lockstep_1_update");
  REQUIRE(source.reinstall().size() == 1);
  source.slice(tiny(), {});
  const auto reader = source.tail().next(source.position());
  REQUIRE(reader);
  // A slice is full with one change, and each of these makes another; the rows of a are few.
  bool reset_read = false;
  for (int slices = 0; !reset_read && slices < 200; ++slices) {
    source.app().exec("UPDATE k SET v = v + 1 WHERE k = 'a'; UPDATE k SET v = v + 1 WHERE k = 'b'");
    for (const capture::Slice& slice : reader->next()) {
      EntryReader entries;
      entries.feed(slice.entries);
      while (const auto entry = entries.next()) reset_read |= entry->table == 1;
    }
  }
  CHECK(reset_read);
}

TEST_CASE("a table that was altered is refused and not mended") {
  const std::string alter = GENERATE(as<std::string>{}, "ALTER TABLE a ADD COLUMN y INT",
                                     "DROP TABLE a", "ALTER TABLE a RENAME TO b");
  const bool in_batch = GENERATE(false, true);
  INFO(alter << (in_batch ? ", in a batch" : ""));
  CapturedSource source(kSchema);
  source.install();
  bool altered = false;
  source.slice(tiny(), [&] {
    if (!std::exchange(altered, true)) source.app().exec(alter);
  });
  if (in_batch)
    source.app().exec("UPDATE a SET x = 3.5");
  else
    source.app().exec(alter);
  source.app().exec("DROP TRIGGER _lockstep_3_update");
  if (in_batch) REQUIRE(source.reinstall().size() == 1);
  CHECK(facts_of([&] { (void)source.take(); }).code == "LS-S306");
  if (!in_batch) CHECK(facts_of([&] { (void)source.reinstall(); }).code == "LS-S306");
  // Nothing was mended beside it.
  CHECK(source.app().value("SELECT count(*) FROM _lockstep_changes WHERE tbl < 0") ==
        (in_batch ? "1" : "0"));
}

TEST_CASE("a row without a key is refused by name also where a table is read anew") {
  CapturedSource source(kSchema);
  source.install();
  source.app().exec("DROP TRIGGER _lockstep_3_insert; INSERT INTO k VALUES (NULL, 1)");
  REQUIRE(source.reinstall() == std::vector<std::string>{"k"});
  const ErrorFacts facts = facts_of([&] { (void)source.take(); });
  CHECK(facts.code == "LS-D412");
  CHECK(facts.what.find(" k ") != std::string::npos);
  source.app().exec("DELETE FROM k WHERE k IS NULL");
  CHECK(source.follow() == "");
}

TEST_CASE("a table without a key is read anew when VACUUM may have renumbered its rows") {
  CapturedSource source(kSchema);
  source.install();
  source.tail().prove(source.position());
  CHECK_FALSE(source.take());
  SECTION("before a batch") {
    renumber(source);
    const auto batch = source.take();
    REQUIRE(batch);
    CHECK(resets_of(*batch, 2) == 1);
    CHECK(resets_of(*batch, 1) == 0);
    source.apply(*batch);
    CHECK(source.difference() == "");
    CHECK_FALSE(source.take());
  }
  SECTION("with nothing logged since") {
    source.app().exec("DELETE FROM bag WHERE rowid % 4 <> 0");
    REQUIRE(source.follow() == "");
    source.app().exec("VACUUM");
    source.tail().prove(source.position());  // the start of a session does not count as reading
    const auto batch = source.take();
    REQUIRE(batch);
    CHECK(batch->end.to == batch->begin.from);
    CHECK(resets_of(*batch, 2) == 1);
    source.apply(*batch);
    CHECK(source.difference() == "");
  }
  SECTION("in the middle of a batch, and of reading anew") {
    int turn = 0;
    source.slice(tiny(), [&] {
      if (turn == 4 || turn == 30) renumber(source);
      if (turn == 12)
        source.app().exec("INSERT INTO bag SELECT v, w FROM bag, (SELECT 1 UNION SELECT 2)");
      if (turn < 35)
        source.app().exec(fmt::format("UPDATE bag SET v = {} WHERE rowid % 7 = 1", turn));
      ++turn;
    });
    source.app().exec("UPDATE bag SET v = v + 1");
    const auto batch = source.take();
    REQUIRE(batch);
    CHECK(resets_of(*batch, 2) == 2);
    source.apply(*batch);
    CHECK(source.difference() == "");
  }
  saw_fault("S27", "GO: VACUUM makes a table without a key be read anew");
}

TEST_CASE("what is recorded of rowids decides whether a new session reads them anew") {
  CapturedSource source(kSchema);
  source.install();
  renumber(source);
  const auto batch = source.take();
  REQUIRE(batch);
  source.apply(*batch);
  const auto version = source.tail().rowids_version();
  REQUIRE(version);
  SECTION("the batch was durable, and that was recorded") {
    auto database = sqlite::Database::open(source.path(), sqlite::OpenMode::read_write);
    capture::record_rowids_version(database, *version);
    CHECK(capture::recorded_rowids_version(database) == *version);
    source.reopen();
    source.tail().prove(source.position());
    CHECK_FALSE(source.take());
  }
  SECTION("it was not") {
    source.reopen();
    source.tail().prove(source.position());
    const auto again = source.take();
    REQUIRE(again);
    CHECK(resets_of(*again, 2) == 1);
    source.apply(*again);
    CHECK(source.difference() == "");
  }
  SECTION("a source without tables that go by rowid has nothing to record") {
    CapturedSource keyed("CREATE TABLE t(id INTEGER PRIMARY KEY)");
    keyed.install();
    CHECK_FALSE(keyed.tail().rowids_version());
    keyed.app().exec("INSERT INTO t VALUES (1); VACUUM");
    const auto one = keyed.take();
    REQUIRE(one);
    CHECK(resets_of(*one, 1) == 0);
  }
}

TEST_CASE("what was read anew arrives on the target, by each way a batch can take") {
  enum class Way { small, staging, no_keys };
  const Way way = GENERATE(Way::small, Way::staging, Way::no_keys);
  const bool slices = GENERATE(false, true);
  INFO(static_cast<int>(way) << (slices ? ", slices" : ""));
  CapturedSource source(kSchema);
  source.install();
  FollowedTarget target(server(), source);
  if (way == Way::no_keys) {
    copy_all(source, target.connection());
    apply::move_phase(target.connection(), kMigration, apply::Phase::snapshot,
                      apply::Phase::catchup, false);
  } else {
    target.copy_and_index();
  }
  apply::Applier applier =
      target.applier(target.connection(), way == Way::staging, way != Way::no_keys);
  int turn = 0;
  if (slices)
    source.slice(tiny(), [&] {
      if (turn < 20)
        source.app().exec(fmt::format("INSERT OR REPLACE INTO a VALUES ({}, 's{}', {}.5)",
                                      20 + turn % 5, turn % 4, turn));
      // When more of it has been read than will be left.
      if (turn == 60) source.app().exec("DELETE FROM bag WHERE rowid % 4 <> 0; VACUUM");
      ++turn;
    });
  source.app().exec("UPDATE k SET v = 5; INSERT INTO a VALUES (12, 'logged', 1.0)");
  source.app().exec(kRebuild);
  // Unique values swapped, the sign of a zero, a row that goes and one that comes.
  source.app().exec(
      "UPDATE a SET u = 't' WHERE id = 1; UPDATE a SET u = 'a' WHERE id = 2; UPDATE a SET u = 'b' "
      "WHERE id = 1; UPDATE a SET x = 0.0 WHERE id = 2; DELETE FROM a WHERE id = 4;"
      "INSERT INTO a VALUES (9, 'n', 1.0)");
  if (!slices) renumber(source);
  REQUIRE(source.reinstall() == std::vector<std::string>{"a"});
  const auto batch = source.take();
  REQUIRE(batch);
  CHECK(resets_of(*batch, 2) == (slices ? 2 : 1));
  const apply::Applied applied = apply_batch(applier, *batch);
  CHECK(applied.fell_back == (way != Way::no_keys));
  if (way == Way::no_keys) target.index();
  CHECK(target.difference() == "");
  CHECK(target.query("SELECT x::text, u FROM a WHERE id = 2") == Rows{{"0", "a"}});
  CHECK(target.position() == source.position());
}

TEST_CASE("reading anew mends the target and leaves the rows alone that were right") {
  CapturedSource source(kSchema);
  source.install();
  FollowedTarget target(server(), source);
  target.copy_and_index();
  apply::Applier applier = target.applier(target.connection());
  target.query(
      "DELETE FROM a WHERE id = 1; INSERT INTO a VALUES (77, 'extra', 1); UPDATE a SET x = 9 WHERE "
      "id = 3");
  REQUIRE(target.difference() != "");
  source.app().exec("DROP TRIGGER _lockstep_1_update; UPDATE a SET x = 0.0 WHERE id = 2");
  REQUIRE(source.reinstall().size() == 1);
  const Rows before = target.query("SELECT xmin::text FROM a WHERE id IN (2, 4) ORDER BY id");
  CHECK_FALSE(apply_batch(applier, source.take().value()).fell_back);
  CHECK(target.difference() == "");
  const Rows after = target.query("SELECT xmin::text FROM a WHERE id IN (2, 4) ORDER BY id");
  CHECK(after[0] != before[0]);  // 0.0 = -0.0, and yet it was written
  CHECK(after[1] == before[1]);
  source.app().exec("DELETE FROM a");
  source.app().exec("DROP TRIGGER _lockstep_1_delete");
  REQUIRE(source.reinstall().size() == 1);
  (void)apply_batch(applier, source.take().value());
  CHECK(target.query("SELECT count(*) FROM a") == Rows{{"0"}});
}

}  // namespace lockstep::test
