// Columns of tables that an ORM made whose types are not what lockstep would have made: filled,
// compared, and brought back.
#include <fmt/format.h>

#include "tests/system/existing_world.hpp"

namespace lockstep::test {

using Catch::Contains;

TEST_CASE("what Prisma, Rails and Django make there is filled, compared, and comes back",
          "[system]") {
  const bool super = GENERATE(false, true);
  const TempDir folder;
  const std::string file = folder.file("app.db"), name = super ? "orm_super" : "orm_own";
  sqlite(file, R"(PRAGMA journal_mode = WAL;
CREATE TABLE "Post" ("id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "mood" TEXT NOT NULL DEFAULT 'SAD', "createdAt" DATETIME NOT NULL,
  "from" char(39), "took" bigint, "name" varchar(9), "doc" JSON, CHECK (1));
CREATE TABLE "hours" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "opens" time, "n" integer, "twice" integer GENERATED ALWAYS AS ("n" * 2) VIRTUAL);
INSERT INTO hours(id, opens, n) VALUES (1, '2000-01-01 09:30:00', 1), (2, '2000-01-01 23:59:59.000001', 2);
CREATE UNIQUE INDEX by_name ON "Post" (lower("name"));
CREATE TABLE "Empty" ("id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "at" DATETIME);
CREATE TABLE "_PostToTag" ("A" INTEGER NOT NULL, "B" INTEGER NOT NULL);
CREATE UNIQUE INDEX "_PostToTag_AB_unique" ON "_PostToTag"("A", "B");
CREATE INDEX "_PostToTag_B_index" ON "_PostToTag"("B");
INSERT INTO "Post" VALUES (1, 'SAD', 1704164645678, '10.0.0.1', 93784000005, 'One', '{"a":1}'),
  (2, 'so so', 1704164645000, '2001:db8::1/64', -1, NULL, NULL), (3, 'SAD', 100000000000, NULL, NULL, NULL, NULL);
INSERT INTO "_PostToTag" VALUES (1, 1), (1, 2), (3, 1);
)");
  const std::string dsn = super ? server().create_database(name) : owned_database(name);
  server().query(std::string(super ? "" : "SET ROLE keeper; ") +
                     R"(CREATE TYPE "Mood" AS ENUM ('SAD', 'so so');
CREATE TABLE "Post" (id serial PRIMARY KEY, mood "Mood" NOT NULL DEFAULT 'SAD', "createdAt" timestamp(3) NOT NULL, "from" inet, took interval,
  name varchar(9), doc jsonb);
CREATE UNIQUE INDEX by_name ON "Post" (lower(name));
CREATE TABLE "Empty" (id serial PRIMARY KEY, at timestamp(3));
CREATE TABLE hours (id serial PRIMARY KEY, opens time(6), n integer, twice bigint GENERATED ALWAYS AS (n * 2) STORED);
CREATE TABLE "_PostToTag" ("A" integer NOT NULL REFERENCES "Post" ON DELETE CASCADE, "B" integer NOT NULL);
CREATE UNIQUE INDEX "_PostToTag_AB_unique" ON "_PostToTag"("A", "B"))",
                 name);
  const auto following = start_lockstep({"run", file, dsn, "--quiet"});
  require_caught_up(*following, file);
  const std::string rows =
      "SELECT string_agg(concat_ws('|', id, mood, \"createdAt\", \"from\", took, name, doc), ' ' "
      "ORDER BY id) FROM \"Post\"";
  CHECK(value(rows, name) ==
        "1|SAD|2024-01-02 03:04:05.678|10.0.0.1|1 day 02:03:04.000005|One|{\"a\": 1} "
        "2|so so|2024-01-02 03:04:05|2001:db8::1/64|-00:00:00.000001 3|SAD|1973-03-03 09:46:40");
  // One row, a batch through the staging table, and an empty table's first moment.
  sqlite(file,
         "UPDATE Post SET mood = 'so so', took = 9223372036854775807 WHERE id = 1; DELETE FROM "
         "_PostToTag WHERE A = 1 AND B = 2; UPDATE _PostToTag SET B = 9 WHERE A = 3; INSERT INTO "
         "_PostToTag VALUES (2, 2); INSERT INTO Empty VALUES (1, 0); INSERT INTO hours(opens, n) "
         "VALUES ('2000-01-01 "
         "00:00:00', 3); UPDATE hours SET n = 5 WHERE id = 1");
  sqlite(file,
         "WITH n(i) AS (VALUES (10) UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO Post "
         "SELECT i, 'SAD', 1704164645678 + i, '::' || printf('%x', i), i * 7777777777, NULL, NULL "
         "FROM n");
  require_caught_up(*following, file);
  CHECK(
      value(
          "SELECT string_agg(\"A\" || '-' || \"B\", ' ' ORDER BY \"A\", \"B\") FROM \"_PostToTag\"",
          name) == "1-1 2-2 3-9");
  CHECK(value("SELECT at FROM \"Empty\"", name) == "1970-01-01 00:00:00");
  CHECK(value("SELECT string_agg(opens || '|' || twice, ' ' ORDER BY id) FROM hours", name) ==
        "09:30:00|10 23:59:59.000001|4 00:00:00|6");
  require_code(lockstep({"verify", file, dsn}), 0);
  for (const char* change :
       {"mood = 'SAD'", "\"createdAt\" = \"createdAt\" + interval '1 microsecond' ",
        "\"from\" = '10.0.0.1/24'", "took = took - interval '1 microsecond'", "took = '1 month'"}) {
    INFO(change);
    const std::string guarded = "SET lockstep.guard = off; ";
    const std::string before = "CREATE TABLE aside AS SELECT * FROM \"Post\" WHERE id = 1";
    server().query(before, name);
    if (std::string(change).find("micro") == std::string::npos || change[0] == 't')
      server().query(guarded + "UPDATE \"Post\" SET " + change + " WHERE id = 1", name);
    else  // the column itself would round
      server().query(guarded +
                         "UPDATE \"Post\" SET \"createdAt\" = \"createdAt\" + interval '1 "
                         "millisecond' WHERE id = 1",
                     name);
    require_code(lockstep({"verify", file, dsn}), 4);
    server().query(
        guarded +
            "UPDATE \"Post\" AS p SET mood = a.mood, \"createdAt\" = a.\"createdAt\", "
            "\"from\" = a.\"from\", took = a.took FROM aside AS a WHERE p.id = a.id; DROP "
            "TABLE aside",
        name);
  }
  require_code(lockstep({"verify", file, dsn}), 0);

