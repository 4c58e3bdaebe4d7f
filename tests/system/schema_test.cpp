// The schema on PostgreSQL: what is carried does what it did on SQLite, what is not is named.
#include <fmt/format.h>

#include <fstream>

#include "tests/system/world.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

constexpr char kShop[] =
    "CREATE TABLE customer(id INTEGER PRIMARY KEY, email TEXT COLLATE NOCASE UNIQUE NOT NULL, "
    "made TEXT DEFAULT CURRENT_TIMESTAMP, points INT NOT NULL DEFAULT 0 CHECK (points >= 0), "
    "CONSTRAINT mail CHECK (email LIKE '%@%'), CHECK (email GLOB '*@*'));"
    "CREATE TABLE sale(id INTEGER PRIMARY KEY, customer INT REFERENCES customer ON DELETE CASCADE, "
    "state TEXT DEFAULT 'open' CHECK (state IN ('open', 'paid')), code TEXT);"
    "CREATE UNIQUE INDEX one_open ON sale(customer) WHERE state = 'open';"
    "CREATE UNIQUE INDEX by_code ON sale(lower(code));"
    "INSERT INTO customer(id, email) VALUES (1, 'Ann@x'), (2, 'bob@x');"
    "INSERT INTO sale VALUES (1, 1, 'open', 'A'), (2, 1, 'paid', 'b'), (3, 9, 'open', NULL);"
    "PRAGMA ignore_check_constraints = 1; UPDATE customer SET points = -1 WHERE id = 2;"
    "PRAGMA ignore_check_constraints = 0";

std::string refusal(const std::string& sql, const std::string& database) {
  try {
    server().query(sql, database);
    return "";
  } catch (const std::exception& error) {
    return error.what();
  }
}

std::string foreign_keys(const std::string& database) {
  return server().value(
      "SELECT coalesce(string_agg(convalidated || ' ' || pg_get_constraintdef(oid), ', ' ORDER BY "
      "conname), 'none') FROM pg_constraint WHERE contype = 'f' AND connamespace = "
      "'public'::regnamespace",
      database);
}

void check_rules(const std::string& database) {
  using Catch::Contains;
  CHECK_THAT(refusal("INSERT INTO customer(id, email) VALUES (10, 'ANN@X')", database),
             Contains("customer_email_folded_key"));
  CHECK_THAT(refusal("INSERT INTO customer(id, email) VALUES (10, 'none')", database),
             Contains("mail"));
  CHECK_THAT(refusal("INSERT INTO sale VALUES (10, 1, 'open', 'x')", database),
             Contains("one_open"));
  CHECK_THAT(refusal("INSERT INTO sale VALUES (10, 1, 'paid', 'B')", database),
             Contains("by_code"));
  CHECK_THAT(refusal("INSERT INTO sale VALUES (10, 1, 'lost', 'x')", database), Contains("check"));
  CHECK(refusal("INSERT INTO sale VALUES (10, 1, 'paid', 'x')", database).empty());
  CHECK(server()
            .value("INSERT INTO customer(id, email) VALUES (10, 'c@x') RETURNING points || made",
                   database)
            .size() == 20);
}

}  // namespace

TEST_CASE("what names a column twice is carried like anything else") {
  const TempDir folder;
  const std::string file = folder.file("twice.db");
  sqlite(file,
         "CREATE TABLE declared(id INTEGER PRIMARY KEY, a TEXT, UNIQUE(a, a));"
         "CREATE TABLE keyed(a INT, b TEXT, PRIMARY KEY(a, a)) WITHOUT ROWID;"
         "CREATE TABLE keyless(a TEXT NOT NULL); CREATE UNIQUE INDEX i ON keyless(a, a);"
         "INSERT INTO declared VALUES (1, 'x'); INSERT INTO keyed VALUES (1, 'x');"
         "INSERT INTO keyless VALUES ('x')");
  const std::string dsn = server().create_database("twice");
  require_code(lockstep({"run", file, dsn, "--until", "caught-up"}), 0);
  require_equal(file, dsn);
  CHECK_THAT(refusal("INSERT INTO declared VALUES (2, 'x')", "twice"), Catch::Contains("unique"));
  CHECK_THAT(refusal("INSERT INTO keyless VALUES ('x')", "twice"), Catch::Contains("unique"));
}

