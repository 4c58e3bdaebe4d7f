// Batches that are read in many short read transactions while the application goes on writing.
#include <fmt/format.h>
#include <sqlite3.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/captured_source.hpp"
#include "tests/support/seed.hpp"

namespace lockstep::test {
namespace {

constexpr char kSchema[] =
    "CREATE TABLE a(id INTEGER PRIMARY KEY, u TEXT UNIQUE, v INT);"
    "CREATE TABLE k(k TEXT COLLATE NOCASE PRIMARY KEY, v INT);"
    "CREATE TABLE p(n INT, k, PRIMARY KEY(k DESC, n)) WITHOUT ROWID;"
    "CREATE TABLE bag(v, w);"
    "INSERT INTO a VALUES (1, 'a', 1), (2, 'b', 2); INSERT INTO k VALUES ('a', 1);"
    "INSERT INTO p VALUES (1, 'x'); INSERT INTO bag VALUES (1, 2), (1, 2);";

/// A row or so per slice. No view lasts longer than its first look at the clock.
capture::BatchLimits tiny(std::size_t bytes = 1, std::int64_t scan_rows = 1) {
  capture::BatchLimits limits;
  limits.pace.slice_wal = limits.pace.slice_journal = Milliseconds{0};
  limits.gather_max = Milliseconds{0};
  limits.slice_bytes_max = bytes;
  limits.scan_rows = scan_rows;
  return limits;
}

std::string random_statement(std::mt19937_64& random) {
  const auto number = [&](std::uint64_t sides) { return random() % sides; };
  static const std::vector<std::string> words{"'a'", "'A'", "'b'", "'B'", "'c'"};
  static const std::vector<std::string> any{"1", "1.0", "'1'", "0.0", "-0.0", "x'31'"};
  const std::string word = words[number(words.size())];
  switch (number(9)) {
    case 0:
    case 1:
      return fmt::format("INSERT OR REPLACE INTO a VALUES ({}, {}, {})", number(20), word,
                         number(9));
    case 2:
      return fmt::format("UPDATE OR IGNORE a SET id = {} WHERE id = {}", number(20), number(20));
    case 3:
      return fmt::format("DELETE FROM a WHERE id = {}", number(20));
    case 4:
      return fmt::format("INSERT OR REPLACE INTO k VALUES ({}, {})", word, number(9));
    case 5:
      return fmt::format(
          "UPDATE k SET k = CASE WHEN k = upper(k) COLLATE BINARY THEN lower(k) ELSE "
          "upper(k) END WHERE k = {}",
          word);
    case 6:
      return fmt::format("INSERT OR REPLACE INTO p VALUES ({}, {})", number(3),
                         any[number(any.size())]);
    case 7:
      return fmt::format("INSERT INTO bag VALUES ({}, {})", number(3), word);
    default:
      return fmt::format("DELETE FROM bag WHERE rowid = {}", number(30));
  }
}

std::string code_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  return "none";
}

/// A slice was read at one time, so a key is in it once: how many are not.
std::size_t keys_twice(const std::vector<TablePlan>& plans, const Batch& batch) {
  std::size_t twice = 0;
  for (const capture::Slice& slice : batch.slices) {
    std::set<std::pair<std::uint32_t, std::string>> seen;
    EntryReader reader;
    reader.feed(slice.entries);
    while (const auto entry = reader.next())
      if (!seen.emplace(entry->table, key_bytes(plans.at(entry->table - 1), *entry)).second)
        ++twice;
  }
  return twice;
}

/// A read-only connection whose state can be asked while a tail works with it.
struct Probed {
  sqlite3* handle = nullptr;
  std::unique_ptr<capture::Tail> tail;
  Probed(const CapturedSource& source, capture::BatchLimits limits) {
    sqlite::Database database = sqlite::Database::open(source.path(), sqlite::OpenMode::read_only);
    handle = database.handle();
    tail = std::make_unique<capture::Tail>(std::move(database), source.installed().era,
                                           source.plans(), limits);
    tail->rowids_known(handle_version());
  }
  [[nodiscard]] bool reads() const { return sqlite3_txn_state(handle, "main") != SQLITE_TXN_NONE; }