  move_writers("cutover", file);
  server().query(
      "UPDATE \"Post\" SET mood = 'SAD', \"createdAt\" = '2024-05-06 07:08:09.012', \"from\" = "
      "'::ffff:1.2.3.4', took = '-1 days +23:59:59.999999' WHERE id = 2; INSERT INTO \"Post\" "
      "(mood, "
      "\"createdAt\", \"from\", took) VALUES ('so so', '1969-12-31 23:59:59.999', '10.0.0.0/8', "
      "'36:00:00'); "
      "UPDATE hours SET opens = '10:00', n = 7 WHERE id = 1; DELETE FROM \"_PostToTag\" WHERE "
      "\"A\" = 1; INSERT INTO \"_PostToTag\" VALUES (2, 5)",
      name);
  move_writers("rollback", file);
  CHECK(
      sqlite(file,
             "SELECT group_concat(id || mood || createdAt || \"from\" || took, ' ') FROM (SELECT * "
             "FROM Post WHERE id = 2 OR id > 3000 ORDER BY id)")
          .front() == "2SAD1714979289012::ffff:1.2.3.4-1 3001so so-110.0.0.0/8129600000000");
  CHECK(sqlite(file, "SELECT opens || '|' || twice FROM hours WHERE id = 1").front() ==
        "2000-01-01 10:00:00|14");
  CHECK(sqlite(
            file,
            "SELECT group_concat(A || '-' || B, ' ') FROM (SELECT * FROM _PostToTag ORDER BY 1, 2)")
            .front() == "2-2 2-5 3-9");
  following->signal(SIGTERM);
  CHECK(following->wait_or_throw(20s) == ExitStatus{.code = 143});
  require_code(lockstep({"verify", file, dsn}), 0);
}

