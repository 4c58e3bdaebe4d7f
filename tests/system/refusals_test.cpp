// What lockstep will not do: carry what cannot be carried exactly, write into tables of others,
// tell a password.
#include <algorithm>
#include <map>
#include <sstream>

#include "tests/support/fault.hpp"
#include "tests/system/world.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string joined(const std::vector<std::string>& parts, const std::string& separator) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : separator) + part;
  return text;
}

bool schema_exists(const std::string& database) {
  return server().value("SELECT 1 FROM pg_namespace WHERE nspname = 'lockstep'", database) == "1";
}

std::string make_torture(const TempDir& folder) {
  const std::string file = folder.file("torture.db");
  sqlite(file, contents(LOCKSTEP_SOURCE_DIR "/tests/data/torture_public.sql"));
  return file;
}

/// Refused tables, each with its reasons.
std::map<std::string, std::vector<std::string>> refusals_in(const std::string& output) {
  std::map<std::string, std::vector<std::string>> refusals;
  std::istringstream lines{output};
  for (std::string line; std::getline(lines, line);) {
    const auto object = nlohmann::json::parse(line);
    if (object["type"] != "refusal") continue;
    refusals[object["table"]] = object["problems"].get<std::vector<std::string>>();
  }
  return refusals;
}

/// Every row of every table of ours on the target, and what the server shows of its clients.
std::string seen_on_target(const std::string& database) {
  std::string text;
  for (const char* table : {"lockstep.ledger", "lockstep.ledger_tables", "pg_stat_activity"})
    for (const auto& row :
         server().query(std::string("SELECT t::text FROM ") + table + " AS t", database))
      text += row.front().value_or("") + "\n";
  return text;
}

}  // namespace

TEST_CASE("the torture database is refused as a whole, with a reason for each table", "[system]") {
  const TempDir folder;
  const std::string file = make_torture(folder);
  const std::string dsn = server().create_database("torture");
  const auto before = sqlite_schema(file);
  const Outcome refused = lockstep({"run", file, dsn, "--json"});
  require_code(refused, 3);
  const auto refusals = refusals_in(refused.output);
  for (const auto& [table, reasons] : refusals) {
    INFO(table);
    REQUIRE_FALSE(reasons.empty());
    for (const std::string& reason : reasons) CHECK(reason.size() > 10);
  }
  CHECK(has(refused.output, "\"code\":\"LS-S305\",\"table\":\"no_pk\""));
  // PostgreSQL has no place for these, whatever lockstep will learn.
  for (const char* table : {"text_nul", "text_badutf8", "pk_null", "wide_cols"})
    REQUIRE(refusals.count(table) == 1);
  CHECK(nlohmann::json::parse(refused.error_output)["code"] == "LS-A100");
  CHECK(sqlite_schema(file) == before);
  CHECK_FALSE(schema_exists("torture"));

  const Outcome as_text = lockstep({"run", file, dsn});
  require_code(as_text, 3);
  for (const auto& [table, reasons] : refusals)
    CHECK(has(as_text.output, "refused   " + table + ": " + reasons.front()));
  saw_fault("A23",
            "REFUSE: LS-A100 names the table with U+0000 in a text; while following LS-D401");
  saw_fault("A36", "REFUSE: LS-A100 names the table with too many columns");
  saw_fault("S28", "REFUSE: LS-A100 before the first trigger, with table, column and reason");
}

