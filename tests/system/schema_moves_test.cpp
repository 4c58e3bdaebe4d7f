// The application alters its schema while lockstep follows: each change is either followed exactly
// or stops by name.
#include <atomic>
#include <fstream>
#include <thread>

#include "tests/system/followed.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer one{{"fsync=off"}};
  return one;
}

constexpr char kRebuild[] =
    "CREATE TABLE new__a(id INTEGER PRIMARY KEY, u TEXT UNIQUE, n INT);"
    "INSERT INTO new__a SELECT * FROM a; DROP TABLE a; ALTER TABLE new__a RENAME TO a;";

/// An application beside the test: it writes to a and b until it is told to stop.
class Writer {
 public:
  explicit Writer(const Followed& source) : thread_([this, &source] { work(source); }) {}
  ~Writer() { stop(); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  /// It has written so much since it was asked last.
  void works() {
    const int before = written_;
    REQUIRE(wait_until([&] { return written_ > before + 20 || failed_; }, 30s));
    REQUIRE_FALSE(failed_);
  }
  void stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }

 private:
  void work(const Followed& source) {
    try {
      for (; !stop_; ++written_)
        source.write(
            "INSERT OR REPLACE INTO a(id, u, n) VALUES (abs(random() % 300), 'u' || abs(random() % "
            "200), random() % 100); UPDATE a SET n = n + 1 WHERE id % 50 = abs(random() % 50);"
            "DELETE FROM a WHERE id = abs(random() % 300);"
            "INSERT OR REPLACE INTO b(k, n) VALUES ('k' || abs(random() % 99), random() % 9)");
    } catch (const std::exception& error) {
      UNSCOPED_INFO(error.what());
      failed_ = true;
    }
  }
  std::atomic<int> written_ = 0;
  std::atomic<bool> stop_ = false, failed_ = false;
  std::thread thread_;
};

std::string target_value(const Followed& source, const std::string& sql) {
  return query(source.dsn(), sql).at(0).at(0).value_or("NULL");
}

}  // namespace

TEST_CASE("a table that is rebuilt under load is followed on, and the other tables with it",
          "[system]") {
  Followed source("rebuild", server().create_database("rebuild"));
  source.start_and_catch_up();
  Writer writer(source);
  for (int time = 0; time < 3; ++time) {
    writer.works();
    source.write("BEGIN IMMEDIATE;" + std::string(kRebuild) +
                 "UPDATE a SET n = n + 1000 WHERE id % 2 = 0; DELETE FROM a WHERE id % 7 = 0;"
                 "COMMIT");
    source.write("UPDATE a SET n = n - 1 WHERE id % 3 = 0");
  }
  writer.works();
  source.write("DROP TRIGGER _lockstep_2_insert; INSERT INTO b VALUES ('unlogged', 1); VACUUM");
  writer.works();
  writer.stop();
  source.caught_up();
  source.stop();
  CHECK_THAT(source.process().error_output(), Catch::Contains("read anew"));
  saw_fault("S22",
            "GO: a rebuilt table has its triggers back at once and is read anew within one batch");
}

TEST_CASE("columns that are added under load arrive on the target with the rows that have them",
          "[system]") {
  Followed source("columns", server().create_database("columns"));
  source.start_and_catch_up();
  Writer writer(source);
  const std::vector<std::string> added{
      "ALTER TABLE a ADD COLUMN plain",
      "BEGIN IMMEDIATE; ALTER TABLE a ADD COLUMN word TEXT DEFAULT 'it''s';"
      "UPDATE a SET word = 'other' WHERE id % 3 = 0; COMMIT",
      "ALTER TABLE b ADD COLUMN number INT NOT NULL DEFAULT 7",
      "ALTER TABLE b ADD COLUMN share REAL DEFAULT 0.5",
      "ALTER TABLE a ADD COLUMN twice INT AS (n * 2)",
      "CREATE INDEX a_n ON a(n); CREATE UNIQUE INDEX b_pair ON b(k, n)",
      "DROP INDEX a_n; ALTER TABLE a ADD COLUMN late BLOB"};
  for (const std::string& sql : added) {
    writer.works();
    source.write(sql);
    source.write("UPDATE a SET n = n + 1 WHERE id % 4 = 0; UPDATE b SET n = 3 WHERE n = 4");
  }
  writer.stop();
  source.caught_up();
  CHECK(target_value(source,
                     "SELECT string_agg(attname || ' ' || attnotnull, ',' ORDER BY attnum) "
                     "FROM pg_attribute WHERE attrelid = 'b'::regclass AND attnum > 0") ==
        "k true,n false,number true,share false");
  CHECK(target_value(source, "SELECT count(*) FROM pg_class WHERE relname IN ('a_n', 'b_pair')") ==
        "1");
  source.stop();
  // What was altered while nobody followed is followed by the next start.
  source.write(
      "ALTER TABLE b ADD COLUMN away TEXT; UPDATE b SET away = k; DELETE FROM b WHERE n=1");
  source.start_and_catch_up();
  source.stop();
  saw_fault("S21", "GO: an added column is on the target with the batch that shows it");
}