TEST_CASE("keys, checks, defaults and foreign keys are carried, and the rest is named") {
  const TempDir folder;
  const std::string file = folder.file("shop.db");
  sqlite(file, kShop);
  const std::string dsn = server().create_database("carried");
  const Outcome outcome = lockstep({"run", file, dsn, "--until", "caught-up"});
  require_code(outcome, 0);
  const std::string said = everything(outcome);
  CHECK_THAT(said, Catch::Contains("CHECK (email GLOB '*@*'): not translated: operator GLOB"));
  CHECK_THAT(said, Catch::Contains("sale_customer_fkey of \"public\".\"sale\" is NOT VALID: 1 rows "
                                   "have no parent: (\"id\", \"customer\") = (3,9)"));
  CHECK_THAT(said, Catch::Contains("LS-T231"));  // points >= 0 is broken by a row
  require_equal(file, dsn);
  // A unique value that moves between rows, and a key that changes its case.
  sqlite(file,
         "UPDATE customer SET email = 'x' || email; UPDATE customer SET email = 'BOB@x' WHERE id = "
         "1; UPDATE customer SET email = 'xANN@x' WHERE id = 2; DELETE FROM customer WHERE id = 1");
  require_code(lockstep({"run", file, dsn, "--until", "caught-up"}), 0);
  require_equal(file, dsn);
  CHECK(server().value("SELECT count(*) FROM sale", "carried") == "3");
  CHECK(foreign_keys("carried") ==
        "false FOREIGN KEY (customer) REFERENCES customer(id) ON DELETE CASCADE NOT VALID");
  CHECK_THAT(refusal("INSERT INTO customer(id, email) VALUES (10, 'XANN@X')", "carried"),
             Catch::Contains("customer_email_folded_key"));
}