TEST_CASE("a table without a key is warned of, followed, and counts on after the last rowid",
          "[system]") {
  const TempDir folder;
  const std::string file = folder.file("bag.db");
  sqlite(
      file,
      "CREATE TABLE bag(a, b TEXT); INSERT INTO bag VALUES (1, 'x'), (1, 'x'), (2, NULL);"
      "CREATE VIRTUAL TABLE words USING fts5(x); CREATE TABLE words_mine(id INTEGER PRIMARY KEY)");
  const std::string dsn = server().create_database("bag");
  const Outcome first = lockstep({"run", file, dsn, "--until", "caught-up"});
  require_code(first, 0);
  CHECK(has(first.output,
            "warn      LS-S305 bag: no primary key; followed by rowid in column "
            "_lockstep_rowid; VACUUM may renumber, then lockstep reads the table "
            "again"));
  CHECK(has(first.output,
            "skipped   words: a virtual table, with the 5 tables it keeps its data in;"));
  require_equal(file, dsn, {"--tables", "bag,words_mine"});
  REQUIRE(server().value("SELECT nextval(pg_get_serial_sequence('bag', '_lockstep_rowid'))",
                         "bag") == "4");
  saw_fault("A21",
            "GO: identity BY DEFAULT takes the source's numbers; its sequence goes on after them");
  sqlite(file, "DELETE FROM bag WHERE rowid = 1; INSERT INTO bag VALUES (1, 'x'), (1, 'y')");
  const Outcome second = lockstep({"run", file, dsn, "--until", "caught-up"});
  require_code(second, 0);
  CHECK_FALSE(has(second.output, "LS-S305"));
  require_equal(file, dsn, {"--tables", "bag,words_mine"});
  require_code(lockstep({"verify", file, dsn}), 0);
}

TEST_CASE("a table whose columns take all names of the rowid is refused, with rows and without",
          "[system]") {
  const TempDir folder;
  const bool rows = GENERATE(false, true);
  const std::string file = folder.file("rowid.db");
  const std::string dsn = server().create_database(rows ? "rowids_taken" : "rowids_taken_empty");
  sqlite(file, "CREATE TABLE t(rowid, oid, _rowid_); CREATE TABLE u(id INTEGER PRIMARY KEY)");
  if (rows) sqlite(file, "INSERT INTO t VALUES (1, 2, 3)");
  for (const auto& command : {std::vector<std::string>{"assess", file}, {"run", file, dsn}}) {
    const Outcome outcome = lockstep(command);
    require_code(outcome, 3);
    CHECK(has(everything(outcome), "its columns take all names of the rowid"));
  }
  require_code(lockstep({"schema", "generate", file, "--exclude", "t"}), 0);
  require_code(lockstep({"run", file, dsn, "--exclude", "t", "--until", "caught-up"}), 0);
}

TEST_CASE("tables of a module that lockstep's SQLite does not know are named", "[system]") {
  const TempDir folder;
  const std::string file = folder.file("module.db");
  sqlite(
      file,
      "CREATE TABLE docs_chunks(id INTEGER PRIMARY KEY); CREATE TABLE other(id INTEGER PRIMARY "
      "KEY); CREATE VIRTUAL TABLE words USING fts5(x); CREATE TABLE words_mine(id INTEGER PRIMARY "
      "KEY); PRAGMA writable_schema = ON; INSERT INTO sqlite_master(type, name, tbl_name, "
      "rootpage, sql) VALUES ('table', 'docs', 'docs', 0, 'CREATE VIRTUAL TABLE docs USING "
      "vec0(v float[3])')");
  const Outcome assessed = lockstep({"assess", file});
  require_code(assessed, 0);
  CHECK(has(assessed.output, "LS-A115"));
  CHECK(has(assessed.output, "virtual table docs, of a module that only the application has"));
  CHECK_FALSE(has(assessed.output, "virtual table words, of a module"));
  CHECK_FALSE(has(lockstep({"assess", file, "--exclude", "docs_chunks"}).output, "LS-A115"));
}

TEST_CASE("a key too wide for PostgreSQL, and a schema of lockstep's own, are refused up front",
          "[system]") {
  const TempDir folder;
  const std::string file = folder.file("wide.db"), dsn = server().create_database("wide_key");
  std::vector<std::string> columns;
  for (int i = 0; i < 33; ++i) columns.push_back("c" + std::to_string(i));
  const std::string list = joined(columns, ", ");
  sqlite(file, "CREATE TABLE wide(" + list + ", PRIMARY KEY (" + list +
                   ")) WITHOUT ROWID;"
                   "CREATE TABLE ledger(id INTEGER PRIMARY KEY, " +
                   list + ", UNIQUE (" + list +
                   "));"
                   "INSERT INTO ledger(id, c0) VALUES (1, 2)");
  const auto before = sqlite_schema(file);
  const Outcome refused = lockstep({"run", file, dsn});
  require_code(refused, 3);
  CHECK(has(refused.output, "its key has 33 columns; PostgreSQL stops at 32"));
  const Outcome own = lockstep({"run", file, dsn, "--exclude", "wide", "--schema", "lockstep"});
  require_code(own, 2);
  CHECK(has(own.error_output, "LS-C106"));
  CHECK_FALSE(schema_exists("wide_key"));
  CHECK(sqlite_schema(file) == before);
  const Outcome done = lockstep({"run", file, dsn, "--exclude", "wide", "--until", "caught-up"});
  require_code(done, 0);
  CHECK(has(done.output, "it has 33 columns; PostgreSQL stops at 32"));
  require_equal(file, dsn, {"--tables", "ledger"});
}

