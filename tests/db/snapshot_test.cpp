// The copy: slices of a table that changes meanwhile, and chunks that are loaded once.
#include <fmt/format.h>

#include <array>
#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "link/sqlite/scan.hpp"
#include "link/sqlite/shape.hpp"
#include "tests/support/followed_target.hpp"
#include "tests/support/seed.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

// In each of them rows are numbered by column n.
const std::vector<std::string> kTables{
    "CREATE TABLE t(n INT UNIQUE, k INTEGER PRIMARY KEY, j TEXT)",
    "CREATE TABLE t(n INT UNIQUE, k TEXT, j INT, PRIMARY KEY(k, j))",
    "CREATE TABLE t(n INT UNIQUE, k TEXT, j INT, PRIMARY KEY(k, j)) WITHOUT ROWID",
    "CREATE TABLE t(n INT UNIQUE, k INT, j INT, PRIMARY KEY(k DESC, j)) WITHOUT ROWID",
    "CREATE TABLE t(n INT UNIQUE, k INT, j TEXT, PRIMARY KEY(k, j DESC)) WITHOUT ROWID",
    "CREATE TABLE t(n INT UNIQUE, k TEXT COLLATE NOCASE, j TEXT, PRIMARY KEY(j DESC, k)) WITHOUT "
    "ROWID",
    "CREATE TABLE t(n INT UNIQUE, k BLOB, j REAL, PRIMARY KEY(k, j DESC)) WITHOUT ROWID"};

/// Row n, with keys that collide in their first part and lie in another order than n.
std::string insert(std::int64_t n) {
  const std::int64_t mixed = n * 7919 % 100'003;
  return fmt::format(
      "INSERT OR IGNORE INTO t(n, k, j) SELECT {0}, CASE lower(type) WHEN 'integer' THEN {1} WHEN "
      "'int' "
      "THEN {2} WHEN 'blob' THEN CAST('{2}' AS BLOB) ELSE substr('aAbBcCdDeE', {2} + 1, 1) END, "
      "{0} "
      "FROM pragma_table_info('t') WHERE name = 'k'",
      n, mixed, mixed % 10);
}

sqlite::SliceLimits tiny_slices(std::size_t rows) {
  sqlite::SliceLimits limits;
  limits.bytes_max = rows;  // the visitors here say that each row is a byte
  return limits;
}

}  // namespace

TEST_CASE(
    "every row that nobody touches is read exactly once, whatever is written between slices") {
  const std::string table = GENERATE(from_range(kTables));
  const std::string journal = GENERATE(as<std::string>{}, "WAL", "DELETE");
  INFO(table << ", " << journal);
  const TempDir folder;
  Application app(folder.file("a"));
  app.exec("PRAGMA journal_mode=" + journal + ";" + table);
  constexpr std::int64_t kRows = 300;
  app.exec("BEGIN");
  for (std::int64_t n = 0; n < kRows; ++n) app.exec(insert(n));
  app.exec("COMMIT");
  REQUIRE(app.value("SELECT count(*) FROM t") == std::to_string(kRows));

  sqlite::Database database = sqlite::Database::open(folder.file("a"), sqlite::OpenMode::read_only);
  const TableShape shape = sqlite::read_shape(database, "t");
  std::mt19937_64 random(test_seed());
  std::map<std::int64_t, int> seen;
  std::set<std::int64_t> touched;
  const sqlite::Scan::Visit visit = [&](const sqlite::Statement& row) {
    ++seen[row.integer(0)];
    return std::size_t{1};
  };
  auto scan =
      std::make_unique<sqlite::Scan>(database, shape, std::nullopt, tiny_slices(1 + random() % 9));
  std::int64_t next = kRows;
  int slices = 0;
  while (scan->slice(visit)) {
    ++slices;
    for (int i = 0; i < 3; ++i) {
      const auto gone = static_cast<std::int64_t>(random() % kRows);
      app.exec(fmt::format("DELETE FROM t WHERE n = {}", gone));
      touched.insert(gone);
      app.exec(insert(next));
      touched.insert(next++);
    }
    // As after a crash: only the cursor is left.
    if (random() % 4 == 0)
      scan = std::make_unique<sqlite::Scan>(database, shape, scan->cursor(),
                                            tiny_slices(1 + random() % 9));
  }
  CHECK(slices > 20);
  for (std::int64_t n = 0; n < kRows; ++n) {
    INFO("row " << n);
    CHECK(seen[n] <= 1);
    if (!touched.contains(n)) CHECK(seen[n] == 1);
  }
}

