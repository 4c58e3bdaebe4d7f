// An application in another language that brings its own SQLite (better-sqlite3 of Node.js, built
// from source at the first run and kept in the build folder) writes while lockstep follows: our
// triggers are run by its library, not by ours.
#include <fmt/format.h>
#include <sqlite3.h>

#include "tests/support/seed.hpp"
#include "tests/system/carried.hpp"
#include "tests/system/node_library.hpp"
#include "tests/system/world.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
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