TEST_CASE("tables and indexes may be called as PostgreSQL would call their sequences and keys",
          "[system]") {
  const TempDir folder;
  const std::string file = folder.file("named.db"), dsn = server().create_database("named");
  sqlite(
      file,
      "CREATE TABLE users(id INTEGER PRIMARY KEY AUTOINCREMENT, v); INSERT INTO users VALUES (7, "
      "'a'); CREATE TABLE users_id_seq(id INTEGER PRIMARY KEY); INSERT INTO users_id_seq VALUES "
      "(3); CREATE TABLE a(id INTEGER PRIMARY KEY, v); CREATE INDEX a_id_seq ON a(v); CREATE TABLE "
      "users_pkey(k TEXT PRIMARY KEY); CREATE TABLE users_id_seq1(k TEXT PRIMARY KEY)");
  require_code(lockstep({"run", file, dsn, "--until", "caught-up"}), 0);
  require_equal(file, dsn);
  CHECK(server().value("SELECT nextval(pg_get_serial_sequence('users', 'id'))", "named") == "8");
  const std::string sql = lockstep({"schema", "generate", file}).output;
  server().create_database("generated");
  server().query(sql, "generated");
}

TEST_CASE("a UTF-16 database is refused: SQLite would change lone surrogates on the way",
          "[system]") {
  const TempDir folder;
  const std::string file = folder.file("wide.db");
  sqlite(file, "PRAGMA encoding = 'UTF-16le'; CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT);");
  const auto before = sqlite_schema(file);
  const Outcome refused = lockstep({"run", file, server().create_database("wide"), "--json"});
  require_code(refused, 3);
  CHECK(nlohmann::json::parse(refused.error_output)["code"] == "LS-S332");
  CHECK(sqlite_schema(file) == before);
}

TEST_CASE("without exactly the refused tables the torture database is carried over exactly",
          "[system]") {
  const TempDir folder;
  const std::string file = make_torture(folder);
  const std::string dsn = server().create_database("carried");
  std::vector<std::string> excluded;
  for (const auto& [table, reasons] : refusals_in(lockstep({"run", file, dsn, "--json"}).output))
    excluded.push_back(table);
  require_code(
      lockstep({"run", file, dsn, "--exclude", joined(excluded, ","), "--until", "caught-up"}), 0);
  const auto followed = sqlite(file, "SELECT name FROM _lockstep_tables");
  const auto ordinary = sqlite(
      file,
      "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT "
      "LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE '\\_lockstep\\_%' ESCAPE '\\'");
  CHECK(followed.size() + excluded.size() == ordinary.size());
  for (const char* table : {"int_edges", "reals", "text_specials", "blobs", "pk_comp", "pk_nocase",
                            "order", "MixedCase", "fk_orphans", "idx_long", "narrow", "no_pk",
                            "shadow_rowid", "uniq_partial", "uniq_expr", "gen_zoo", "bag"})
    CHECK(std::count(followed.begin(), followed.end(), table) == 1);
  require_equal(file, dsn, {"--tables", joined(followed, ",")});
  require_code(lockstep({"verify", file, dsn}), 0);
}

