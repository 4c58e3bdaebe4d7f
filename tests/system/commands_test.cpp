// The contract of the command line, kept by the real program against real databases.
#include <fmt/format.h>

#include <filesystem>
#include <sstream>

#include "tests/support/tcp_proxy.hpp"
#include "tests/system/world.hpp"

namespace lockstep::test {
namespace fs = std::filesystem;
namespace {

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

/// A small application database with a bit of everything that `.schema` shows.
void make_notes(const std::string& file) {
  sqlite(
      file,
      "PRAGMA journal_mode = WAL;"
      "CREATE TABLE notes(id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL);"
      "CREATE TABLE \"odd 'name\"(\"Key\" TEXT PRIMARY KEY, v REAL) WITHOUT ROWID;"
      "CREATE INDEX notes_text ON notes(text); CREATE VIEW short AS SELECT id FROM notes;"
      "CREATE TRIGGER mine AFTER DELETE ON notes BEGIN DELETE FROM \"odd 'name\" WHERE \"Key\" = "
      "OLD.text; END;"
      "INSERT INTO notes(text) VALUES ('one'), ('two'), ('three');"
      "INSERT INTO \"odd 'name\" VALUES ('one', 1.5), ('', NULL);");
}

/// A source and a database of its own on the shared server.
struct Pair {
  explicit Pair(const std::string& name)
      : database(name), file(folder.file(name + ".db")), dsn(server().create_database(name)) {
    make_notes(file);
  }
  std::unique_ptr<Process> follow(std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments{"run", file, dsn};
    arguments.insert(arguments.end(), more.begin(), more.end());
    auto process = start_lockstep(std::move(arguments));
    // Of a process that is still starting nobody knows: the ledger answers for it, and a signal
    // would meet a program that has not reached main() yet.
    REQUIRE(wait_until(
        [&] {
          const Outcome told = lockstep({"status", file, "--json"});
          return told.status.code == 0 &&
                 nlohmann::json::parse(told.output)["pid"] == process->pid() &&
                 lockstep({"wait", file, "--for", "caught-up"}).status.code == 0;
        },
        30s, 20ms));
    return process;
  }
  [[nodiscard]] nlohmann::json status(const std::string& side) const {
    const Outcome outcome = lockstep({"status", side, "--json"});
    require_code(outcome, 0);
    return nlohmann::json::parse(outcome.output);
  }