// A column of REAL affinity has no integers, so a whole price is in no doubt.
TEST_CASE("prices that SQLite keeps as REAL fill a numeric, compare, and come back", "[system]") {
  const TempDir folder;
  const std::string file = folder.file("app.db"), dsn = server().create_database("prices");
  sqlite(file, R"(PRAGMA journal_mode = WAL;
CREATE TABLE ohlcv(id INTEGER PRIMARY KEY, high REAL NOT NULL DEFAULT 0, low DOUBLE, note TEXT);
INSERT INTO ohlcv VALUES (1, 101, 99.5, 'a'), (2, 101.25, 100, 'b'), (3, 0, NULL, 'c'))");
  server().query(
      "CREATE TABLE ohlcv(id bigint PRIMARY KEY, high numeric(15,4) NOT NULL, low numeric, note "
      "text)",
      "prices");
  const auto following = start_lockstep({"run", file, dsn, "--quiet"});
  require_caught_up(*following, file);
  const auto all = "SELECT string_agg(concat_ws('|', id, high, low), ' ' ORDER BY id) FROM ohlcv";
  CHECK(value(all, "prices") == "1|101.0000|99.5 2|101.2500|100 3|0.0000");
  sqlite(file, "UPDATE ohlcv SET high = 7, low = 7 WHERE id = 3; INSERT INTO ohlcv(id) VALUES (4)");
  sqlite(file,
         "WITH n(i) AS (VALUES (10) UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO "
         "ohlcv SELECT i, i / 4.0, 1000000 * i, NULL FROM n");
  require_caught_up(*following, file);
  require_code(lockstep({"verify", file, dsn}), 0);
  require_equal(file, dsn);
  server().query(
      "SET lockstep.guard = off; UPDATE ohlcv SET low = 1000000.0001 WHERE low = 10000000",
      "prices");
  require_code(lockstep({"verify", file, dsn}), 4);
  require_code(lockstep({"verify", file, dsn, "--repair", "--yes"}), 0);

  move_writers("cutover", file);
  server().query(
      "UPDATE ohlcv SET high = 102, low = 0 WHERE id = 2; UPDATE ohlcv SET low = 50.0625, note = "
      "'x' WHERE id = 1; INSERT INTO ohlcv VALUES (5, 12.0000, 3, 'new'); DELETE FROM ohlcv WHERE "
      "id = 3",
      "prices");
  move_writers("rollback", file);
  CHECK(sqlite(file,
               "SELECT group_concat(id || typeof(high) || high || typeof(low) || low, ' ') FROM "
               "(SELECT id, high, ifnull(low, '-') AS low FROM ohlcv WHERE id < 10 ORDER BY id)")
            .front() == "1real101.0real50.0625 2real102.0real0.0 4real0.0text- 5real12.0real3.0");
  require_caught_up(*following, file);
  following->signal(SIGTERM);
  CHECK(following->wait_or_throw(20s) == ExitStatus{.code = 143});
  require_code(lockstep({"verify", file, dsn}), 0);
  require_equal(file, dsn);
}

TEST_CASE("texts of another collation are filled and compared, until two would be one",
          "[system]") {
  const TempDir folder;
  const std::string file = folder.file("collated.db");
  sqlite(file,
         "PRAGMA journal_mode = WAL; CREATE TABLE t(k TEXT PRIMARY KEY, v TEXT UNIQUE, w TEXT);"
         "INSERT INTO t VALUES ('a', 'x', 'w'), ('B', 'Y', 'W'), ('é', 'y', 'w')");
  const std::string dsn = server().create_database("collated");
  server().query(
      "CREATE COLLATION fold (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
      "CREATE TABLE t (k text COLLATE \"C\" PRIMARY KEY, v varchar(20) COLLATE \"en-x-icu\" "
      "UNIQUE, w text COLLATE fold)",
      "collated");
  const auto follow = [&] { return lockstep({"run", file, dsn, "--until", "caught-up"}); };
  require_code(follow(), 0);
  sqlite(file,
         "UPDATE t SET v = v || '2', w = upper(w); DELETE FROM t WHERE k = 'B'; WITH n(i) AS "
         "(VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO t SELECT 'k' || i, "
         "'v' || i, 'w' FROM n; UPDATE t SET k = 'A' WHERE k = 'a'");
  require_code(follow(), 0);
  require_code(lockstep({"verify", file, dsn}), 0);
  // As a migration of the ORM would; then one that makes a row of two.
  server().query("ALTER TABLE t ALTER v TYPE varchar(20) COLLATE \"C\"", "collated");
  require_code(follow(), 0);
  for (const char* column : {"k", "v"}) {
    server().query(fmt::format("ALTER TABLE t ALTER {} TYPE text COLLATE fold", column),
                   "collated");
    const Outcome halted = follow();
    require_code(halted, 7);
    CHECK_THAT(everything(halted),
               Contains("LS-T214") && Contains(fmt::format("t.{} has COLLATE fold", column)));
    server().query(fmt::format("ALTER TABLE t ALTER {} TYPE {}", column,
                               column[0] == 'k' ? "text COLLATE \"C\"" : "varchar(20)"),
                   "collated");
  }
  // Beside the key's own, which ON CONFLICT would take for it.
  server().query("CREATE UNIQUE INDEX folded ON t (k COLLATE fold)", "collated");
  const Outcome halted = follow();
  require_code(halted, 7);
  CHECK_THAT(everything(halted), Contains("LS-T214") && Contains("t has a unique index folded"));
  server().query("DROP INDEX folded", "collated");
  require_code(follow(), 0);
}