 private:
  [[nodiscard]] std::int64_t handle_version() {
    sqlite3_stmt* raw = nullptr;
    sqlite3_prepare_v2(handle, "PRAGMA schema_version", -1, &raw, nullptr);
    sqlite3_step(raw);
    const std::int64_t version = sqlite3_column_int64(raw, 0);
    sqlite3_finalize(raw);
    return version;
  }
};

/// Puts the pages of `from` in place of those of `to`, as a restore into the live file does.
void restore(const std::string& from, const std::string& to) {
  sqlite3 *old = nullptr, *live = nullptr;
  REQUIRE(sqlite3_open(from.c_str(), &old) == SQLITE_OK);
  REQUIRE(sqlite3_open(to.c_str(), &live) == SQLITE_OK);
  sqlite3_backup* backup = sqlite3_backup_init(live, "main", old, "main");
  REQUIRE(backup != nullptr);
  CHECK(sqlite3_backup_step(backup, -1) == SQLITE_DONE);
  CHECK(sqlite3_backup_finish(backup) == SQLITE_OK);
  sqlite3_close(old);
  sqlite3_close(live);
}

}  // namespace

TEST_CASE("a batch in slices is the source at its end, whatever is written between slices") {
  const std::string journal = GENERATE(as<std::string>{}, "WAL", "DELETE");
  CapturedSource source(kSchema, journal);
  source.install();
  std::mt19937_64 random(test_seed());
  int writes_left = 0;
  std::size_t most_slices = 0;
  const auto write = [&] {
    if (writes_left-- <= 0) return;
    source.app().exec("BEGIN");
    for (std::size_t n = 1 + random() % 4; n > 0; --n)
      (void)source.app().attempt(random_statement(random));
    source.app().exec("COMMIT");
  };
  const int rounds = journal == "WAL" ? 6 : 2;  // there a slice waits for the disk
  for (int round = 0; round < rounds; ++round) {
    INFO(journal << ", round " << round);
    const std::size_t bytes = round == 0 ? 1 : 1 + random() % 200;  // one round has many slices
    source.slice(tiny(bytes, 1 + static_cast<std::int64_t>(random() % 5)), write);
    writes_left = 30;
    for (int n = 0; n < 5; ++n) write();
    const std::int64_t from = source.position().seq;
    const auto batch = source.take();
    REQUIRE(batch);
    most_slices = std::max(most_slices, batch->slices.size());
    CHECK(batch->end.to.seq > from);
    CHECK(keys_twice(source.plans(), *batch) == 0);
    source.apply(*batch);
    REQUIRE(source.difference() == "");
  }
  CHECK(most_slices > 5);
}

TEST_CASE("what a later slice finds of a key counts, respelled, deleted and inserted again") {
  CapturedSource source(kSchema);
  source.install();
  std::vector<std::string> steps{
      "UPDATE k SET k = 'A' WHERE k = 'a'", "DELETE FROM k WHERE k = 'a'",
      "INSERT INTO k VALUES ('a', 7)",      "UPDATE k SET k = 'A', v = 8",
      "DELETE FROM a WHERE id = 1",         "INSERT INTO a VALUES (1, 'new', 1)"};
  std::size_t next = 0;
  source.slice(tiny(), [&] {
    if (next < steps.size()) source.app().exec(steps[next++]);
  });
  source.app().exec("UPDATE k SET v = 2; UPDATE a SET v = 3");
  const auto batch = source.take();
  REQUIRE(batch);
  CHECK(next == steps.size());
  // The test means nothing unless a key came more than once.
  CHECK(batch->end.entries > 4);
  source.apply(*batch);
  CHECK(source.difference() == "");
}

TEST_CASE("a change that is missing in the middle of a batch stops it by name") {
  CapturedSource source(kSchema);
  source.install();
  bool cut = false;
  source.slice(tiny(), [&] {
    if (!std::exchange(cut, true)) source.app().exec("DELETE FROM _lockstep_changes WHERE seq = 4");
  });
  for (int n = 0; n < 6; ++n) source.app().exec("UPDATE a SET v = v + 1 WHERE id = 1");
  CHECK(code_of([&] { (void)source.take(); }) == "LS-S311");
  CHECK(cut);
}

TEST_CASE("a file that went back in time in the middle of a batch stops it by name") {
  // To where nothing of the batch was logged; to a change that was not yet taken in, which leaves
  // what was read of later ones unexplained; and the same with new changes of the same numbers.
  const int back_to = GENERATE(0, 3, 5);
  const bool writes_on = GENERATE(false, true);
  INFO(back_to << (writes_on ? ", and goes on" : ""));
  CapturedSource source(kSchema, "DELETE");
  source.install();
  const std::string old = source.folder().file("old.db");
  const auto change = [&] { source.app().exec("UPDATE a SET v = v + 1 WHERE id = 1"); };
  for (int n = 0; n < 6; ++n) {
    if (n == back_to) source.app().exec("VACUUM INTO '" + old + "'");
    change();
  }
  bool restored = false;
  source.slice(tiny(), [&] {
    if (std::exchange(restored, true)) return;
    restore(old, source.path());
    for (int n = 0; writes_on && n < 9; ++n) change();
  });
  CHECK(code_of([&] { (void)source.take(); }) == "LS-S310");
  CHECK(restored);
}

