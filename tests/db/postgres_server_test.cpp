#include "tests/support/postgres_server.hpp"

#include <libpq-fe.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <memory>

#include "tests/support/wait_until.hpp"

namespace lockstep::test {
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

struct Finish {
  void operator()(PGconn* connection) const noexcept { PQfinish(connection); }
};

bool gone(pid_t pid) {
  std::error_code failure;
  static_cast<void>(fs::read_symlink(fs::path("/proc") / std::to_string(pid) / "cwd", failure));
  return static_cast<bool>(failure);
}

}  // namespace

TEST_CASE("a server is private, durable and takes settings", "[db]") {
  PostgresServer server{{"wal_level=logical"}};
  CHECK(server.value("SHOW listen_addresses").empty());
  CHECK(server.value("SHOW fsync") == "on");
  CHECK(server.value("SHOW wal_level") == "logical");
  CHECK(server.folder().string().size() < 80);
  const std::string dsn = server.create_database("shop");
  CHECK(query(dsn, "SELECT current_database(), NULL") == Rows{{"shop", std::nullopt}});
  CHECK_THROWS_WITH(server.query("SELECT no_such_column"), Catch::Contains("no_such_column"));
}

TEST_CASE("a hard kill leaves nobody, and what was committed is there after a start", "[db]") {
  PostgresServer server;
  server.query("CREATE TABLE t AS SELECT 1 AS x");
  const std::unique_ptr<PGconn, Finish> idle{PQconnectdb(server.dsn().c_str())};
  REQUIRE(PQstatus(idle.get()) == CONNECTION_OK);
  const pid_t postmaster = server.pid();
  const pid_t backend = PQbackendPID(idle.get());
  server.kill_hard();
  CHECK(gone(postmaster));
  CHECK(gone(backend));
  CHECK_THROWS(server.query("SELECT 1"));
  server.start();
  CHECK(server.value("SELECT x FROM t") == "1");
  CHECK_THAT(server.log(), Catch::Contains("database system was not properly shut down"));
}

TEST_CASE("a server stops at once or cleanly, and starts again", "[db]") {
  PostgresServer server{{"fsync=off"}};
  CHECK(server.value("SHOW fsync") == "off");
  server.stop_immediate();
  CHECK_THROWS(server.query("SELECT 1"));
  server.start();
  const pid_t before = server.pid();
  server.restart();
  CHECK(server.pid() != before);
  CHECK(server.value("SELECT 1") == "1");
}

TEST_CASE("a server goes with its object, files and all", "[db]") {
  fs::path folder;
  pid_t postmaster = 0;
  {
    const PostgresServer server;
    folder = server.folder();
    postmaster = server.pid();
  }
  CHECK(gone(postmaster));
  CHECK_FALSE(fs::exists(folder));
}

TEST_CASE("a test program that is killed leaves no server and no files", "[db]") {
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  const pid_t victim = ::fork();
  REQUIRE(victim >= 0);
  if (victim == 0) {
    const PostgresServer server;
    const std::string facts = std::to_string(server.pid()) + " " + server.folder().string() + "\n";
    static_cast<void>(!::write(ends[1], facts.data(), facts.size()));
    for (;;) ::pause();
  }
  ::close(ends[1]);
  std::string facts;
  char letter = 0;
  while (::read(ends[0], &letter, 1) == 1 && letter != '\n') facts += letter;
  ::close(ends[0]);
  const std::size_t space = facts.find(' ');
  REQUIRE(space != std::string::npos);
  const pid_t postmaster = std::stoi(facts.substr(0, space));
  const fs::path folder = facts.substr(space + 1);
  REQUIRE(fs::exists(folder / "data"));
  ::kill(victim, SIGKILL);
  REQUIRE(::waitpid(victim, nullptr, 0) == victim);
  CHECK(wait_until([&] { return gone(postmaster); }, 20s));
  CHECK(wait_until([&] { return !fs::exists(folder); }, 20s));
}

}  // namespace lockstep::test