  TempDir folder;
  std::string database, file, dsn;
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

void end(Process& process, int signal, int code) {
  process.signal(signal);
  const ExitStatus status = process.wait_or_throw(20s);
  INFO(process.output() + process.error_output());
  CHECK(status == ExitStatus{.code = code});
}

/// Exit code `code`, and `parts` stand in the error.
void check_refused(const Outcome& outcome, int code, const std::vector<std::string>& parts) {
  INFO(everything(outcome));
  CHECK(outcome.status == ExitStatus{.code = code});
  for (const std::string& part : parts) CHECK(has(outcome.error_output, part));
}

}  // namespace

TEST_CASE("run --until caught-up copies, ends with 0, and can be repeated", "[system]") {
  const Pair pair{"until"};
  require_code(lockstep({"run", pair.file, pair.dsn, "--until", "caught-up"}), 0);
  require_equal(pair.file, pair.dsn);
  sqlite(pair.file, "UPDATE notes SET text = 'zwei' WHERE id = 2; DELETE FROM notes WHERE id = 1");
  const Outcome again = lockstep({"run", pair.file, pair.dsn, "--until", "caught-up", "--json"});
  require_code(again, 0);
  require_equal(pair.file, pair.dsn);
  std::istringstream lines{again.output};
  nlohmann::json last;
  for (std::string line; std::getline(lines, line);) last = nlohmann::json::parse(line);
  CHECK(last["type"] == "summary");
  CHECK(last["exit_code"] == 0);
  CHECK(last["changes_applied"] == 3);  // the trigger of the application deleted a row as well
}

TEST_CASE("a command that is typed wrongly ends with 2 and says what was meant", "[system]") {
  const TempDir folder;
  const std::string file = folder.file("typed.db");
  make_notes(file);
  const auto before = sqlite_schema(file);
  check_refused(lockstep({"stauts", file}), 2, {"did you mean: lockstep status"});
  check_refused(lockstep({}), 2, {"--help"});
  check_refused(lockstep({"run"}), 2, {"SOURCE is missing", "nothing was touched"});
  check_refused(lockstep({"run", file}), 2, {"TARGET is missing", "LOCKSTEP_TARGET"});
  check_refused(lockstep({"run", file, server().dsn(), "--until", "tomorrow"}), 2, {"caught-up"});
  check_refused(lockstep({"run", file, server().dsn(), "--fast"}), 2, {"--fast"});
  check_refused(lockstep({"run", file, "http://somewhere/"}), 2,
                {"postgresql://", "nothing was touched"});
  check_refused(lockstep({"run", file, server().dsn(), "--tables", "nots"}), 2, {"nots"});
  check_refused(lockstep({"wait", file}), 2, {"--for"});
  check_refused(lockstep({"wait", file, "--for", "luck"}), 2, {"luck", "caught-up"});
  check_refused(lockstep({"wait", file, "--for", "caught-up", "--timeout", "soon"}), 2, {"soon"});
  CHECK(sqlite_schema(file) == before);
  CHECK(lockstep({"--help"}).status == ExitStatus{.code = 0});
  CHECK(has(lockstep({"run", "--help"}).output, "Examples:"));
  CHECK(has(lockstep({"--version"}).output, "0."));
}

TEST_CASE("a source that does not exist ends with 2 and is not created", "[system]") {
  const TempDir folder;
  const std::string file = folder.file("nothing.db");
  for (const auto& command : {std::vector<std::string>{"run", file, server().dsn()},
                              {"status", file},
                              {"remove", file},
                              {"wait", file, "--for", "caught-up"},
                              {"verify", file, server().dsn()}})
    check_refused(lockstep(command), 2, {"LS-S301", file, "never creates"});
  CHECK(fs::is_empty(folder.path()));
}

TEST_CASE("a source without a migration is told apart from a missing one", "[system]") {
  const Pair pair{"fresh"};
  check_refused(lockstep({"status", pair.file}), 3, {"no migration", "lockstep run"});
  check_refused(lockstep({"status", pair.dsn}), 3, {"no migration"});
  check_refused(lockstep({"wait", pair.file, "--for", "caught-up"}), 3, {"no migration"});
  check_refused(lockstep({"verify", pair.file, pair.dsn}), 3, {"no migration"});
  require_code(lockstep({"remove", pair.file, pair.dsn}), 0);
}

TEST_CASE("a second lockstep on the same source or the same schema ends with 8", "[system]") {
  const Pair pair{"first"};
  const auto following = pair.follow();
  check_refused(lockstep({"run", pair.file, pair.dsn}), 8, {"LS-R701", pair.file});
  check_refused(lockstep({"remove", pair.file}), 8, {"LS-R701", "nothing was removed"});
  const std::string other = pair.folder.file("other.db");
  make_notes(other);
  const auto before = sqlite_schema(other);
  check_refused(lockstep({"run", other, pair.dsn}), 8, {"LS-R701", "schema public"});
  end(*following, SIGTERM, 143);
  check_refused(lockstep({"run", other, pair.dsn}), 8, {"LS-R710", "--schema"});
  CHECK(sqlite_schema(other) == before);
  require_code(lockstep({"run", other, pair.dsn, "--schema", "own", "--until", "caught-up"}), 0);
  require_equal(other, pair.dsn, {"--schema", "own"});
}

TEST_CASE("a signal ends it cleanly: 130 or 143, and what stays, how to go on, how to take it out",
          "[system]") {
  const Pair pair{"signals"};
  for (const auto& [signal, code] : {std::pair{SIGINT, 130}, std::pair{SIGTERM, 143}}) {
    const auto following = pair.follow();
    end(*following, signal, code);
    const std::string said = following->output();
    CHECK(has(said, "stays     triggers"));
    CHECK(has(said, "_lockstep_changes"));
    CHECK(has(said, "go on     lockstep run " + pair.file));
    CHECK(has(said, "take out  lockstep remove " + pair.file));
    CHECK_FALSE(fs::exists(pair.file + "-lockstep"));
  }
}

TEST_CASE("a signal ends at once what only reads, and the census of run", "[system]") {
  const Pair pair{"interrupted"};
  TcpProxy silent(free_port());  // accepts, and nobody answers
  silent.set(TcpProxy::Way::to_client, {.frozen = true});
  silent.set(TcpProxy::Way::to_server, {.frozen = true});
  const std::string target =
      fmt::format("host=127.0.0.1 port={} user=x dbname=x connect_timeout=30", silent.port());
  std::uint64_t asked = 0;
  for (const char* command : {"assess", "run"})
    for (const auto& [signal, code] : {std::pair{SIGINT, 130}, std::pair{SIGTERM, 143}}) {
      CAPTURE(command, signal);
      const auto waiting = start_lockstep({command, pair.file, target});
      REQUIRE(wait_until([&] { return silent.accepted() > asked; }, 20s));
      asked = silent.accepted();
      waiting->signal(signal);
      CHECK(waiting->wait_or_throw(10s) == ExitStatus{.code = code});  // long before 30 s
    }
  // Nothing was begun, and nobody is in the way of the next one.
  require_code(lockstep({"run", pair.file, pair.dsn, "--until", "caught-up"}), 0);
}

TEST_CASE("with PostgreSQL gone, remove leaves not one byte of schema in the source", "[system]") {
  const TempDir folder;
  const std::string file = folder.file("leave.db");
  make_notes(file);
  const auto before = sqlite_schema(file);
  {
    PostgresServer gone{{"fsync=off"}};
    require_code(lockstep({"run", file, gone.dsn(), "--until", "caught-up"}), 0);
    CHECK(sqlite_schema(file) != before);
    gone.stop_fast();
    check_refused(lockstep({"remove", file, gone.dsn()}), 5, {"LS-T201"});
    require_code(lockstep({"remove", file}), 0);
  }
  CHECK(sqlite_schema(file) == before);
  CHECK(sqlite(file, "PRAGMA integrity_check") == std::vector<std::string>{"ok"});
  CHECK_FALSE(fs::exists(file + "-lockstep"));
  CHECK(sqlite(file, "DELETE FROM notes WHERE id = 1; SELECT count(*) FROM notes") ==
        std::vector<std::string>{"2"});
  require_code(lockstep({"remove", file}), 0);  // once more harms nobody
}

TEST_CASE("remove with both sides takes the ledger out and leaves the copied tables", "[system]") {
  const Pair pair{"both"};
  require_code(lockstep({"run", pair.file, pair.dsn, "--until", "caught-up"}), 0);
  require_code(lockstep({"remove", pair.file, pair.dsn}), 0);
  CHECK(server().value("SELECT count(*) FROM pg_namespace WHERE nspname = 'lockstep'",
                       pair.database) == "0");
  require_equal(pair.file, pair.dsn);
}

TEST_CASE("a target that cannot be reached ends with 5 and leaves the source alone", "[system]") {
  const Pair pair{"reach"};
  const auto before = sqlite_schema(pair.file);
  const std::string nobody = "postgresql://postgres@/postgres?host=" + pair.folder.path().string();
  check_refused(lockstep({"run", pair.file, nobody}), 5, {"LS-T201"});
  check_refused(lockstep({"run", pair.file, server().dsn("no_such_db")}), 5, {"no_such_db"});
  CHECK(sqlite_schema(pair.file) == before);
  CHECK_FALSE(fs::exists(pair.file + "-lockstep"));
}

TEST_CASE("wait ends with 0 once a position is applied, and with 6 when it takes too long",
          "[system]") {
  const Pair pair{"waits"};
  const auto following = pair.follow();
  sqlite(pair.file, "INSERT INTO notes(text) VALUES ('four')");
  require_code(lockstep({"wait", pair.file, "--for", "caught-up"}), 0);
  CHECK(server().value("SELECT text FROM notes WHERE id = 4", pair.database) == "four");
  require_code(lockstep({"wait", pair.dsn, "--for", "caught-up"}), 0);
  end(*following, SIGTERM, 143);
  const std::string applied = pair.status(pair.file)["applied"];
  require_code(lockstep({"wait", pair.file, "--for", "applied=" + applied}), 0);
  sqlite(pair.file, "INSERT INTO notes(text) VALUES ('five')");
  const std::string captured = pair.status(pair.file)["captured"];
  CHECK(captured != applied);
  check_refused(lockstep({"wait", pair.file, "--for", "applied=" + captured, "--timeout", "100ms"}),
                6, {"no lockstep is running", applied});
  check_refused(lockstep({"wait", pair.file, "--for", "caught-up", "--timeout", "100ms"}), 6,
                {"not reached within 100 ms"});
}

TEST_CASE("verify says 0 for equal, 4 for different and 3 when the sides are not at rest",
          "[system]") {
  const Pair pair{"verifies"};
  const auto following = pair.follow();
  const Outcome equal = lockstep({"verify", pair.file, pair.dsn});
  require_code(equal, 0);
  CHECK(has(equal.output, "equal: 5 rows"));
  server().query("UPDATE notes SET text = 'tw' || chr(243) WHERE id = 2", pair.database);
  const Outcome different = lockstep({"verify", pair.file, pair.dsn});
  require_code(different, 4);
  CHECK(has(different.output, "DIFFERENT: 1 rows"));
  CHECK(has(different.output, "id=2"));
  const Outcome listed = lockstep({"verify", pair.file, pair.dsn, "--json"});
  CHECK(has(listed.output, R"("differ":1)"));
  server().query("UPDATE notes SET text = 'two' WHERE id = 2", pair.database);
  require_code(lockstep({"verify", pair.file, pair.dsn}), 0);
  end(*following, SIGTERM, 143);
  sqlite(pair.file, "DELETE FROM notes WHERE id = 3");
  check_refused(lockstep({"verify", pair.file, pair.dsn}), 3, {"not at rest", "lockstep wait"});
}

TEST_CASE("status tells the same from the source and from the target, running or not", "[system]") {
  const Pair pair{"tells"};
  const auto following = pair.follow();
  for (const std::string& side : {pair.file, pair.dsn}) {
    const auto status = pair.status(side);
    CHECK(status["migration"] == "tells");
    CHECK(status["phase"] == "streaming");
    CHECK(status["consistent"] == true);
    CHECK(status["pid"] == following->pid());
    CHECK(status["awaited"].is_null());
    CHECK(status["tables"].size() == 2);
    CHECK(has(lockstep({"status", side}).output, "running (pid"));
  }
  end(*following, SIGINT, 130);
  sqlite(pair.file, "INSERT INTO notes(text) VALUES ('late'), ('later')");
  for (const std::string& side : {pair.file, pair.dsn}) {
    const auto status = pair.status(side);
    CHECK(status["migration"] == "tells");
    CHECK(status["consistent"] == true);
    CHECK(status["pid"] == 0);
    CHECK(status["backlog_changes"] == 2);
    CHECK(has(lockstep({"status", side}).output, "not running"));
  }
}

}  // namespace lockstep::test
