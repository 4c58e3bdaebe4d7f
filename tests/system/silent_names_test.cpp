// A resolver that does not answer: whoever looks up a name in it waits without a limit, and neither
// a look for the other end nor the end of lockstep may wait for that.
#include <fmt/format.h>

#include <fstream>

#include "tests/system/followed.hpp"
#include "tests/system/wire_world.hpp"

namespace lockstep::test {
namespace {

constexpr auto kEndWithin = 2s;

/// While it is silent, nobody answers who knows the names of hosts.
class Resolver {
 public:
  void silent() const { std::ofstream{path_} << "silent"; }
  void answers() const { std::filesystem::remove(path_); }
  [[nodiscard]] ProcessOptions options() const {
    return {.environment = {"LD_PRELOAD=" FAULTY_DISK, "FAULTY_NAMES=" + path_}};
  }

 private:
  TempDir folder_;
  std::string path_ = folder_.file("silent");
};

/// On loopback TCP, where a host has a name.
class NamedServer {
 public:
  NamedServer() {
    ::setenv("PGPORT", port_.c_str(), 1);  // for the server, and for libpq in this program
    server_ = std::make_unique<PostgresServer>(
        std::vector<std::string>{"listen_addresses=127.0.0.1", "fsync=off"});
  }
  [[nodiscard]] std::string create_database(const std::string& name) const {
    static_cast<void>(server_->create_database(name));
    return fmt::format("postgresql://postgres@localhost:{}/{}?connect_timeout=2", port_, name);
  }
  /// Its socket needs no look-up.
  [[nodiscard]] std::string by_socket(const std::string& name) const {
    return server_->create_database(name) + "?port=" + port_;
  }
  [[nodiscard]] PostgresServer& operator*() const { return *server_; }

 private:
  std::string port_ = std::to_string(free_port());
  std::unique_ptr<PostgresServer> server_;
};

const NamedServer& server() {
  static const NamedServer one;
  return one;
}

}  // namespace

TEST_CASE("apply ends at once while nobody knows where capture is") {
  const Resolver resolver;
  resolver.silent();
  const TempDir folder;
  for (const char* who : {"capture", "apply"}) generate_keys(folder.file(who));
  const auto apply = start_lockstep(
      {"apply", "--connect", "tcp://capture.invalid:7879", "--key", folder.file("apply"),
       "--server-key", folder.file("capture") + ".pub", server().by_socket("nowhere")},
      resolver.options());
  REQUIRE(wait_until([&] { return apply->error_output().find("waiting for") != std::string::npos; },
                     20s));
  apply->signal(SIGTERM);
  CHECK(apply->wait_or_throw(kEndWithin) == ExitStatus{.code = 143});
  saw_fault("T10", "GO: apply that looks for a name in a silent resolver ends within 2 s, too");
}

TEST_CASE("run names a target that cannot be looked up, ends at once, and goes on when it can") {
  const Resolver resolver;
  Followed both("unnamed", server().create_database("unnamed"));
  both.start({}, resolver.options());
  both.caught_up();
  resolver.silent();
  (*server()).query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'unnamed'");
  both.write_some();
  // The limit of the connection string counts for the name as well.
  CHECK(wait_until(
      [&] {
        return both.status()["awaited"].dump().find("timeout: no answer") != std::string::npos;
      },
      20s));
  resolver.answers();
  both.caught_up();

  resolver.silent();
  (*server()).query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'unnamed'");
  both.write_some();
  REQUIRE(wait_until([&] { return both.status()["awaited"].is_object(); }, 20s));
  both.process().signal(SIGTERM);
  CHECK(both.process().wait_or_throw(kEndWithin) == ExitStatus{.code = 143});
  resolver.answers();
  both.start_and_catch_up();
  both.stop();
}

}  // namespace lockstep::test