TEST_CASE("a rebuild of several transactions is followed on, and no copy of the table with it",
          "[system]") {
  Followed source("pieces", server().create_database("pieces"));
  source.start_and_catch_up();
  const std::string columns = "(id INTEGER PRIMARY KEY, u TEXT UNIQUE, n INT";
  const auto one_by_one = [&](const std::vector<std::string>& statements) {
    for (const std::string& sql : statements) source.write(sql);
    source.write_some();
    source.caught_up();
  };
  std::string more, names = "id, u, n";
  for (int time = 0; time < 4; ++time) {
    const std::string before = names;
    more += ", p" + std::to_string(time) + " INT";
    names += ", p" + std::to_string(time);
    // As Prisma does it, and as Sequelize.
    one_by_one({"CREATE TABLE new_a" + columns + more + ")",
                "INSERT INTO new_a(" + before + ") SELECT * FROM a", "DROP TABLE a",
                "ALTER TABLE new_a RENAME TO a", "CREATE INDEX a_n ON a(n)"});
    const std::string backed = names;
    more += ", s" + std::to_string(time) + " INT";
    names += ", s" + std::to_string(time);
    one_by_one({"CREATE TABLE a_backup" + columns + more + ")",
                "INSERT INTO a_backup(" + backed + ") SELECT * FROM a", "DROP TABLE a",
                "CREATE TABLE a" + columns + more + ")", "INSERT INTO a SELECT * FROM a_backup",
                "DROP TABLE a_backup"});
  }
  CHECK(target_value(source, "SELECT coalesce(to_regclass('new_a'), to_regclass('a_backup'))") ==
        "NULL");
  source.stop();
}

TEST_CASE("a table that is made while following is followed as well", "[system]") {
  Followed source("newtable", server().create_database("newtable"));
  source.start_and_catch_up();
  source.write(
      "BEGIN; CREATE TABLE later(x TEXT, y INT, z REAL NOT NULL DEFAULT 1, PRIMARY KEY(x, y));"
      "CREATE INDEX later_z ON later(z); INSERT INTO later VALUES ('a', 1, 1.5), ('b', 2, 2.5);"
      "CREATE TABLE bare(v); INSERT INTO bare VALUES (1), (2); COMMIT");
  source.write_some();
  REQUIRE(wait_until(
      [&] { return target_value(source, "SELECT to_regclass('bare') IS NOT NULL") == "t"; }, 20s));
  source.write("UPDATE later SET z = 9 WHERE y = 1; DELETE FROM bare WHERE v = 1");
  source.caught_up();
  CHECK(target_value(source, "SELECT count(*) FROM pg_index WHERE indrelid = 'later'::regclass") ==
        "2");
  source.stop();
  source.write(
      "CREATE TABLE meanwhile(id INTEGER PRIMARY KEY, t); INSERT INTO meanwhile VALUES "
      "(1, 'x')");
  source.start();
  REQUIRE(wait_until(
      [&] { return target_value(source, "SELECT to_regclass('meanwhile') IS NOT NULL") == "t"; },
      20s));
  source.write("INSERT INTO meanwhile VALUES (2, 'y')");
  source.caught_up();
  source.stop();
}

