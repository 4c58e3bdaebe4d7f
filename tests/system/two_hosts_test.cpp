// Two network namespaces as two hosts: capture in one, apply in the other, a cable between them.
// Needs root and iproute2; without them it is skipped, and says so.
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/support/fault.hpp"
#include "tests/system/wire_world.hpp"

namespace lockstep::test {
namespace fs = std::filesystem;
namespace {

bool ip(const std::string& words) {
  std::vector<std::string> arguments{"ip"};
  std::istringstream in(words);
  for (std::string word; in >> word;) arguments.push_back(word);
  return run(std::move(arguments)).status == ExitStatus{.code = 0};
}

/// Two namespaces and a cable. They go with the object.
class Cable {
 public:
  Cable() : here_(fmt::format("ls{}a", ::getpid())), there_(fmt::format("ls{}b", ::getpid())) {
    fs::create_directories(hosts_file().parent_path());
    know_capture_as("");
    laid_ = ip("netns add " + here_) && ip("netns add " + there_) &&
            ip(fmt::format("link add veth0 netns {} type veth peer name veth0 netns {}", here_,
                           there_)) &&
            in(here_, "addr add 10.213.0.1/24 dev veth0") &&
            in(there_, "addr add 10.213.0.2/24 dev veth0") && in(here_, "link set lo up") &&
            in(there_, "link set lo up") && in(here_, "link set veth0 up") &&
            in(there_, "link set veth0 up");
  }
  ~Cable() {
    static_cast<void>(ip("netns del " + here_));
    static_cast<void>(ip("netns del " + there_));
    std::error_code ignored;
    fs::remove_all(hosts_file().parent_path(), ignored);
  }
  Cable(const Cable&) = delete;
  Cable& operator=(const Cable&) = delete;

  [[nodiscard]] bool laid() const { return laid_; }
  [[nodiscard]] bool in(const std::string& space, const std::string& words) const {
    return ip("-n " + space + " " + words);
  }
  [[nodiscard]] const std::string& here() const { return here_; }
  [[nodiscard]] const std::string& there() const { return there_; }
  /// What apply's host knows of names; written in place, because it is mounted.
  void know_capture_as(const std::string& address) const {
    std::ofstream file(hosts_file());
    file << "127.0.0.1 localhost\n";
    if (!address.empty()) file << address << " capture-host\n";
  }

 private:
  [[nodiscard]] fs::path hosts_file() const { return fs::path("/etc/netns") / there_ / "hosts"; }
  std::string here_, there_;
  bool laid_ = false;
};

std::unique_ptr<Process> start_in(const std::string& space, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"ip", "netns", "exec", space, LOCKSTEP_BINARY});
  return std::make_unique<Process>(std::move(arguments), clean());
}

}  // namespace

TEST_CASE("capture and apply on two hosts") {
  if (::geteuid() != 0 || ::access("/usr/sbin/ip", X_OK) != 0) {
    for (const char* fault : {"T4", "T10"})
      skipped_fault(fault, "network namespaces need root and iproute2");
    return;
  }
  const Cable cable;
  if (!cable.laid()) {
    for (const char* fault : {"T4", "T10"})
      skipped_fault(fault, "this system makes no network namespaces");
    return;
  }
  PostgresServer server;
  Hosts hosts(server, "prices");
  generate_keys(hosts.key("stranger"));
  std::vector<std::string> serving = hosts.capture_arguments();
  serving[3] = "tcp://*:7879";
  std::vector<std::string> following = hosts.apply_arguments(7879);
  following[2] = "tcp://capture-host:7879";

  const auto apply = start_in(cable.there(), following);
  const auto capture = start_in(cable.here(), serving);
  const auto same = [&] {
    bool is = false;
    static_cast<void>(wait_until(
        [&] {
          is = lockstep({"wait", hosts.file(), "--for", "caught-up", "--timeout", "2s"})
                       .status.code == 0 &&
               lockstep({"status", hosts.dsn()}).status.code == 0;
          return is || !apply->running() || !capture->running();
        },
        60s));
    INFO("capture says: " << capture->error_output());
    INFO("apply says: " << apply->error_output());
    REQUIRE(is);
    require_equal(hosts.file(), hosts.dsn());
  };
  REQUIRE(wait_until([&] { return apply->error_output().find("waiting for") != std::string::npos; },
                     10s));
  cable.know_capture_as("10.213.0.1");
  same();

  // The cable is pulled while the application writes.
  REQUIRE(cable.in(cable.here(), "link set veth0 down"));
  hosts.write("UPDATE ohlcv_data SET volume = volume + 1");
  REQUIRE(cable.in(cable.here(), "link set veth0 up"));
  same();
  saw_fault("T4", "GO: between two network namespaces, link down and up");

  // Capture's host gets another address, and its name follows.
  REQUIRE(cable.in(cable.here(), "addr del 10.213.0.1/24 dev veth0"));
  REQUIRE(cable.in(cable.here(), "addr add 10.213.0.9/24 dev veth0"));
  cable.know_capture_as("10.213.0.9");
  hosts.write("UPDATE ohlcv_data SET volume = volume + 1");
  same();
  saw_fault("T10",
            "GO: a name that is not known yet, and an address that changes, between two "
            "network namespaces");

  std::vector<std::string> unknown = following;
  unknown[4] = hosts.key("stranger");
  unknown.back() = server.create_database("unknown");
  const auto stranger = start_in(cable.there(), unknown);
  REQUIRE(wait_until([&] { return hosts.status().value("refused", 0) > 0; }, 10s));
  CHECK_THAT(capture->error_output(), Catch::Contains("LS-W513") && Catch::Contains("10.213.0.2"));
  CHECK(query(unknown.back(), "SELECT 1 FROM pg_namespace WHERE nspname = 'lockstep'").empty());
  hosts.write("UPDATE accounts SET balance = balance + 1");
  same();
}

}  // namespace lockstep::test
