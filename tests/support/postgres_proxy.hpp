// A way to the server that ends exactly where a test wants it to.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/process.hpp"
#include "tests/support/temp_dir.hpp"

namespace lockstep::test {

/// Listens on a Unix socket and passes everything on to a server's, reading along what the server
/// answers. Any thread may call.
class PostgresProxy {
 public:
  /// `server_socket`: the path of the server's own socket file.
  explicit PostgresProxy(std::string server_socket);
  ~PostgresProxy();
  PostgresProxy(const PostgresProxy&) = delete;
  PostgresProxy& operator=(const PostgresProxy&) = delete;

  /// The folder to give as host.
  [[nodiscard]] std::string host() const { return folder_.path().string(); }
  /// The next `count` answers to a COMMIT that happened never arrive: the connection is cut when
  /// the server has said COMMIT, before the client hears of it.
  void swallow_commits(int count) { to_swallow_ = count; }
  /// How many were cut that way.
  [[nodiscard]] int swallowed() const { return swallowed_; }
  /// Ends every connection towards the client only: the server is not told, as when a network goes
  /// silent. What it still says is read and thrown away.
  void cut_clients();

 private:
  struct Link {
    Descriptor client, server;
    std::atomic<bool> cut = false;
    std::thread thread;
  };
  void serve();
  void forward(Link& link);
  [[nodiscard]] bool holds_commit(std::string& pending, std::string& ready);

  TempDir folder_;
  std::string server_socket_;
  Descriptor listener_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> to_swallow_ = 0, swallowed_ = 0;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Link>> links_;
  std::thread thread_;
};

}  // namespace lockstep::test
