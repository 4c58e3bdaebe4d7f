// Somebody changes the copied tables on the target: lockstep stops by name before it builds on what
// is not there, and goes on once that is undone.
#include <fstream>
#include <functional>
#include <map>

#include "tests/system/followed.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

struct Change {
  std::string ddl, undo, named;
};

const std::vector<Change> kAltered{
    {"ALTER TABLE a ADD must int NOT NULL DEFAULT 0; ALTER TABLE a ALTER must DROP DEFAULT",
     "ALTER TABLE a DROP must", "a.must (integer NOT NULL) is new"},
    {"ALTER TABLE b RENAME TO c", "ALTER TABLE c RENAME TO b", "b is gone"},
    {"ALTER TABLE a ALTER n TYPE numeric", "ALTER TABLE a ALTER n TYPE bigint",
     "a.n is numeric, it was made as bigint"},
    {"ALTER TABLE a DROP CONSTRAINT a_pkey", "ALTER TABLE a ADD CONSTRAINT a_pkey PRIMARY KEY (id)",
     "a lost its primary key"},
    {"ALTER TABLE a ALTER n SET NOT NULL", "ALTER TABLE a ALTER n DROP NOT NULL",
     "a.n became NOT NULL"},
    {"ALTER TABLE b SET UNLOGGED", "ALTER TABLE b SET LOGGED", "b became UNLOGGED"},
};
const std::vector<Change> kRewriting{
    {"CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; "
     "CREATE "
     "TRIGGER meddles BEFORE INSERT ON b FOR EACH ROW EXECUTE FUNCTION meddle()",
     "DROP FUNCTION meddle CASCADE", "b has a trigger meddles"},
    {"CREATE RULE drops AS ON INSERT TO b DO INSTEAD NOTHING", "DROP RULE drops ON b",
     "b has a rule drops"},
};
const std::vector<Change> kHiding{
    {"ALTER TABLE a ENABLE ROW LEVEL SECURITY; ALTER TABLE a FORCE ROW LEVEL SECURITY",
     "ALTER TABLE a NO FORCE ROW LEVEL SECURITY; ALTER TABLE a DISABLE ROW LEVEL SECURITY",
     "a has row level security"},
};
const std::vector<Change> kFolding{
    {"CREATE COLLATION fold (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
     "ALTER TABLE b ALTER k TYPE text COLLATE fold",
     "ALTER TABLE b ALTER k TYPE text COLLATE \"default\"; DROP COLLATION fold",
     "b.k is text COLLATE fold"},
};

/// A migration of an owner who is no superuser.
Followed owned(const std::string& name) {
  static const bool role = [] {
    server().query("CREATE ROLE keeper LOGIN");
    return true;
  }();
  REQUIRE(role);
  std::string dsn = server().create_database(name, "OWNER keeper");
  server().query("GRANT ALL ON SCHEMA public TO keeper", name);
  dsn.replace(dsn.find("postgres@"), 8, "keeper");
  return Followed(name, dsn);
}

/// The first while lockstep runs, the others while it does not: both are looked at.
void halts_for_each(Followed& both, const std::vector<Change>& changes) {
  for (const Change& change : changes) {
    INFO(change.ddl);
    const bool running = &change == &changes.front();
    if (!running) both.stop();
    query(both.dsn(), change.ddl);
    both.write_some();
    if (running) both.halts(7, "LS-T214", {change.named});
    const Outcome again = lockstep({"run", both.file(), both.dsn()});
    require_code(again, 7);
    CHECK(again.error_output.find(change.named) != std::string::npos);
    query(both.dsn(), change.undo);
    both.start();
    require_caught_up(both.process(), both.file());
  }
}

// Table b goes from the source, and somebody accepts it while lockstep runs or while it does not.
void drop_b(
    const Followed& both, const std::function<void()>& between = [] {}) {
  require_code(lockstep({"ddl", "hold", both.file()}), 0);
  both.write("DROP TABLE b");
  between();
  require_code(lockstep({"ddl", "accept", both.file(), both.dsn()}), 0);
}

bool ledger_forgets_b(const std::string& database) {
  const std::string known = "SELECT count(*) FROM lockstep.ledger_tables WHERE name = 'b'";
  return wait_until([&] { return server().value(known, database) == "0"; }, 20s);
}

}  // namespace

