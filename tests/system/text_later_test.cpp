// A value that does not fit comes later, and the column's owner lets it become text: in order with
// the data, without emptying the table, and as if it had been planned so from the start.
#include <fmt/format.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/system/followed.hpp"

namespace lockstep::test {
namespace {

using Catch::Contains;

PostgresServer& server() {
  static PostgresServer running;
  return running;
}

std::string value(const std::string& sql, const std::string& database) {
  const auto rows = server().query(sql, database);
  return rows.empty() || !rows[0][0] ? std::string("nothing") : *rows[0][0];
}

constexpr char kSource[] =
    "PRAGMA journal_mode = WAL;"
    "CREATE TABLE t(id INTEGER PRIMARY KEY, n INT DEFAULT 7 CHECK(n >= 0 OR n IS NULL), u INT "
    "UNIQUE, flag BOOLEAN, day DATE, r REAL, low INT GENERATED ALWAYS AS (n % 10) STORED, "
    "day_of INT GENERATED ALWAYS AS (id % 7) STORED);"
    "CREATE INDEX by_n ON t(n); CREATE INDEX some_n ON t(id) WHERE n > 5; CREATE INDEX by_day ON "
    "t(day);"
    "CREATE TABLE other(id INTEGER PRIMARY KEY, t_n INT REFERENCES t(u), v TEXT);"
    "INSERT INTO t(id, n, u, flag, day, r) VALUES (1, 10, 100, 1, '2024-01-02', 1.5), (2, NULL, "
    "200, 0, NULL, 2.0), (3, 0, NULL, NULL, '2024-01-03', 1e300);"
    "INSERT INTO other VALUES (1, 100, 'a')";

/// Everything is on the target, and the judge that shares no code finds these columns as text.
void require_text(Followed& followed, const std::vector<std::string>& columns) {
  require_caught_up(followed.process(), followed.file());
  nlohmann::json config{{"version", 1}};
  for (const std::string& column : columns) config["columns"][column] = {{"type", "text"}};
  const std::string path = followed.in_folder("judge.json");
  std::ofstream(path) << config.dump();
  std::filesystem::permissions(
      path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  require_equal(followed.file(), followed.dsn(), {"--config", path});
}

/// Rows, types, indexes and constraints of what is there.
std::string everything_there(const std::string& database) {
  return value(
             "SELECT string_agg(t::text, ' ' ORDER BY id) FROM (SELECT id, n, u, flag, day, r, "
             "low, day_of FROM t) AS t",
             database) +
         "\n" +
         value(
             "SELECT string_agg(line, E'\\n' ORDER BY line) FROM (SELECT attname || ' ' || "
             "format_type(atttypid, atttypmod) || attnotnull || coalesce(pg_get_expr(adbin, "
             "adrelid), '') AS line FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid "
             "AND adnum = attnum WHERE attrelid = 't'::regclass AND attnum > 0 UNION ALL SELECT "
             "indexdef FROM pg_indexes WHERE schemaname = 'public' UNION ALL SELECT conname || "
             "pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = "
             "'public'::regnamespace) AS all_of_it",
             database);
}

/// The same file planned from the start, into another database.
std::string from_the_start(const std::string& file, const std::string& database) {
  const std::string copy = file + "-from-the-start.db";
  sqlite(file, "VACUUM INTO '" + copy + "'");
  sqlite(copy, "DROP TABLE IF EXISTS _lockstep_nothing");
  for (const std::string& name :
       sqlite(copy, "SELECT name FROM sqlite_master WHERE type = 'trigger'"))
    sqlite(copy, "DROP TRIGGER \"" + name + "\"");
  for (const std::string& name :
       sqlite(copy,
              "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE '\\_lockstep%' "
              "ESCAPE '\\'"))
    sqlite(copy, "DROP TABLE \"" + name + "\"");
  const std::string dsn = server().create_database(database);
  require_code(lockstep({"run", copy, dsn, "--on-bad-value", "text", "--until", "caught-up"}), 0);
  return everything_there(database);
}

}  // namespace

TEST_CASE("a column becomes text when a later value does not fit, as if it had been from the start",
          "[system]") {
  Followed followed("text", server().create_database("text"));
  followed.write(kSource);
  followed.start({"--on-bad-value", "text"});
  followed.caught_up();
  CHECK(value("SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = 't'::regclass "
              "AND attname = 'n'",
              "text") == "bigint");

  const std::vector<std::string> all{"t.n", "t.day", "t.u"};
  // A reader beside it never finds less rows than there are.
  std::atomic<int> least{99}, looks{0};
  std::jthread reader([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      least = std::min(least.load(), std::stoi(value("SELECT count(*) FROM t", "text")));
      ++looks;
    }
  });
  followed.write(
      "BEGIN; INSERT INTO t(id, n, flag) VALUES (4, 'abc', 1); UPDATE t SET n = 1.5 WHERE id = 1; "
      "UPDATE other SET v = 'b'; COMMIT");
  require_text(followed, {"t.n"});
  CHECK(value("SELECT string_agg(coalesce(n, 'NULL'), ' ' ORDER BY id) FROM t", "text") ==
        "1.5 NULL 0 abc");
  CHECK(value("SELECT v FROM other", "text") == "b");
  // Another column, one whose type the same class breaks, and one in a unique index.
  followed.write("UPDATE t SET day = 'soon' WHERE id = 3; UPDATE other SET v = 'c'");
  require_text(followed, {"t.n", "t.day"});
  followed.write("UPDATE t SET u = 'x' WHERE id = 3; UPDATE t SET day = 5 WHERE id = 1");
  require_text(followed, all);
  reader.request_stop();
  reader.join();
  CHECK(looks > 0);
  CHECK(least == 3);
  CHECK(value("SELECT string_agg(concat_ws('|', id, u, flag, day), ' ' ORDER BY id) FROM t",
              "text") == "1|100|t|5 2|200|f 3|x|soon 4|t");
  const std::string told = followed.process().output() + followed.process().error_output();
  CHECK_THAT(told, Contains("LS-D421 column n of t becomes text") && Contains("index some_n") &&
                       Contains("GENERATED AS (n % 10) of low") &&
                       Contains("constraint t_n_check of \"public\".\"t\" was dropped") &&
                       !Contains("flag"));
  require_code(lockstep({"verify", followed.file(), followed.dsn()}), 0);
  followed.write(
      "UPDATE t SET n = 77 WHERE id = 4; DELETE FROM t WHERE id = 2; INSERT INTO t(id, n, u) "
      "VALUES (9, -0.0 + 2.5, 'x1')");
  require_text(followed, all);
  followed.stop();
  // It stays so, whatever a later run says.
  followed.start({"--on-bad-value", "stop"});
  followed.write("UPDATE t SET n = 'later' WHERE id = 9");
  require_text(followed, all);
  followed.stop();
  require_code(lockstep({"verify", followed.file(), followed.dsn()}), 0);
  CHECK(everything_there("text") == from_the_start(followed.file(), "text_from_start"));
}

TEST_CASE("what becomes text is whole after a kill at any step", "[system]") {
  const std::string at = GENERATE(as<std::string>{}, "apply.pos_set", "apply.rows_done",
                                  "apply.committed", "cap.open", "cap.encoded");
  const std::string name = "text_" + at.substr(at.find('.') + 1);
  Followed followed(name, server().create_database(name));
  followed.write(kSource);
  followed.start({"--on-bad-value", "text"});
  followed.caught_up();
  followed.stop();
  followed.write("INSERT INTO t(id, n) VALUES (4, 'abc')");
  ProcessOptions options;
  // The second of each is behind the first look at the value; capture opens the source twice.
  options.environment.emplace_back("LOCKSTEP_FAILPOINTS=" + at + "=kill" +
                                   (at.starts_with("cap.") ? "@2" : ""));
  followed.start({}, options);
  CHECK(followed.process().wait_or_throw(30s).signal == SIGKILL);
  followed.start();
  require_text(followed, {"t.n"});
  followed.stop();
  require_code(lockstep({"verify", followed.file(), followed.dsn()}), 0);
  CHECK(value("SELECT n FROM t WHERE id = 4", name) == "abc");
}

TEST_CASE("a value that does not fit in the middle of the copy makes its column text", "[system]") {
  Followed followed("text_copy", server().create_database("text_copy"));
  followed.write(kSource);
  const std::string gate = followed.in_folder("gate");
  ProcessOptions options;
  options.environment.emplace_back("LOCKSTEP_FAILPOINTS=snap.chunk_committed=block:" + gate);
  followed.start({"--on-bad-value", "text"}, options);
  REQUIRE(wait_until(
      [&] {
        return value("SELECT to_regclass('lockstep.ledger_parts') IS NOT NULL", "text_copy") ==
                   "t" &&
               value("SELECT count(*) > 0 FROM lockstep.ledger_parts WHERE copied", "text_copy") ==
                   "t";
      },
      20s, 20ms));
  followed.write("UPDATE t SET n = 'abc' WHERE id = 1; UPDATE a SET n = 'def' WHERE id = 1");
  std::ofstream(gate).put('x');
  require_text(followed, {"t.n", "a.n"});
  followed.stop();
  CHECK(value("SELECT (SELECT n FROM t WHERE id = 1) || (SELECT n FROM a WHERE id = 1)",
              "text_copy") == "abcdef");
  require_code(lockstep({"verify", followed.file(), followed.dsn()}), 0);
}

TEST_CASE("a table that is rebuilt together with such a value is followed with the column as text",
          "[system]") {
  Followed followed("text_rebuilt", server().create_database("text_rebuilt"));
  followed.start({"--on-bad-value", "text"});
  followed.caught_up();
  followed.write(
      "BEGIN; CREATE TABLE a2(id INTEGER PRIMARY KEY, u TEXT UNIQUE, n INT, more TEXT); INSERT "
      "INTO "
      "a2 SELECT id, u, n, 'm' FROM a; INSERT INTO a2 VALUES (9, 'z', 'odd', NULL); DROP TABLE a; "
      "ALTER TABLE a2 RENAME TO a; COMMIT");
  require_text(followed, {"a.n"});
  followed.stop();
  CHECK(value("SELECT string_agg(n || coalesce(more, ''), ' ' ORDER BY id) FROM a",
              "text_rebuilt") == "1m 2m 3m odd");
  require_code(lockstep({"verify", followed.file(), followed.dsn()}), 0);
}

TEST_CASE("what cannot become text stops by name, and says why", "[system]") {
  const auto [sql, mend, code, why] =
      GENERATE(table<std::string, std::string, std::string, std::string>(
          {{"UPDATE t SET r = x'00ff' WHERE id = 1", "UPDATE t SET r = 1 WHERE id = 1", "LS-D401",
            "the value is a blob"},
           {"UPDATE t SET n = 'a' || char(0) WHERE id = 1", "UPDATE t SET n = 1 WHERE id = 1",
            "LS-D401", "none that text can hold"},
           {"UPDATE k SET k = 'x' WHERE k = 2", "UPDATE k SET k = 2 WHERE k = 'x'", "LS-D401",
            "it is in the key"},
           {"UPDATE t SET n = 'x' WHERE id = 1; UPDATE t SET n = x'41' WHERE id = 3",
            "UPDATE t SET n = 3 WHERE id = 3", "LS-D422", "t.n"}}));
  static int number = 0;
  const std::string name = fmt::format("text_not_{}", ++number);
  Followed followed(name, server().create_database(name));
  followed.write(std::string(kSource) +
                 "; CREATE TABLE k(k INT PRIMARY KEY NOT NULL) WITHOUT ROWID; INSERT INTO k VALUES "
                 "(1), (2)");
  followed.start({"--on-bad-value", "text"});
  followed.caught_up();
  followed.write(sql);
  const ExitStatus status = followed.process().wait_or_throw(30s);
  const std::string said = followed.process().error_output();
  INFO(said);
  CHECK(status == ExitStatus{.code = 7});
  CHECK_THAT(said, Contains("error[" + code) && Contains(why));
  followed.write(mend);
  followed.start();
  require_caught_up(followed.process(), followed.file());
  require_code(lockstep({"verify", followed.file(), followed.dsn()}), 0);
  followed.stop();
}

TEST_CASE("as two processes capture makes it text, and outlives what cannot be", "[system]") {
  const TempDir folder;
  const std::string file = folder.file("text_apart.db"),
                    dsn = server().create_database("text_apart"),
                    endpoint = "ipc://" + folder.file("wire.sock");
  sqlite(file, kSource);
  const auto capture =
      start_lockstep({"capture", file, "--listen", endpoint, "--on-bad-value", "text"});
  const auto start_apply = [&] { return start_lockstep({"apply", "--connect", endpoint, dsn}); };
  auto apply = start_apply();
  const auto caught_up = [&] {
    REQUIRE(wait_until([&] { return lockstep({"status", dsn}).status.code == 0; }, 20s));
    wait_caught_up(file);
    require_code(lockstep({"verify", file, dsn}), 0);
  };
  caught_up();
  sqlite(file, "UPDATE t SET n = 'abc' WHERE id = 1");
  caught_up();
  CHECK(value("SELECT n FROM t WHERE id = 1", "text_apart") == "abc");
  sqlite(file, "UPDATE t SET r = 'x' WHERE id = 1; UPDATE t SET r = x'41' WHERE id = 3");
  CHECK(apply->wait_or_throw(30s) == ExitStatus{.code = 7});
  INFO(apply->error_output());
  CHECK_THAT(apply->error_output(), Contains("error[LS-D422]") && Contains("t.r"));
  CHECK(capture->running());
  sqlite(file, "UPDATE t SET r = 3.5 WHERE id = 3");
  apply = start_apply();
  caught_up();
  CHECK(value("SELECT string_agg(r, ' ' ORDER BY id) FROM t", "text_apart") == "x 2.0 3.5");
  for (Process* const process : {apply.get(), capture.get()}) {
    process->signal(SIGTERM);
    CHECK(process->wait_or_throw(20s) == ExitStatus{.code = 143});
  }
}

TEST_CASE("what became text goes back as what it was", "[system]") {
  Followed followed("text_back", server().create_database("text_back"));
  followed.write(
      "CREATE TABLE t(id INTEGER PRIMARY KEY, n INT, flag BOOLEAN, day DATE); INSERT INTO t VALUES "
      "(1, 10, 1, '2024-01-02'), (2, NULL, 0, NULL), (3, 0, 1, '2024-01-03')");
  followed.start({"--on-bad-value", "text"});
  followed.caught_up();
  // What is no text either, but of no type of before: 2 among 0 and 1.
  followed.write("INSERT INTO t(id, n) VALUES (4, 'abc'); UPDATE t SET flag = 2 WHERE id = 1");
  require_text(followed, {"t.n", "t.flag"});
  const auto moved = [&](const std::string& direction) {
    std::vector<std::string> arguments{
        direction, followed.file(), "--confirm", "text_back", "--max-pause", "5s", "--when-ready"};
    arguments.insert(arguments.end(), {"--verify-max-age", "0"});
    require_code(lockstep(arguments), 0);
  };
  moved("cutover");
  server().query(
      "UPDATE t SET n = '11' WHERE id = 1; UPDATE t SET n = 'def' WHERE id = 4; INSERT INTO t(id, "
      "n, flag, day) VALUES (5, '2.5', '1', '2024-05-06')",
      "text_back");
  moved("rollback");
  CHECK(sqlite(followed.file(),
               "SELECT group_concat(quote(n) || coalesce(flag, '-'), ' ') FROM (SELECT * FROM t "
               "ORDER BY id)")
            .front() == "112 NULL0 01 'def'- 2.51");
  followed.write("UPDATE t SET n = 'end' WHERE id = 5");
  require_text(followed, {"t.n", "t.flag"});
  followed.stop();
  require_code(lockstep({"verify", followed.file(), followed.dsn()}), 0);
}

}  // namespace lockstep::test