TEST_CASE("a label that an enum type gets later is taken from the next start on", "[system]") {
  const TempDir folder;
  const std::string file = folder.file("app.db");
  sqlite(file,
         "CREATE TABLE t(id INTEGER PRIMARY KEY, mood TEXT); INSERT INTO t VALUES (1, 'sad')");
  const std::string dsn = server().create_database("labels");
  server().query(
      "CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE t(id bigint PRIMARY KEY, mood mood)",
      "labels");
  const std::vector<std::string> run{"run", file, dsn, "--until", "caught-up"};
  require_code(lockstep(run), 0);
  sqlite(file, "INSERT INTO t VALUES (2, 'glad')");
  const Outcome stopped = lockstep(run);
  require_code(stopped, 7);
  CHECK_THAT(everything(stopped), Contains("LS-D401") && Contains("none of the type's labels"));
  server().query("ALTER TYPE mood ADD VALUE 'glad'", "labels");
  require_code(lockstep(run), 0);
  CHECK(value("SELECT string_agg(mood::text, ' ' ORDER BY id) FROM t", "labels") == "sad glad");
  require_code(lockstep({"verify", file, dsn}), 0);
}

TEST_CASE("intervals that SQLAlchemy writes as instants are intervals there, and come back",
          "[system]") {
  const TempDir folder;
  const std::string file = folder.file("app.db"), name = "since1970";
  sqlite(file,
         "PRAGMA journal_mode = WAL; CREATE TABLE job(id INTEGER PRIMARY KEY, took DATETIME);"
         "INSERT INTO job VALUES (1, '1970-01-02 00:00:00.000000'), (2, '1969-12-31 "
         "23:59:59.999999'), (3, NULL), (4, '0001-01-01 00:00:00.000000'), (5, '9999-12-31 "
         "23:59:59.999999')");
  const std::string dsn = server().create_database(name);
  server().query("CREATE TABLE job(id bigint PRIMARY KEY, took interval)", name);
  const auto following = start_lockstep({"run", file, dsn, "--quiet"});
  require_caught_up(*following, file);
  CHECK(value("SELECT string_agg(coalesce(took::text, '-'), '|' ORDER BY id) FROM job", name) ==
        "1 day|-00:00:00.000001|-|-719162 days|2932896 days 23:59:59.999999");
  sqlite(file, "UPDATE job SET took = '1970-01-01 12:00:00.000001' WHERE id = 1");
  sqlite(file,
         "WITH n(i) AS (VALUES (10) UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO job "
         "SELECT i, strftime('%Y-%m-%d %H:%M:%f000', i * 7777.123, 'unixepoch') FROM n");
  require_caught_up(*following, file);
  CHECK(value("SELECT took FROM job WHERE id = 1", name) == "12:00:00.000001");
  require_code(lockstep({"verify", file, dsn}), 0);
  for (const char* other : {"took + interval '1 microsecond'", "interval '1 month'", "NULL",
                            "interval '9999 years'", "interval '100000000 years'"}) {
    INFO(other);
    server().query(
        fmt::format("SET lockstep.guard = off; UPDATE job SET took = {} WHERE id = 1", other),
        name);
    require_code(lockstep({"verify", file, dsn}), 4);
    server().query("SET lockstep.guard = off; UPDATE job SET took = '12:00:00.000001' WHERE id = 1",
                   name);
  }
  // 24 hours are a day.
  server().query(
      "SET lockstep.guard = off; UPDATE job SET took = '719161 days 24:00:00' WHERE id = 4;"
      "UPDATE job SET took = -took WHERE id = 4",
      name);
  require_code(lockstep({"verify", file, dsn}), 0);
  move_writers("cutover", file);
  server().query("UPDATE job SET took = '1 month' WHERE id = 3", name);
  REQUIRE(wait_until(
      [&] {
        return lockstep({"status", file}).output.find("LS-X606") != std::string::npos;
      },
      30s));
  server().query(
      "UPDATE job SET took = '36:00:00' WHERE id = 3; UPDATE job SET took = '-1 day "
      "+00:00:01' WHERE id = 2",
      name);
  move_writers("rollback", file);
  CHECK(
      sqlite(file,
             "SELECT group_concat(took, '|') FROM (SELECT took FROM job WHERE id < 6 ORDER BY id)")
          .front() ==
      "1970-01-01 12:00:00.000001|1969-12-31 00:00:01.000000|1970-01-02 12:00:00.000000|0001-01-01 "
      "00:00:00.000000|9999-12-31 23:59:59.999999");
  following->signal(SIGTERM);
  CHECK(following->wait_or_throw(20s) == ExitStatus{.code = 143});
  require_code(lockstep({"verify", file, dsn}), 0);
}

}  // namespace lockstep::test