TEST_CASE("a dropped table that was accepted leaves the ledger though nothing else is written") {
  Followed both("leaves", server().create_database("leaves"));
  both.start_and_catch_up();
  drop_b(both);
  REQUIRE(ledger_forgets_b("leaves"));
  CHECK(wait_until([&] { return both.status()["tables"].size() == 1; }, 20s));
  server().query("DROP TABLE b", "leaves");
  both.stop();
  both.start();  // which looks at the tables first
  both.write("INSERT INTO a(u, n) VALUES ('behind', 1)");
  both.caught_up();
  both.stop();
}

TEST_CASE("what the source does not follow any more may be dropped before the ledger knows") {
  Followed both("before", server().create_database("before"));
  both.start_and_catch_up();
  drop_b(both, [&] { both.stop(); });
  server().query("DROP TABLE b", "before");
  both.start();
  REQUIRE(ledger_forgets_b("before"));
  both.write("INSERT INTO a(u, n) VALUES ('behind', 1)");
  both.caught_up();
  both.stop();
}

TEST_CASE("a table that is altered on the target stops lockstep at the next batch, by name") {
  Followed both = owned("altered");
  both.start_and_catch_up();
  halts_for_each(both, kAltered);
  require_equal(both.file(), both.dsn());
  both.stop();
  saw_fault("A17", "HALT: LS-T214 names each difference; goes on once it is undone");
}

TEST_CASE("what can change or hide rows on the target stops lockstep within seconds, by name") {
  Followed both = owned("meddled");
  both.start_and_catch_up();
  halts_for_each(both, kRewriting);
  // Nothing was kept away meanwhile: the very batch that met them was refused.
  require_equal(both.file(), both.dsn());
  saw_fault("A18",
            "HALT: the batch that meets a trigger or rule is refused (LS-T255), LS-T214 names it");
  halts_for_each(both, kHiding);
  saw_fault("A19", "HALT: LS-T214; row_security=off makes it an error, never fewer rows");
  halts_for_each(both, kFolding);
  both.stop();
  saw_fault("A22", "HALT: LS-T214 names a column whose collation was changed");
}

TEST_CASE("row level security on a table of lockstep's own is named, with what takes it off") {
  Followed both = owned("own_hidden");
  both.start_and_catch_up();
  query(both.dsn(),
        "ALTER TABLE lockstep.ledger ENABLE ROW LEVEL SECURITY; "
        "ALTER TABLE lockstep.ledger FORCE ROW LEVEL SECURITY");
  both.write_some();
  both.halts(3, "LS-T266", {"ledger", "NO FORCE ROW LEVEL SECURITY"});
  for (const char* const command : {"run", "verify"}) {
    const Outcome again = lockstep({command, both.file(), both.dsn()});
    require_code(again, 3);
    CHECK_THAT(again.error_output, Catch::Contains("error[LS-T266]"));
  }
  query(both.dsn(), "ALTER TABLE lockstep.ledger NO FORCE ROW LEVEL SECURITY");
  both.start();
  require_caught_up(both.process(), both.file());
  require_equal(both.file(), both.dsn());
  both.stop();
  // Of a copied one the others are compared.
  query(both.dsn(), kHiding.front().ddl);
  const Outcome verified = lockstep({"verify", both.file(), both.dsn(), "--json"});
  CHECK_FALSE(verified.status == ExitStatus{.code = 3});
  std::map<std::string, std::string> states;
  for (const auto& table : objects(verified, "table")) states[table["table"]] = table["state"];
  CHECK(states == std::map<std::string, std::string>{{"a", "not compared"}, {"b", "equal"}});
}

TEST_CASE("a rule that was there for one batch alone takes no row away") {
  Followed both = owned("briefly");
  both.start_and_catch_up();
  const std::vector<std::string> meddlings{
      "CREATE RULE stays AS ON DELETE TO b DO INSTEAD NOTHING",
      "CREATE RULE drops AS ON INSERT TO b DO INSTEAD NOTHING"};
  const std::vector<std::string> undone{"DROP RULE stays ON b", "DROP RULE drops ON b"};
  for (std::size_t i = 0; i < meddlings.size(); ++i) {
    INFO(meddlings[i]);
    query(both.dsn(), meddlings[i]);
    both.write("DELETE FROM b WHERE n = 1; INSERT INTO b VALUES (hex(randomblob(4)), 1)");
    both.halts(7, "LS-T214", {"b has a rule"});
    query(both.dsn(), undone[i]);
    both.start();
    both.caught_up();
  }
  both.stop();
}