TEST_CASE("a table that is on the target already is not touched: exit 3, nothing installed",
          "[system]") {
  const TempDir folder;
  const std::string file = folder.file("taken.db");
  sqlite(file, "CREATE TABLE notes(id INTEGER PRIMARY KEY); INSERT INTO notes VALUES (1)");
  const auto before = sqlite_schema(file);
  const std::string dsn = server().create_database("taken");
  server().query("CREATE TABLE notes(mine text); INSERT INTO notes VALUES ('precious')", "taken");
  const Outcome refused = lockstep({"run", file, dsn});
  require_code(refused, 3);
  CHECK(has(refused.error_output, "LS-A100"));
  CHECK(has(refused.output, "LS-T221 column id is missing there"));
  CHECK(sqlite_schema(file) == before);
  CHECK_FALSE(schema_exists("taken"));
  CHECK(server().value("SELECT mine FROM notes", "taken") == "precious");
}

TEST_CASE("a password is nowhere to be found: not in output, files, tables or the process list",
          "[system]") {
  const std::string canary = "xK9-canary-7Qz";
  const TempDir folder;
  const std::string file = folder.file("secret.db");
  sqlite(file,
         "PRAGMA journal_mode = WAL; CREATE TABLE notes(id INTEGER PRIMARY KEY); INSERT INTO notes "
         "VALUES (1)");
  std::string dsn = server().create_database("secret");
  const std::string plain = dsn;
  dsn.insert(dsn.find('@'), ":" + canary);
  const bool in_environment = GENERATE(false, true);
  const std::string target = in_environment ? plain : dsn;
  const auto options = [&] {
    return in_environment ? ProcessOptions{.environment = {"PGPASSWORD=" + canary}}
                          : ProcessOptions{};
  };
  std::string seen;
  const auto run_all = [&](const std::vector<std::vector<std::string>>& commands) {
    for (const auto& command : commands) seen += everything(lockstep(command, options()));
  };
  const auto following = start_lockstep({"run", file, target}, options());
  REQUIRE(wait_until(
      [&] {
        return lockstep({"wait", file, "--for", "caught-up"}, options()).status.code == 0;
      },
      30s, 20ms));
  seen += contents("/proc/" + std::to_string(following->pid()) + "/cmdline");
  REQUIRE(has(seen, LOCKSTEP_BINARY));
  seen += contents(file + "-lockstep") + contents(file) + contents(file + "-wal");
  seen += seen_on_target("secret");
  REQUIRE(has(seen, "streaming"));
  run_all({{"status", file},
           {"status", target},
           {"status", file, "--json"},
           {"verify", file, target},
           {"run", file, target}});
  following->signal(SIGINT);
  CHECK(following->wait_or_throw(20s) == ExitStatus{.code = 130});
  seen += following->output() + following->error_output();

  // Errors, too: nobody there, an unknown parameter, a password that was not encoded, a bad `%`.
  const std::string nowhere = "postgres:" + canary + "@/postgres?host=" + folder.path().string();
  run_all({{"run", file, "postgresql://" + nowhere},
           {"run", file, "host=/nowhere password=" + canary},
           {"run", file, "host=/nowhere password='" + canary},
           {"run", file, "postgresql://postgres:" + canary + "@ss/@host/db"},
           {"run", file, "postgresql://postgres:" + canary + "%zz@host/db"},
           {"run", file, "postgresql://" + nowhere + "&nonsense=1"},
           {"status", dsn + "_absent"},
           {"status", file},
           {"remove", file, target, "--json"}});
  const std::size_t at = seen.find(canary);
  INFO(seen.substr(at == std::string::npos ? 0 : (at > 300 ? at - 300 : 0), 600));
  CHECK(at == std::string::npos);
  server().query("DROP DATABASE secret WITH (FORCE)");
}