TEST_CASE("a migration that is held is neither followed nor stopped at until it is accepted",
          "[system]") {
  Followed source("held", server().create_database("held"));
  source.start_and_catch_up();
  Writer writer(source);
  writer.works();
  require_code(lockstep({"ddl", "hold", source.file()}), 0);
  // Any state in between would stop a lockstep that looks: a column is lost, then a table.
  source.write("ALTER TABLE a ADD COLUMN m INT; UPDATE a SET m = n");
  static_cast<void>(source.awaits("LS-S317"));
  const Outcome status = lockstep({"ddl", "status", source.file()});
  CHECK_THAT(everything(status), Catch::Contains("held"));
  writer.stop();
  source.write("ALTER TABLE b RENAME TO b_old");
  static_cast<void>(source.awaits("LS-S317"));
  source.write("CREATE TABLE b(k TEXT PRIMARY KEY, n INT, note TEXT DEFAULT 'x')");
  source.write("INSERT OR REPLACE INTO b(k, n) SELECT k, n FROM b_old; DROP TABLE b_old");
  // What is written meanwhile is logged, in the new table too.
  REQUIRE(wait_until(
      [&] {
        return sqlite(source.file(),
                      "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND tbl_name = "
                      "'b'")
                   .at(0) != "0";
      },
      20s));
  source.write_some();
  static_cast<void>(source.awaits("LS-S317"));
  CHECK(target_value(source,
                     "SELECT count(*) FROM pg_attribute WHERE attname IN ('m', 'note') AND "
                     "attrelid IN ('a'::regclass, 'b'::regclass)") == "0");
  require_code(lockstep({"ddl", "accept", source.file()}), 0);
  source.caught_up();
  CHECK(target_value(source,
                     "SELECT count(*) FROM pg_attribute WHERE attname IN ('m', 'note') AND "
                     "attrelid IN ('a'::regclass, 'b'::regclass)") == "2");
  require_code(lockstep({"ddl", "status", source.file()}), 0);
  // Held, and nothing changed: accept ends it. Without a lockstep at work it follows by itself.
  require_code(lockstep({"ddl", "hold", source.file()}), 0);
  source.write_some();
  source.caught_up();
  CHECK_THAT(everything(lockstep({"ddl", "accept", source.file()})), Catch::Contains("no longer"));
  source.stop();
  require_code(lockstep({"ddl", "hold", source.file()}), 0);
  source.write("ALTER TABLE a DROP COLUMN m");
  source.start();
  source.halts(3, "LS-S317", {"lockstep ddl accept"});
  require_code(lockstep({"ddl", "accept", source.file()}), 0);
  source.start_and_catch_up();
  source.stop();
}

TEST_CASE("a rebuild that changes nothing but foreign keys changes them on the target, too",
          "[system]") {
  Followed source("references", server().create_database("references"));
  source.write(
      "CREATE TABLE c(id INTEGER PRIMARY KEY, a REFERENCES a ON DELETE CASCADE, b TEXT);"
      "INSERT INTO c VALUES (1, 1, 'a'), (2, 2, 'b')");
  source.start_and_catch_up();
  const auto references = [&] {
    return target_value(
        source,
        "SELECT coalesce(string_agg(pg_get_constraintdef(oid), '; ' ORDER BY "
        "pg_get_constraintdef(oid)), '') FROM pg_constraint WHERE contype = 'f' AND "
        "connamespace = 'public'::regnamespace");
  };
  CHECK(references() == "FOREIGN KEY (a) REFERENCES a(id) ON DELETE CASCADE");
  const auto rebuild = [&](const std::string& clauses) {
    source.write(
        "BEGIN; CREATE TABLE new__c(id INTEGER PRIMARY KEY, a, b TEXT" + clauses +
        "); INSERT INTO new__c SELECT * FROM c; DROP TABLE c; ALTER TABLE new__c RENAME TO "
        "c; UPDATE c SET b = b || b WHERE id = 2; COMMIT");
    source.caught_up();
  };
  const auto becomes = [&](const std::string& wanted) {
    static_cast<void>(wait_until([&] { return references() == wanted; }, 20s));
    CHECK(references() == wanted);
  };
  rebuild(", FOREIGN KEY (a) REFERENCES a ON DELETE SET NULL, FOREIGN KEY (b) REFERENCES b(k)");
  // One row has no parent: b is 'bb'.
  becomes(
      "FOREIGN KEY (a) REFERENCES a(id) ON DELETE SET NULL; FOREIGN KEY (b) REFERENCES b(k) NOT "
      "VALID");
  rebuild("");
  becomes("");
  source.stop();
}

