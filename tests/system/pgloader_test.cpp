// Nine databases that pgloader, which users try first, loses something of with exit code 0: what
// lockstep does with them is asserted; what pgloader did is written down beside it.
#include <fmt/format.h>

#include <csignal>
#include <fstream>

#include "tests/system/world.hpp"

namespace lockstep::test {
namespace {

struct Loss {
  std::string what;
  std::string sql;
  std::string question;  ///< on the target
  std::string right;     ///< its answer, or the code of a refusal
};

const std::vector<Loss> kLosses{
    {"a type that is not known",
     "CREATE TABLE good(id INTEGER PRIMARY KEY, v TEXT); INSERT INTO good VALUES (1, 'x');"
     "CREATE TABLE odd(id INTEGER PRIMARY KEY, v INT(11), d BOOLEAN DEFAULT (1 = 0));"
     "INSERT INTO odd VALUES (1, 5, 0)",
     "SELECT g.v, o.v, o.d FROM good g, odd o", "x, 5, f"},
    {"a blob beside texts",
     "CREATE TABLE t(id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, "
     "'a'), (2, x'ff00'), (3, 'b')",
     "SELECT count(*) FROM t", "LS-A101"},
    {"DATETIME in milliseconds",
     "CREATE TABLE t(id INTEGER PRIMARY KEY, at DATETIME); INSERT INTO t VALUES (1, "
     "1627303906122)",
     "SELECT at FROM t", "2021-07-26 12:51:46.122"},
    {"U+0000 in a text",
     "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, "
     "'ab' || char(0) || 'cd')",
     "SELECT v FROM t", "LS-A102"},
    {"NOT NULL",
     "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT NOT NULL); INSERT INTO t VALUES (1, 'x')",
     "SELECT attnotnull FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'v'", "t"},
    {"VARCHAR(3), which SQLite does not enforce",
     "CREATE TABLE t(id INTEGER PRIMARY KEY, v VARCHAR(3), w CHARACTER VARYING(3)); INSERT INTO t "
     "VALUES (1, 'long', 'ab'), (2, 'ab', 'longer')",
     "SELECT string_agg(concat(v, w), ' ' ORDER BY id) FROM t", "longab ablonger"},
    {"the WHERE of a partial index",
     "CREATE TABLE t(id INTEGER PRIMARY KEY, u INT, live INT); CREATE UNIQUE INDEX one ON t(u) "
     "WHERE live = 1; INSERT INTO t VALUES (1, 5, 0), (2, 5, 0), (3, 5, 1)",
     "SELECT pg_get_expr(indpred, indrelid) FROM pg_index WHERE indexrelid = "
     "to_regclass('one')",
     "(live = 1)"},
    {"generated columns",
     "CREATE TABLE t(id INTEGER PRIMARY KEY, a INT, b INT AS (a * 2)); INSERT INTO t VALUES (1, 2)",
     "SELECT t.b FROM t", "4"},
    {"an index on an expression",
     "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT); CREATE UNIQUE INDEX folded ON t(lower(v)); "
     "INSERT INTO t VALUES (1, 'X')",
     "SELECT v, indisunique FROM t, pg_index WHERE indexrelid = to_regclass('folded')", "X, t"},
};

std::string asked(const PostgresServer& server, const std::string& database,
                  const std::string& question) {
  try {
    std::string text;
    const Rows rows = server.query(question, database);
    for (const auto& row : rows)
      for (const auto& cell : row) text += (text.empty() ? "" : ", ") + cell.value_or("NULL");
    return rows.empty() ? "nothing" : text;
  } catch (const std::exception& error) {
    const std::string text = error.what();
    return text.substr(0, text.find('\n'));
  }
}

std::string pgloader(const std::string& file, const PostgresServer& server,
                     const std::string& database, const std::string& folder) {
  Process process(
      {"pgloader", "--root-dir", folder, "sqlite://" + file,
       fmt::format("postgresql://postgres@unix:{}:5432/{}", server.folder().string(), database)},
      clean({.own_session = true}));
  const auto status = process.wait(20s);
  if (!status) {
    process.kill_hard();
    return "did not end within 20 s";
  }
  return status->code ? fmt::format("{}", *status->code)
                      : fmt::format("signal {}", *status->signal);
}

}  // namespace

TEST_CASE("what pgloader loses in silence arrives, or is refused by name", "[system]") {
  PostgresServer server{{"fsync=off"}};
  const TempDir folder;
  std::ofstream table{TEST_BUILD_DIR "/pgloader.md"};
  table << "| the source has | asked on the target | right | lockstep | exit | pgloader | exit |\n"
           "|---|---|---|---|---|---|---|\n";
  require_code(run({"pgloader", "--version"}, clean()), 0);
  int number = 0;
  for (const Loss& loss : kLosses) {
    INFO(loss.what);
    const std::string name = fmt::format("loss{}", ++number);
    const std::string file = folder.file(name + ".db");
    sqlite(file, loss.sql);
    const std::string dsn = server.create_database(name);
    server.create_database(name + "_pgloader");
    const std::string exit = pgloader(file, server, name + "_pgloader", folder.file(name));
    const Outcome ours = lockstep({"run", file, dsn, "--until", "caught-up", "--json"});
    std::string answer;
    if (loss.right.starts_with("LS-")) {
      require_code(ours, 3);
      CHECK(ours.output.find("\"code\":\"" + loss.right + "\"") != std::string::npos);
      answer = "refused: " + loss.right;
    } else {
      require_code(ours, 0);
      require_equal(file, dsn);
      answer = asked(server, name, loss.question);
      CHECK(answer == loss.right);
    }
    const std::string lost = asked(server, name + "_pgloader", loss.question);
    CHECK_FALSE(lost.empty());
    table << fmt::format("| {} | `{}` | {} | {} | {} | {} | {} |\n", loss.what, loss.question,
                         loss.right.starts_with("LS-") ? "refused, or exact" : loss.right, answer,
                         ours.status.code.value_or(-1), lost, exit);
  }
}

}  // namespace lockstep::test
