// Migrations that rewrite rows and fire no trigger: whatever the table looks like afterwards, it is
// read anew. What only looks like one costs nothing.
#include <filesystem>

#include "tests/support/application.hpp"
#include "tests/system/followed.hpp"

namespace lockstep::test {
namespace {

using Catch::Contains;

PostgresServer& server() {
  static PostgresServer one{{"fsync=off"}};
  return one;
}

constexpr char kOtherDefault[] =
    "BEGIN; ALTER TABLE a DROP COLUMN n; ALTER TABLE a ADD COLUMN n INT DEFAULT 5; COMMIT";
constexpr char kDrop[] = "ALTER TABLE a DROP COLUMN n";
constexpr char kAdd[] = "ALTER TABLE a ADD COLUMN n INT";

std::string value(const Followed& source, const std::string& sql) {
  return query(source.dsn(), sql).at(0).at(0).value_or("NULL");
}

void nothing_old_stays(Followed& source) {
  source.caught_up();
  source.write("UPDATE a SET u = u || '!' WHERE id = 1; INSERT INTO a(u) VALUES ('late')");
  source.caught_up();
}

}  // namespace

TEST_CASE("a column that goes and comes again takes its values along, seen or unseen", "[system]") {
  SECTION("in one transaction, with another DEFAULT") {
    Followed source("gone_default", server().create_database("gone_default"));
    source.start_and_catch_up();
    source.write(kOtherDefault);
    nothing_old_stays(source);
    CHECK(value(source, "SELECT string_agg(n::text, ',') FROM a WHERE id < 4") == "5,5,5");
    CHECK(source.status()["resyncs"] == 1);
    source.stop();
  }
  SECTION("in one transaction, with a CHECK") {
    Followed source("gone_check", server().create_database("gone_check"));
    source.start_and_catch_up();
    source.write(
        "BEGIN; ALTER TABLE a DROP COLUMN n; ALTER TABLE a ADD COLUMN n INT CHECK (n < 9); COMMIT");
    nothing_old_stays(source);
    CHECK(value(source, "SELECT count(n) FROM a") == "0");
    source.stop();
  }
  SECTION("while it is held") {
    Followed source("gone_held", server().create_database("gone_held"));
    source.start_and_catch_up();
    require_code(lockstep({"ddl", "hold", source.file()}), 0);
    source.write(kDrop);
    static_cast<void>(source.awaits("LS-S317"));
    source.write(kAdd);
    require_code(lockstep({"ddl", "accept", source.file()}), 0);
    nothing_old_stays(source);
    CHECK(value(source, "SELECT count(n) FROM a") == "0");
    source.stop();
  }
  SECTION("after lockstep had asked") {
    Followed source("gone_asked", server().create_database("gone_asked"));
    source.start_and_catch_up();
    source.write(kDrop);
    source.halts(7, "LS-S306", {"column n was dropped or renamed"});
    source.write(kAdd);
    source.start();
    nothing_old_stays(source);
    CHECK(value(source, "SELECT count(n) FROM a") == "0");
    source.stop();
  }
  SECTION("while no lockstep runs") {
    const std::string sql =
        GENERATE(as<std::string>{}, std::string(kDrop) + ";" + kAdd, std::string(kOtherDefault));
    const std::string name = sql == kOtherDefault ? "gone_away_default" : "gone_away";
    Followed source(name, server().create_database(name));
    source.start_and_catch_up();
    source.stop();
    source.write(sql);
    source.start();
    nothing_old_stays(source);
    source.stop();
    CHECK((source.process().error_output().find("LS-S335") != std::string::npos) ==
          (name == "gone_away"));
  }
}

TEST_CASE("a table's last column that goes and comes again word by word is read anew by itself",
          "[system]") {
  const std::string name = GENERATE(as<std::string>{}, "words_one", "words_two", "words_filled");
  Followed source(name, server().create_database(name));
  source.write(
      "CREATE TABLE far(id INTEGER PRIMARY KEY, v TEXT, w INT); INSERT INTO far WITH RECURSIVE "
      "c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 5000) SELECT i, 'v' || i, 7 FROM "
      "c; UPDATE far SET w = id WHERE id BETWEEN 2000 AND 3000;"
      "CREATE TABLE told(id INTEGER PRIMARY KEY, v TEXT, w INT NOT NULL); INSERT INTO told SELECT "
      "* "
      "FROM far");
  source.start_and_catch_up();
  const std::string other = "ALTER TABLE b DROP COLUMN n; ALTER TABLE b ADD COLUMN n INT;";
  if (name == "words_one") source.write(std::string("BEGIN;") + kDrop + ";" + kAdd + "; COMMIT");
  if (name == "words_two")
    source.write(std::string("BEGIN; UPDATE a SET n = 5 WHERE id = 2;") + kDrop + ";" + kAdd + ";" +
                 other + "INSERT INTO a(u, n) VALUES ('x', 77), ('y', 88); COMMIT");
  if (name == "words_filled")
    source.write(std::string("BEGIN;") + kDrop + ";" + kAdd +
                 "; UPDATE a SET n = 9 WHERE id = 1; COMMIT");
  nothing_old_stays(source);
  CHECK(value(source, "SELECT count(n) FROM a WHERE id BETWEEN 2 AND 3") == "0");
  CHECK(source.process().error_output().find("LS-S335") != std::string::npos);
  // b has its values at one end of the list of keys only if it was not emptied; far is all one at
  // both its ends, told is not to be dropped from.
  CHECK(source.status()["resyncs"] == (name == "words_two" ? 3 : 2));
  source.stop();
}

TEST_CASE(
    "an index that comes and goes has no table read anew that can show it was none of its own",
    "[system]") {
  Followed source("came_index", server().create_database("came_index"));
  source.write(
      "INSERT INTO b VALUES ('c', 3), ('d', 4); INSERT INTO a(u, n) VALUES ('d', 4), ('e', 5), "
      "('f', 6)");
  source.start_and_catch_up();
  for (int time = 0; time < 3; ++time) {
    source.write(
        "BEGIN; UPDATE a SET u = u || '.' WHERE id = 3; CREATE INDEX once ON b(n); DROP INDEX "
        "once; COMMIT");
    source.caught_up();
  }
  CHECK(source.process().error_output().find("LS-S335") != std::string::npos);
  CHECK(source.status()["resyncs"] == 0);
  source.stop();
}

TEST_CASE("a generated column that is computed otherwise is so on the target, in old rows too",
          "[system]") {
  const bool running = GENERATE(true, false);
  const std::string name = running ? "computed" : "computed_away";
  Followed source(name, server().create_database(name));
  source.write(
      "CREATE TABLE there(id INTEGER PRIMARY KEY, a TEXT NOT NULL, b TEXT NOT NULL, c TEXT AS (a "
      "|| "
      "b) VIRTUAL); INSERT INTO there(id, a, b) VALUES (1, 'x', 'y'), (2, 'u', 'v');"
      "CREATE TABLE carried(id INTEGER PRIMARY KEY, p INT, q INT, c INT AS (p * q) VIRTUAL);"
      "INSERT INTO carried(id, p, q) VALUES (1, 2, 3), (2, 4, 5)");
  source.start_and_catch_up();
  if (!running) source.stop();
  source.write(
      "BEGIN; ALTER TABLE there DROP COLUMN c; ALTER TABLE there ADD COLUMN c TEXT AS (b || a) "
      "VIRTUAL; COMMIT; BEGIN; ALTER TABLE carried DROP COLUMN c; ALTER TABLE carried ADD COLUMN c "
      "INT AS (p * q * 100) VIRTUAL; COMMIT");
  if (!running) source.start();
  source.caught_up();
  source.write(
      "INSERT INTO there(id, a, b) VALUES (3, 'm', 'n'); INSERT INTO carried(id, p, q) VALUES (3, "
      "6, 7); UPDATE there SET a = 'X' WHERE id = 1");
  source.caught_up();
  CHECK(value(source, "SELECT string_agg(c, ',' ORDER BY id) FROM there") == "yX,vu,nm");
  CHECK(value(source, "SELECT string_agg(c::text, ',' ORDER BY id) FROM carried") ==
        "600,2000,4200");
  source.stop();
}

TEST_CASE("a DEFAULT that changes where it stands is the value of rows older than its column",
          "[system]") {
  Followed source("stands", server().create_database("stands"));
  source.write("ALTER TABLE a ADD COLUMN f INT DEFAULT 0");
  source.start_and_catch_up();
  source.write(
      "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = replace(sql, 'DEFAULT 0', "
      "'DEFAULT 7') WHERE name = 'a'; PRAGMA writable_schema = RESET");
  const std::string version = sqlite(source.file(), "PRAGMA schema_version").at(0);
  source.write("PRAGMA schema_version = " + std::to_string(std::stoi(version) + 1));
  nothing_old_stays(source);
  CHECK(value(source, "SELECT string_agg(f::text, ',') FROM a WHERE id < 4") == "7,7,7");
  source.stop();
}

TEST_CASE("what REPLACE took by an index that came and went while nobody ran is not kept",
          "[system]") {
  Followed source("away_index", server().create_database("away_index"));
  source.start_and_catch_up();
  source.stop();
  source.write(
      "CREATE UNIQUE INDEX once ON b(n); INSERT OR REPLACE INTO b VALUES ('new', 1); DROP INDEX "
      "once");
  source.start();
  source.caught_up();
  source.stop();
  CHECK_THAT(source.process().error_output(), Contains("LS-S335"));
}

TEST_CASE("a restart without any of this reads nothing anew, nor does one behind VACUUM",
          "[system]") {
  const std::string sql =
      GENERATE(as<std::string>{}, "UPDATE a SET n = n + 1", "VACUUM", "CREATE VIEW v AS SELECT 1",
               "CREATE TABLE x(v); INSERT INTO x VALUES (1); DROP TABLE x; VACUUM");
  INFO(sql);
  static int restarts = 0;
  const std::string name = "plain_restart_" + std::to_string(++restarts);
  Followed source(name, server().create_database(name));
  source.start_and_catch_up();
  // Also behind what was followed, asked about and accepted.
  source.write("ALTER TABLE b ADD COLUMN later TEXT; CREATE INDEX b_n ON b(n)");
  source.caught_up();
  source.stop();
  source.start_and_catch_up();
  source.stop();
  const bool unseen = sql.find("DROP TABLE") != std::string::npos;  // two steps that left nothing
  source.write(sql);
  source.start_and_catch_up();
  CHECK(source.status()["resyncs"] == (unseen ? 2 : 0));
  source.stop();
  source.start_and_catch_up();
  CHECK(source.status()["resyncs"] == 0);
  source.stop();
}

TEST_CASE("the fence of a cutover has no table without a key read anew, VACUUM beside it has",
          "[system]") {
  const bool vacuum = GENERATE(false, true);
  const std::string name = vacuum ? "fence_vacuum" : "fence_alone";
  Followed source(name, server().create_database(name));
  source.write("CREATE TABLE bare(v TEXT, n INT); INSERT INTO bare VALUES ('a', 1), ('b', 2)");
  source.start_and_catch_up();
  if (vacuum) source.write("DELETE FROM bare WHERE v = 'a'; VACUUM");
  require_code(lockstep({"cutover", source.file(), "--confirm", name, "--max-pause", "5s",
                         "--when-ready", "--verify-max-age", "0", "--accept-unsafe-server"}),
               0);
  const std::string said = source.process().error_output();
  INFO(said);
  CHECK((said.find("reading bare anew") != std::string::npos) == vacuum);
  CHECK(value(source, "SELECT string_agg(v, '') FROM bare") == (vacuum ? "b" : "ab"));
  source.stop();
}

TEST_CASE("a table that comes again under its name is looked at again", "[system]") {
  Followed source("again", server().create_database("again"));
  source.start_and_catch_up();
  const auto rows = [&](const std::string& table) {
    return wait_until(
        [&] {
          return value(source, "SELECT to_regclass('" + table + "') IS NOT NULL") == "t" &&
                 value(source, "SELECT count(*) FROM " + table) == "2";
        },
        20s, 20ms);
  };
  // Refused, dropped, and made rightly.
  source.write("CREATE TABLE y(id INTEGER PRIMARY KEY, v); INSERT INTO y VALUES (1, 1), (2, 't')");
  REQUIRE(wait_until(
      [&] { return source.process().error_output().find("y is a new table") != std::string::npos; },
      20s, 20ms));
  source.write(
      "DROP TABLE y; CREATE TABLE y(id INTEGER PRIMARY KEY, v INT); INSERT INTO y VALUES (1, 1), "
      "(2, "
      "2)");
  CHECK(rows("y"));
  // Followed, dropped, and made again.
  source.write("CREATE TABLE x(id INTEGER PRIMARY KEY); INSERT INTO x VALUES (1), (2)");
  CHECK(rows("x"));
  require_code(lockstep({"ddl", "hold", source.file()}), 0);
  source.write("DROP TABLE x");
  require_code(lockstep({"ddl", "accept", source.file()}), 0);
  source.write("UPDATE a SET n = 9");
  require_caught_up(source.process(), source.file());
  query(source.dsn(), "SET lockstep.guard = off; DROP TABLE x");
  source.write("CREATE TABLE x(id INTEGER PRIMARY KEY); INSERT INTO x VALUES (3), (4)");
  CHECK(rows("x"));
  source.stop();
}

TEST_CASE("an index that is made anew under its name with another text is so on the target",
          "[system]") {
  Followed source("index_text", server().create_database("index_text"));
  source.write("CREATE INDEX words ON a(lower(u)); CREATE INDEX some ON a(u) WHERE n > 5");
  source.start_and_catch_up();
  source.write(
      "BEGIN; DROP INDEX words; CREATE INDEX words ON a(upper(u)); DROP INDEX some; CREATE INDEX "
      "some ON a(u) WHERE n > 7; COMMIT");
  source.write_some();
  source.caught_up();
  const std::string indexes = value(
      source,
      "SELECT string_agg(indexdef, '; ') FROM pg_indexes WHERE tablename = 'a' AND schemaname = "
      "'public'");
  CHECK_THAT(indexes, Contains("n > 7") && !Contains("n > 5"));
  CHECK_THAT(indexes, !Contains("lower("));
  CHECK(source.status()["resyncs"] == 0);
  // Alone, and while nobody runs.
  source.stop();
  source.write("DROP INDEX some; CREATE INDEX some ON a(u) WHERE n > 9");
  source.start_and_catch_up();
  CHECK_THAT(value(source, "SELECT max(indexdef) FROM pg_indexes WHERE indexname = 'some'"),
             Contains("n > 9"));
  source.stop();
}

TEST_CASE("a rebuild that stores a table otherwise is followed with its triggers and expressions",
          "[system]") {
  const auto rebuilt = [](const std::string& table, const std::string& columns,
                          const std::string& carried, const std::string& options = "") {
    return "BEGIN IMMEDIATE; CREATE TABLE new__t(" + columns + ")" + options +
           "; INSERT INTO new__t(" + carried + ") SELECT " + carried + " FROM " + table +
           "; DROP TABLE " + table + "; ALTER TABLE new__t RENAME TO " + table + "; COMMIT";
  };
  const bool running = GENERATE(true, false);
  const std::string name = running ? "stored" : "stored_away";
  Followed source(name, server().create_database(name));
  source.write(
      "CREATE TABLE bare(k TEXT PRIMARY KEY NOT NULL, v REAL);"
      "CREATE TABLE rowed(k TEXT PRIMARY KEY NOT NULL, v REAL) WITHOUT ROWID;"
      "CREATE TABLE folded(id INTEGER PRIMARY KEY, k TEXT CHECK (k IN ('a', 'b')), g INTEGER AS (k "
      "= 'a') STORED);"
      "INSERT INTO bare VALUES ('a', 1), ('b', 2); INSERT INTO rowed SELECT * FROM bare;"
      "INSERT INTO folded(id, k) VALUES (1, 'a'), (2, 'b')");
  source.start_and_catch_up();
  if (!running) source.stop();
  source.write(rebuilt("bare", "k TEXT PRIMARY KEY NOT NULL, v REAL", "k, v", " WITHOUT ROWID"));
  source.write(rebuilt("rowed", "k TEXT PRIMARY KEY NOT NULL, v REAL", "k, v"));
  source.write(rebuilt("folded",
                       "id INTEGER PRIMARY KEY, k TEXT COLLATE NOCASE CHECK (k IN ('a', 'b')), g "
                       "INTEGER AS (k = 'a') STORED",
                       "id, k"));
  if (!running) source.start();
  source.caught_up();
  // The application's writes find no trigger that a table of another kind had.
  source.write("INSERT INTO bare VALUES ('new', 3); UPDATE bare SET k = 'c' WHERE k = 'b'");
  source.write("INSERT OR REPLACE INTO rowed(rowid, k, v) VALUES (1, 'z', 3)");
  source.write("INSERT INTO folded(id, k) VALUES (3, 'A'), (4, 'B')");
  source.caught_up();
  CHECK(value(source, "SELECT string_agg(k, ',' ORDER BY k) FROM rowed") == "b,z");
  CHECK(value(source, "SELECT string_agg(g::text, ',' ORDER BY id) FROM folded") == "1,0,1,0");
  source.stop();
}

TEST_CASE("a rebuild adds a column that has to hold something, of each type", "[system]") {
  Followed source("filled", server().create_database("filled"));
  source.write(
      "CREATE TABLE many(id INTEGER PRIMARY KEY); INSERT INTO many VALUES (1), (2);"
      "CREATE TABLE none(id INTEGER PRIMARY KEY)");
  source.start_and_catch_up();
  const std::string columns =
      "id INTEGER PRIMARY KEY, at DATETIME NOT NULL, day DATE NOT NULL, yes BOOLEAN NOT NULL, who "
      "CHAR(36) NOT NULL, doc JSON NOT NULL, word TEXT NOT NULL, amount DECIMAL NOT NULL, raw BLOB "
      "NOT NULL";
  for (const std::string table : {"many", "none"})
    source.write("BEGIN IMMEDIATE; CREATE TABLE new__t(" + columns +
                 "); INSERT INTO new__t SELECT id, '2026-01-02 03:04:05', '2026-01-02', 1, "
                 "'00112233-4455-6677-8899-aabbccddeeff', '{}', 'w', 1.5, x'00' FROM " +
                 table + "; DROP TABLE " + table + "; ALTER TABLE new__t RENAME TO " + table +
                 "; COMMIT");
  source.caught_up();
  source.write(
      "INSERT INTO none SELECT * FROM many; UPDATE many SET at = '2027-01-01 00:00:00', yes = 0");
  source.caught_up();
  CHECK(value(source, "SELECT count(*) FROM many WHERE at > '2026-06-01' AND NOT yes") == "2");
  source.stop();
}

}  // namespace lockstep::test