TEST_CASE("a migration in the middle of the copy loses no message of capture", "[system]") {
  Followed source("midway", server().create_database("midway"));
  source.write(
      "CREATE TABLE large(id INTEGER PRIMARY KEY, v TEXT); INSERT INTO large WITH RECURSIVE c(i) "
      "AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 12000) SELECT i, hex(randomblob(500)) "
      "FROM c");
  const std::string go = source.in_folder("go"), trace = source.in_folder("trace");
  // Apply stands still: what capture has read waits for credit, already numbered.
  source.start({}, {.environment = {"LOCKSTEP_FAILPOINTS=apply.recv=block:" + go + "@4",
                                    "LOCKSTEP_FAILPOINT_TRACE=" + trace}});
  REQUIRE(wait_until(
      [&] {
        std::ifstream lines(trace);
        int sent = 0;
        for (std::string line; std::getline(lines, line);)
          sent += line.find("cap.sent") != std::string::npos ? 1 : 0;
        return sent > 120;
      },
      30s));
  source.write("DROP TABLE b; CREATE TABLE b(k TEXT PRIMARY KEY, n INT, x INT DEFAULT 4)");
  REQUIRE(wait_until(
      [&] { return source.process().error_output().find("LS-S316") != std::string::npos; }, 30s));
  std::ofstream(go).flush();
  source.caught_up();
  INFO(source.process().error_output());
  CHECK(source.process().error_output().find("LS-W506") == std::string::npos);
  source.stop();
}

TEST_CASE("what came and went unseen in the schema is compared by itself, and found", "[system]") {
  Followed source("doubt", server().create_database("doubt"));
  source.start_and_catch_up();
  // What is there afterwards explains these.
  source.write(
      "CREATE INDEX a_n ON a(n); ALTER TABLE b ADD COLUMN x INT; CREATE VIEW v AS SELECT 1");
  source.write("VACUUM");
  source.write("BEGIN;" + std::string(kRebuild) + "COMMIT");
  source.caught_up();
  const auto passes = [&] {
    return target_value(source, "SELECT count(*) FROM lockstep.verify_passes");
  };
  CHECK(passes() == "0");
  Writer writer(source);
  writer.works();
  // REPLACE takes the row with this n away, and no trigger could know that it would.
  // Its last column shows that no column of b went and came again.
  source.write(
      "DELETE FROM b; INSERT INTO b(k, n) VALUES ('kept', 77); INSERT INTO b WITH RECURSIVE c(i) "
      "AS "
      "(SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 500) SELECT 'z' || i, 1000 + i, i FROM c");
  REQUIRE(wait_until(
      [&] { return target_value(source, "SELECT count(*) FROM b WHERE k = 'kept'") == "1"; }, 20s));
  source.write(
      "BEGIN; DELETE FROM b WHERE n < 77; CREATE UNIQUE INDEX by_n ON b(n);"
      "INSERT OR REPLACE INTO b(k, n) VALUES ('new', 77); DROP INDEX by_n; COMMIT");
  writer.works();
  writer.stop();
  const auto state_of_b = [&] {
    const nlohmann::json status = source.status();
    for (const auto& table : status["tables"])
      if (table["name"] == "b") return table["verified"]["state"].get<std::string>();
    return std::string();
  };
  const bool found = wait_until([&] { return state_of_b() == "mismatch"; }, 30s);
  INFO(source.status().dump() << source.process().error_output());
  REQUIRE(found);
  CHECK(source.process().error_output().find("LS-S335") != std::string::npos);
  CHECK(passes() == "1");
  require_code(lockstep({"verify", source.file(), source.dsn(), "--repair", "--yes"}), 0);
  source.caught_up();
  source.stop();
}

}  // namespace lockstep::test