TEST_CASE("a constraint that somebody added stops the batch that breaks it, with its row") {
  Followed both = owned("constrained");
  both.start_and_catch_up();
  const std::string before = server().value("SELECT seq FROM lockstep.ledger", "constrained");
  query(both.dsn(), "ALTER TABLE a ADD CONSTRAINT small CHECK (n < 100)");
  both.write(
      "BEGIN; INSERT INTO b VALUES ('same batch', 1); INSERT INTO a VALUES (77, 'x', 500); COMMIT");
  both.halts(7, "LS-T211", {"small", "the row of a with id = 77"});
  CHECK(server().value("SELECT seq FROM lockstep.ledger", "constrained") == before);
  CHECK(server().value("SELECT count(*) FROM b WHERE k = 'same batch'", "constrained") == "0");
  query(both.dsn(), "ALTER TABLE a DROP CONSTRAINT small");
  saw_fault("A14", "HALT: LS-T211 names constraint and row; nothing of the batch is kept");
  query(both.dsn(),
        "ALTER TABLE b ADD CONSTRAINT parent FOREIGN KEY (n) REFERENCES a DEFERRABLE INITIALLY "
        "DEFERRED");
  both.start_and_catch_up();
  both.write(
      "BEGIN; INSERT INTO b VALUES ('child', 88); INSERT INTO a VALUES (88, 'p', 1); COMMIT");
  both.caught_up();  // at COMMIT both are there
  both.stop();
  saw_fault("A15",
            "GO: foreign keys are quiet, or not there; one that was added as deferred holds");
}

TEST_CASE("a target whose ledger was dropped is named as that") {
  Followed both = owned("dropped");
  both.start_and_catch_up();
  both.stop();
  query(both.dsn(), "DROP SCHEMA lockstep CASCADE");
  const Outcome refused = lockstep({"run", both.file(), both.dsn()});
  require_code(refused, 8);
  CHECK_THAT(refused.error_output, Catch::Contains("error[LS-R707]"));
  CHECK_THAT(refused.error_output,
             Catch::Contains("or this one, whose schema lockstep was dropped"));
  CHECK_THAT(refused.error_output, Catch::Contains("drop the copied tables there"));
}

TEST_CASE("of a row that is refused no personal data are told") {
  Followed both = owned("private");
  const std::string config = both.in_folder("private.json");
  std::ofstream(config) << R"({"version": 1, "columns": {"a.u": {"pii": true}}})";
  both.start({"--config", config});
  both.caught_up();
  query(both.dsn(), "ALTER TABLE a ADD CONSTRAINT small CHECK (n < 100)");
  both.write("INSERT INTO a VALUES (78, 'somebody', 500)");
  both.halts(7, "LS-T211", {"small", "the row of a with id = 78"});
  CHECK(both.process().error_output().find("somebody") == std::string::npos);
  // Many rows go by staging, where it is the server alone that names one.
  both.write(
      "WITH RECURSIVE c(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM c WHERE i < 900)"
      "INSERT INTO a SELECT i, 'somebody ' || i, 500 FROM c");
  both.start({"--config", config});
  both.halts(7, "LS-T211", {"small"});
  CHECK(both.process().error_output().find("somebody") == std::string::npos);
}

TEST_CASE("rows that somebody else writes on the target are found by verify") {
  Followed both("written", server().create_database("written"));
  both.start_and_catch_up();
  server().query("UPDATE a SET n = 4711 WHERE id = 2; INSERT INTO b VALUES ('mine', 1)", "written");
  both.stop();
  const Outcome verified = lockstep({"verify", both.file(), both.dsn()});
  require_code(verified, 4);
  CHECK(verified.output.find("4711") != std::string::npos);
  CHECK(verified.output.find("mine") != std::string::npos);
}

TEST_CASE("the ledger's row is updated in place, and tables are analyzed") {
  Followed both("bloat", server().create_database("bloat"));
  both.start_and_catch_up();
  both.stop();
  CHECK(server().value("SELECT count(*) FROM pg_stat_user_tables WHERE schemaname = 'public' AND "
                       "last_analyze IS NULL",
                       "bloat") == "0");
  server().query(
      "DO $$BEGIN FOR i IN 1..20000 LOOP UPDATE lockstep.ledger SET batches = batches + 1, "
      "source_wall_us = i, updated = clock_timestamp(); COMMIT; END LOOP; END$$",
      "bloat");
  const int bytes =
      std::stoi(server().value("SELECT pg_relation_size('lockstep.ledger')", "bloat"));
  CHECK(bytes <= 128 * 1024);
  both.start_and_catch_up();
  both.stop();
  saw_fault("A32", "GO: 20,000 updates of the ledger's row leave it below 128 KiB");
  saw_fault("A33", "GO: tables are analyzed when their keys are built");
}

}  // namespace lockstep::test
