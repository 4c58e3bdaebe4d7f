// Capture and apply over tcp with keys, with something in between.
#pragma once

#include <fmt/format.h>

#include <fstream>
#include <sstream>

#include "tests/support/tcp_proxy.hpp"
#include "tests/system/world.hpp"

namespace lockstep::test {

inline std::string loopback_endpoint(std::uint16_t port) {
  return fmt::format("tcp://127.0.0.1:{}", port);
}

inline void generate_keys(const std::string& path) {
  require_code(lockstep({"keys", "generate", path}), 0);
}

/// VmRSS of a process in KiB.
inline long rss_kib(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("VmRSS:")) return std::stol(line.substr(6));
  return 0;
}

/// Two hosts: a source with its capture, a target with its apply, and the keys of both.
class Hosts {
 public:
  Hosts(PostgresServer& server, const std::string& name, const std::string& rows = "2000")
      : file_(make_prices(folder_, name + ".db", "50", rows)),
        dsn_(server.create_database(name)),
        port_(free_port()) {
    generate_keys(key("capture"));
    generate_keys(key("apply"));
  }

  [[nodiscard]] std::vector<std::string> capture_arguments() const {
    return {"capture", file_,          "--listen", loopback_endpoint(port_),
            "--key",   key("capture"), "--allow",  key("apply") + ".pub"};
  }
  [[nodiscard]] std::vector<std::string> apply_arguments(std::uint16_t port) const {
    return {"apply",      "--connect",    loopback_endpoint(port), "--key",
            key("apply"), "--server-key", key("capture") + ".pub", dsn_};
  }
  void start_capture(ProcessOptions options = {}) {
    capture_ = start_lockstep(capture_arguments(), std::move(options));
  }
  /// Directly, or through the proxy on another port.
  void start_apply(std::optional<std::uint16_t> port = std::nullopt, ProcessOptions options = {}) {
    apply_ = start_lockstep(apply_arguments(port.value_or(port_)), std::move(options));
  }
  void write(const std::string& sql) const { sqlite(file_, sql); }
  [[nodiscard]] nlohmann::json status() const {
    const Outcome outcome = lockstep({"status", file_, "--json"});
    return nlohmann::json::parse(outcome.output, nullptr, false);
  }
  /// Everything has arrived, once. The words of both show in a failure.
  void require_same(std::chrono::seconds patience = 60s) {
    bool caught_up = false;
    static_cast<void>(wait_until(
        [&] {
          caught_up =
              lockstep({"wait", file_, "--for", "caught-up", "--timeout", "2s"}).status.code == 0 &&
              lockstep({"status", dsn_}).status.code == 0;
          return caught_up || !capture_->running() || !apply_->running();
        },
        patience));
    INFO("capture says: " << capture_->output() << capture_->error_output());
    INFO("apply says: " << apply_->output() << apply_->error_output());
    INFO("status: " << status().dump());
    REQUIRE(capture_->running());
    REQUIRE(apply_->running());
    REQUIRE(caught_up);
    require_equal(file_, dsn_);
  }

  Process& capture() { return *capture_; }
  Process& apply() { return *apply_; }
  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] const std::string& dsn() const { return dsn_; }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string key(const std::string& who) const { return folder_.file(who); }
  [[nodiscard]] const TempDir& folder() const { return folder_; }

 private:
  TempDir folder_;
  std::string file_, dsn_;
  std::uint16_t port_;
  std::unique_ptr<Process> capture_, apply_;
};

}  // namespace lockstep::test
