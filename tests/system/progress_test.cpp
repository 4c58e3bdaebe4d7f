// What a person or a script sees of a copy while it runs.
#include <signal.h>

#include <algorithm>
#include <sstream>

#include "tests/support/terminal.hpp"
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

/// Large enough that a program which looks 50 times a second sees the copy of one table.
std::string make_source(const TempDir& folder, const std::string& name) {
  return make_prices(folder, name + ".db", "500", "200000");
}

ProcessOptions watched(const std::string& stderr_path, const std::string& term = "xterm") {
  return {.environment = {"LOCKSTEP_PROGRESS_FPS=50", "LC_ALL=C.UTF-8", "TERM=" + term},
          .stderr_path = stderr_path};
}

/// What the world's clean() would take out is what these tests are about.
Process start(std::vector<std::string> arguments, ProcessOptions options) {
  arguments.insert(arguments.begin(), LOCKSTEP_BINARY);
  return Process(std::move(arguments), std::move(options));
}

std::size_t count_with(const std::vector<std::string>& lines, const std::string& begin) {
  return static_cast<std::size_t>(std::count_if(
      lines.begin(), lines.end(), [&](const auto& line) { return line.starts_with(begin); }));
}

void watch_to_the_end(Terminal& terminal, Process& process) {
  REQUIRE(wait_until(
      [&] {
        terminal.look();
        return !process.running();
      },
      120s));
  terminal.look();
  INFO(terminal.written());
  REQUIRE(process.wait(1s) == ExitStatus{.code = 0});
}

}  // namespace

TEST_CASE("on a terminal the copy is a bar, and a line for the table that is being copied",
          "[system]") {
  const TempDir folder;
  const std::string file = make_source(folder, "painted");
  const std::string dsn = server().create_database("painted");
  Terminal terminal{110, 24};
  Process process = start({"run", file, dsn, "--until", "caught-up"}, watched(terminal.path()));
  watch_to_the_end(terminal, process);
  CHECK_FALSE(terminal.wrapped());
  std::size_t copying = 0;
  std::vector<std::string> wrong;
  for (const auto& picture : terminal.pictures()) {
    const auto table = std::find_if(picture.begin(), picture.end(), [](const auto& line) {
      return line.starts_with("  ohlcv_data ");
    });
    const bool shown = table != picture.end();
    // Two sessions copy; and what was painted before is not there any more.
    bool right = count_with(picture, "painted  ") <= 1 && count_with(picture, "  ") <= 2;
    if (shown)
      right = right && count_with(picture, "painted  snapshot  ") == 1 && has(*table, " %  ") &&
              has(*table, " of 200,000 rows") && (has(*table, "\u2591") || has(*table, "\u2588"));
    if (!right && wrong.empty()) wrong = picture;
    if (shown) ++copying;
  }
  CHECK(wrong.empty());
  CHECK(copying > 0);
  const auto last = terminal.picture();
  CHECK(count_with(last, "  ohlcv_data") == 0);
  CHECK(count_with(last, "painted  streaming") == 1);
  CHECK(has(process.output(), "caught up"));
}

TEST_CASE("a terminal that obeys nothing, and no terminal, get lines", "[system]") {
  const TempDir folder;
  const std::string file = make_source(folder, "plain");
  Terminal terminal{110, 24};
  Process dumb = start({"run", file, server().create_database("dumb"), "--until", "caught-up"},
                       watched(terminal.path(), "dumb"));
  watch_to_the_end(terminal, dumb);
  CHECK_FALSE(has(terminal.written(), "\x1b"));
  CHECK(has(terminal.written(), "Z plain  snapshot  "));
  require_code(lockstep({"remove", file}), 0);

  Process lines =
      start({"run", file, server().create_database("lines"), "--until", "caught-up"}, watched({}));
  CHECK(lines.wait_or_throw(120s) == ExitStatus{.code = 0});
  CHECK_FALSE(has(lines.error_output(), "\x1b"));
  CHECK(has(lines.error_output(), "Z plain  snapshot  "));
  CHECK(has(lines.error_output(), " rows  "));
  require_code(lockstep({"remove", file}), 0);

  Process quiet =
      start({"run", file, server().create_database("quiet"), "--until", "caught-up", "--quiet"},
            watched({}));
  CHECK(quiet.wait_or_throw(120s) == ExitStatus{.code = 0});
  CHECK_FALSE(has(quiet.error_output(), "Z plain  "));
  CHECK(has(quiet.error_output(), "following "));
  CHECK(has(quiet.output(), "caught up"));
}

TEST_CASE("a table that is read anew is noted by its name, with and without JSON", "[system]") {
  const TempDir folder;
  const std::string file = folder.file("anew.db");
  sqlite(file, "CREATE TABLE keyless(text TEXT); INSERT INTO keyless VALUES ('a'), ('b'), ('c')");
  const std::string dsn = server().create_database("anew");
  for (const bool json : {false, true}) {
    std::vector<std::string> arguments{"run", file, dsn};
    if (json) arguments.emplace_back("--json");
    Process process = start(arguments, watched({}));
    REQUIRE(wait_until(
        [&] {
          return lockstep({"wait", file, "--for", "caught-up"}).status.code == 0;
        },
        30s, 20ms));
    sqlite(file, "DELETE FROM keyless WHERE rowid = (SELECT min(rowid) FROM keyless)");
    sqlite(file, "VACUUM");
    sqlite(file, "INSERT INTO keyless VALUES ('d')");
    const std::string note =
        json ? R"("code":"LS-S306","table":"keyless")" : "note      LS-S306 reading keyless anew\n";
    CHECK(wait_until([&] { return has(json ? process.output() : process.error_output(), note); },
                     30s, 20ms));
    process.signal(SIGTERM);
    CHECK(process.wait_or_throw(20s) == ExitStatus{.code = 143});
  }
}

