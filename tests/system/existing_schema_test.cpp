// Tables that an ORM made on the target: what differs is named, rows that are there are asked for,
// and nothing of the tables is altered.
#include "tests/system/existing_world.hpp"

namespace lockstep::test {

TEST_CASE("each difference of a table that was there is named, at once, before anything is done",
          "[system]") {
  const TempDir folder;
  const std::string file = folder.file("app.db");
  sqlite(file,
         "CREATE TABLE t(id INTEGER PRIMARY KEY, missing TEXT, small INT, short VARCHAR(3), money "
         "DECIMAL, at DATETIME, doc TEXT,"
         " must TEXT, made TEXT, odd TEXT, fine TEXT, wide REAL, pad TEXT, u TEXT);"
         "INSERT INTO t VALUES (1, 'x', 40000, 'abcd', 1.234, '2024-01-02 03:04:05.1234', "
         "'{\"a\":\"\\u0000\"}', NULL, 'm', 'o', 'f', 0.1, 'ab', 'v');"
         "CREATE TABLE keyless(a TEXT); CREATE TABLE other(a INT, b INT, PRIMARY KEY (a, b)); "
         "CREATE TABLE seen(a INTEGER PRIMARY KEY)");
  const std::string dsn = owned_database("differences");
  server().query(
      "SET ROLE keeper; CREATE TABLE t(id bigint PRIMARY KEY, small smallint, short varchar(3), "
      "money numeric(5,2), at timestamp(3),"
      " doc jsonb, must text NOT NULL, made text GENERATED ALWAYS AS ('x') STORED, odd cidr, fine "
      "text, wide real, pad char(4),"
      " u varchar(9) UNIQUE DEFERRABLE, stranger text NOT NULL, guest text DEFAULT 'g');"
      "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
      "CREATE TRIGGER touch BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f();"
      "CREATE TABLE keyless(a text); CREATE TABLE other(a bigint PRIMARY KEY, b bigint); CREATE "
      "VIEW seen AS SELECT 1::bigint AS a",
      "differences");
  const Outcome refused = lockstep({"run", file, dsn});
  require_code(refused, 3);
  INFO(everything(refused));
  for (const char* sentence :
       {"column missing is missing there",
        "column small is smallint there, and 1 value(s) do not fit: id=1, 40000",
        "column short is character varying(3) there", "more digits behind the point",
        "its fraction has more digits", "no JSON that jsonb takes",
        "column must is NOT NULL there, and NULL in 1 row(s)", "column made is generated there",
        "column odd is cidr there", "not the same as a number of four bytes", "pads with blanks",
        "column stranger is there only, NOT NULL and without default", "trigger touch",
        "no primary key on the source", "no unique index over just the source's key (a, b)",
        "it is no table (relkind v)"}) {
    INFO(sentence);
    CHECK(refused.output.find(sentence) != std::string::npos);
  }
  CHECK(sqlite(file, "SELECT count(*) FROM sqlite_master WHERE name LIKE '%lockstep%'")[0] == "0");
  CHECK(value("SELECT count(*) FROM pg_namespace WHERE nspname = 'lockstep'", "differences") ==
        "0");
}

TEST_CASE("rows that are there already: refused with counts, replaced, or left alone", "[system]") {
  const TempDir folder;
  const std::string file = folder.file("app.db");
  sqlite(file,
         "CREATE TABLE alembic_version(version_num VARCHAR(32) NOT NULL, PRIMARY KEY "
         "(version_num)); INSERT INTO alembic_version VALUES ('new');"
         "CREATE TABLE a(id INTEGER PRIMARY KEY, v TEXT); CREATE TABLE b(id INTEGER PRIMARY KEY, v "
         "TEXT);"
         "INSERT INTO a VALUES (1, 'source'); INSERT INTO b VALUES (1, 'source')");
  const std::string dsn = server().create_database("rows_there");
  server().query(
      "CREATE TABLE alembic_version(version_num varchar(32) PRIMARY KEY); INSERT INTO "
      "alembic_version VALUES ('old');"
      "CREATE TABLE a(id int PRIMARY KEY, v text); CREATE TABLE b(id int PRIMARY KEY, v text "
      "UNIQUE DEFERRABLE); "
      "INSERT INTO a VALUES (1, 'mine'), (2, 'too')",
      "rows_there");
  const Outcome refused = lockstep({"run", file, dsn, "--until", "caught-up"});
  require_code(refused, 3);
  CHECK_THAT(refused.error_output, Catch::Contains("LS-T206") && Catch::Contains("a (2 rows)"));
  CHECK_THAT(refused.output,
             Catch::Contains("(v) is unique there only, and DEFERRABLE: nothing checks it"));
  CHECK(value("SELECT version_num FROM alembic_version", "rows_there") == "old");

  require_code(lockstep({"run", file, dsn, "--until", "caught-up", "--on-existing-row", "skip"}),
               0);
  CHECK(value("SELECT count(*) FROM a WHERE v IN ('mine', 'too')", "rows_there") == "2");
  CHECK(value("SELECT v FROM b", "rows_there") == "source");
  CHECK(value("SELECT version_num FROM alembic_version", "rows_there") == "new");
  // It stays left out.
  sqlite(file, "UPDATE a SET v = 'later'; UPDATE b SET v = 'later'");
  require_code(lockstep({"run", file, dsn, "--until", "caught-up"}), 0);
  CHECK(value("SELECT count(*) FROM a WHERE v IN ('mine', 'too')", "rows_there") == "2");
  CHECK(value("SELECT v FROM b", "rows_there") == "later");
  require_code(lockstep({"remove", file, dsn}), 0);

  require_code(lockstep({"run", file, dsn, "--until", "caught-up", "--on-existing-row", "update"}),
               0);
  CHECK(value("SELECT string_agg(id || v, ' ') FROM a", "rows_there") == "1later");
  require_code(lockstep({"verify", file, dsn}), 0);
}

TEST_CASE("rows that only the target would refuse are found before the copy, by their keys",
          "[system]") {
  const TempDir folder;
  const std::string file = folder.file("app.db"), name = "there_only";
  sqlite(file,
         "PRAGMA journal_mode = WAL; CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b INT, at "
         "DATETIME, n INT CHECK (n > 0), CONSTRAINT few CHECK (n < 100));"
         "INSERT INTO t VALUES (1, 'x', 1, '2024-01-02 03:04:05', 1), (2, 'x', 1, NULL, 2), (3, "
         "'x', NULL, NULL, 3), (4, 'y', 1, NULL, 4), (7, 'x', 1, NULL, 5), (8, 'X', 1, NULL, 6);"
         "CREATE TABLE pairs(p INT, q INT, s TEXT, PRIMARY KEY (p, q)); INSERT INTO pairs VALUES "
         "(1, 1, 'secret'), (1, 2, 'secret')");
  const std::string dsn = server().create_database(name);
  server().query(
      "CREATE TABLE t(id int PRIMARY KEY, a text, b int, at timestamp UNIQUE, n int, CHECK (n > "
      "0), CONSTRAINT few CHECK (n < 100), UNIQUE (a, b)); CREATE UNIQUE INDEX lower_a ON t "
      "(lower(a), id); ALTER TABLE t ADD CONSTRAINT more CHECK (b < 10);"
      "CREATE TABLE pairs(p int, q int, s text UNIQUE DEFERRABLE, PRIMARY KEY (p, q))",
      name);
  const Outcome diff = lockstep({"schema", "diff", file, dsn});
  require_code(diff, 4);
  const Outcome refused = lockstep({"run", file, dsn, "--until", "caught-up"});
  require_code(refused, 3);
  for (const std::string& said : {diff.output, refused.output}) {
    CHECK_THAT(said, Catch::Contains("LS-T261") &&
                         Catch::Contains("(a, b) is unique there only, and rows here agree in it: "
                                         "3 rows with ('x', 1), id=1 and id=7 among them"));
    CHECK_THAT(said, Catch::Contains("(s) is unique there only, and rows here agree in it: 2 rows "
                                     "with ('secret')"));
  }
  CHECK(value("SELECT count(*) FROM pg_namespace WHERE nspname = 'lockstep'", name) == "0");
  CHECK(sqlite(file, "SELECT count(*) FROM sqlite_master WHERE name LIKE '%lockstep%'")[0] == "0");

  sqlite(file, "UPDATE t SET b = id WHERE a = 'x'; UPDATE pairs SET s = q");
  const Outcome done = lockstep({"run", file, dsn, "--until", "caught-up"});
  require_code(done, 0);
  CHECK_THAT(done.output, Catch::Contains("index lower_a keeps rows unique there only") &&
                              Catch::Contains("1 CHECK(s) are there only, some of") &&
                              Catch::Contains("more CHECK ((b < 10))"));
  CHECK_THAT(done.output, !Catch::Contains("few"));
  require_code(lockstep({"verify", file, dsn}), 0);
  const Outcome assessed = lockstep({"assess", file, dsn});
  CHECK_THAT(assessed.output, Catch::Contains("lower_a"));
}

TEST_CASE(
    "where writers would wait for it rows are not held against the target's keys, and that is told",
    "[system]") {
  const TempDir folder;
  const std::string file = folder.file("app.db"), name = "not_held";
  sqlite(file,
         "CREATE TABLE t(id INTEGER PRIMARY KEY, a INT); WITH RECURSIVE n(i) AS (SELECT 1 UNION "
         "ALL SELECT i + 1 FROM n WHERE i < 20001) INSERT INTO t SELECT i, i FROM n;"
         "UPDATE t SET a = 2 WHERE id = 1");
  const std::string dsn = server().create_database(name);
  server().query("CREATE TABLE t(id int PRIMARY KEY, a int UNIQUE)", name);
  const Outcome told = lockstep({"assess", file, dsn});
  require_code(told, 0);
  CHECK_THAT(told.output, Catch::Contains("LS-T220") &&
                              Catch::Contains("(a) is unique there only, and no row is held"));
  // With a WAL nobody waits.
  sqlite(file, "PRAGMA journal_mode = WAL");
  const Outcome refused = lockstep({"assess", file, dsn});
  require_code(refused, 3);
  CHECK_THAT(refused.output, Catch::Contains("LS-T261"));
}

TEST_CASE("a rebuild in the source leaves the ORM's table as it is; a new column stops by name",
          "[system]") {
  const TempDir folder;
  const std::string file = folder.file("app.db");
  sqlite(file,
         "PRAGMA journal_mode = WAL; CREATE TABLE t(id INTEGER PRIMARY KEY, name VARCHAR(20) NOT "
         "NULL, at DATETIME);"
         "INSERT INTO t VALUES (1, 'a', '2024-01-02 03:04:05'), (2, 'b', NULL)");
  const std::string dsn = owned_database("rebuilt");
  server().query(
      "SET ROLE keeper; CREATE TABLE t(id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, name "
      "varchar(20) NOT NULL, at timestamptz, extra int DEFAULT 7)",
      "rebuilt");
  const std::string before = shape_there("rebuilt");
  const auto following = start_lockstep({"run", file, dsn, "--quiet"});
  require_caught_up(*following, file);
  // As ORMs alter tables: copy, drop, rename; and the rows are others.
  sqlite(
      file,
      "BEGIN; CREATE TABLE new__t(id INTEGER PRIMARY KEY, name VARCHAR(20) NOT NULL, at DATETIME);"
      "INSERT INTO new__t SELECT id, upper(name), at FROM t; DROP TABLE t; ALTER TABLE new__t "
      "RENAME TO t;"
      "CREATE INDEX t_name ON t(name); INSERT INTO t VALUES (9, 'i', NULL); COMMIT");
  require_caught_up(*following, file);
  CHECK(value("SELECT string_agg(name || extra, ' ' ORDER BY id) FROM t", "rebuilt") == "A7 B7 i7");
  CHECK(shape_there("rebuilt") == before);
  sqlite(file, "ALTER TABLE t ADD COLUMN more TEXT");
  const ExitStatus stopped = following->wait_or_throw(30s);
  INFO(following->error_output());
  CHECK(stopped == ExitStatus{.code = 7});
  CHECK_THAT(following->error_output(),
             Catch::Contains("LS-S306") && Catch::Contains("not made by lockstep"));
  CHECK(shape_there("rebuilt") == before);
  sqlite(file, "ALTER TABLE t DROP COLUMN more; UPDATE t SET name = 'on' WHERE id = 9");
  require_code(lockstep({"run", file, dsn, "--until", "caught-up"}), 0);
  require_code(lockstep({"verify", file, dsn}), 0);
}

}  // namespace lockstep::test