TEST_CASE("Drizzle's own table, whose ids are NULL, stops nothing, and is told", "[system]") {
  const TempDir folder;
  const std::string file = folder.file("drizzle.db");
  sqlite(
      file,
      "CREATE TABLE __drizzle_migrations(id SERIAL PRIMARY KEY, hash text NOT NULL, created_at "
      "numeric); INSERT INTO __drizzle_migrations(hash) VALUES ('a'), ('b');"
      "CREATE TABLE posts(id integer PRIMARY KEY, score integer NOT NULL DEFAULT 1e3, CONSTRAINT "
      "\"Scores\" CHECK(\"posts\".\"score\" >= 0)); INSERT INTO posts VALUES (1, 2)");
  const std::string dsn = server().create_database("drizzle");
  const Outcome done = lockstep({"run", file, dsn, "--until", "caught-up"});
  require_code(done, 0);
  CHECK(has(done.output, "skipped   __drizzle_migrations: Drizzle's own table"));
  CHECK_FALSE(has(done.output, "not translated"));
  require_equal(file, dsn, {"--tables", "posts"});
  CHECK(server().value("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = "
                       "'Scores'",
                       "drizzle") == "CHECK ((score >= 0))");
  // Nor is it a new table later.
  const Outcome again = lockstep({"run", file, dsn, "--until", "caught-up"});
  require_code(again, 0);
  CHECK_FALSE(has(again.output, "new table"));
  require_code(lockstep({"remove", file, dsn}), 0);
  const Outcome asked = lockstep(
      {"run", file, server().create_database("drizzle2"), "--tables", "__drizzle_migrations"});
  require_code(asked, 3);
}

TEST_CASE(
    "a unique NOT NULL index is the key; of a table that is followed by rowid it becomes none",
    "[system]") {
  const TempDir folder;
  const std::string file = folder.file("pairs.db");
  sqlite(
      file,
      "PRAGMA journal_mode = WAL; CREATE TABLE joined(a INTEGER NOT NULL, b TEXT NOT NULL, n INT);"
      "CREATE UNIQUE INDEX by_both ON joined(b, a); INSERT INTO joined VALUES (1, 'x', 1), (1, "
      "'y', 2), (2, 'x', 3); CREATE TABLE loose(a INTEGER NOT NULL, b INTEGER NOT NULL); INSERT "
      "INTO loose VALUES (1, 1), (1, 2); CREATE TABLE longer(t TEXT NOT NULL UNIQUE); INSERT INTO "
      "longer VALUES (hex(randomblob(3000)))");
  const std::string dsn = server().create_database("pairs");
  const std::vector<std::string> run{"run", file, dsn, "--until", "caught-up"};
  const Outcome first = lockstep(run);
  require_code(first, 0);
  CHECK_FALSE(has(first.output, "joined: no primary key"));
  CHECK(has(first.output, "loose: no primary key; followed by rowid"));
  CHECK(has(first.output,
            "longer: no primary key; followed by rowid"));  // PostgreSQL has no such key
  const auto key_of = [&](const std::string& table) {
    return server().value(
        "SELECT string_agg(pg_get_constraintdef(oid), ' ') FROM pg_constraint WHERE "
        "contype = 'p' AND conrelid = '" +
            table + "'::regclass",
        "pairs");
  };
  CHECK(key_of("joined") == "PRIMARY KEY (b, a)");
  CHECK(key_of("loose") == "PRIMARY KEY (_lockstep_rowid)");
  // REPLACE, keys that change, VACUUM, and an index that could have been the key.
  sqlite(
      file,
      "INSERT OR REPLACE INTO joined VALUES (1, 'x', 9), (5, 'z', 1); UPDATE joined SET b = 'w' "
      "WHERE a = 2; UPDATE OR REPLACE joined SET b = 'y' WHERE b = 'x'; DELETE FROM joined WHERE a "
      "= 5; CREATE UNIQUE INDEX late ON loose(a, b); INSERT INTO loose VALUES (7, 7)");
  require_code(lockstep(run), 0);
  sqlite(file, "DELETE FROM loose WHERE b = 1; VACUUM; INSERT INTO joined VALUES (8, 'v', NULL)");
  require_code(lockstep(run), 0);
  require_equal(file, dsn);
  require_code(lockstep({"verify", file, dsn}), 0);
  CHECK(key_of("loose") == "PRIMARY KEY (_lockstep_rowid)");
  // Without its index the key is another one: that is asked for.
  sqlite(file, "DROP INDEX by_both");
  const Outcome asks = lockstep(run);
  require_code(asks, 7);
  CHECK(has(asks.error_output, "its key was (b, a)"));
}

}  // namespace lockstep::test