TEST_CASE("in JSON progress is objects with rows of how many for each table, and status has them",
          "[system]") {
  const TempDir folder;
  const std::string file = make_source(folder, "objects");
  const std::string dsn = server().create_database("objects");
  Process process = start({"run", file, dsn, "--until", "caught-up", "--json"}, watched({}));
  CHECK(process.wait_or_throw(120s) == ExitStatus{.code = 0});
  std::istringstream lines{process.output()};
  std::size_t copying = 0;
  nlohmann::json last;
  for (std::string line; std::getline(lines, line);) {
    last = nlohmann::json::parse(line);
    if (last["type"] != "progress" || last["phase"] != "snapshot") continue;
    CHECK(last.contains("eta_s"));
    for (const auto& table : last["tables"]) {
      if (table["name"] != "ohlcv_data") continue;
      CHECK(table["rows_expected"] == 200'000);
      CHECK(table["rows_copied"] <= 200'000);
      CHECK(table.contains("eta_s"));
      if (table["state"] == "copying") ++copying;
    }
  }
  CHECK(copying > 0);
  CHECK(last["type"] == "summary");
  const Outcome status = lockstep({"status", file, "--json"});
  require_code(status, 0);
  for (const auto& table : nlohmann::json::parse(status.output)["tables"])
    CHECK(table["state"] == "indexed");
  CHECK(has(lockstep({"status", file}).output, "following"));

  Process quiet =
      start({"run", file, dsn, "--until", "caught-up", "--json", "--quiet"}, watched({}));
  CHECK(quiet.wait_or_throw(120s) == ExitStatus{.code = 0});
  CHECK_FALSE(has(quiet.output(), R"("type":"progress")"));
  CHECK(has(quiet.output(), R"("type":"summary")"));
}

TEST_CASE("two processes have rows of how many on either side, and go on counting", "[system]") {
  const TempDir folder;
  const std::string file = make_source(folder, "apart");
  const std::string dsn = server().create_database("apart");
  const std::string endpoint = "ipc://" + folder.file("wire.sock");
  const std::string go_on = folder.file("go_on");
  const auto table_of = [](const nlohmann::json& status) {
    for (const auto& table : status["tables"])
      if (table["name"] == "ohlcv_data") return table;
    return nlohmann::json();
  };
  const auto captured = [&] {
    const Outcome outcome = lockstep({"status", file, "--json"});
    require_code(outcome, 0);
    return nlohmann::json::parse(outcome.output);
  };
  Process capture = start({"capture", file, "--listen", endpoint}, watched({}));
  // No chunk of it is entered, so its copy stays where it is.
  Process first =
      start({"apply", "--connect", endpoint, dsn},
            {.environment = {"LOCKSTEP_FAILPOINTS=snap.chunk_committed=block:" + go_on}});
  nlohmann::json seen;
  REQUIRE(wait_until(
      [&] {
        // How much of it fits on the way while a lane stands still is no matter here.
        return lockstep({"status", file}).status.code == 0 &&
               (seen = captured())["phase"] == "snapshot" && table_of(seen)["rows_expected"] > 0;
      },
      60s));
  CHECK(table_of(seen)["rows_expected"] == 200'000);
  CHECK(table_of(seen)["rows_copied"] <= 200'000);
  first.kill_hard();
  static_cast<void>(first.wait_or_throw(10s));

  Process second =
      start({"apply", "--connect", endpoint, dsn, "--until", "caught-up", "--json"}, watched({}));
  CHECK(second.wait_or_throw(120s) == ExitStatus{.code = 0});
  std::istringstream lines{second.output()};
  std::size_t copying = 0;
  for (std::string line; std::getline(lines, line);) {
    const nlohmann::json last = nlohmann::json::parse(line);
    if (last["type"] != "progress" || last["phase"] != "snapshot") continue;
    // The ledger says what the phase is; of how many rows says capture, which answers later.
    if (copying == 0 && table_of(last)["rows_expected"] == 0) continue;
    CHECK(table_of(last)["rows_expected"] == 200'000);
    CHECK(last.contains("eta_s"));
    ++copying;
  }
  CHECK(copying > 0);
  seen = captured();
  CHECK(table_of(seen)["rows_copied"] == 200'000);
  CHECK(table_of(seen)["rows_expected"] == 200'000);
  capture.signal(SIGTERM);
  CHECK(capture.wait_or_throw(20s) == ExitStatus{.code = 143});

  // Started anew, and with nothing to copy: what was found at the install is still known.
  Process again = start({"capture", file, "--listen", endpoint}, watched({}));
  REQUIRE(wait_until(
      [&] {
        return lockstep({"status", file}).status.code == 0 && table_of(captured()).is_object();
      },
      20s));
  CHECK(table_of(captured())["rows_expected"] == 200'000);
}

TEST_CASE("a run that goes on with a copy still says of how many rows", "[system]") {
  const TempDir folder;
  const std::string file = make_source(folder, "resumed");
  const std::string dsn = server().create_database("resumed");
  Process killed =
      start({"run", file, dsn}, {.environment = {"LOCKSTEP_FAILPOINTS=snap.chunk_committed=kill"}});
  static_cast<void>(killed.wait_or_throw(60s));
  Process resumed = start({"run", file, dsn, "--until", "caught-up"}, watched({}));
  CHECK(resumed.wait_or_throw(120s) == ExitStatus{.code = 0});
  CHECK(has(resumed.error_output(), "Z resumed  snapshot  "));
  CHECK(has(resumed.error_output(), " of 200,"));
}

}  // namespace lockstep::test