TEST_CASE("a scan of an untouched table counts its rows and ends") {
  const TempDir folder;
  Application app(folder.file("a"));
  app.exec("CREATE TABLE t(k TEXT PRIMARY KEY) WITHOUT ROWID");
  sqlite::Database database = sqlite::Database::open(folder.file("a"), sqlite::OpenMode::read_only);
  const TableShape shape = sqlite::read_shape(database, "t");
  const sqlite::Scan::Visit visit = [](const sqlite::Statement&) { return std::size_t{1}; };
  sqlite::Scan empty(database, shape, std::nullopt, tiny_slices(2));
  CHECK_FALSE(empty.slice(visit));
  CHECK(empty.rows() == 0);
  CHECK_FALSE(empty.cursor());
  app.exec("INSERT INTO t VALUES ('a'), ('b'), ('c')");
  sqlite::Scan scan(database, shape, std::nullopt, tiny_slices(2));
  CHECK(scan.slice(visit));
  CHECK(scan.rows() == 2);
  REQUIRE(scan.cursor());
  CHECK(describe(scan.cursor()->at(0).view()) == "'b'");
  CHECK_FALSE(scan.slice(visit));
  CHECK(scan.rows() == 3);
}

TEST_CASE("a census counts classes, NULLs, bad texts and lengths of every row") {
  const TempDir folder;
  Application app(folder.file("a"));
  app.exec(
      "CREATE TABLE t(id INTEGER PRIMARY KEY, v);"
      "INSERT INTO t(v) VALUES (1), (NULL), ('a'), ('a' || char(0)), (CAST(x'ff' AS TEXT)), "
      "(x'ff'), (1.5),"
      "(NULL), ('longest')");
  sqlite::Database database = sqlite::Database::open(folder.file("a"), sqlite::OpenMode::read_only);
  const TableShape shape = sqlite::read_shape(database, "t");
  sqlite::SliceLimits limits;
  limits.pace.slice_wal = limits.pace.slice_journal = Milliseconds{0};
  std::uint64_t told = 0;
  const TableCensus census =
      snapshot::take_census(database, shape, limits, [&](std::uint64_t rows) { told = rows; });
  CHECK(census.rows == 9);
  CHECK(told == 9);
  REQUIRE(census.columns.size() == 2);
  CHECK(census.columns[0].count == std::array<std::uint64_t, 5>{0, 9, 0, 0, 0});
  const ColumnCensus& v = census.columns[1];
  CHECK(v.count == std::array<std::uint64_t, 5>{2, 1, 1, 4, 1});
  CHECK(v.nul_texts == 1);
  CHECK(v.invalid_texts == 1);
  CHECK(v.bytes_max == 7);
  CHECK(v.example[static_cast<std::size_t>(ValueClass::real)] == "id=7, 1.5");
  CHECK(v.bad_text_example == "id=4, 'a\\x00'");
}

