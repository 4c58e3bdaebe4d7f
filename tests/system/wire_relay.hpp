// Stands between a real capture and a real apply with the keys of both, and does to whole messages
// what a test says: what a hostile or broken end with a valid key could do.
#pragma once

#include <array>
#include <functional>
#include <mutex>
#include <thread>

#include "link/wire/message.hpp"
#include "link/wire/socket.hpp"
#include "tests/system/wire_world.hpp"

namespace lockstep::test {

/// Apply connects to port(); the relay to capture. Its keys are made in the hosts' folder: those of
/// capture's and apply's own files.
class Relay {
 public:
  enum class Way { to_capture, to_apply };
  /// What becomes of a frame: nothing, itself, several. Called in the relay's thread.
  using Hook = std::function<std::vector<std::string>(Way, const std::string&)>;

  explicit Relay(const Hosts& hosts)
      : port_(free_port()),
        router_(context(), loopback_endpoint(port_),
                wire::ServerKeys{hosts.key("capture"), hosts.key("apply") + ".pub"}),
        dealer_(context(), loopback_endpoint(hosts.port()),
                wire::ClientKeys{hosts.key("apply"), hosts.key("capture") + ".pub"}),
        thread_([this](const std::stop_token& stop) { serve(stop); }) {}

  [[nodiscard]] std::uint16_t port() const { return port_; }
  void set(Hook hook) {
    const std::lock_guard lock(mutex_);
    hook_ = std::move(hook);
  }
  static wire::Context& context() {
    static wire::Context one;
    return one;
  }

 private:
  std::vector<std::string> through(Way way, const std::string& frame) {
    const std::lock_guard lock(mutex_);
    return hook_ ? hook_(way, frame) : std::vector<std::string>{frame};
  }
  void serve(const std::stop_token& stop) {
    std::string peer;
    while (!stop.stop_requested()) {
      static_cast<void>(router_.wait({}, std::chrono::milliseconds{1}));
      while (const auto received = router_.receive()) {
        peer = received->peer;
        for (const std::string& frame : through(Way::to_capture, received->frame))
          static_cast<void>(dealer_.send(frame));
      }
      while (const auto frame = dealer_.receive())
        for (const std::string& out : through(Way::to_apply, *frame))
          static_cast<void>(router_.send(peer, out));
    }
  }

  std::uint16_t port_;
  wire::Router router_;
  wire::Dealer dealer_;
  std::mutex mutex_;
  Hook hook_;
  std::jthread thread_;
};

}  // namespace lockstep::test