TEST_CASE("foreign keys wait for a role that may keep them quiet, and never act by themselves") {
  const TempDir folder;
  const std::string file = folder.file("shop.db");
  sqlite(
      file,
      "CREATE TABLE a(id INTEGER PRIMARY KEY, code TEXT UNIQUE, boss INT REFERENCES a DEFERRABLE "
      "INITIALLY DEFERRED);"
      "CREATE TABLE b(id INTEGER PRIMARY KEY, a INT NOT NULL REFERENCES a ON DELETE CASCADE, "
      "code TEXT REFERENCES a(code) ON UPDATE CASCADE ON DELETE SET NULL);"
      "INSERT INTO a VALUES (1, 'x', 2), (2, 'y', 1), (3, 'z', NULL);"
      "INSERT INTO b VALUES (1, 1, 'x'), (2, 2, 'y'), (3, 3, NULL)");
  const std::string name = "keys";
  server().query("CREATE ROLE plain LOGIN", "postgres");
  std::string dsn = server().create_database(name, "OWNER plain");
  server().query("GRANT ALL ON SCHEMA public TO plain", name);
  dsn.replace(dsn.find("postgres@"), 8, "plain");
  const std::string all =
      "true FOREIGN KEY (boss) REFERENCES a(id) DEFERRABLE INITIALLY DEFERRED, true FOREIGN KEY "
      "(a) REFERENCES a(id) ON DELETE CASCADE, true FOREIGN KEY (code) REFERENCES a(code) ON "
      "UPDATE CASCADE ON DELETE SET NULL";
  const auto runs = [&] {
    const Outcome outcome = lockstep({"run", file, dsn, "--until", "caught-up"});
    require_code(outcome, 0);
    require_equal(file, dsn);
    return everything(outcome);
  };
  CHECK_THAT(runs(), Catch::Contains("PostgreSQL gets 3 foreign key(s) at the end") &&
                         Catch::Contains("Of: a, b"));
  CHECK(foreign_keys(name) == "none");
  const Outcome diff = lockstep({"schema", "diff", file, dsn});
  require_code(diff, 4);
  CHECK_THAT(diff.output, Catch::Contains("foreign key b_a_fkey of \"public\".\"b\" waits"));
  // What PostgreSQL would refuse, or would do by itself, while the role may not keep it quiet.
  sqlite(file, "DELETE FROM a WHERE id = 3; UPDATE a SET code = 'w' WHERE id = 1");
  runs();
  CHECK(server().value("SELECT string_agg(id || coalesce(code, '-'), ' ' ORDER BY id) FROM b",
                       name) == "1x 2y 3-");
  sqlite(file, "INSERT INTO a VALUES (3, 'z', NULL); UPDATE a SET code = 'x' WHERE id = 1");
  runs();
  // The role is given what it takes: they are made. It is taken away again: they are set aside.
  server().query("GRANT SET ON PARAMETER session_replication_role TO plain", name);
  runs();
  CHECK(foreign_keys(name) == all);
  require_code(lockstep({"schema", "diff", file, dsn}), 0);
  sqlite(file,
         "DELETE FROM a WHERE id = 3; UPDATE a SET code = 'v' WHERE id = 1; UPDATE a SET boss = 77 "
         "WHERE id = 2");
  runs();
  CHECK(server().value("SELECT string_agg(id || coalesce(code, '-'), ' ' ORDER BY id) FROM b",
                       name) == "1x 2y 3-");
  CHECK(foreign_keys(name) == all);
  server().query("REVOKE SET ON PARAMETER session_replication_role FROM plain", name);
  CHECK_THAT(runs(), Catch::Contains("3 foreign keys are set aside"));
  CHECK(foreign_keys(name) == "none");
  // One that somebody dropped by hand is not made again; the others are, at the end.
  sqlite(file, "DELETE FROM b WHERE id = 3; UPDATE a SET boss = NULL WHERE id = 2");
  runs();
  const Outcome removed = lockstep({"remove", file, dsn});
  require_code(removed, 0);
  CHECK_THAT(everything(removed), Catch::Contains("LS-T232") && Catch::Contains("b_code_fkey"));
  CHECK(foreign_keys(name) ==
        "true FOREIGN KEY (boss) REFERENCES a(id) DEFERRABLE INITIALLY DEFERRED, true FOREIGN KEY "
        "(a) REFERENCES a(id) ON DELETE CASCADE, false FOREIGN KEY (code) REFERENCES a(code) ON "
        "UPDATE CASCADE ON DELETE SET NULL NOT VALID");
}

TEST_CASE("a schema that moves takes its foreign keys along") {
  const TempDir folder;
  const std::string file = folder.file("shop.db");
  sqlite(file,
         "PRAGMA journal_mode = WAL; CREATE TABLE a(id INTEGER PRIMARY KEY, code TEXT);"
         "CREATE UNIQUE INDEX a_code ON a(code);"
         "CREATE TABLE c(id INTEGER PRIMARY KEY, p INT REFERENCES a ON DELETE CASCADE);"
         "INSERT INTO a VALUES (1, 'x'); INSERT INTO c VALUES (1, 1)");
  const std::string dsn = server().create_database("moving");
  require_code(lockstep({"run", file, dsn, "--until", "caught-up"}), 0);
  const std::string first = "true FOREIGN KEY (p) REFERENCES a(id) ON DELETE CASCADE";
  CHECK(foreign_keys("moving") == first);
  sqlite(file,
         "ALTER TABLE c ADD COLUMN q TEXT REFERENCES a(code); UPDATE c SET q = 'x';"
         "CREATE TABLE d(id INTEGER PRIMARY KEY, c INT REFERENCES c ON DELETE SET NULL);"
         "INSERT INTO d VALUES (1, 1)");
  require_code(lockstep({"run", file, dsn, "--until", "caught-up"}), 0);
  require_equal(file, dsn);
  const std::string third = ", true FOREIGN KEY (c) REFERENCES c(id) ON DELETE SET NULL";
  CHECK(foreign_keys("moving") == first + ", true FOREIGN KEY (q) REFERENCES a(code)" + third);
  // Killed behind the last foreign key but before the phase moves on, or before the last one.
  server().query(
      "UPDATE lockstep.ledger SET phase = 'indexing'; ALTER TABLE c DROP CONSTRAINT c_q_fkey; "
      "INSERT INTO lockstep.ledger_foreign_keys VALUES ((SELECT migration FROM lockstep.ledger), "
      "'\"public\".\"c\"', 'c_q_fkey', 'FOREIGN KEY (q) REFERENCES a(code)')",
      "moving");
  require_code(lockstep({"run", file, dsn, "--until", "caught-up"}), 0);
  CHECK(foreign_keys("moving") == first + ", true FOREIGN KEY (q) REFERENCES a(code)" + third);
  CHECK(server().value("SELECT count(*) FROM lockstep.ledger_foreign_keys", "moving") == "0");
  // A unique index is dropped together with the column that references by it.
  sqlite(file, "UPDATE c SET q = NULL; ALTER TABLE c DROP COLUMN q; DROP INDEX a_code");
  require_code(lockstep({"ddl", "accept", file}), 0);
  require_code(lockstep({"run", file, dsn, "--until", "caught-up"}), 0);
  require_equal(file, dsn);
  CHECK(foreign_keys("moving") == first + third);
}