TEST_CASE("a large table is counted by two readers, each row once") {
  // The middle of the rowids is a row, is between rows, has nothing behind it, or nothing before it
  // but one row.
  const std::string rows = GENERATE(as<std::string>{}, "SELECT i * 100, i FROM n WHERE i <= 2001",
                                    "SELECT i * 100 + (i % 7), i FROM n WHERE i <= 2000",
                                    "SELECT iif(i = 1, 1, 400000 + i), i FROM n WHERE i <= 3000",
                                    "SELECT iif(i = 3000, 400000, i), i FROM n WHERE i <= 3000");
  INFO(rows);
  const TempDir folder;
  Application app(folder.file("a"));
  app.exec(
      "PRAGMA journal_mode = wal; CREATE TABLE t(id INTEGER PRIMARY KEY, v);"
      "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < "
      "4000) " +
      rows +
      "; UPDATE t SET v = 'long text' WHERE id = (SELECT max(id) FROM t);"
      "UPDATE t SET v = 1.5 WHERE id = (SELECT min(id) FROM t);");
  sqlite::Database database = sqlite::Database::open(folder.file("a"), sqlite::OpenMode::read_only);
  const TableShape shape = sqlite::read_shape(database, "t");
  const TableCensus census = snapshot::take_census(database, shape, {}, [](std::uint64_t) {});
  const auto count = static_cast<std::uint64_t>(std::stoll(app.value("SELECT count(*) FROM t")));
  CHECK(census.rows == count);
  CHECK(census.columns[0].count == std::array<std::uint64_t, 5>{0, count, 0, 0, 0});
  CHECK(census.columns[1].count == std::array<std::uint64_t, 5>{0, count - 2, 1, 1, 0});
  CHECK(census.columns[1].bytes_max == 9);
}

TEST_CASE("both readers of a large table count reals that numeric could not tell from integers") {
  const TempDir folder;
  Application app(folder.file("a"));
  app.exec(
      "PRAGMA journal_mode = wal; CREATE TABLE t(id INTEGER PRIMARY KEY, v);"
      "INSERT INTO t VALUES (1, 5.5), (2, 5.0), (3, 5), (200000, -0.0), (200001, 6.0), (200002, "
      "9e999);"
      "PRAGMA writable_schema = 1; UPDATE sqlite_master SET sql = 'CREATE TABLE t(id INTEGER "
      "PRIMARY KEY, v NUMERIC)' WHERE name = 't'");
  sqlite::Database database = sqlite::Database::open(folder.file("a"), sqlite::OpenMode::read_only);
  const TableShape shape = sqlite::read_shape(database, "t");
  const TableCensus census = snapshot::take_census(database, shape, {}, [](std::uint64_t) {});
  CHECK(census.columns[1].whole_reals == 3);
  CHECK(census.columns[1].whole_real_example == "id=2, 5.0");
}

namespace {

constexpr char kShop[] =
    "CREATE TABLE a(id INTEGER PRIMARY KEY, v TEXT); CREATE TABLE b(k TEXT PRIMARY KEY) WITHOUT "
    "ROWID;"
    "CREATE TABLE empty(k TEXT PRIMARY KEY); CREATE TABLE keyless(v, w INT);"
    "INSERT INTO a WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) "
    "SELECT i, 'v' || i FROM n;"
    "INSERT INTO b SELECT 'k' || id FROM a; INSERT INTO keyless SELECT 'same', NULL FROM a;";

snapshot::ReaderLimits small_chunks() {
  snapshot::ReaderLimits limits;
  limits.slice.bytes_max = 400;
  limits.chunk_bytes_target = 2'000;
  return limits;
}

struct Chunk {
  std::string entries;
  wire::ChunkEnd end;
};

std::vector<Chunk> chunks_of(CapturedSource& source, std::uint32_t table,
                             std::optional<std::vector<Value>> after = std::nullopt) {
  snapshot::Reader reader(sqlite::Database::open(source.path(), sqlite::OpenMode::read_only),
                          source.plans(), small_chunks());
  reader.request({{table, std::move(after), std::nullopt}});
  std::vector<Chunk> chunks(1);
  while (!reader.done()) {
    snapshot::Reader::Slice slice = reader.slice();
    chunks.back().entries += slice.entries;
    if (!slice.chunk_end) continue;
    chunks.back().end = *slice.chunk_end;
    chunks.emplace_back();
  }
  chunks.pop_back();
  return chunks;
}

}  // namespace

