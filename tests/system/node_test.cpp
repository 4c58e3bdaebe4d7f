// An application in another language that brings its own SQLite (better-sqlite3 of Node.js, built
// from source at the first run and kept in the build folder) writes while lockstep follows: our
// triggers are run by its library, not by ours.
#include <fmt/format.h>
#include <sqlite3.h>

#include <filesystem>

#include "tests/support/seed.hpp"
#include "tests/system/carried.hpp"
#include "tests/system/world.hpp"

namespace lockstep::test {
namespace fs = std::filesystem;
namespace {

const fs::path kWriterSource = LOCKSTEP_SOURCE_DIR "/tests/data/node_writer";
const fs::path kWriterFolder = TEST_BUILD_DIR "/node_writer";

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

void in_writer_folder(std::vector<std::string> command, std::vector<std::string> environment = {}) {
  const Outcome outcome =
      run(std::move(command),
          {.environment = std::move(environment), .directory = kWriterFolder.string()}, 10min);
  require_code(outcome, 0);
}

/// npm fetches what package-lock.json names; its scripts, which would look for binaries elsewhere,
/// do not run. Node's headers come from beside the program if they are there.
void install_writer() {
  const fs::path lock = kWriterFolder / "package-lock.json";
  const fs::path built =
      kWriterFolder / "node_modules/better-sqlite3/build/Release/better_sqlite3.node";
  fs::create_directories(kWriterFolder);
  const bool same = contents(lock) == contents(kWriterSource / "package-lock.json");
  for (const char* name : {"package.json", "package-lock.json", "writer.js"})
    fs::copy_file(kWriterSource / name, kWriterFolder / name, fs::copy_options::overwrite_existing);
  const Outcome loads = run({"node", "-e", "new (require('better-sqlite3'))(':memory:')"},
                            {.directory = kWriterFolder.string()});
  if (same && fs::exists(built) && loads.status == ExitStatus{.code = 0}) return;
  in_writer_folder({"npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"});
  const Outcome program = run({"node", "-p", "process.execPath"});
  require_code(program, 0);
  const fs::path prefix =
      fs::path{program.output.substr(0, program.output.find('\n'))}.parent_path().parent_path();
  std::vector<std::string> environment{"JOBS=2"};
  if (fs::exists(prefix / "include/node/node.h"))
    environment.push_back("npm_config_nodedir=" + prefix.string());
  in_writer_folder({"npm", "run", "build-sqlite"}, environment);
}

/// Lets the application write to its end; what it says of itself.
nlohmann::json write(const std::string& file, const std::string& journal, std::uint64_t seed,
                     int transactions) {
  const Outcome outcome = run({"node", "writer.js", file, journal, std::to_string(seed),
                               std::to_string(transactions), listed(kNode)},
                              {.directory = kWriterFolder.string()}, 2min);
  require_code(outcome, 0);
  return nlohmann::json::parse(outcome.output);
}

}  // namespace

TEST_CASE("an application on Node.js with a SQLite of its own is followed exactly", "[system]") {
  install_writer();
  const std::string journal = GENERATE(as<std::string>{}, "wal", "delete");
  const std::uint64_t seed = test_seed() % 1'000'000;
  INFO("seed " << seed << ", journal " << journal);
  const TempDir folder;
  const std::string file = folder.file("node.db");
  const std::string dsn = server().create_database("node_" + journal);
  write(file, journal, seed, 100);
  const auto following = start_lockstep({"run", file, dsn, "--tables", listed(kNode)});
  require_caught_up(*following, file);
  const auto wrote = write(file, journal, seed + 1, journal == "wal" ? 4'000 : 800);
  require_caught_up(*following, file);
  following->signal(SIGTERM);
  INFO(following->output() + following->error_output());
  CHECK(following->wait_or_throw(20s) == ExitStatus{.code = 143});
  require_equal(file, dsn, {"--tables", listed(kNode)});
  require_code(lockstep({"verify", file, dsn}), 0);

  fmt::print(stderr, "figure: node: SQLite {} writes ({}), {} follows; {} commits, {} rollbacks\n",
             wrote["sqlite"].get<std::string>(), journal, sqlite3_libversion(),
             wrote["commits"].get<int>(), wrote["rollbacks"].get<int>());
  CHECK(wrote["check"] == "ok");
  CHECK(wrote["commits"].get<int>() > 500);
  if (wrote["sqlite"] == sqlite3_libversion())
    WARN("both sides use SQLite " << sqlite3_libversion() << ": nothing was shown of another");
}

}  // namespace lockstep::test
