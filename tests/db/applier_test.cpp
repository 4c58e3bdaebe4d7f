// Batches into a real PostgreSQL: one transaction with the position, by either path, whatever the
// values and the server.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

#include "link/sqlite/statement.hpp"
#include "tests/support/fault.hpp"
#include "tests/support/followed_target.hpp"
#include "tests/support/seed.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

constexpr char kSchema[] =
    "CREATE TABLE a(id INTEGER PRIMARY KEY, u TEXT UNIQUE, n INT, r REAL, b BLOB);"
    "CREATE TABLE k(k TEXT COLLATE NOCASE PRIMARY KEY, n INT);"
    "CREATE TABLE p(n INT, k TEXT, PRIMARY KEY(k DESC, n)) WITHOUT ROWID;"
    "CREATE UNIQUE INDEX a_pair ON a(n, u);"
    "INSERT INTO a VALUES (1, 'a', 1, 0.1, x'00'), (2, 'b', NULL, -0.0, x''), (3, NULL, 3, 9e999, "
    "NULL);"
    "INSERT INTO k VALUES ('a', 1); INSERT INTO p VALUES (1, 'x');";

std::string random_statement(std::mt19937_64& random) {
  const auto number = [&](std::uint64_t sides) { return random() % sides; };
  static const std::vector<std::string> words{"'a'", "'A'", "'b'", "'é'", "''", "'a '", "'😀'"};
  const std::string word = words[number(words.size())];
  switch (number(9)) {
    case 0:
    case 1:
      return fmt::format("INSERT OR REPLACE INTO a VALUES ({}, {}, {}, {}, x'{:02x}')", number(60),
                         word, number(9), static_cast<double>(number(1'000)) / 7, number(256));
    case 2:
      return fmt::format("UPDATE OR REPLACE a SET u = {}, n = NULL WHERE id = {}", word,
                         number(60));
    case 3:
      return fmt::format("UPDATE OR IGNORE a SET id = {} WHERE id = {}", number(60), number(60));
    case 4:
      return fmt::format("DELETE FROM a WHERE id = {}", number(60));
    case 5:
      return fmt::format("INSERT OR REPLACE INTO k VALUES ({}, {})", word, number(9));
    case 6:
      return fmt::format("DELETE FROM k WHERE k = {}", word);
    case 7:
      return fmt::format("INSERT OR REPLACE INTO p VALUES ({}, {})", number(5), word);
    default:
      return fmt::format("UPDATE OR REPLACE p SET n = n + 1 WHERE k = {}", word);
  }
}

/// All rows of the source's tables on the target, and the ledger's position.
Rows contents(const FollowedTarget& target,
              const std::vector<std::string>& tables = {"a", "k", "p"}) {
  Rows all = target.query("SELECT era::text, seq::text, identity::text FROM lockstep.ledger");
  for (const std::string& table : tables)
    for (auto& row :
         target.query(fmt::format("SELECT t::text FROM public.{} AS t ORDER BY 1", table)))
      all.push_back(std::move(row));
  return all;
}

}  // namespace

TEST_CASE("random batches lead to the same rows by the small path and by staging") {
  CapturedSource source(kSchema);
  source.install();
  FollowedTarget small(server(), source), large(server(), source);
  small.copy_and_index();
  large.copy_and_index();
  apply::Applier by_small = small.applier(small.connection());
  apply::Applier by_staging = large.applier(large.connection(), true);
  std::mt19937_64 random(test_seed());
  std::size_t fallbacks = 0;
  for (int round = 0; round < 60; ++round) {
    source.app().exec("BEGIN");
    for (std::size_t n = 1 + random() % 30; n > 0; --n)
      (void)source.app().attempt(random_statement(random));
    source.app().exec("COMMIT");
    const auto batch = source.take();
    if (!batch) continue;
    const apply::Applied applied = apply_batch(by_small, *batch);
    CHECK(applied.position == source.position());
    CHECK(static_cast<std::int64_t>(applied.changes) == batch->end.to.seq - batch->begin.from.seq);
    CHECK(applied.entries == batch->end.entries);
    fallbacks += applied.fell_back ? 1 : 0;
    CHECK(apply_batch(by_staging, *batch).fell_back == applied.fell_back);
    REQUIRE(contents(small) == contents(large));
    if (round % 10 == 0) {
      REQUIRE(small.difference() == "");
      REQUIRE(large.difference() == "");
    }
  }
  CHECK(small.difference() == "");
  CHECK(large.difference() == "");
  CHECK(small.position() == source.position());
  // How many batches met swapped values depends on the seed; a test of its own makes sure of one.
  INFO(fallbacks << " fallbacks");
}

TEST_CASE("of a key in several slices the last one counts, by the small path and by staging") {
  CapturedSource source(std::string(kSchema) +
                        "CREATE TABLE z(k PRIMARY KEY, v INT) WITHOUT ROWID;"
                        "INSERT INTO z VALUES (0.0, 1), (1.5, 1), (-2.5, 1);");
  source.install();
  FollowedTarget small(server(), source), large(server(), source);
  small.copy_and_index();
  large.copy_and_index();
  apply::Applier by_small = small.applier(small.connection());
  apply::Applier by_staging = large.applier(large.connection(), true);
  std::mt19937_64 random(test_seed());
  int writes_left = 0;
  std::size_t zeros = 0;
  const auto write = [&] {
    if (writes_left-- <= 0) return;
    (void)source.app().attempt(random_statement(random));
    static const std::vector<std::string> others{
        "UPDATE z SET k = -k, v = v + 1 WHERE k = 0.0", "INSERT OR REPLACE INTO z VALUES (-0.0, 7)",
        "DELETE FROM z WHERE k = 0.0", "INSERT OR REPLACE INTO z VALUES (0.0, 8)",
        "UPDATE OR REPLACE z SET k = -k"};
    (void)source.app().attempt(others[random() % others.size()]);
  };
  capture::BatchLimits limits;
  limits.pace.slice_wal = Milliseconds{0};
  limits.scan_rows = 2;
  for (int round = 0; round < 8; ++round) {
    limits.slice_bytes_max = 1 + random() % 100;
    source.slice(limits, write);
    writes_left = 25;
    for (int n = 0; n < 5; ++n) write();
    const auto batch = source.take();
    if (!batch) continue;
    for (const capture::Slice& slice : batch->slices) {
      EntryReader reader;
      reader.feed(slice.entries);
      while (const auto entry = reader.next())
        zeros +=
            key_bytes(source.plans()[entry->table - 1], *entry).ends_with(std::string(8, '\0'));
    }
    (void)apply_batch(by_small, *batch);
    (void)apply_batch(by_staging, *batch);
    REQUIRE(contents(small, {"a", "k", "p", "z"}) == contents(large, {"a", "k", "p", "z"}));
    if (round % 5 == 0) REQUIRE(small.difference() == "");
  }
  CHECK(zeros > 30);  // 0.0 and -0.0, many to a batch
  CHECK(small.difference() == "");
  CHECK(large.difference() == "");
}

TEST_CASE("a batch may come in fragments and switch to staging on the way") {
  CapturedSource source(kSchema);
  source.install();
  FollowedTarget target(server(), source);
  target.copy_and_index();
  source.app().exec(
      "WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) "
      "INSERT INTO a(id, u) SELECT i, 'u' || i FROM n; DELETE FROM k");
  const Batch batch = source.take().value();
  apply::Applier applier = target.applier(target.connection());
  applier.begin(batch.begin);
  REQUIRE(batch.slices.size() == 1);
  const std::string& entries = batch.slices[0].entries;
  for (std::size_t at = 0; at < entries.size(); at += 7)
    applier.entries(std::string_view(entries).substr(at, 7));
  CHECK_FALSE(applier.end(batch.end).fell_back);
  CHECK(target.difference() == "");
}

TEST_CASE("rows that exchange a unique value are done by delete and insert") {
  const bool staging = GENERATE(false, true);
  CapturedSource source(kSchema);
  source.install();
  FollowedTarget target(server(), source);
  target.copy_and_index();
  apply::Applier applier = target.applier(target.connection(), staging);
  source.app().exec(
      "BEGIN; UPDATE a SET u = 'tmp' WHERE id = 1; UPDATE a SET u = 'a' WHERE id = 2;"
      "UPDATE a SET u = 'b' WHERE id = 1; COMMIT");
  CHECK(apply_batch(applier, source.take().value()).fell_back);
  CHECK(target.difference() == "");
  source.app().exec("UPDATE a SET n = 7 WHERE id = 1");
  CHECK_FALSE(apply_batch(applier, source.take().value()).fell_back);
  source.app().exec(
      "BEGIN; UPDATE a SET u = NULL WHERE id = 1; UPDATE a SET u = 'b' WHERE id = 2;"
      "UPDATE a SET u = 'a' WHERE id = 1; COMMIT");
  CHECK(apply_batch(applier, source.take().value()).fell_back);
  CHECK(target.difference() == "");
  saw_fault("A16", "GO: the batch starts over as delete every touched key, insert every row");
}

TEST_CASE("a batch that does not start where the ledger is leaves no trace") {
  const bool staging = GENERATE(false, true);
  INFO((staging ? "staging" : "small"));
  CapturedSource source(kSchema);
  source.install();
  FollowedTarget target(server(), source);
  target.copy_and_index();
  source.app().exec("INSERT INTO a(id, u) VALUES (10, 'one')");
  const Batch first = source.take().value();
  source.app().exec("INSERT INTO a(id, u) VALUES (11, 'two'); DELETE FROM a WHERE id = 1");
  const Batch second = source.take().value();
  apply::Applier applier = target.applier(target.connection(), staging);
  const auto refused = [&](const Batch& batch) {
    const Rows before = contents(target);
    const ErrorFacts facts = facts_of([&] { (void)apply_batch(applier, batch); });
    CHECK(facts.code == "LS-R705");
    CHECK(facts.retry == Retry::new_session);
    CHECK(contents(target) == before);
  };
  refused(second);  // a gap
  CHECK(apply_batch(applier, first).position == first.end.to);
  refused(first);  // a replay
  Batch other = second;
  other.begin.from.identity ^= 1;  // the same number of another history
  refused(other);
  other = second;
  other.begin.from.era.bytes[3] ^= 1;
  refused(other);
  other = second;
  ++other.begin.from.seq;
  refused(other);
  target.query("UPDATE lockstep.ledger SET role = 'primary'");  // after a cutover nothing is
                                                                // applied any more
  refused(second);
  target.query("UPDATE lockstep.ledger SET role = 'replica'");
  CHECK(apply_batch(applier, second).position == second.end.to);
  CHECK(target.difference() == "");
}

TEST_CASE("a batch that is not whole is not applied") {
  const bool staging = GENERATE(false, true);
  CapturedSource source(kSchema);
  source.install();
  FollowedTarget target(server(), source);
  target.copy_and_index();
  source.app().exec("INSERT INTO a(id, u) VALUES (10, 'one'), (11, 'two')");
  const Batch batch = source.take().value();
  apply::Applier applier = target.applier(target.connection(), staging);
  const Rows before = contents(target);
  Batch bad = batch;
  bad.end.entries += 1;
  CHECK(facts_of([&] { (void)apply_batch(applier, bad); }).code == "LS-W501");
  bad = batch;
  bad.slices[0].entries.pop_back();
  CHECK(facts_of([&] { (void)apply_batch(applier, bad); }).code == "LS-W501");
  bad = batch;
  bad.slices[0].entries[7] = 9;  // another table
  CHECK(facts_of([&] { (void)apply_batch(applier, bad); }).code == "LS-W505");
  CHECK(contents(target) == before);
  CHECK(apply_batch(applier, batch).entries == 2);
  CHECK(target.difference() == "");
}

TEST_CASE(
    "a value that its column cannot hold stops its batch until the application has changed it") {
  const bool staging = GENERATE(false, true);
  const std::string bad = GENERATE(
      as<std::string>{}, "UPDATE a SET n = 1.5 WHERE id = 1", "UPDATE a SET u = x'00' WHERE id = 1",
      "UPDATE a SET u = 'a' || char(0) || 'b' WHERE id = 1",
      "UPDATE a SET u = CAST(x'c3' AS TEXT) WHERE id = 1", "UPDATE a SET b = 'text' WHERE id = 1",
      "INSERT INTO k VALUES (x'00', 1)", "INSERT INTO k VALUES (CAST(x'ff' AS TEXT), 1)");
  INFO(bad << (staging ? ", staging" : ", small"));
  CapturedSource source(kSchema);
  source.install();
  FollowedTarget target(server(), source);
  target.copy_and_index();
  const Position start = source.position();
  source.app().exec("INSERT INTO a(id) VALUES (10);" + bad);
  const Rows before = contents(target);
  {
    apply::Applier applier = target.applier(target.connection(), staging);
    const ErrorFacts facts = facts_of([&] { (void)apply_batch(applier, source.take().value()); });
    REQUIRE(facts.code == "LS-D401");
    CHECK(facts.exit == ExitCode::stopped);
  }
  REQUIRE(contents(target) == before);
  saw_fault("A24", "HALT: LS-D401 names row and value; nothing of the batch is kept");
  source.app().exec(
      "UPDATE a SET n = 1, u = 'fine', b = x'00' WHERE id = 1; DELETE FROM k WHERE n = 1 AND k <> "
      "'a'");
  source.set_position(start);
  postgres::Connection again = connect(target.dsn());
  apply::Applier applier = target.applier(again, staging);
  CHECK(apply_batch(applier, source.take().value()).position == source.position());
  CHECK(target.difference() == "");
}

TEST_CASE("values of every class arrive bit by bit, by the copy and by both paths of a batch") {
  const std::string schema =
      "CREATE TABLE v(id INTEGER PRIMARY KEY, i INT, r REAL, s TEXT, b BLOB); INSERT INTO v VALUES "
      "(0, 0, 0.5, '', x'');";
  const std::string rows =
      "INSERT INTO v VALUES (-9223372036854775808, 9223372036854775807, 5e-324, "
      "'tab\tnewline\n\\N\"', x'00ff5c'),"
      "(1, -1, 1.7976931348623157e308, 'é😀￿', x''), (2, NULL, NULL, NULL, NULL), (3, 0, "
      "9e999, "
      "'', zeroblob(3000000)),"
      "(4, -9223372036854775808, -9e999, printf('%.*c', 2000000, 'x'), x'27'), (5, 1, 0.1, ' ', "
      "x'2020'),"
      "(6, 2, 0.30000000000000004, 'a ', x'00'), (9223372036854775807, 3, 123456789012345678, "
      "char(127, 160), x'0a');";
  for (const int how : {0, 1, 2}) {
    INFO(how);
    CapturedSource source(schema);
    if (how == 0) source.app().exec(rows);
    source.install();
    FollowedTarget target(server(), source);
    target.copy_and_index();
    if (how > 0) {
      source.app().exec(rows);
      apply::Applier applier = target.applier(target.connection(), how == 2);
      (void)apply_batch(applier, source.take().value());
    }
    CHECK(target.difference() == "");
    CHECK(target.query("SELECT count(*), count(*) FILTER (WHERE r = 'Infinity') FROM public.v") ==
          Rows{{"9", "1"}});
  }
  saw_fault("S28", "GO: bit by bit");
  saw_fault("H11", "GO: values go in binary, as parameters or by COPY, never as SQL text");
}

TEST_CASE("a key that turns from 0.0 to -0.0 stays on the target") {
  const bool staging = GENERATE(false, true);
  CapturedSource source(
      "CREATE TABLE t(k PRIMARY KEY, v INT); INSERT INTO t VALUES (0.0, 1), (1.5, 2);");
  source.install();
  FollowedTarget target(server(), source);
  target.copy_and_index();
  apply::Applier applier = target.applier(target.connection(), staging);
  sqlite::Database database = sqlite::Database::open(source.path(), sqlite::OpenMode::read_write);
  for (const double key : {-0.0, 0.0}) {
    sqlite::Statement update(database, "UPDATE t SET k = ?, v = v + 1 WHERE k = 0.0");
    update.bind(1, ValueView{.kind = ValueClass::real, .real = key}).run();
    (void)apply_batch(applier, source.take().value());
    CHECK(target.query("SELECT count(*) FROM public.t") == Rows{{"2"}});
    CHECK(target.difference() == "");
  }
}

TEST_CASE("before there are keys a batch is merged by delete and insert, and ends the snapshot") {
  CapturedSource source(kSchema);
  source.install();
  FollowedTarget target(server(), source);
  copy_all(source, target.connection());
  apply::move_phase(target.connection(), kMigration, apply::Phase::snapshot, apply::Phase::catchup,
                    false);
  source.app().exec(
      "UPDATE a SET n = 7; DELETE FROM a WHERE id = 2; INSERT INTO k VALUES ('new', 1)");
  CHECK_FALSE(target.ledger()->consistent);
  apply::Applier applier = target.applier(target.connection(), false, false);
  (void)apply_batch(applier, source.take().value());
  CHECK(target.ledger()->consistent);
  CHECK(target.ledger()->phase == apply::Phase::indexing);
  CHECK(target.ledger()->batches == 1);
  target.index();
  CHECK(target.difference() == "");
  CHECK(target.ledger()->phase == apply::Phase::streaming);
  applier.set_keyed(true);
  applier.set_becomes_consistent(false);
  source.app().exec("UPDATE a SET n = 8");
  (void)apply_batch(applier, source.take().value());
  CHECK(target.difference() == "");
  CHECK(target.ledger()->phase == apply::Phase::streaming);
}

}  // namespace lockstep::test