TEST_CASE("chunks of every table arrive once, also when the copy starts again after each") {
  CapturedSource source(kShop);
  source.install();
  FollowedTarget target(server(), source);
  for (std::uint32_t table = 1; table <= 4; ++table) {
    bool done = false;
    int sessions = 0;
    while (!done) {
      postgres::Connection connection = connect(target.dsn());
      const apply::LedgerTable at = apply::read_tables(connection, kMigration).at(table - 1);
      REQUIRE(at.parts.size() == 1);
      const std::string& cursor = at.parts[0].cursor;
      const auto after = cursor.empty() ? std::nullopt : std::optional(wire::decode_key(cursor));
      const std::vector<Chunk> chunks = chunks_of(source, table, after);
      snapshot::Loader loader(connection, kMigration, "public", at.plan, 0, cursor);
      loader.rows(chunks[0].entries);
      loader.chunk_end(chunks[0].end);
      done = chunks[0].end.done;
      if (!done) loader.rows(chunks[1].entries);  // and then the session dies
      ++sessions;
    }
    CHECK(sessions > (table == 3 ? 0 : 2));
  }
  CHECK(target.difference() == "");
  const std::vector<apply::LedgerTable> tables =
      apply::read_tables(target.connection(), kMigration);
  CHECK(tables[0].rows == 500);
  CHECK(tables[2].rows == 0);
  for (const apply::LedgerTable& table : tables) CHECK(table.copied);
}

TEST_CASE("a chunk that comes twice is refused as a whole") {
  CapturedSource source(kShop);
  source.install();
  FollowedTarget target(server(), source);
  const std::vector<Chunk> chunks = chunks_of(source, 1);
  REQUIRE(chunks.size() > 2);
  const auto load = [&](const std::string& cursor, const Chunk& chunk) {
    postgres::Connection connection = connect(target.dsn());
    snapshot::Loader loader(connection, kMigration, "public", source.plans()[0], 0, cursor);
    return facts_of([&] {
      loader.rows(chunk.entries);
      loader.chunk_end(chunk.end);
    });
  };
  const auto rows = [&] {
    return target.query(
        "SELECT count(*)::text || ' ' || (SELECT rows FROM lockstep.ledger_parts "
        "WHERE id = 1) FROM public.a");
  };
  const std::string first = fmt::format("{0} {0}", chunks[0].end.rows);
  CHECK(load("", chunks[0]).code == "none");
  CHECK(rows() == Rows{{first}});
  CHECK(load("", chunks[0]).code == "LS-R706");
  CHECK(load("", chunks[0]).retry == Retry::new_session);
  CHECK(load(wire::encode_key(chunks[1].end.last), chunks[2]).code == "LS-R706");
  CHECK(rows() == Rows{{first}});
  CHECK(load(wire::encode_key(chunks[0].end.last), chunks[1]).code == "none");
  CHECK(rows() == Rows{{fmt::format("{0} {0}", chunks[0].end.rows + chunks[1].end.rows)}});
  // A table that is done takes nothing more, not even nothing.
  const Chunk nothing{"", {.part = 0, .last = {}, .rows = 0, .done = true}};
  const auto finish = [&] {
    postgres::Connection connection = connect(target.dsn());
    snapshot::Loader loader(connection, kMigration, "public", source.plans()[2], 0, "");
    return facts_of([&] { loader.chunk_end(nothing.end); }).code;
  };
  CHECK(finish() == "none");
  CHECK(finish() == "LS-R706");
}

