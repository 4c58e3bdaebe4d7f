#include "tests/support/process.hpp"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "tests/support/seed.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/wait_until.hpp"

namespace lockstep::test {
using namespace std::chrono_literals;

TEST_CASE("a process gives back its exit code and both of its outputs", "[unit]") {
  const Outcome outcome = run({"sh", "-c", "echo out; echo err >&2; exit 7"});
  CHECK(outcome.status == ExitStatus{.code = 7});
  CHECK(outcome.output == "out\n");
  CHECK(outcome.error_output == "err\n");
}

TEST_CASE("a program that does not exist is an error at the start", "[unit]") {
  CHECK_THROWS_AS(Process({"/nonexistent/program"}), std::system_error);
}

TEST_CASE("a process gets the environment that was asked for", "[unit]") {
  ::setenv("LOCKSTEP_TEST_OLD", "old", 1);
  const Outcome outcome = run({"sh", "-c", "echo $LOCKSTEP_TEST_NEW${LOCKSTEP_TEST_OLD:-none}"},
                              {.environment = {"LOCKSTEP_TEST_NEW=new", "LOCKSTEP_TEST_OLD"}});
  ::unsetenv("LOCKSTEP_TEST_OLD");
  CHECK(outcome.output == "newnone\n");
}

TEST_CASE("a process reads its own input until that is closed", "[unit]") {
  Process process{{"cat"}, {.own_stdin = true}};
  REQUIRE(process.write_stdin("one\n"));
  CHECK(wait_until([&] { return process.output() == "one\n"; }, 10s));
  CHECK(process.running());
  process.close_stdin();
  CHECK(process.wait(10s) == ExitStatus{.code = 0});
}

TEST_CASE("writing to a process that has gone says so and does not kill the test", "[unit]") {
  Process process{{"true"}, {.own_stdin = true}};
  REQUIRE(process.wait(10s));
  CHECK_FALSE(process.write_stdin("anybody?"));
}

TEST_CASE("a signal and a hard kill are told apart from an exit", "[unit]") {
  Process asked{{"sleep", "60"}};
  CHECK_FALSE(asked.wait(0ms));
  asked.signal(SIGTERM);
  CHECK(asked.wait(10s) == ExitStatus{.signal = SIGTERM});
  Process killed{{"sleep", "60"}};
  killed.kill_hard();
  CHECK(killed.wait(0ms) == ExitStatus{.signal = SIGKILL});
}

TEST_CASE("a process ends with its object", "[unit]") {
  pid_t pid = 0;
  {
    const Process process{{"sleep", "60"}};
    pid = process.pid();
    REQUIRE(::kill(pid, 0) == 0);
  }
  CHECK(::kill(pid, 0) != 0);
}

TEST_CASE("output that goes to a file is appended there", "[unit]") {
  const TempDir folder;
  const ProcessOptions options{.stdout_path = folder.file("out")};
  static_cast<void>(run({"echo", "a"}, options));
  static_cast<void>(run({"echo", "b"}, options));
  std::ifstream file{folder.file("out")};
  std::string first;
  std::string second;
  file >> first >> second;
  CHECK(first + second == "ab");
}

TEST_CASE("a temporary folder is private and goes with its content", "[unit]") {
  ::unsetenv("LOCKSTEP_KEEP");
  std::filesystem::path path;
  {
    const TempDir folder;
    path = folder.path();
    struct stat facts {};
    REQUIRE(::stat(path.c_str(), &facts) == 0);
    CHECK((facts.st_mode & 0777U) == 0700U);
    std::ofstream{folder.file("content")} << "x";
    REQUIRE(std::filesystem::exists(path / "content"));
  }
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("waiting gives up at the deadline and returns early when it can", "[unit]") {
  CHECK_FALSE(wait_until([] { return false; }, 20ms));
  int asked = 0;
  CHECK(wait_until([&] { return ++asked == 3; }, 10s));
  CHECK(asked == 3);
}

TEST_CASE("a printed seed means itself when it is given back", "[unit]") {
  CHECK(seed_from("42") == 42);
  CHECK(seed_from("") == kDefaultSeed);
  const std::uint64_t from_commit = seed_from("9f2c41d");
  CHECK(from_commit != seed_from("9f2c41e"));
  CHECK(seed_from(std::to_string(from_commit)) == from_commit);
}

}  // namespace lockstep::test