TEST_CASE("generated columns are computed on both sides, and hold values once they cannot be") {
  const TempDir folder;
  const std::string file = folder.file("made.db");
  const std::string table =
      "(id INTEGER PRIMARY KEY, a TEXT, n INT, low TEXT AS (lower(a) || '!'), size INT AS "
      "(length(a)) STORED NOT NULL, big INT AS (n * 2), odd INT AS (CASE WHEN n > 5 THEN 1 ELSE 0 "
      "END) STORED, like_it INT AS (a LIKE 'x%'), real_one REAL AS (length(a)), txt TEXT AS "
      "(length(a)), deep TEXT AS (low || 'z'))";
  sqlite(file, "PRAGMA journal_mode = WAL; CREATE TABLE t" + table +
                   "; CREATE INDEX by_size ON t(size); INSERT INTO t(a, n) VALUES ('Xyz', 1), ('', "
                   "9), ('é', NULL)");
  const std::string dsn = server().create_database("made");
  const auto computed = [] {
    return server().value(
        "SELECT coalesce(string_agg(attname, ' ' ORDER BY attnum), 'none') FROM pg_attribute WHERE "
        "attrelid = 't'::regclass AND attgenerated = 's'",
        "made");
  };
  const auto runs = [&] {
    const Outcome outcome = lockstep({"run", file, dsn, "--until", "caught-up"});
    require_code(outcome, 0);
    require_equal(file, dsn);
    require_code(lockstep({"verify", file, dsn}), 0);
    return everything(outcome);
  };
  const std::string said = runs();
  CHECK(computed() == "low size odd");
  for (const char* plain :
       {"column big: ",
        "column like_it: its values are carried, PostgreSQL does not compute them: "
        "not translated: LIKE",
        "column real_one: ", "column txt: ", "it names another generated column"})
    CHECK_THAT(said, Catch::Contains(plain));
  // One by one, and as a large batch.
  sqlite(file,
         "UPDATE t SET a = 'Bä' WHERE id = 1; INSERT INTO t(a, n) VALUES ('new', 6); DELETE "
         "FROM t WHERE id = 2");
  runs();
  sqlite(file,
         "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 900) "
         "INSERT INTO t(a, n) SELECT 'Row' || i, i FROM c; UPDATE t SET n = n + 1");
  runs();
  // Somebody who makes it a plain one would leave it without values.
  server().query("ALTER TABLE t ALTER COLUMN low DROP EXPRESSION", "made");
  const Outcome altered = lockstep({"run", file, dsn, "--until", "caught-up"});
  require_code(altered, 7);
  CHECK_THAT(everything(altered),
             Catch::Contains("LS-T214") && Catch::Contains("low is no generated column any more"));
  const auto compute_low = [](const std::string& tail) {
    server().query(fmt::format("ALTER TABLE t DROP COLUMN low; ALTER TABLE t ADD COLUMN low text "
                               "GENERATED ALWAYS AS ((lower(a COLLATE \"C\") || '{}')) STORED",
                               tail),
                   "made");
  };
  compute_low("?");
  require_code(lockstep({"verify", file, dsn}), 4);
  compute_low("!");
  runs();
  // Rebuilt with another expression, which no name or type tells: it holds values from then on.
  std::string other = table;
  other.replace(other.find("'!'"), 3, "'?'");
  sqlite(file,
         "BEGIN; CREATE TABLE new__t" + other +
             "; INSERT INTO new__t(id, a, n) SELECT id, a, n FROM t; DROP TABLE t; ALTER TABLE "
             "new__t RENAME TO t; CREATE INDEX by_size ON t(size); COMMIT; UPDATE t SET a = "
             "'Last' WHERE id = 1");
  runs();
  CHECK(computed() == "none");
  CHECK(server().value("SELECT low || size FROM t WHERE id = 1", "made") == "last?4");
}