TEST_CASE("a row that gets a NULL key in the middle of a batch stops it until it has a key") {
  CapturedSource source("CREATE TABLE t(k TEXT PRIMARY KEY, v INT); INSERT INTO t VALUES ('a', 1)");
  source.install();
  bool bad = false;
  source.slice(tiny(), [&] {
    if (!std::exchange(bad, true)) source.app().exec("INSERT INTO t VALUES (NULL, 5)");
  });
  source.app().exec("UPDATE t SET v = 2; INSERT INTO t VALUES ('b', 1)");
  CHECK(code_of([&] { (void)source.take(); }) == "LS-D412");
  source.app().exec("UPDATE t SET k = 'c' WHERE k IS NULL");
  CHECK(source.follow() == "");
}

TEST_CASE("no read transaction is open between two slices, nor after one that failed") {
  const std::string journal = GENERATE(as<std::string>{}, "WAL", "DELETE");
  INFO(journal);
  CapturedSource source(kSchema, journal);
  source.install();
  source.app().exec("PRAGMA busy_timeout=0");
  Probed probed(source, tiny());
  source.app().exec("UPDATE a SET v = 5");
  {
    const auto reader = probed.tail->next(source.position());
    REQUIRE(reader);
    bool ended = false;
    int slices = 0;
    for (; !ended; ++slices) {
      CHECK_FALSE(probed.reads());
      if (slices < 3) source.app().exec("UPDATE a SET v = v + 1");  // it never has to wait
      ended = reader->next().back().end.has_value();
    }
    CHECK(slices > 5);
    CHECK_FALSE(probed.reads());
  }
  const std::string bad =
      GENERATE(as<std::string>{}, "DELETE FROM _lockstep_changes WHERE seq = 8",
               "INSERT INTO k(k) VALUES (NULL)", "DROP TRIGGER _lockstep_1_update",
               "DELETE FROM _lockstep_changes WHERE seq = 0");
  INFO(bad);
  source.app().exec("UPDATE a SET v = v + 1; " + bad);
  const auto reader = probed.tail->next(source.position());
  REQUIRE(reader);
  const std::string code = code_of([&] {
    while (!reader->next().back().end) CHECK_FALSE(probed.reads());
  });
  CHECK(code.starts_with("LS-"));
  CHECK_FALSE(probed.reads());
  source.app().exec("PRAGMA user_version=1");
}

TEST_CASE("a writer faster than the slices is followed by one long read, in pieces of a megabyte") {
  const std::string journal = GENERATE(as<std::string>{}, "WAL", "DELETE");
  INFO(journal);
  CapturedSource source(kSchema, journal);
  source.install();
  auto limits = tiny(50'000, 1);
  limits.long_read_after = Milliseconds{0};
  source.slice(limits, {});
  int id = 100;
  const auto write = [&] {
    source.app().exec(fmt::format(
        "INSERT INTO a(id, v) WITH RECURSIVE n(i) AS (SELECT {} UNION ALL SELECT i + 1 FROM n "
        "LIMIT 40) SELECT i, 1 FROM n",
        id));
    id += 40;
  };
  write();
  const auto reader = source.tail().next(source.position());
  REQUIRE(reader);
  Batch batch{{reader->from()}, {}, {}, 0};
  while (reader->long_reads() == 0) {
    REQUIRE(reader->slices() < 10 * capture::kSlicesWithoutProgress);
    // Larger than a slice and than a piece, behind so many changes that only the long read sees it.
    if (reader->slices() == capture::kSlicesWithoutProgress)
      source.app().exec("INSERT INTO bag VALUES (zeroblob(3000000), 1), (zeroblob(700000), 2)");
    write();
    for (capture::Slice& slice : reader->next()) batch.slices.push_back(std::move(slice));
  }
  std::size_t pieces = 1;
  for (; !batch.slices.back().end; ++pieces)
    for (capture::Slice& slice : reader->next()) {
      CHECK(slice.entries.size() <= 1u << 20);
      batch.slices.push_back(std::move(slice));
    }
  CHECK(pieces > 4);
  batch.end = *batch.slices.back().end;
  source.apply(batch);
  CHECK(source.difference() == "");
}

}  // namespace lockstep::test