TEST_CASE("a chunk with a misfit, a foreign row or a wrong count leaves nothing") {
  CapturedSource source(kShop);
  source.install();
  FollowedTarget target(server(), source);
  Chunk chunk = chunks_of(source, 1).at(0);
  const auto load = [&](const std::string& entries, const wire::ChunkEnd& end) {
    postgres::Connection connection = connect(target.dsn());
    snapshot::Loader loader(connection, kMigration, "public", source.plans()[0], 0, "");
    const ErrorFacts facts = facts_of([&] {
      loader.rows(entries);
      loader.chunk_end(end);
    });
    return facts;
  };
  std::string misfit = chunk.entries;
  EntryWriter writer(misfit);
  writer.begin(1, true);
  writer.put({.kind = ValueClass::integer, .integer = 1'000});
  writer.put({.kind = ValueClass::blob, .bytes = "x"});
  writer.end();
  const ErrorFacts facts = load(misfit, chunk.end);
  CHECK(facts.code == "LS-D401");
  CHECK_THAT(facts.what, Catch::Contains("a.v") && Catch::Contains("id=1000"));
  CHECK(load(chunks_of(source, 2).at(0).entries, chunk.end).code == "LS-W501");
  wire::ChunkEnd wrong = chunk.end;
  ++wrong.rows;
  CHECK(load(chunk.entries, wrong).code == "LS-W501");
  CHECK(load(chunk.entries.substr(0, chunk.entries.size() - 1), chunk.end).code == "LS-W501");
  CHECK(target.query("SELECT count(*) FROM public.a") == Rows{{"0"}});
  CHECK(apply::read_tables(target.connection(), kMigration)[0].parts[0].cursor.empty());
  CHECK(load(chunk.entries, chunk.end).code == "none");
}

TEST_CASE("a copy while the application writes, and one batch after it, make both sides equal") {
  const std::string journal = GENERATE(as<std::string>{}, "WAL", "DELETE");
  CapturedSource source(kShop, journal);
  source.install();
  FollowedTarget target(server(), source);
  std::mt19937_64 random(test_seed() + 7);
  for (std::uint32_t table = 1; table <= 4; ++table) {
    snapshot::Reader reader(sqlite::Database::open(source.path(), sqlite::OpenMode::read_only),
                            source.plans(), small_chunks());
    reader.request({{table, std::nullopt, std::nullopt}});
    snapshot::Loader loader(target.connection(), kMigration, "public", source.plans()[table - 1], 0,
                            "");
    while (!reader.done()) {
      const snapshot::Reader::Slice slice = reader.slice();
      loader.rows(slice.entries);
      if (slice.chunk_end) loader.chunk_end(*slice.chunk_end);
      // Rows move from what has been read to what has not, and the other way round.
      source.app().exec(fmt::format(
          "UPDATE OR REPLACE a SET id = {} WHERE id = {}; DELETE FROM b WHERE k = 'k{}';"
          "INSERT OR IGNORE INTO empty VALUES ('e{}'); UPDATE a SET v = v || '+' WHERE id % 9 = 1;"
          "UPDATE OR REPLACE keyless SET rowid = {}, w = {} WHERE rowid = {}",
          random() % 600, random() % 600, random() % 500, random() % 20, random() % 600,
          random() % 3, random() % 600));
    }
  }
  apply::move_phase(target.connection(), kMigration, apply::Phase::snapshot, apply::Phase::catchup,
                    false);
  apply::Applier applier = target.applier(target.connection(), false, false);
  (void)apply_batch(applier, source.take().value());
  CHECK(target.difference() == "");
  target.index();
}

TEST_CASE("a copy of a table that is not in the plan is refused") {
  CapturedSource source(kShop);
  source.install();
  snapshot::Reader reader(sqlite::Database::open(source.path(), sqlite::OpenMode::read_only),
                          source.plans(), {});
  CHECK(facts_of([&] { reader.request({{9, std::nullopt, std::nullopt}}); }).code == "LS-W505");
}

}  // namespace lockstep::test