TEST_CASE("schema generate prints what psql can run, foreign keys and all") {
  const TempDir folder;
  const std::string file = folder.file("shop.db");
  sqlite(file, kShop);
  const Outcome outcome = lockstep({"schema", "generate", file});
  require_code(outcome, 0);
  CHECK(sqlite_schema(file).size() == 5);  // nothing of ours
  CHECK_THAT(outcome.output, Catch::Contains("-- CHECK (email GLOB"));
  server().create_database("generated");
  server().query(outcome.output, "generated");
  server().query(
      "INSERT INTO customer(id, email) VALUES (1, 'Ann@x'), (2, 'bob@x');"
      "INSERT INTO sale VALUES (1, 1, 'open', 'A'), (2, 1, 'paid', 'b')",
      "generated");
  check_rules("generated");
  CHECK_THAT(refusal("INSERT INTO sale VALUES (11, 99, 'paid', 'y')", "generated"),
             Catch::Contains("sale_customer_fkey"));
  server().query("DELETE FROM customer WHERE id = 1", "generated");
  CHECK(server().value("SELECT count(*) FROM sale", "generated") == "0");
  // Names that PostgreSQL cannot have, and the lines of the configuration that decide it.
  const std::string names = folder.file("names.db");
  const std::string longest(70, 'c');
  sqlite(names, fmt::format("CREATE TABLE n(id INTEGER PRIMARY KEY, {0}1 TEXT, {0}2 ANY); "
                            "CREATE UNIQUE INDEX {0}3 ON n({0}1 DESC); INSERT "
                            "INTO n VALUES (1, 'a', 'b'), (2, 'c', 1)",
                            longest));
  const Outcome refused = lockstep({"schema", "generate", names});
  require_code(refused, 3);
  CHECK_THAT(refused.output, Catch::Contains("REFUSED: n: column \"" + longest + "1\""));
  const Outcome assessed = lockstep({"assess", names});
  require_code(assessed, 3);
  INFO(assessed.output);
  std::ofstream(folder.file("names.json")) << fmt::format(
      R"({{"version": 1, "source": {{ "sqlite": "{0}" }}, "columns": {{ "n.{1}1": {{ "rename": "one" }}, "n.{1}2": {{ "rename": "two", "type": "literal" }} }}}})",
      names, longest);
  const Outcome decided = lockstep({"schema", "generate", "--config", folder.file("names.json")});
  require_code(decided, 0);
  CHECK_THAT(
      decided.output,
      Catch::Contains(
          R"("id" bigint NOT NULL GENERATED BY DEFAULT AS IDENTITY, "one" text, "two" text)") &&
          Catch::Contains(R"({"rename": "two", "type": "literal"})"));
  const std::string dsn = server().create_database("names");
  require_code(
      lockstep({"run", names, dsn, "--config", folder.file("names.json"), "--until", "caught-up"}),
      0);
  CHECK(server().value("SELECT pg_get_indexdef('n_one_idx'::regclass)", "names") ==
        "CREATE UNIQUE INDEX n_one_idx ON public.n USING btree (one DESC)");
  CHECK(server().value("SELECT string_agg(one || two, ' ' ORDER BY id) FROM n", "names") ==
        "a'b' c1");
  require_code(lockstep({"schema"}), 2);
  require_code(lockstep({"schema", "generate"}), 2);
}

}  // namespace lockstep::test
